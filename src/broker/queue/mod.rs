//! A queue: messages in order, and the consumers that wait for them.
//!
//! ```text
//!                      take                                              push
//!   consumers  <──┬── returned ◄── requeued (own place, by ordinal)
//!                 ├── resident  [ o o o o ]  heap, bounded               ◄── while the log is empty
//!                 └── log       [ o o o o o o o o o o o o o … ]  disk    ◄── else
//! ```
//!
//! Each message that enters gets the next ordinal. Ready messages are in three places whose
//! ordinals never interleave but for the returned ones: `resident` ones in memory, and, when they
//! become too many, all further ones in the queue's log. So a message that does not wait touches no
//! file, and a backlog of any length needs no memory.
//!
//! A queue knows no exchange, no channel and no clock: it reports, the broker decides.

mod limits;
mod ready;

pub(super) use ready::{Budget, Held, Item};

use std::collections::{BTreeMap, VecDeque};

use crate::ids::{ConnectionId, Ordinal, QueueId};
use crate::store::QueueLog;
use crate::wire::ShortString;

use super::arguments::QueueArguments;
use super::consumer::ConsumerKey;
use super::statistics::MessageStats;

/// What a queue was declared as.
#[derive(Clone, Debug)]
pub(super) struct Declaration {
    /// The queue's name, unique in its vhost.
    pub name: ShortString,
    /// The place of its vhost.
    pub vhost: usize,
    /// Declared durable.
    pub durable: bool,
    /// The only connection that may use it.
    pub exclusive: Option<ConnectionId>,
    /// Deleted when its last consumer goes.
    pub auto_delete: bool,
    /// Its arguments, as declared and as understood.
    pub arguments: QueueArguments,
}

impl Declaration {
    /// Whether the queue outlives the broker: an exclusive one ends with its connection.
    pub(super) fn persists(&self) -> bool {
        self.durable && self.exclusive.is_none()
    }
}

/// A queue.
pub(super) struct Queue {
    /// Its number.
    pub id: QueueId,
    /// What it was declared as.
    pub declared: Declaration,
    /// All consumers, in the order they came.
    pub consumers: Vec<ConsumerKey>,
    /// Those that may be able to take a message; the first is next.
    pub line: VecDeque<ConsumerKey>,
    /// Whether its one consumer has asked to be the only one.
    pub exclusively_consumed: bool,
    /// Whether it is in the broker's list of queues to look at when the turn ends.
    pub touched: bool,
    /// The message that was last routed here, so that one that matches twice comes once.
    pub routed: u64,
    /// What happened in it.
    pub stats: MessageStats,
    /// Messages that were taken and are neither settled nor back.
    outstanding: u64,
    /// Octets of their bodies.
    outstanding_bytes: u64,
    next_ordinal: Ordinal,
    resident: VecDeque<Item>,
    returned: BTreeMap<Ordinal, Item>,
    log: QueueLog,
    resident_count: usize,
    resident_bytes: u64,
    /// Octets of the bodies of ready messages, but for those before `counted_from`.
    ready_body_bytes: u64,
    /// The first ordinal after a restart: what was in the log before is not counted.
    counted_from: Ordinal,
}

impl Queue {
    /// An empty queue.
    pub(super) fn new(id: QueueId, declared: Declaration, log: QueueLog) -> Self {
        Self {
            id,
            declared,
            consumers: Vec::new(),
            line: VecDeque::new(),
            exclusively_consumed: false,
            touched: false,
            routed: 0,
            stats: MessageStats::default(),
            outstanding: 0,
            outstanding_bytes: 0,
            next_ordinal: Ordinal(1),
            resident: VecDeque::new(),
            returned: BTreeMap::new(),
            log,
            resident_count: 0,
            resident_bytes: 0,
            ready_body_bytes: 0,
            counted_from: Ordinal(0),
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &ShortString {
        &self.declared.name
    }

    /// Whether a connection may use it.
    pub(super) fn open_to(&self, connection: ConnectionId) -> bool {
        self.declared.exclusive.is_none_or(|owner| owner == connection)
    }

    /// How many messages are ready, as the protocol counts them (32 bits; more is the most).
    pub(super) fn ready_count(&self) -> u32 {
        u32::try_from(self.ready()).unwrap_or(u32::MAX)
    }

    /// How many consumers it has.
    pub(super) fn consumer_count(&self) -> u32 {
        u32::try_from(self.consumers.len()).unwrap_or(u32::MAX)
    }
}
