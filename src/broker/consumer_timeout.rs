//! Deliveries that are kept too long (`x-consumer-timeout` of a consumer or a queue; off by
//! default).
//!
//! ```text
//!   delivered ── acknowledged in time ──▶ settled
//!       └─ deadline ──▶ back in its queue ──▶ another consumer (redelivered)
//!                  └──▶ late: its place in the prefetch stays taken until it is acknowledged
//! ```
//!
//! Only the late delivery goes back: RabbitMQ closes the channel or cancels the consumer, with all
//! that it works on. The consumer that is late keeps its place taken, so that a stuck one does not
//! get the same message again and again; its acknowledgement, when it comes, settles nothing and
//! frees the place.

use std::collections::BTreeMap;

use crate::ids::{DeliveryTag, Ordinal, QueueId, Timestamp};

use super::Broker;
use super::consumer::ConsumerKey;
use super::transaction::Requeue;

/// The late deliveries that a channel remembers; of more, the oldest are forgotten.
const LATE_MAX: usize = 10_000;

/// What a late delivery costs.
const LATE_UNITS: u64 = 4;

/// When which delivery is late.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// The message, and the channel's place and tag of its delivery.
    entries: BTreeMap<(Timestamp, QueueId, Ordinal), (usize, DeliveryTag)>,
}

impl Deadlines {
    /// Adds a delivery.
    pub(super) fn add(
        &mut self,
        deadline: Timestamp,
        (queue, ordinal): (QueueId, Ordinal),
        delivery: (usize, DeliveryTag),
    ) {
        self.entries.insert((deadline, queue, ordinal), delivery);
    }

    /// Removes a delivery that is done with.
    pub(super) fn remove(&mut self, deadline: Timestamp, (queue, ordinal): (QueueId, Ordinal)) {
        self.entries.remove(&(deadline, queue, ordinal));
    }

    /// The next deadline.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.entries.first_key_value().map(|((deadline, ..), _)| *deadline)
    }

    fn pop(&mut self, now: Timestamp) -> Option<(usize, DeliveryTag)> {
        let entry = self.entries.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }
}

/// The late deliveries of a channel, with the consumers whose places they take.
#[derive(Debug, Default)]
pub(super) struct Late(BTreeMap<DeliveryTag, Option<(ConsumerKey, u64)>>);

impl Late {
    /// Whether the delivery with this tag is late.
    pub(super) fn contains(&self, tag: DeliveryTag) -> bool {
        self.0.contains_key(&tag)
    }
}

impl Broker {
    /// Puts the deliveries whose deadline has passed back into their queues.
    pub(super) fn requeue_late(&mut self, now: Timestamp) {
        while self.work.has_left()
            && let Some((place, tag)) = self.deadlines.pop(now)
        {
            self.work.pay(LATE_UNITS);
            let Some(channel) = self.channels.get_mut(place) else { continue };
            // One that a transaction has settled is not late any more.
            let Some(mut delivered) = channel.unacked.take(tag) else { continue };
            let (connection, number) = (channel.connection_id, channel.number);
            log::warn!("{connection}.{number} has kept delivery {tag} too long: it is requeued");
            channel.late.0.insert(tag, delivered.consumer.take());
            let excess = if channel.late.0.len() > LATE_MAX {
                channel.late.0.pop_first().and_then(|(_, consumer)| consumer)
            } else {
                None
            };
            self.free_place(place, excess);
            delivered.deadline = None;
            self.requeue(place, delivered, Requeue::Failed);
        }
    }

    /// Frees the place of a late delivery; says whether it was one.
    pub(super) fn settle_late(&mut self, channel: usize, tag: DeliveryTag) -> bool {
        let Some(consumer) = self.channels[channel].late.0.remove(&tag) else { return false };
        self.free_place(channel, consumer);
        true
    }

    /// Frees the places of all late deliveries up to a tag.
    pub(super) fn settle_late_through(&mut self, channel: usize, last: DeliveryTag) {
        while let Some(entry) = self.channels[channel].late.0.first_entry()
            && *entry.key() <= last
        {
            let consumer = entry.remove();
            self.free_place(channel, consumer);
        }
    }
}
