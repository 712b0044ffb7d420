//! From a queue to its consumers, one message each in turn.
//!
//! A consumer stands in its queue's line. When its turn comes and it can take a message, it gets
//! one and goes to the end of the line; when it cannot (prefetch used up, outbox full, flow off,
//! a reply parked before it) it leaves the line, and whatever makes room puts it back. So a turn
//! costs what it delivers, not the number of consumers.

use crate::ids::QueueId;
use crate::message::Message;

use super::Broker;
use super::channel::Delivered;
use super::consumer::ConsumerKey;
use super::effect::{Deliveries, Delivery, Effects, Output};
use super::queue::Item;

impl Broker {
    /// Notes that a queue is to be looked at when the turn ends.
    pub(super) fn touch(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(&id)
            && !queue.touched
        {
            queue.touched = true;
            self.turn.touched.push(id);
        }
    }

    /// Puts a consumer back into its queue's line: something has made room for it.
    pub(super) fn rouse(&mut self, key: ConsumerKey) {
        let Some(consumer) = self.consumers.get_mut(key.0) else { return };
        if consumer.in_line {
            return;
        }
        consumer.in_line = true;
        let id = consumer.queue;
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.line.push_back(key);
        }
        self.touch(id);
    }

    /// Puts all consumers of a channel back into their lines.
    pub(super) fn rouse_channel(&mut self, channel: usize) {
        let keys: Vec<_> = self.channels[channel].consumers.values().copied().collect();
        for key in keys {
            self.rouse(key);
        }
    }

    /// Hands a queue's ready messages to its consumers, as many as they can take. What is to be
    /// sent is kept in the turn until it ends.
    pub(super) fn deliver(&mut self, id: QueueId) {
        while self.queues.get(&id).is_some_and(|queue| queue.has_ready()) {
            let Some(key) = self.next_in_line(id) else { return };
            let Some(queue) = self.queues.get_mut(&id) else { return };
            match queue.take() {
                Ok(Some((item, message))) => {
                    queue.stats.delivered(self.consumers[key.0].no_ack, item.deliveries > 0);
                    self.hand_over(id, key, item, message);
                }
                Ok(None) => return,
                Err(error) => {
                    self.failure.get_or_insert(error);
                    return;
                }
            }
        }
    }

    /// The next consumer that can take a message; it goes to the end of the line.
    fn next_in_line(&mut self, id: QueueId) -> Option<ConsumerKey> {
        let queue = self.queues.get_mut(&id)?;
        while let Some(key) = queue.line.pop_front() {
            let Some(consumer) = self.consumers.get_mut(key.0) else { continue };
            let channel = &self.channels[consumer.channel];
            let connection = &self.connections[channel.connection];
            if consumer.has_room()
                && channel.has_room()
                && connection.outbox_bytes < self.options.outbox_bytes_max
            {
                queue.line.push_back(key);
                return Some(key);
            }
            consumer.in_line = false;
        }
        None
    }

    fn hand_over(&mut self, id: QueueId, key: ConsumerKey, mut item: Item, message: Message) {
        let consumer = &mut self.consumers[key.0];
        let channel = &mut self.channels[consumer.channel];
        let delivery_tag = channel.take_tag();
        let redelivered = item.deliveries > 0;
        item.deliveries = item.deliveries.saturating_add(1);
        channel.stats.delivered(consumer.no_ack, redelivered);
        self.statistics.messages.delivered(consumer.no_ack, redelivered);
        self.connections[channel.connection].outbox_bytes += message.size();
        let to = channel.connection_id;
        let number = channel.number;
        let delivery = Delivery { redelivered, message };
        let outputs = self.turn.deliveries.bundle(to);
        match outputs.last_mut() {
            Some(Output::Deliver(run))
                if run.channel == number
                    && run.consumer_tag == consumer.tag
                    && run.first_tag.0 + run.messages.len() as u64 == delivery_tag.0 =>
            {
                run.messages.push(delivery);
            }
            _ => outputs.push(Output::Deliver(Deliveries {
                channel: number,
                consumer_tag: consumer.tag.clone(),
                first_tag: delivery_tag,
                messages: vec![delivery],
            })),
        }
        if consumer.no_ack {
            self.forget(id, &item);
        } else {
            if item.journaled {
                self.store.journal().deliver(id, item.ordinal);
            }
            consumer.unacked += 1;
            channel.in_flight += 1;
            let from = Some((key, consumer.number));
            channel.unacked.push(delivery_tag, Delivered { queue: id, item, consumer: from });
        }
    }

    /// Moves the deliveries of the turn so far behind what else it sends. Called before anything
    /// that must come after them, such as basic.cancel-ok, and at the end of the turn.
    pub(super) fn flush_deliveries(&mut self, effects: &mut Effects) {
        for (to, mut outputs) in self.turn.deliveries.take() {
            effects.bundle(to).append(&mut outputs);
        }
    }
}
