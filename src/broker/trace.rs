//! The firehose: a copy of each message that is published in a vhost or delivered from it.
//!
//! ```text
//!   amq.rabbitmq.trace (topic) publish.<exchange>  headers: what was published, by whom, to where
//!                              deliver.<queue>     headers: what was delivered, to whom
//!                              body: the message's own
//! ```
//!
//! It is off until an operator turns it on ([`Broker::set_tracing`]), for each vhost, and after a
//! restart. While it is off it
//! costs a branch; while it is on, each message is copied. Traces are not traced.
//!
//! Left out: direct replies, which reach no queue.

use crate::ids::QueueId;
use crate::message::Message;
use crate::wire::{Field, Properties, ShortBytes, ShortString, Table};

use super::Broker;
use super::admission::header;
use super::notices::{headers_only, notice};

/// The exchange that traces are published to.
pub(super) const TRACE: &str = "amq.rabbitmq.trace";

impl Broker {
    /// Turns the firehose of a vhost on or off. Says whether there is such a vhost.
    pub fn set_tracing(&mut self, vhost: &str, on: bool) -> bool {
        let found = self.vhosts.iter_mut().find(|known| *known.name == *vhost);
        found.map(|vhost| vhost.traced = on).is_some()
    }

    /// Whether the firehose of a vhost is on.
    #[must_use]
    pub fn is_tracing(&self, vhost: &str) -> bool {
        self.vhosts.iter().any(|known| *known.name == *vhost && known.traced)
    }

    /// Tells that a message was published and routed to the queues in `scratch`.
    pub(super) fn trace_publish(
        &mut self,
        channel: usize,
        vhost: usize,
        message: &Message,
        copies: &[ShortBytes],
    ) {
        let names = self.scratch.queues.iter().filter_map(|id| self.queues.get(id));
        let names = names.map(|queue| text(queue.name().as_bytes())).collect();
        let mut headers = self.traced_headers(channel, vhost, message, copies, None);
        headers.insert(ShortString::clipped("routed_queues"), Field::Array(names));
        let key = format!("publish.{}", message.exchange());
        self.trace(vhost, &key, headers, message);
    }

    /// Tells that a message was delivered from a queue.
    pub(super) fn trace_delivery(
        &mut self,
        channel: usize,
        queue: QueueId,
        message: &Message,
        redelivered: bool,
    ) {
        let Some(queue) = self.queues.get(&queue).filter(|_| message.exchange() != TRACE) else {
            return;
        };
        let (vhost, key) = (queue.declared.vhost, format!("deliver.{}", queue.name()));
        let copies: Vec<ShortBytes> = match header(message, "CC") {
            Some(Field::Array(keys)) => keys
                .into_iter()
                .filter_map(|key| match key {
                    Field::LongString(key) => ShortBytes::new(&key).ok(),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        let headers = self.traced_headers(channel, vhost, message, &copies, Some(redelivered));
        self.trace(vhost, &key, headers, message);
    }

    fn trace(&mut self, vhost: usize, key: &str, headers: Table, message: &Message) {
        if let Some(exchange) = self.vhosts[vhost].exchanges.get(TRACE).copied() {
            let trace = notice(TRACE, key, &headers_only(headers), message.body());
            self.tell(exchange, trace);
        }
    }

    /// The headers that both kinds of trace have, in RabbitMQ's order and types.
    fn traced_headers(
        &self,
        channel: usize,
        vhost: usize,
        message: &Message,
        copies: &[ShortBytes],
        redelivered: Option<bool>,
    ) -> Table {
        let channel = &self.channels[channel];
        let connection = &self.connections[channel.connection];
        let keys = std::iter::once(message.routing_key()).chain(copies.iter().map(|key| &**key));
        let properties = Properties::decode(message.properties()).unwrap_or_default();
        let mut headers = Table::default();
        let mut put = |name, field| headers.insert(ShortString::clipped(name), field);
        put("exchange_name", text(message.exchange().as_bytes()));
        put("routing_keys", Field::Array(keys.map(text).collect()));
        put("properties", Field::Table(as_table(&properties)));
        put("node", text(self.options.node.as_bytes()));
        if let Some(redelivered) = redelivered {
            put("redelivered", Field::I32(i32::from(redelivered)));
        }
        put("vhost", text(self.vhosts[vhost].name.as_bytes()));
        put("connection", text(connection.peer.as_bytes()));
        put("channel", Field::I32(i32::from(channel.number.0)));
        put("user", text(connection.user.as_bytes()));
        headers
    }
}

fn text(octets: &[u8]) -> Field {
    Field::LongString(octets.to_vec())
}

/// Properties as a table with their names of the specification.
fn as_table(properties: &Properties) -> Table {
    let mut table = Table::default();
    let mut put = |name, field: Option<Field>| {
        if let Some(field) = field {
            table.insert(ShortString::clipped(name), field);
        }
    };
    let short = |value: &Option<ShortBytes>| value.as_ref().map(|octets| text(octets));
    let number = |value: Option<u8>| value.map(|number| Field::I32(number.into()));
    put("content_type", short(&properties.content_type));
    put("content_encoding", short(&properties.content_encoding));
    put("headers", properties.headers.clone().map(Field::Table));
    put("delivery_mode", number(properties.delivery_mode));
    put("priority", number(properties.priority));
    put("correlation_id", short(&properties.correlation_id));
    put("reply_to", short(&properties.reply_to));
    put("expiration", short(&properties.expiration));
    put("message_id", short(&properties.message_id));
    let seconds = properties.timestamp.map(|time| i64::try_from(time).unwrap_or(i64::MAX));
    put("timestamp", seconds.map(Field::I64));
    put("type", short(&properties.kind));
    put("user_id", short(&properties.user_id));
    put("app_id", short(&properties.app_id));
    put("cluster_id", short(&properties.cluster_id));
    table
}
