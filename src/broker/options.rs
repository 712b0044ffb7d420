//! What a broker can be told from outside, and what holds if nothing is said.

use std::time::Duration;

use crate::clock::Reading;

use super::arguments::QueueType;
use super::fsync::FsyncPolicy;

/// What a broker can be told from outside.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    /// What a confirm means.
    pub fsync: FsyncPolicy,
    /// Octets of deliveries that may wait in a connection's outbox; above it, its consumers wait.
    pub outbox_bytes_max: u64,
    /// The longest body that is accepted, in octets.
    pub message_bytes_max: u64,
    /// The type of queues that say none, in vhosts that say none.
    pub default_queue_type: QueueType,
    /// How long a consumer may keep a delivery if neither it nor its queue says so.
    pub consumer_timeout: Option<Duration>,
    /// Octets of messages that all queues together keep in memory; the rest waits on disk.
    pub resident_bytes_max: u64,
    /// Octets of messages that wait for tx.commit on all channels together.
    pub transactions_bytes_max: u64,
    /// Where server-made names begin.
    pub seed: u64,
    /// What the machine's clocks show when the broker is opened. Without it, and none told later,
    /// times are the wall clock's.
    pub reading: Option<Reading>,
    /// Whether a first start makes the vhost `/` and the user `guest`.
    pub defaults: bool,
    /// What the broker calls itself where RabbitMQ tells the name of a node.
    pub node: String,
    /// Whether the log is published too.
    pub log_exchange: bool,
    /// Refuse what RabbitMQ 4.3 refuses, instead of doing it with a warning.
    pub strict: bool,
    /// Units of long work in a turn (see `work`): a quarter of a microsecond each, roughly.
    pub work_per_turn: u64,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            fsync: FsyncPolicy::Always,
            outbox_bytes_max: 1024 * 1024,
            message_bytes_max: 16 * 1024 * 1024,
            default_queue_type: QueueType::Classic,
            consumer_timeout: None,
            resident_bytes_max: 64 * 1024 * 1024,
            transactions_bytes_max: 1024 * 1024 * 1024,
            seed: 0,
            reading: None,
            defaults: true,
            node: "leveret@localhost".to_owned(),
            log_exchange: false,
            strict: false,
            work_per_turn: 16 * 1024,
        }
    }
}
