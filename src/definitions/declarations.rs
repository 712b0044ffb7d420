//! Exchanges, queues and bindings of a definitions file. What is the server's own is left out, with
//! a warning, and so are its bindings.

use crate::broker::access::Change;
use crate::broker::is_predeclared;
use crate::wire::{Field, ShortString, exchange, queue};

use super::item::{DefinitionsError, Item};
use super::read::Reader;

impl Reader<'_> {
    pub(super) fn exchange(&mut self, item: &Item<'_>) -> Result<(), DefinitionsError> {
        let known = ["vhost", "name", "type", "durable", "auto_delete", "internal", "arguments"];
        self.unknown_keys(&item.place, item.object, &known);
        let vhost = self.vhost_of(item)?;
        let declare = exchange::Declare {
            exchange: item.name_or_empty("name")?,
            kind: item.name("type")?,
            durable: item.boolean("durable", true)?,
            auto_delete: item.boolean("auto_delete", false)?,
            internal: item.boolean("internal", false)?,
            arguments: item.arguments()?,
            ..exchange::Declare::default()
        };
        // The predeclared ones are there; RabbitMQ does not write them, others do.
        if declare.exchange.starts_with("amq.") && !is_predeclared(&declare.exchange) {
            self.leave_out(item, "exchange", "names that begin with 'amq.' are the server's");
        } else if !declare.exchange.is_empty() && !declare.exchange.starts_with("amq.") {
            self.push(Change::DeclareExchange { vhost, declare });
        }
        Ok(())
    }

    fn leave_out(&mut self, item: &Item<'_>, kind: &str, reason: &str) {
        let (place, thing) = (&item.place, item.thing());
        self.warn(format!("{place}: {kind} '{thing}' is left out: {reason}"));
    }

    pub(super) fn queue(&mut self, item: &Item<'_>) -> Result<(), DefinitionsError> {
        let known = ["vhost", "name", "durable", "auto_delete", "exclusive", "arguments", "type"];
        self.unknown_keys(&item.place, item.object, &known);
        let vhost = self.vhost_of(item)?;
        let mut arguments = item.arguments()?;
        let kind = item.text_or_empty("type")?;
        let says = kind != "classic" || self.vhost.is_some() || !self.untyped.contains(&*vhost);
        if says && !kind.is_empty() && arguments.get("x-queue-type").is_none() {
            let kind = Field::LongString(kind.into_bytes());
            arguments.insert(ShortString::clipped("x-queue-type"), kind);
        }
        let declare = queue::Declare {
            queue: item.name("name")?,
            durable: item.boolean("durable", true)?,
            auto_delete: item.boolean("auto_delete", false)?,
            exclusive: item.boolean("exclusive", false)?,
            arguments,
            ..queue::Declare::default()
        };
        let classic = declare.arguments.get("x-queue-type").is_none_or(is_classic);
        let reason = if declare.queue.is_empty() {
            "it has no name"
        } else if declare.queue.starts_with("amq.") {
            "names that begin with 'amq.' are the server's"
        } else if declare.exclusive && classic {
            "an exclusive queue ends with its connection"
        } else {
            self.push(Change::DeclareQueue { vhost, declare });
            return Ok(());
        };
        self.leave_out(item, "queue", reason);
        self.left_out.insert((vhost, declare.queue));
        Ok(())
    }

    /// Whether a binding needs something that was left out, or that is the server's own.
    fn lacks(&self, vhost: &ShortString, source: &str, queue: Option<&ShortString>) -> bool {
        let own = |name: &str| name.starts_with("amq.");
        own(source) && !is_predeclared(source)
            || queue.is_some_and(|name| {
                own(name) || self.left_out.contains(&(vhost.clone(), name.clone()))
            })
    }

    pub(super) fn binding(&mut self, item: &Item<'_>) -> Result<(), DefinitionsError> {
        let known =
            ["vhost", "source", "destination", "destination_type", "routing_key", "arguments"];
        self.unknown_keys(&item.place, item.object, &[&known[..], &["properties_key"]].concat());
        let vhost = self.vhost_of(item)?;
        let source = item.name_or_empty("source")?;
        let destination = item.name_or_empty("destination")?;
        let (routing_key, arguments) = (item.name_or_empty("routing_key")?, item.arguments()?);
        if source.is_empty() {
            return Ok(()); // every queue is bound to the default exchange without being told
        }
        let kind = item.text("destination_type")?;
        let queue = (kind == "queue").then_some(&destination);
        if self.lacks(&vhost, &source, queue) {
            let (place, destination) = (&item.place, destination.escape_debug());
            let (kind, source) = (kind.escape_debug(), source.escape_debug());
            self.warn(format!(
                "{place}: the binding of {kind} '{destination}' to '{source}' is left out with it"
            ));
            return Ok(());
        }
        let change = match kind {
            "queue" => {
                let (queue, exchange) = (destination, source);
                let bind = queue::Bind { queue, exchange, routing_key, arguments, no_wait: false };
                Change::BindQueue { vhost, bind }
            }
            "exchange" => {
                let bind =
                    exchange::Bind { destination, source, routing_key, arguments, no_wait: false };
                Change::BindExchange { vhost, bind }
            }
            _ => return Err(item.wrong("destination_type", "is neither queue nor exchange")),
        };
        self.push(change);
        Ok(())
    }
}

fn is_classic(kind: &Field) -> bool {
    matches!(kind, Field::LongString(text) if text == b"classic")
}
