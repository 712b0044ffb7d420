//! A queue: messages in order, and the consumers that wait for them.
//!
//! ```text
//!                      take                                       push
//!   consumers  <──┬── level 9  [ o o ]                        ◄── priority 9
//!                 ├── level 5  [ o o o o … ]                  ◄── priority 5
//!                 └── level 0  [ o o o o o o o o o o o o … ]  ◄── all others
//! ```
//!
//! A queue without priorities has one level. Each message that enters a level gets its next
//! ordinal. A level keeps messages in memory, and, when they become too many, all further ones in
//! its log: so a message that does not wait touches no file, and a backlog of any length needs no
//! memory.
//!
//! A queue knows no exchange, no channel and no clock: it reports, the broker decides.

mod delayed;
mod duplicates;
mod item;
mod level;
mod limits;
mod ready;
mod remains;
mod spill;

pub(super) use duplicates::deduplication_key;
pub(super) use item::{Budget, Held, Item};
pub(super) use level::Level;
pub(super) use remains::Remains;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{ConnectionId, QueueId, Timestamp};
use crate::store::QueueLog;
use crate::wire::ShortString;

use super::access::EffectivePolicy;
use super::arguments::{QueueArguments, QueueType};
use super::consumers::Consumers;
use super::drops::Ledger;
use super::fsync::FsyncPolicy;
use super::pacing::Patience;
use super::settings::{NEVER, QueueSettings};
use super::statistics::MessageStats;
use super::stream::Stream;
use delayed::DelayedKey;
use duplicates::Duplicates;
use item::Room;

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
    /// Its consumers, and whose turn it is.
    pub consumers: Consumers,
    /// Whether it is in the turn's list of queues to be visited.
    pub touched: bool,
    /// Whether it is in the turn's list of queues that were visited.
    pub visited: bool,
    /// Whether publishers wait for its consumers.
    pub patience: Patience,
    /// The message that was last routed here, so that one that matches twice comes once.
    pub routed: u64,
    /// The policies in force for it.
    pub policy: Option<Arc<EffectivePolicy>>,
    /// What is in force here.
    pub settings: QueueSettings,
    /// When it was last used, as far as x-expires goes; not known right after a restart.
    pub used: Option<Timestamp>,
    /// When the broker will look at it again at the latest.
    pub timer: Timestamp,
    /// The messages that left without an acknowledgement.
    pub drops: Ledger,
    /// The level that every queue has.
    level: Level,
    /// The levels of other priorities, made when a message first has them.
    others: BTreeMap<u8, Level>,
    /// Messages that came back and wait before they are delivered again.
    delayed: BTreeMap<DelayedKey, Item>,
    /// The deduplication headers of its messages, if it looks at them.
    duplicates: Option<Box<Duplicates>>,
    room: Room,
    /// What it has beside its level if it is a stream.
    pub stream: Option<Box<Stream>>,
    /// What happened in it.
    pub stats: MessageStats,
    /// Messages that were taken and are neither settled nor back.
    outstanding: u64,
    /// Octets of their bodies.
    outstanding_bytes: u64,
    /// Octets of the bodies of ready messages, but for those that wait in a log since a restart.
    ready_body_bytes: u64,
}

impl Queue {
    /// An empty queue.
    pub(super) fn new(id: QueueId, declared: Declaration, log: QueueLog) -> Self {
        let consumers = Consumers::new(&declared.arguments);
        let settings = QueueSettings::of(&declared.arguments, None);
        let priority = settings.priorities.map_or(0, |known| known.absent);
        let stream = (declared.arguments.queue_type == QueueType::Stream).then(Box::default);
        let duplicates = declared.arguments.deduplicates.then(Box::default);
        let level = Level::new(id, priority, declared.persists(), log);
        Self {
            id,
            declared,
            consumers,
            touched: false,
            visited: false,
            patience: Patience::default(),
            routed: 0,
            policy: None,
            settings,
            used: None,
            timer: NEVER,
            drops: Ledger::default(),
            level,
            others: BTreeMap::new(),
            delayed: BTreeMap::new(),
            duplicates,
            room: Room::default(),
            stream,
            stats: MessageStats::default(),
            outstanding: 0,
            outstanding_bytes: 0,
            ready_body_bytes: 0,
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &ShortString {
        &self.declared.name
    }

    /// From now these policies are in force.
    pub(super) fn set_policy(&mut self, policy: Option<Arc<EffectivePolicy>>) {
        let settings = policy.as_ref().map(|policy| &policy.settings);
        self.settings = QueueSettings::of(&self.declared.arguments, settings);
        self.policy = policy;
        self.limit_segments();
    }

    /// A stream, and the level whose log it is.
    pub(super) fn stream_parts(&mut self) -> Option<(&mut Stream, &mut Level)> {
        self.stream.as_deref_mut().map(|stream| (stream, &mut self.level))
    }

    /// What a confirm of a message in it means, where the broker's policy is `default`.
    pub(super) fn fsync(&self, default: FsyncPolicy) -> FsyncPolicy {
        self.settings.fsync.unwrap_or(default)
    }

    /// Whether a connection may use it.
    pub(super) fn open_to(&self, connection: ConnectionId) -> bool {
        self.declared.exclusive.is_none_or(|owner| owner == connection)
    }

    /// When it ends because nobody uses it.
    pub(super) fn lapses(&self) -> Option<Timestamp> {
        let unused = self.settings.expires.filter(|_| self.consumers.is_empty())?;
        Some(self.used?.after(unused))
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
