//! From a queue to its consumers, one message each in turn.
//!
//! A consumer stands in its queue's line. When its turn comes and it can take a message, it gets
//! one and goes to the end of the line; when it cannot (prefetch used up, outbox full, flow off,
//! a reply parked before it) it leaves the line, and whatever makes room puts it back. So a turn
//! costs what it delivers, not the number of consumers.

use std::ops::Bound;

use crate::ids::{ConnectionId, QueueId, Timestamp};
use crate::message::Message;
use crate::wire::{Field, Properties, ShortString};

use super::channel::{Channel, Delivered};
use super::connections::Connection;
use super::consumer::{Consumer, ConsumerKey};
use super::dead_letter::Dead;
use super::deaths::Reason;
use super::effect::{Deliveries, Delivery, Effects, Output};
use super::expiry::EXPIRED_PER_TURN;
use super::fsync::Promise;
use super::queue::{Item, Queue};
use super::sender_selected::with_properties;
use super::{Broker, BrokerOptions};

/// What a delivery costs, and a message that is dead when its turn comes.
const DELIVERY_UNITS: u64 = 1;
const DEATH_UNITS: u64 = 4;
/// Consumers that cost a unit when all of a channel are looked at.
const CONSUMERS_PER_UNIT: usize = 8;
/// The messages of one queue that go to consumers before it is another queue's turn.
const SHARE: usize = 32;

impl Broker {
    /// Notes that a queue is to be visited.
    pub(super) fn touch(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(&id)
            && !queue.touched
        {
            queue.touched = true;
            self.turn.touched.push_back(id);
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

    /// Puts all consumers of a channel back into their lines, where they share what it has to give:
    /// the one behind the last that was served comes first.
    pub(super) fn rouse_channel(&mut self, channel: usize) {
        let Channel { consumers, last_served, .. } = &self.channels[channel];
        let mut keys: Vec<_> = consumers.values().copied().collect();
        let last = last_served.and_then(|last| keys.iter().position(|key| *key == last));
        keys.rotate_left(last.map_or(0, |last| last + 1));
        if keys.len() > CONSUMERS_PER_UNIT {
            self.work.pay((keys.len() / CONSUMERS_PER_UNIT) as u64);
        }
        for key in keys {
            self.rouse(key);
        }
    }

    /// Hands a queue's ready messages to its consumers, as many as they can take. What is to be
    /// sent is kept in the turn.
    pub(super) fn deliver(&mut self, id: QueueId) {
        while self.deliver_one(id).is_some() {}
    }

    /// As [`Self::deliver`], but leaves something for the other queues that wait for a visit. Says
    /// whether the queue may have more for its consumers.
    pub(super) fn deliver_some(&mut self, id: QueueId) -> bool {
        let mut left = if self.turn.touched.is_empty() { usize::MAX } else { SHARE };
        while let Some(key) = self.deliver_one(id) {
            left -= 1;
            let channel = self.consumers.get(key.0).map(|consumer| consumer.channel);
            let shares = |channel: usize| self.channels[channel].channel_prefetch != 0;
            if left == 0 || (left < SHARE && channel.is_some_and(shares)) {
                return true;
            }
        }
        false
    }

    /// Hands the first ready message to the consumer whose turn it is. Returns which that is.
    #[inline]
    fn deliver_one(&mut self, id: QueueId) -> Option<ConsumerKey> {
        if !self.work.has_left() {
            self.deliver_later(id);
            return None;
        }
        let key = self.next_in_line(id)?;
        self.work.pay(DELIVERY_UNITS);
        let (item, message) = self.take_live(id, Item::expired_for_consumer)?;
        self.hand_over(id, key, item, message);
        Some(key)
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
        channel.last_served = Some(key);
        let connection = &mut self.connections[channel.connection];
        connection.outbox_bytes += message.size();
        connection.last_served = channel.number;
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

    /// A connection has written so much of its deliveries: there is room for more, first for the
    /// channel behind the last that was served.
    pub(super) fn drained(&mut self, place: usize, bytes: u64) {
        let limit = self.options.outbox_bytes_max;
        let connection = &mut self.connections[place];
        let was_full = connection.outbox_bytes >= limit;
        connection.outbox_bytes = connection.outbox_bytes.saturating_sub(bytes);
        if was_full && connection.outbox_bytes < limit {
            let last = connection.last_served;
            let behind = connection.channels.range((Bound::Excluded(last), Bound::Unbounded));
            let channels = behind.chain(connection.channels.range(..=last));
            let channels: Vec<_> = channels.map(|(_, channel)| *channel).collect();
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

    /// Moves the deliveries so far behind what else the turn sends. Called when all is caught up,
    /// and within a command before anything that must come after them, such as basic.cancel-ok.
    /// Those of a channel whose replies wait for the disk wait behind them.
    pub(super) fn flush_deliveries(&mut self, effects: &mut Effects) {
        if self.turn.deliveries.is_empty() {
            return;
        }
        let parks = self.parks();
        let mut deliveries = std::mem::take(&mut self.turn.deliveries);
        for (to, outputs) in deliveries.take() {
            for output in outputs {
                let channel = if parks { self.parked_channel(to, &output) } else { None };
                match channel {
                    Some(channel) => self.park_output(channel, Promise::Nothing, output),
                    None => effects.send(to, output),
                }
            }
        }
        self.turn.deliveries = deliveries;
    }

    /// The channel of a delivery, if replies are parked there.
    fn parked_channel(&self, to: ConnectionId, output: &Output) -> Option<usize> {
        let Output::Deliver(run) = output else { return None };
        let place = self.connection_places.get(&to)?;
        let channel = *self.connections[*place].channels.get(&run.channel)?;
        self.channels.get(channel).filter(|channel| !channel.parked.is_empty()).map(|_| channel)
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
