//! What becomes of deliveries: acknowledged, let go, or back in their queue.

use crate::ids::QueueId;
use crate::mutants::mutant;

use super::Broker;
use super::channel::Delivered;
use super::dead_letter::Dead;
use super::deaths::Reason;
use super::queue::{Item, Queue};
use super::transaction::Requeue;

impl Broker {
    /// A delivery is acknowledged.
    pub(super) fn settle(&mut self, channel: usize, delivered: &Delivered) {
        self.make_room(channel, delivered);
        if !delivered.item.journaled {
            self.advance(delivered, true); // it may be from a stream
        }
        self.forget(delivered.queue, &delivered.item);
    }

    /// Counts an acknowledgement.
    pub(super) fn count_ack(&mut self, channel: usize, id: QueueId) {
        self.statistics.messages.ack += 1;
        self.channels[channel].stats.ack += 1;
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.stats.ack += 1;
        }
    }

    /// A delivery is rejected for good.
    pub(super) fn discard(&mut self, channel: usize, delivered: Delivered) {
        self.make_room(channel, &delivered);
        if self.is_stream(delivered.queue) {
            self.advance(&delivered, true);
            return;
        }
        let (queue, item) = (delivered.queue, Some(delivered.item));
        self.die(Dead { queue, item, message: None, reason: Reason::Rejected });
    }

    /// A delivery goes back to its place in its queue, if need be after some time. If it has failed too often the message dies
    /// instead, where failures are counted.
    pub(super) fn requeue(&mut self, channel: usize, delivered: Delivered, requeue: Requeue) {
        self.make_room(channel, &delivered);
        if self.is_stream(delivered.queue) {
            return self.advance(&delivered, false);
        }
        let Delivered { queue: id, mut item, .. } = delivered;
        let Some(queue) = self.queues.get_mut(&id) else { return };
        if queue.settings.counts_deliveries && requeue == Requeue::Returned {
            item.returns = item.returns.saturating_add(1);
            if item.journaled {
                self.store.journal().give_back(item.level, item.ordinal);
            }
        }
        if queue.settings.delivery_limit.is_some_and(|limit| item.failures() > limit) {
            let (item, reason) = (Some(item), Reason::DeliveryLimit);
            self.die(Dead { queue: id, item, message: None, reason });
            return;
        }
        match queue.settings.retry_delay(requeue == Requeue::Failed, item.failures()) {
            Some(delay) if !mutant("a_retry_delay_is_skipped") => {
                queue.delay(item, self.now.after(delay))
            }
            Some(_) | None => queue.requeue(item),
        }
        self.touch(id);
    }

    fn is_stream(&self, id: QueueId) -> bool {
        self.queues.get(&id).is_some_and(Queue::is_stream)
    }

    /// A delivery no longer counts against the prefetch of its consumer and its channel.
    fn make_room(&mut self, channel: usize, delivered: &Delivered) {
        if let Some(deadline) = delivered.deadline {
            self.deadlines.remove(deadline, (delivered.item.level, delivered.item.ordinal));
        }
        self.free_place(channel, delivered.consumer);
    }

    /// One delivery less counts against the prefetch of a consumer and its channel.
    pub(super) fn free_place(
        &mut self,
        channel: usize,
        consumer: Option<(super::consumer::ConsumerKey, u64)>,
    ) {
        let Some((key, number)) = consumer else { return };
        let channel_place = channel;
        let channel = &mut self.channels[channel];
        channel.in_flight = channel.in_flight.saturating_sub(1);
        if channel.channel_prefetch != 0 {
            self.rouse_channel(channel_place);
        }
        if let Some(consumer) = self.consumers.get_mut(key.0)
            && consumer.number == number
        {
            consumer.unacked = consumer.unacked.saturating_sub(1);
            self.rouse(key);
        }
    }

    /// A message that was taken from its queue has gone to others. What a log has of it stays until
    /// that is synced: a power cut before takes the news of both.
    pub(super) fn pass_on(&mut self, id: QueueId, item: Item) {
        let Some(queue) = self.queues.get(&id) else { return };
        if item.journaled {
            self.turn.sync_within(queue.fsync(self.options.fsync));
            self.store.journal().settle(item.level, item.ordinal);
        }
        if !mutant("a_released_message_is_not_kept_until_the_sync") {
            self.let_go(id, item);
        } else if let Some(queue) = self.queues.get_mut(&id) {
            queue.settle(&item, &mut self.budget);
        }
    }

    /// A message that was taken from its queue is no more.
    pub(super) fn forget(&mut self, id: QueueId, item: &Item) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.settle(item, &mut self.budget);
            if item.journaled {
                self.turn.sync_within(queue.fsync(self.options.fsync));
                self.store.journal().settle(item.level, item.ordinal);
            }
        }
    }
}
