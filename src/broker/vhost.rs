//! A vhost: a name space of exchanges and queues. Nothing crosses its border.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::ids::{ExchangeId, QueueId};
use crate::wire::{PackedTable, ShortString};

use super::access::EffectivePolicy;
use super::events::EVENT;
use super::exchange::{Bindings, ExchangeKind, Options};
use super::log_exchange::LOG;
use super::recollection::Recollection;
use super::statistics::MessageStats;
use super::trace::TRACE;

/// The exchanges that vhosts have from the start (AMQP 0-9-1, section 3.1.3, and RabbitMQ's).
/// Those named `amq.rabbitmq` are internal: only the broker publishes to them. Events and the log are
/// in one vhost only.
pub(super) const PREDECLARED: [(&str, ExchangeKind); 9] = [
    ("", ExchangeKind::Direct),
    ("amq.direct", ExchangeKind::Direct),
    ("amq.fanout", ExchangeKind::Fanout),
    ("amq.headers", ExchangeKind::Headers),
    ("amq.match", ExchangeKind::Headers),
    (EVENT, ExchangeKind::Topic),
    (LOG, ExchangeKind::Topic),
    (TRACE, ExchangeKind::Topic),
    ("amq.topic", ExchangeKind::Topic),
];

/// The type of the exchange that each vhost has by this name.
pub(super) fn predeclared(name: &str) -> Option<ExchangeKind> {
    PREDECLARED.iter().find(|(own, _)| *own == name).map(|(_, kind)| *kind)
}

/// Whether each vhost, or one of them, has an exchange of this name from the start.
pub fn is_predeclared(name: &str) -> bool {
    predeclared(name).is_some()
}

/// A vhost; one that has been deleted has no name, and its place is free.
#[derive(Debug)]
pub(super) struct VirtualHost {
    /// Its name.
    pub name: ShortString,
    /// It is being deleted: nobody enters.
    pub ending: bool,
    /// Whether its messages are traced.
    pub traced: bool,
    /// Its exchanges by name.
    pub exchanges: HashMap<ShortString, ExchangeId>,
    /// Its queues by name.
    pub queues: HashMap<ShortString, QueueId>,
    /// The names of its exchanges in order, for listings.
    pub exchange_names: BTreeSet<ShortString>,
    /// The names of its queues in order, for listings.
    pub queue_names: BTreeSet<ShortString>,
}

impl VirtualHost {
    /// A vhost without anything in it.
    pub(super) fn new(name: ShortString) -> Self {
        Self {
            name,
            ending: false,
            traced: false,
            exchanges: HashMap::new(),
            queues: HashMap::new(),
            exchange_names: BTreeSet::new(),
            queue_names: BTreeSet::new(),
        }
    }
}

/// What an exchange was declared as.
#[derive(Clone, Debug)]
pub(super) struct ExchangeDeclaration {
    /// Its name, unique in its vhost.
    pub name: ShortString,
    /// The place of its vhost.
    pub vhost: usize,
    /// Its type.
    pub kind: ExchangeKind,
    /// Declared durable.
    pub durable: bool,
    /// Deleted when the last binding from it goes.
    pub auto_delete: bool,
    /// Not for publishers: only other exchanges route into it.
    pub internal: bool,
    /// Arguments as declared.
    pub arguments: PackedTable,
    /// What they say to an exchange of this type.
    pub options: Options,
    /// Where messages go that match nothing here.
    pub alternate: Option<ShortString>,
}

impl ExchangeDeclaration {
    /// Whether the exchange does something with a message before its bindings are looked at.
    pub(super) fn has_rules(&self) -> bool {
        !matches!(self.options, Options::None | Options::HashOn(_))
    }
}

/// An exchange.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Its number.
    pub id: ExchangeId,
    /// What it was declared as.
    pub declared: ExchangeDeclaration,
    /// The bindings from it.
    pub bindings: Bindings,
    /// The policies in force for it.
    pub policy: Option<Arc<EffectivePolicy>>,
    /// The hidden queue of a delayed exchange.
    pub delays: Option<QueueId>,
    /// What it remembers of messages.
    pub recollection: Recollection,
    /// The message that last came by, so that a cycle of exchanges ends.
    pub visited: u64,
    /// What came to it from publishers, and went from it to queues.
    pub stats: MessageStats,
}

impl Exchange {
    /// An exchange without bindings.
    pub(super) fn new(id: ExchangeId, declared: ExchangeDeclaration) -> Self {
        let bindings = Bindings::new(declared.options.routing(declared.kind).0);
        let recollection = Recollection::new(&declared.options);
        Self {
            id,
            declared,
            bindings,
            delays: None,
            recollection,
            policy: None,
            visited: 0,
            stats: MessageStats::default(),
        }
    }

    /// Where messages go that match nothing here: its own argument's exchange, else its policy's.
    pub(super) fn alternate(&self) -> Option<&ShortString> {
        let policy = || self.policy.as_ref()?.settings.alternate_exchange.as_ref();
        self.declared.alternate.as_ref().or_else(policy)
    }
}

/// A name as RabbitMQ takes it: line ends are left out.
pub(super) fn strip_line_ends(name: &ShortString) -> ShortString {
    if name.contains(['\r', '\n']) {
        ShortString::clipped(&name.replace(['\r', '\n'], ""))
    } else {
        name.clone()
    }
}
