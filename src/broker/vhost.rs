//! A vhost: a name space of exchanges and queues. Nothing crosses its border.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use crate::ids::{ExchangeId, QueueId};
use crate::wire::{ShortString, Table};

use super::exchange::{Bindings, ExchangeKind};
use super::statistics::MessageStats;

/// The exchanges that each vhost has from the start (AMQP 0-9-1, section 3.1.3, and RabbitMQ's).
pub(super) const PREDECLARED: [(&str, ExchangeKind); 6] = [
    ("", ExchangeKind::Direct),
    ("amq.direct", ExchangeKind::Direct),
    ("amq.fanout", ExchangeKind::Fanout),
    ("amq.headers", ExchangeKind::Headers),
    ("amq.match", ExchangeKind::Headers),
    ("amq.topic", ExchangeKind::Topic),
];

/// A vhost.
#[derive(Debug)]
pub(super) struct VirtualHost {
    /// Its name.
    pub name: ShortString,
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
    pub arguments: Table,
    /// Where messages go that match nothing here.
    pub alternate: Option<ShortString>,
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
    /// The message that last came by, so that a cycle of exchanges ends.
    pub visited: u64,
    /// What came to it from publishers, and went from it to queues.
    pub stats: MessageStats,
}

impl Exchange {
    /// An exchange without bindings.
    pub(super) fn new(id: ExchangeId, declared: ExchangeDeclaration) -> Self {
        let bindings = Bindings::new(declared.kind);
        Self { id, declared, bindings, visited: 0, stats: MessageStats::default() }
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
