//! Events: what happens in the broker, as messages of `amq.rabbitmq.event` in the vhost `/`.
//!
//! The routing key is the event's name, such as `queue.created`; what it is about is in the
//! headers, with RabbitMQ's names; the body is empty. As long as nothing is bound to the exchange
//! no event is made.
//!
//! Left out: statistics, policies and parameters; the bindings that end with their queue or
//! exchange, which is told itself.

use crate::ids::ExchangeId;
use crate::secrets::without_credentials;
use crate::wire::{Field, Properties, ShortString, Table};

use super::Broker;
use super::arguments::value;
use super::consumer::Consumer;
use super::exchange::{Binding, Destination};
use super::notices::notice;
use super::queue::Declaration;
use super::vhost::ExchangeDeclaration;

/// The exchange that events are published to.
pub(super) const EVENT: &str = "amq.rabbitmq.event";
/// The vhost that has it.
pub(super) const EVENT_VHOST: &str = "/";

/// The headers of an event, in order.
type Facts = Vec<(&'static str, Field)>;

impl Broker {
    /// Tells an event, if anybody listens: then `facts` says what it is about.
    pub(super) fn event(&mut self, name: &str, facts: impl FnOnce(&Self) -> Facts) {
        let Some(exchange) = self.listened_to() else { return };
        let now = self.wall(self.now);
        let user = self.turn.actor.and_then(|place| self.connections.get(place));
        let user = user.map_or_else(ShortString::default, |connection| connection.user.clone());
        let mut facts = facts(self);
        facts.push(("user_who_performed_action", text(&user)));
        facts.push(("timestamp_in_ms", Field::I64(i64::try_from(now).unwrap_or(i64::MAX))));
        let facts = facts.into_iter().map(|(name, fact)| (ShortString::clipped(name), fact));
        let properties = Properties {
            headers: Some(facts.collect()),
            delivery_mode: Some(2),
            timestamp: Some(now / 1000),
            ..Properties::default()
        };
        self.tell(exchange, notice(EVENT, name, &properties, b""));
    }

    /// The exchange of events, if something is bound to it.
    fn listened_to(&self) -> Option<ExchangeId> {
        if self.recovering {
            return None;
        }
        let id = self.exchange_named(self.vhost_named(EVENT_VHOST)?, EVENT)?.id;
        (!self.exchanges.get(&id)?.bindings.is_empty()).then_some(id)
    }

    /// An event about a queue.
    pub(super) fn queue_event(&mut self, name: &str, declared: &Declaration) {
        if declared.name.is_empty() {
            return; // the hidden one of a delayed exchange
        }
        self.event(name, |broker| {
            let mut facts = broker.named(declared.vhost, &declared.name);
            if name == "queue.created" {
                facts.push(("durable", Field::Boolean(declared.durable)));
                facts.push(("auto_delete", Field::Boolean(declared.auto_delete)));
                facts.push(("arguments", terms(&declared.arguments.table.unpack())));
                facts.push(("exclusive", Field::Boolean(declared.exclusive.is_some())));
            }
            facts
        });
    }

    /// An event about an exchange.
    pub(super) fn exchange_event(&mut self, name: &str, declared: &ExchangeDeclaration) {
        self.event(name, |broker| {
            let mut facts = broker.named(declared.vhost, &declared.name);
            if name == "exchange.created" {
                facts.push(("type", text(declared.kind.name())));
                facts.push(("durable", Field::Boolean(declared.durable)));
                facts.push(("auto_delete", Field::Boolean(declared.auto_delete)));
                facts.push(("internal", Field::Boolean(declared.internal)));
                facts.push(("arguments", terms(&declared.arguments.unpack())));
            }
            facts
        });
    }

    /// An event about a binding, whose ends are still there.
    pub(super) fn binding_event(&mut self, name: &str, source: ExchangeId, binding: &Binding) {
        self.event(name, |broker| {
            let Some(source) = broker.exchanges.get(&source) else { return Vec::new() };
            let (kind, destination) = match binding.destination {
                Destination::Queue(id) => {
                    ("queue", broker.queues.get(&id).map(|queue| queue.name().clone()))
                }
                Destination::Exchange(id) => {
                    ("exchange", broker.exchanges.get(&id).map(|found| found.declared.name.clone()))
                }
            };
            vec![
                ("source_name", text(&source.declared.name)),
                ("source_kind", text("exchange")),
                ("destination_name", text(&destination.unwrap_or_default())),
                ("destination_kind", text(kind)),
                ("routing_key", text(&binding.key)),
                ("arguments", terms(&binding.arguments.unpack())),
                ("vhost", text(&broker.vhosts[source.declared.vhost].name)),
            ]
        });
    }

    /// An event about a consumer; its channel is still there.
    pub(super) fn consumer_event(&mut self, name: &str, consumer: &Consumer) {
        self.event(name, |broker| {
            let mut facts = vec![("consumer_tag", text(&consumer.tag))];
            if name == "consumer.created" {
                facts.push(("exclusive", Field::Boolean(consumer.exclusive)));
                facts.push(("ack_required", Field::Boolean(!consumer.no_ack)));
                facts.push(("prefetch_count", Field::I32(consumer.prefetch.into())));
            }
            if let Some(channel) = broker.channels.get(consumer.channel) {
                facts.push(("channel", text(&broker.channel_name(consumer.channel))));
                let vhost = broker.connections[channel.connection].vhost;
                facts.push(("vhost", text(&broker.vhosts[vhost].name)));
            }
            if let Some(queue) = broker.queues.get(&consumer.queue) {
                facts.push(("queue", text(queue.name())));
            }
            facts
        });
    }

    /// An event about a channel.
    pub(super) fn channel_event(&mut self, name: &str, channel: usize) {
        self.event(name, |broker| {
            let Some(found) = broker.channels.get(channel) else { return Vec::new() };
            let connection = &broker.connections[found.connection];
            vec![
                ("name", text(&broker.channel_name(channel))),
                ("connection", text(&connection.peer)),
                ("number", Field::I32(found.number.0.into())),
                ("user", text(&connection.user)),
                ("vhost", text(&broker.vhosts[connection.vhost].name)),
            ]
        });
    }

    /// An event about a connection.
    pub(super) fn connection_event(&mut self, name: &str, connection: usize) {
        self.event(name, |broker| {
            let Some(connection) = broker.connections.get(connection) else { return Vec::new() };
            vec![
                ("name", text(&connection.peer)),
                ("node", text(&broker.options.node)),
                ("vhost", text(&broker.vhosts[connection.vhost].name)),
                ("user", text(&connection.user)),
                ("channel_max", Field::I32(connection.channel_max.into())),
            ]
        });
    }

    fn named(&self, vhost: usize, name: &str) -> Facts {
        vec![("name", text(name)), ("vhost", text(&self.vhosts[vhost].name))]
    }

    /// What people call a channel.
    fn channel_name(&self, channel: usize) -> String {
        let channel = &self.channels[channel];
        format!("{} ({})", self.connections[channel.connection].peer, channel.number)
    }
}

fn text(value: &str) -> Field {
    Field::LongString(value.as_bytes().to_vec())
}

/// Arguments as RabbitMQ's events have them: each as the text of an Erlang term, without the
/// credentials of URIs.
fn terms(arguments: &Table) -> Field {
    let term = |(name, field): (&ShortString, &Field)| {
        let (kind, term) = (value::type_name(field), value::term(field));
        text(&format!("{{<<\"{name}\">>,{kind},{}}}", without_credentials(&term)))
    };
    Field::Array(arguments.iter().map(term).collect())
}
