//! From a queue to its consumers, one message each in turn.
//!
//! A consumer stands in its queue's line. When its turn comes and it can take a message, it gets
//! one and goes to the end of the line; when it cannot (prefetch used up, outbox full, flow off,
//! a reply parked before it) it leaves the line, and whatever makes room puts it back. So a turn
//! costs what it delivers, not the number of consumers.

use crate::ids::{QueueId, Timestamp};
use crate::message::Message;
use crate::wire::{Field, Properties, ShortString};

use super::channel::{Channel, Delivered};
use super::connections::Connection;
use super::consumer::{Consumer, ConsumerKey};
use super::dead_letter::Dead;
use super::deaths::Reason;
use super::effect::{Deliveries, Delivery, Effects, Output};
use super::expiry::EXPIRED_PER_TURN;
use super::queue::{Item, Queue};
use super::sender_selected::with_properties;
use super::{Broker, BrokerOptions};

/// What a delivery costs, and a message that is dead when its turn comes.
const DELIVERY_UNITS: u64 = 1;
const DEATH_UNITS: u64 = 4;
/// Consumers that cost a unit when all of a channel are looked at.
const CONSUMERS_PER_UNIT: usize = 8;

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
        let id = consumer.queue;
        let Some(queue) = self.queues.get_mut(&id) else { return };
        consumer.in_line = queue.consumers.stand(consumer.rank(), key);
        if consumer.in_line {
            self.touch(id);
        }
    }

    /// Puts all consumers of a channel back into their lines.
    pub(super) fn rouse_channel(&mut self, channel: usize) {
        let keys: Vec<_> = self.channels[channel].consumers.values().copied().collect();
        if keys.len() > CONSUMERS_PER_UNIT {
            self.work.pay((keys.len() / CONSUMERS_PER_UNIT) as u64);
        }
        for key in keys {
            self.rouse(key);
        }
    }

    /// Hands a queue's ready messages to its consumers, as many as they can take. What is to be
    /// sent is kept in the turn until it ends.
    pub(super) fn deliver(&mut self, id: QueueId) {
        loop {
            if !self.work.has_left() {
                return self.deliver_later(id);
            }
            let Some(key) = self.next_in_line(id) else { return };
            self.work.pay(DELIVERY_UNITS);
            match self.take_live(id, Item::expired_for_consumer) {
                Some((item, message)) => self.hand_over(id, key, item, message),
                None => return,
            }
        }
    }

    /// The next turn goes on with a queue's deliveries, if there may be any.
    fn deliver_later(&mut self, id: QueueId) {
        let queue = self.queues.get(&id);
        if queue.is_some_and(|queue| queue.has_ready() && queue.consumers.first().is_some()) {
            self.turn.later.push(id);
        }
    }

    /// Takes the first message of a queue whose time is not over. Those before it have died; where
    /// they are more than a turn takes, the rest has to wait for the next.
    #[inline]
    pub(super) fn take_live(
        &mut self,
        id: QueueId,
        expired: fn(&Item, Timestamp) -> bool,
    ) -> Option<(Item, Message)> {
        for _ in 0..EXPIRED_PER_TURN {
            let queue = self.queues.get_mut(&id)?;
            let limit = queue.settings.delivery_limit;
            match queue.take() {
                Ok(Some((item, message))) => {
                    let reason = if expired(&item, self.now) {
                        Reason::Expired
                    } else if limit.is_some_and(|limit| item.failures() > limit) {
                        // It was with a consumer when the broker was killed, once too often.
                        Reason::DeliveryLimit
                    } else {
                        return Some((item, message));
                    };
                    self.work.spend(DEATH_UNITS);
                    let (item, message) = (Some(item), Some(message));
                    self.die(Dead { queue: id, item, message, reason });
                }
                Ok(None) => return None,
                Err(error) => {
                    self.store_failed(Some(id), error);
                    return None;
                }
            }
        }
        self.turn.later.push(id);
        None
    }

    /// The next consumer that can take a message, if there is one to take; it goes to the end of
    /// the line.
    fn next_in_line(&mut self, id: QueueId) -> Option<ConsumerKey> {
        if self.gets_back(id) {
            return None; // what is ready may not be what comes first
        }
        let queue = self.queues.get_mut(&id).filter(|queue| queue.has_ready())?;
        while let Some(turn) = queue.consumers.first() {
            let consumer = self.consumers.get_mut(turn.key.0);
            let Some(consumer) = consumer.filter(|consumer| consumer.number == turn.number) else {
                queue.consumers.leave(true);
                continue;
            };
            if queue.consumers.is_challenged() {
                self.give_way(id, turn.key);
                return self.next_in_line(id);
            }
            let channel = &self.channels[consumer.channel];
            let connection = &self.connections[channel.connection];
            if leaves_room(consumer, channel, connection, &self.options) {
                queue.consumers.pass();
                return Some(turn.key);
            }
            queue.consumers.leave(false);
            consumer.in_line = false;
        }
        None
    }

    /// Whether a consumer can take a message now.
    pub(super) fn takes_more(&self, key: ConsumerKey) -> bool {
        let Some(consumer) = self.consumers.get(key.0) else { return false };
        let channel = &self.channels[consumer.channel];
        leaves_room(consumer, channel, &self.connections[channel.connection], &self.options)
    }

    /// The active consumer gives way to one of higher priority, when all that it has is
    /// acknowledged: the last acknowledgement brings it back into the line, and here.
    fn give_way(&mut self, id: QueueId, active: ConsumerKey) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        queue.consumers.leave(false);
        let consumer = &mut self.consumers[active.0];
        consumer.in_line = false;
        if consumer.unacked == 0
            && let Some(next) = queue.consumers.take_over()
        {
            self.rouse(next);
        }
    }

    /// Sends a consumer a message, which counts as delivered.
    pub(super) fn hand_over(
        &mut self,
        id: QueueId,
        key: ConsumerKey,
        mut item: Item,
        message: Message,
    ) {
        let message = if item.deliveries > 0 { self.told(id, &item, message) } else { message };
        let (channel, redelivered) = (self.consumers[key.0].channel, item.deliveries > 0);
        if self.vhosts[self.connections[self.channels[channel].connection].vhost].traced {
            self.trace_delivery(channel, id, &message, redelivered);
        }
        item.deliveries = item.deliveries.saturating_add(1);
        let consumer = &mut self.consumers[key.0];
        let channel = &mut self.channels[consumer.channel];
        let delivery_tag = channel.take_tag();
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.stats.delivered(consumer.no_ack, redelivered);
        }
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
            self.note_delivery(&item);
            let consumer = &mut self.consumers[key.0];
            let channel = &mut self.channels[consumer.channel];
            consumer.unacked += 1;
            channel.in_flight += 1;
            let from = Some((key, consumer.number));
            let deadline = consumer.timeout.map(|timeout| self.now.after(timeout));
            if let Some(deadline) = deadline {
                self.deadlines.add(
                    deadline,
                    (item.level, item.ordinal),
                    (consumer.channel, delivery_tag),
                );
            }
            let delivered = Delivered { queue: id, item, deadline, consumer: from };
            channel.unacked.push(delivery_tag, delivered);
        }
    }

    /// A connection has written so much of its deliveries: there is room for more.
    pub(super) fn drained(&mut self, place: usize, bytes: u64) {
        let limit = self.options.outbox_bytes_max;
        let connection = &mut self.connections[place];
        let was_full = connection.outbox_bytes >= limit;
        connection.outbox_bytes = connection.outbox_bytes.saturating_sub(bytes);
        if was_full && connection.outbox_bytes < limit {
            let channels: Vec<_> = connection.channels.values().copied().collect();
            for channel in channels {
                self.rouse_channel(channel);
            }
        }
    }

    /// Tells the journal that a message was handed to a consumer, if it knows the message.
    pub(super) fn note_delivery(&mut self, item: &Item) {
        if item.journaled {
            self.store.journal().deliver(item.level, item.ordinal);
        }
    }

    /// A message as consumers get it: one that comes again from a queue that counts says how often
    /// it was handed out (`x-acquired-count`), and how often that failed (`x-delivery-count`).
    pub(super) fn told(&self, id: QueueId, item: &Item, message: Message) -> Message {
        let counts = |queue: &Queue| queue.settings.counts_deliveries;
        if item.deliveries == 0 || !self.queues.get(&id).is_some_and(counts) {
            return message;
        }
        let Ok(mut properties) = Properties::decode(message.properties()) else { return message };
        let headers = properties.headers.get_or_insert_default();
        let failures = (item.failures() > 0).then_some(("x-delivery-count", item.failures()));
        for (name, count) in failures.into_iter().chain([("x-acquired-count", item.deliveries)]) {
            headers.remove(name);
            headers.insert(ShortString::clipped(name), Field::I64(count.into()));
        }
        with_properties(&message, &properties)
    }

    /// Moves the deliveries of the turn so far behind what else it sends. Called before anything
    /// that must come after them, such as basic.cancel-ok, and at the end of the turn.
    pub(super) fn flush_deliveries(&mut self, effects: &mut Effects) {
        for (to, mut outputs) in self.turn.deliveries.take() {
            effects.bundle(to).append(&mut outputs);
        }
    }
}

/// Whether nothing keeps a consumer from getting a message: its prefetch, its channel, its outbox.
#[inline]
fn leaves_room(
    consumer: &Consumer,
    channel: &Channel,
    connection: &Connection,
    options: &BrokerOptions,
) -> bool {
    consumer.has_room() && channel.has_room() && connection.outbox_bytes < options.outbox_bytes_max
}
