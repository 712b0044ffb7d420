//! What a report says of each thing.

use std::sync::Arc;

use crate::ids::{ChannelNumber, ConnectionId, ExchangeId, QueueId};
use crate::wire::{ShortString, Table};

use super::DestinationKind;
use crate::broker::access::{EffectivePolicy, VhostSettings};
use crate::broker::drops::Counts;
use crate::broker::statistics::{MessageStats, Statistics, TrafficStats};

/// How many of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Connections that have opened a vhost.
    pub connections: usize,
    /// Channels.
    pub channels: usize,
    /// Consumers.
    pub consumers: usize,
    /// Exchanges, predeclared ones included.
    pub exchanges: usize,
    /// Queues.
    pub queues: usize,
    /// Vhosts.
    pub virtual_hosts: usize,
}

/// The whole broker.
#[derive(Clone, Copy, Debug, Default)]
pub struct OverviewReport {
    /// How many of each kind there are.
    pub totals: Totals,
    /// What has happened.
    pub statistics: Statistics,
    /// Ready messages in all queues.
    pub ready: u64,
    /// Octets of their bodies.
    pub ready_octets: u64,
    /// Messages that were delivered and are not acknowledged.
    pub unacknowledged: u64,
    /// Octets of their bodies.
    pub unacknowledged_octets: u64,
    /// Messages that are kept in memory.
    pub resident: u64,
    /// Their octets.
    pub resident_octets: u64,
    /// What there is too little of.
    pub alarms: AlarmsReport,
}

/// The alarms that are up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlarmsReport {
    /// The disk is full, or nearly.
    pub disk: bool,
    /// Too much memory is used.
    pub memory: bool,
    /// A file of the store could not be opened.
    pub descriptors: bool,
}

/// A vhost.
#[derive(Clone, Debug)]
pub struct VirtualHostRow {
    /// Its name.
    pub name: ShortString,
    /// What operators have said of it, its limits too.
    pub settings: VhostSettings,
    /// How many queues it has.
    pub queues: usize,
    /// Ready messages in them.
    pub ready: u64,
    /// Unacknowledged messages of them.
    pub unacknowledged: u64,
    /// Its firehose is on.
    pub traced: bool,
}

/// A connection.
#[derive(Clone, Debug)]
pub struct ConnectionRow {
    /// Its number.
    pub id: ConnectionId,
    /// The client's address.
    pub peer: String,
    /// Our address.
    pub host: String,
    /// Its vhost.
    pub virtual_host: ShortString,
    /// Who has logged in.
    pub user: ShortString,
    /// How.
    pub mechanism: String,
    /// When, in milliseconds since 1970.
    pub opened: u64,
    /// What the client says of itself.
    pub client_properties: Table,
    /// Channels it has.
    pub channels: usize,
    /// The most it may have; 0 is no limit.
    pub channel_max: u16,
    /// The longest frame in octets.
    pub frame_max: u32,
    /// Seconds between heartbeats; 0 is none.
    pub heartbeat_seconds: u16,
    /// It has been told to close.
    pub closing: bool,
    /// What it has published waits for the end of an alarm.
    pub blocked: bool,
    /// What went over its socket.
    pub traffic: TrafficStats,
}

/// A channel, named by its connection and its number there.
#[derive(Clone, Debug)]
pub struct ChannelRow {
    /// Its connection.
    pub connection: ConnectionId,
    /// The client's address.
    pub peer: String,
    /// Our address.
    pub host: String,
    /// Its number.
    pub number: ChannelNumber,
    /// Its vhost.
    pub virtual_host: ShortString,
    /// Who has logged in.
    pub user: ShortString,
    /// Consumers on it.
    pub consumers: usize,
    /// The prefetch of new consumers; 0 is no limit.
    pub prefetch: u16,
    /// The prefetch of all consumers together; 0 is no limit.
    pub global_prefetch: u16,
    /// Deliveries that are not acknowledged.
    pub unacknowledged: usize,
    /// Publishes that are not confirmed.
    pub unconfirmed: u64,
    /// Publishes that are not committed.
    pub uncommitted: usize,
    /// Acknowledgements that are not committed.
    pub acks_uncommitted: usize,
    /// It is in confirm mode.
    pub confirm: bool,
    /// It is in transaction mode.
    pub transactional: bool,
    /// The client takes deliveries (channel.flow).
    pub flow: bool,
    /// What happened on it.
    pub stats: MessageStats,
}

/// Which consumer of a queue one is.
#[derive(Clone, Debug)]
pub struct ConsumerName {
    /// Its tag.
    pub tag: ShortString,
    /// The client's address.
    pub peer: String,
    /// Our address.
    pub host: String,
    /// Its channel.
    pub channel: ChannelNumber,
}

/// What a consumer of a queue does, in the words of the management API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It gets messages, as the other consumers of its queue do.
    Up,
    /// It is the one that gets messages (`x-single-active-consumer`).
    SingleActive,
    /// Another one gets messages (`x-single-active-consumer`).
    Waiting,
}

impl Activity {
    /// Its name in the management API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::SingleActive => "single_active",
            Self::Waiting => "waiting",
        }
    }

    /// Whether messages come to such a consumer.
    pub fn is_active(self) -> bool {
        self != Self::Waiting
    }
}

/// A consumer.
#[derive(Clone, Debug)]
pub struct ConsumerRow {
    /// Its tag.
    pub tag: ShortString,
    /// Its queue.
    pub queue: ShortString,
    /// Their vhost.
    pub virtual_host: ShortString,
    /// Its connection.
    pub connection: ConnectionId,
    /// The client's address.
    pub peer: String,
    /// Our address.
    pub host: String,
    /// Its channel.
    pub channel: ChannelNumber,
    /// Who has logged in.
    pub user: ShortString,
    /// Deliveries have to be acknowledged.
    pub ack_required: bool,
    /// No other consumer may be on the queue.
    pub exclusive: bool,
    /// How many deliveries it may have unacknowledged; 0 is no limit.
    pub prefetch: u16,
    /// How many it has.
    pub unacknowledged: u32,
    /// Whether messages come to it.
    pub activity: Activity,
    /// Its arguments.
    pub arguments: Table,
}

/// An exchange.
#[derive(Clone, Debug)]
pub struct ExchangeRow {
    /// Its number.
    pub id: ExchangeId,
    /// Its name; empty for the default exchange.
    pub name: ShortString,
    /// Its vhost.
    pub virtual_host: ShortString,
    /// Its type, as exchange.declare has it.
    pub kind: &'static str,
    /// It outlives the broker.
    pub durable: bool,
    /// It ends with the last binding from it.
    pub auto_delete: bool,
    /// It is not for publishers.
    pub internal: bool,
    /// Its arguments.
    pub arguments: Table,
    /// The policies in force; `None` if there are none.
    pub policy: Option<Arc<EffectivePolicy>>,
    /// What came to it and went from it.
    pub stats: MessageStats,
    /// Messages that it found no queue for, by cause.
    pub drops: Counts,
}

/// A queue.
#[derive(Clone, Debug)]
pub struct QueueRow {
    /// Its number.
    pub id: QueueId,
    /// Its name.
    pub name: ShortString,
    /// Its vhost.
    pub virtual_host: ShortString,
    /// Its type, as `x-queue-type` has it.
    pub kind: &'static str,
    /// It was declared durable.
    pub durable: bool,
    /// It ends with its last consumer.
    pub auto_delete: bool,
    /// The connection that it is exclusive to, with its two addresses.
    pub owner: Option<(ConnectionId, String, String)>,
    /// Its arguments.
    pub arguments: Table,
    /// The policies in force; `None` if there are none.
    pub policy: Option<Arc<EffectivePolicy>>,
    /// Ready messages.
    pub ready: u64,
    /// Octets of their bodies.
    pub ready_octets: u64,
    /// Delivered messages that are not acknowledged.
    pub unacknowledged: u64,
    /// Octets of their bodies.
    pub unacknowledged_octets: u64,
    /// Messages that are kept in memory.
    pub resident: usize,
    /// Their octets.
    pub resident_octets: u64,
    /// Consumers on it.
    pub consumers: usize,
    /// The consumer that is the only one there may be.
    pub exclusive_consumer: Option<ConsumerName>,
    /// The consumer that gets the messages while others wait (`x-single-active-consumer`).
    pub single_active_consumer: Option<ConsumerName>,
    /// What happened in it.
    pub stats: MessageStats,
    /// Messages that left it without an acknowledgement, by cause.
    pub drops: Counts,
}

/// A binding.
#[derive(Clone, Debug)]
pub struct BindingRow {
    /// The exchange that messages come from; empty for the default exchange.
    pub source: ShortString,
    /// Their vhost.
    pub virtual_host: ShortString,
    /// What they go to.
    pub destination: ShortString,
    /// Which of the two it is.
    pub destination_kind: DestinationKind,
    /// The binding key.
    pub routing_key: ShortString,
    /// The arguments, sorted by name.
    pub arguments: Table,
}
