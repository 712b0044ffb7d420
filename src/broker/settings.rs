//! What is in force on a queue: its arguments and its policy, computed when one changes.
//!
//! ```text
//!   arguments (as declared) ──┐
//!                             ├──▶ QueueSettings ──▶ expiry, limits, dead letters, priorities
//!   policy ───────────────────┘
//! ```
//!
//! Of two numbers the smaller one holds; of anything else the argument. Everything that acts on a
//! limit reads it here.

use std::time::Duration;

use crate::ids::Timestamp;
use crate::wire::{ShortBytes, ShortString};

use super::access::PolicySettings;
use super::arguments::{DelayedRetry, Overflow, QueueArguments, QueueType};
use super::fsync::FsyncPolicy;

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
    /// What a confirm means; `None` is as the broker's policy has it.
    pub fsync: Option<FsyncPolicy>,
    /// How long a stream keeps messages.
    pub max_age: Option<Duration>,
    /// Octets of a stream's segments.
    pub segment_bytes: Option<u64>,
}

/// The smaller of two limits, if there are two.
fn smaller<T: Ord>(own: Option<T>, other: Option<T>) -> Option<T> {
    match (own, other) {
        (Some(own), Some(other)) => Some(own.min(other)),
        (own, other) => own.or(other),
    }
}

/// How often a delivery may fail; the smaller limit holds, one below zero is none.
fn delivery_limit(arguments: &QueueArguments, policy: Option<&PolicySettings>) -> Option<u32> {
    let of_policy =
        policy.and_then(|one| one.delivery_limit).map(|limit| u32::try_from(limit).ok());
    match (arguments.delivery_limit, of_policy) {
        (Some(own), Some(other)) => smaller(own, other),
        (Some(limit), None) | (None, Some(limit)) => limit,
        (None, None) => {
            (arguments.queue_type == QueueType::Quorum).then_some(QUORUM_DELIVERY_LIMIT)
        }
    }
}

impl QueueSettings {
    /// The settings that follow from a queue's arguments and its policy.
    #[must_use]
    pub fn of(arguments: &QueueArguments, policy: Option<&PolicySettings>) -> Self {
        if arguments.queue_type == QueueType::Stream {
            return Self::of_stream(arguments, policy);
        }
        let quorum = arguments.queue_type == QueueType::Quorum;
        let delivery_limit = delivery_limit(arguments, policy);
        let dead_letter = arguments.dead_letter_exchange.is_some();
        Self {
            message_ttl: smaller(arguments.message_ttl, policy.and_then(|one| one.message_ttl)),
            expires: smaller(arguments.expires, policy.and_then(|one| one.expires)),
            max_length: smaller(arguments.max_length, policy.and_then(|one| one.max_length)),
            max_length_bytes: smaller(
                arguments.max_length_bytes,
                policy.and_then(|one| one.max_length_bytes),
            ),
            overflow: match arguments.table.get("x-overflow") {
                Some(_) => arguments.overflow,
                None => policy.and_then(|one| one.overflow).unwrap_or_default(),
            },
            dead_letter_exchange: arguments
                .dead_letter_exchange
                .clone()
                .or_else(|| policy?.dead_letter_exchange.clone()),
            // A key belongs to its exchange, unless only the policy names one.
            dead_letter_routing_key: arguments
                .dead_letter_routing_key
                .clone()
                .or_else(|| policy.filter(|_| !dead_letter)?.dead_letter_routing_key.clone()),
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
            fsync: arguments.fsync.or_else(|| policy?.fsync),
            max_age: None,
            segment_bytes: None,
        }
    }

    /// As [`Self::of`], for a stream: of what a policy may say, nothing else concerns it.
    fn of_stream(arguments: &QueueArguments, policy: Option<&PolicySettings>) -> Self {
        let most = policy.and_then(|one| one.max_length_bytes);
        Self {
            max_length_bytes: smaller(arguments.max_length_bytes, most),
            max_age: smaller(arguments.max_age, policy.and_then(|one| one.max_age)),
            segment_bytes: arguments.segment_bytes.or_else(|| policy?.segment_bytes),
            fsync: arguments.fsync.or_else(|| policy?.fsync),
            ..Self::default()
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
