//! What the broker publishes itself: messages about messages, and about what happens.
//!
//! They are gathered while commands are handled and messages are delivered, and published when the
//! turn ends, so that nothing is routed while something else is.

use crate::ids::{ExchangeId, QueueId};
use crate::message::Message;
use crate::wire::{Properties, ShortString, Table};

use super::Broker;
use super::exchange::Destination;
use super::pacing::Patience;
use super::sender_selected::copies;

/// Rounds of delivering and publishing in one turn; what a further one would bring waits for the
/// next turn.
const ROUNDS_MAX: usize = 8;

/// What a look at a queue costs.
const VISIT_UNITS: u64 = 2;

/// A message that the broker makes.
pub(super) fn notice(exchange: &str, key: &str, properties: &Properties, body: &[u8]) -> Message {
    let mut encoded = Vec::new();
    properties.encode(&mut encoded);
    let key = ShortString::clipped(key);
    Message::from_parts(
        exchange,
        key.as_bytes(),
        &encoded,
        body,
        properties.delivery_mode == Some(2),
    )
}

/// Properties with these headers only.
pub(super) fn headers_only(headers: Table) -> Properties {
    Properties { headers: Some(headers), ..Properties::default() }
}

impl Broker {
    /// Keeps a notice until the turn ends.
    pub(super) fn tell(&mut self, exchange: ExchangeId, message: Message) {
        self.turn.notices.push((exchange, message));
    }

    /// Publishes a message once more: from an exchange, for nobody who waits for an answer.
    pub(super) fn publish_from(&mut self, exchange: ExchangeId, message: &Message) {
        let Some(vhost) = self.exchanges.get(&exchange).map(|found| found.declared.vhost) else {
            return;
        };
        let copies = copies(message.clone()).map(|(_, copies)| copies).unwrap_or_default();
        self.route(vhost, exchange, message, &copies);
        self.enqueue(message, None);
    }

    /// As [`Self::publish_from`], to where one binding leads.
    pub(super) fn publish_to(&mut self, to: Destination, message: &Message) {
        match to {
            Destination::Exchange(exchange) => self.publish_from(exchange, message),
            Destination::Queue(queue) => {
                self.scratch.queues.clear();
                self.scratch.queues.push(queue);
                self.enqueue(message, None);
            }
        }
    }

    /// Looks at the queues that were touched, buries the dead, and publishes the notices that come
    /// of it.
    pub(super) fn deliver_touched(&mut self) {
        for _ in 0..ROUNDS_MAX {
            for (exchange, message) in std::mem::take(&mut self.turn.notices) {
                self.publish_from(exchange, &message);
            }
            let mut touched = std::mem::take(&mut self.turn.touched);
            let mut visited = 0;
            for id in &touched {
                self.visit(*id);
                self.work.pay(VISIT_UNITS);
                visited += 1;
                if !self.work.has_left() {
                    break;
                }
            }
            touched.drain(..visited);
            // The dead come to other queues, which are looked at then.
            self.bury_dead();
            // The next turn goes on with those that this one has no time for.
            if self.turn.touched.is_empty() {
                self.turn.touched = touched;
            } else {
                self.turn.touched.append(&mut touched);
            }
            if !self.work.has_left() {
                break;
            }
            if self.turn.touched.is_empty() && self.turn.notices.is_empty() {
                break;
            }
        }
    }

    /// Does what a queue has to do in a turn.
    fn visit(&mut self, id: QueueId) {
        let now = self.now;
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.touched = false;
            queue.wake(now);
        }
        if self.queues.get(&id).is_some_and(|queue| queue.is_stream()) {
            return self.visit_stream(id);
        }
        if self.is_delay_queue(id) {
            self.index_delayed(id);
        } else {
            self.deliver(id);
            self.expire(id);
            self.drop_excess(id);
            self.set_timer(id, now);
        }
        if let Some(queue) = self.queues.get_mut(&id).filter(|queue| !queue.has_ready()) {
            queue.patience = Patience::default();
        }
        if let Err(error) = self.flush_queue(id) {
            self.store_failed(Some(id), error);
            self.deliver(id); // what was taken back
        }
    }
}
