//! The log as messages: each line to `amq.rabbitmq.log` in the vhost `/`, by its level.
//!
//! The exchange is there if [`super::BrokerOptions::log_exchange`] says so. The body is the line,
//! the routing key `error`, `warning` or `info`. As long as nothing is bound to the exchange no
//! message is made.

use crate::wire::{Field, Properties, ShortBytes, ShortString, Table};

use super::Broker;
use super::events::EVENT_VHOST;
use super::notices::notice;

/// The exchange that lines of the log are published to.
pub(super) const LOG: &str = "amq.rabbitmq.log";

impl Broker {
    /// Publishes a line of the log when the turn ends, if anybody listens.
    pub fn publish_line(&mut self, level: &str, line: &str) {
        let Some(vhost) = self.vhost_named(EVENT_VHOST) else { return };
        let Some(id) = self.exchange_named(vhost, LOG).map(|exchange| exchange.id) else { return };
        if self.exchanges.get(&id).is_none_or(|exchange| exchange.bindings.is_empty()) {
            return;
        }
        let node = Field::LongString(self.options.node.clone().into_bytes());
        let headers: Table = [(ShortString::clipped("node"), node)].into_iter().collect();
        let properties = Properties {
            content_type: Some(ShortBytes::clipped(b"text/plain")),
            headers: Some(headers),
            timestamp: Some(self.wall(self.now) / 1000),
            ..Properties::default()
        };
        self.tell(id, notice(LOG, level, &properties, line.as_bytes()));
    }
}
