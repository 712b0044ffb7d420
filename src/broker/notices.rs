//! What the broker publishes itself: messages about messages, and about what happens.
//!
//! They are gathered while commands are handled and messages are delivered, and published before the
//! next command, so that nothing is routed while something else is.

use crate::ids::ExchangeId;
use crate::message::Message;
use crate::wire::{Properties, ShortString, Table};

use super::Broker;
use super::exchange::Destination;
use super::sender_selected::copies;

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
}
