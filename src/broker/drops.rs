//! Where messages went that nobody acknowledged: counted by cause and place.
//!
//! A message that is not delivered leaves a trace: a counter of its cause, and, for the last few of
//! each queue and exchange, its key, size and time. What is dead-lettered is not lost and not here.
//! A trace uses the memory of an older one again, so counting allocates nothing in the long run.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::ids::{ExchangeId, Timestamp};
use crate::message::Message;

/// Traces that are kept of each queue and each exchange.
const TRACES_MAX: usize = 10;

/// Why a message left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// It matched no binding and no alternate exchange.
    Unroutable,
    /// Its time to live was over.
    Expired,
    /// Its queue was full: dropped from it, or refused by it.
    MaxLength,
    /// A consumer rejected it for good.
    Rejected,
    /// Its deliveries failed too often.
    DeliveryLimit,
    /// Dead-lettering would have brought it back to where it was, with nobody in between.
    Cycle,
    /// One with its deduplication header was in its queue.
    Duplicate,
    /// The dead-letter exchange of its queue does not exist.
    NoDeadLetterExchange,
    /// Its queue was deleted, or expired.
    QueueDeleted,
    /// Its queue was purged.
    Purged,
}

impl Cause {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Unroutable,
        Self::Expired,
        Self::MaxLength,
        Self::Rejected,
        Self::DeliveryLimit,
        Self::Cycle,
        Self::Duplicate,
        Self::NoDeadLetterExchange,
        Self::QueueDeleted,
        Self::Purged,
    ];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unroutable => "unroutable",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::Rejected => "rejected",
            Self::DeliveryLimit => "delivery_limit",
            Self::Cycle => "cycle",
            Self::Duplicate => "duplicate",
            Self::NoDeadLetterExchange => "no_dead_letter_exchange",
            Self::QueueDeleted => "queue_deleted",
            Self::Purged => "purged",
        }
    }
}

/// How many messages left, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Cause::ALL.len()]);

impl Counts {
    /// Each cause by its name, with its count.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Cause::ALL.into_iter().map(|cause| (cause.name(), self.of(cause)))
    }

    /// How many left for this cause.
    #[must_use]
    pub fn of(&self, cause: Cause) -> u64 {
        self.0[cause as usize]
    }

    /// Adds those of another place.
    pub fn merge(&mut self, other: &Self) {
        for (counter, more) in self.0.iter_mut().zip(&other.0) {
            *counter = counter.saturating_add(*more);
        }
    }

    fn add(&mut self, cause: Cause, count: u64) {
        let counter = &mut self.0[cause as usize];
        *counter = counter.saturating_add(count);
    }
}

/// What is known of a message that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Why.
    pub cause: Cause,
    /// When.
    pub at: Timestamp,
    /// The exchange it was published to.
    pub exchange: String,
    /// Its routing key.
    pub routing_key: Vec<u8>,
    /// Octets of all its parts.
    pub size: u64,
}

/// The messages that left from one place.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    counts: Counts,
    traces: VecDeque<Trace>,
}

impl Ledger {
    /// How many left, by cause.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The last few, the oldest first.
    pub fn traces(&self) -> impl Iterator<Item = &Trace> {
        self.traces.iter()
    }

    /// Messages left of which nothing more is known.
    pub(super) fn count(&mut self, cause: Cause, count: u64) {
        self.counts.add(cause, count);
    }

    /// A message left.
    pub(super) fn note(&mut self, cause: Cause, at: Timestamp, message: &Message) {
        self.counts.add(cause, 1);
        let full = self.traces.len() >= TRACES_MAX;
        let old = if full { self.traces.pop_front() } else { None };
        let (mut exchange, mut routing_key) =
            old.map(|trace| (trace.exchange, trace.routing_key)).unwrap_or_default();
        exchange.clear();
        exchange.push_str(message.exchange());
        routing_key.clear();
        routing_key.extend_from_slice(message.routing_key());
        let size = message.size();
        self.traces.push_back(Trace { cause, at, exchange, routing_key, size });
    }
}

/// The messages that left from anywhere; those of a queue are also in the queue's own ledger.
#[derive(Debug, Default)]
pub struct Drops {
    counts: Counts,
    exchanges: HashMap<ExchangeId, Ledger>,
}

impl Drops {
    /// How many left since the broker began, by cause.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Those that an exchange found no queue for.
    #[must_use]
    pub fn of_exchange(&self, exchange: ExchangeId) -> Option<&Ledger> {
        self.exchanges.get(&exchange)
    }

    /// Messages left a queue.
    pub(super) fn count(&mut self, cause: Cause, count: u64) {
        self.counts.add(cause, count);
    }

    /// An exchange found no queue for a message.
    pub(super) fn unroutable(&mut self, exchange: ExchangeId, at: Timestamp, message: &Message) {
        self.counts.add(Cause::Unroutable, 1);
        self.exchanges.entry(exchange).or_default().note(Cause::Unroutable, at, message);
    }

    /// An exchange is no more.
    pub(super) fn forget_exchange(&mut self, exchange: ExchangeId) {
        self.exchanges.remove(&exchange);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_few_are_kept_and_all_are_counted() {
        let mut ledger = Ledger::default();
        for number in 0..25_u64 {
            let message =
                Message::from_parts("x", number.to_string().as_bytes(), &[0, 0], b"", false);
            ledger.note(Cause::Expired, Timestamp(number), &message);
        }
        assert_eq!(ledger.counts().of(Cause::Expired), 25);
        assert_eq!(ledger.counts().of(Cause::Purged), 0);
        let kept: Vec<_> = ledger.traces().map(|trace| trace.at.0).collect();
        assert_eq!(kept, (15..25).collect::<Vec<_>>());
        assert_eq!(ledger.traces().last().unwrap().routing_key, b"24");
    }
}
