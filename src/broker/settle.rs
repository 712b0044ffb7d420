//! What becomes of deliveries: acknowledged, let go, or back in their queue.

use crate::ids::QueueId;

use super::Broker;
use super::channel::Delivered;
use super::queue::Item;

impl Broker {
    /// A delivery is done with: acknowledged, or rejected for good.
    pub(super) fn settle(&mut self, channel: usize, delivered: &Delivered) {
        self.make_room(channel, delivered);
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

    /// A delivery goes back to its place in its queue.
    pub(super) fn requeue(&mut self, channel: usize, delivered: Delivered) {
        self.make_room(channel, &delivered);
        if let Some(queue) = self.queues.get_mut(&delivered.queue) {
            queue.requeue(delivered.item);
            self.touch(delivered.queue);
        }
    }

    /// A delivery no longer counts against the prefetch of its consumer and its channel.
    fn make_room(&mut self, channel: usize, delivered: &Delivered) {
        let Some((key, number)) = delivered.consumer else { return };
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

    /// A message that was taken from its queue is no more.
    pub(super) fn forget(&mut self, id: QueueId, item: &Item) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.settle(item, &mut self.budget);
            if item.journaled {
                self.store.journal().settle(id, item.ordinal);
            }
        }
    }
}
