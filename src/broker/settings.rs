//! What is in force on a queue: its arguments, computed once.
//!
//! ```text
//!   arguments (as declared) ──▶ QueueSettings ──▶ expiry, limits, dead letters, priorities
//! ```
//!
//! Everything that acts on a limit reads it here, so there is one place to merge other sources in.

use std::time::Duration;

use crate::ids::Timestamp;
use crate::wire::{ShortBytes, ShortString};

use super::arguments::{DelayedRetry, Overflow, QueueArguments, QueueType};

/// The moment that never comes: of messages and queues that do not expire.
pub const NEVER: Timestamp = Timestamp(u64::MAX);

/// The delivery limit of a quorum queue that names none (RabbitMQ 4).
const QUORUM_DELIVERY_LIMIT: u32 = 20;

/// The priorities that a queue tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priorities {
    /// Higher ones count as this one.
    pub highest: u8,
    /// The priority of a message that names none.
    pub absent: u8,
}

/// What is in force on a queue. `None` is: not limited, not wanted.
#[derive(Clone, Debug, Default)]
pub struct QueueSettings {
    /// How long a message may wait.
    pub message_ttl: Option<Duration>,
    /// How long the queue may be unused.
    pub expires: Option<Duration>,
    /// The most ready messages.
    pub max_length: Option<u64>,
    /// The most octets of ready bodies.
    pub max_length_bytes: Option<u64>,
    /// What happens beyond them.
    pub overflow: Overflow,
    /// Where dead messages are published to; empty is the default exchange.
    pub dead_letter_exchange: Option<ShortString>,
    /// With which key; `None` is the message's own keys.
    pub dead_letter_routing_key: Option<ShortBytes>,
    /// The priorities; `None` is all messages alike.
    pub priorities: Option<Priorities>,
    /// How often a delivery may fail; the next failure is the message's end.
    pub delivery_limit: Option<u32>,
    /// How long messages wait that came back; `None` is not at all.
    pub delayed_retry: Option<DelayedRetry>,
    /// Whether failed deliveries are counted and told to consumers.
    pub counts_deliveries: bool,
}

impl QueueSettings {
    /// The settings that follow from a queue's arguments.
    #[must_use]
    pub fn of(arguments: &QueueArguments) -> Self {
        let quorum = arguments.queue_type == QueueType::Quorum;
        let delivery_limit = match arguments.delivery_limit {
            None => quorum.then_some(QUORUM_DELIVERY_LIMIT),
            Some(limit) => limit,
        };
        Self {
            message_ttl: arguments.message_ttl,
            expires: arguments.expires,
            max_length: arguments.max_length,
            max_length_bytes: arguments.max_length_bytes,
            overflow: arguments.overflow,
            dead_letter_exchange: arguments.dead_letter_exchange.clone(),
            dead_letter_routing_key: arguments.dead_letter_routing_key.clone(),
            priorities: if quorum {
                Some(Priorities { highest: 31, absent: 4 })
            } else {
                arguments.max_priority.map(|highest| Priorities { highest, absent: 0 })
            },
            delivery_limit,
            delayed_retry: arguments.delayed_retry,
            counts_deliveries: quorum
                || delivery_limit.is_some()
                || arguments.delayed_retry.is_some(),
        }
    }

    /// How long a message waits that comes back, after so many failures.
    #[must_use]
    pub fn retry_delay(&self, failed: bool, failures: u32) -> Option<Duration> {
        let retry = self.delayed_retry?;
        let concerned = if failed { retry.failed } else { retry.returned };
        let delay = retry.least.saturating_mul(failures.max(1));
        concerned.then(|| retry.most.map_or(delay, |most| delay.min(most)))
    }

    /// When a message's time is over that was published then and brought this time to live along.
    #[must_use]
    pub fn expiry(&self, published: Timestamp, own: Option<Duration>) -> Timestamp {
        let due = |ttl| published.after(ttl);
        let queues = self.message_ttl.map_or(NEVER, due);
        own.map_or(queues, |ttl| queues.min(due(ttl)))
    }
}
