//! A published message: checked, routed, put into its queues, told to its publisher.

use crate::ids::{ExchangeId, Timestamp};
use crate::message::Message;
use crate::store::Place;
use crate::wire::{PropertiesView, ReplyCode};

use super::Broker;
use super::call::Call;
use super::channel::Mode;
use super::command::Publish;
use super::effect::Output;
use super::exception::{
    Exception, access_refused, no_exchange, not_implemented, precondition_failed,
};
use super::queue::{Held, Item};

/// The longest time to live that RabbitMQ takes: ten years, in milliseconds.
const EXPIRATION_MAX: u64 = 315_360_000_000;
/// Octets of publishes that a transaction may hold.
const TRANSACTION_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Property flags (section 4.2.6.1): which values follow.
const EXPIRATION_FLAG: u16 = 1 << 8;
const USER_ID_FLAG: u16 = 1 << 4;

/// Handles a basic.publish with its content.
pub(super) fn publish(
    broker: &mut Broker,
    call: &mut Call<'_>,
    publish: Publish,
) -> Result<(), Exception> {
    let exchange = check(broker, call, &publish)?;
    if let Mode::Transaction(transaction) = &mut broker.channels[call.channel].mode {
        transaction.publish_bytes += publish.message.size();
        if transaction.publish_bytes > TRANSACTION_BYTES_MAX {
            return Err(Exception::new(
                ReplyCode::PreconditionFailed,
                format!("a transaction holds at most {TRANSACTION_BYTES_MAX} octets"),
            ));
        }
        transaction.publishes.push((exchange, publish));
        return Ok(());
    }
    let durable = broker.accept(call, exchange, publish);
    if let Mode::Confirm(confirms) = &mut broker.channels[call.channel].mode {
        if durable {
            confirms.write()
        } else {
            confirms.settle()
        }
        broker.turn.confirming.push(call.channel);
    }
    Ok(())
}

/// Whether a publish is allowed, in the order of RabbitMQ's checks.
fn check(broker: &Broker, call: &Call<'_>, publish: &Publish) -> Result<ExchangeId, Exception> {
    let message = &publish.message;
    if u64::from(message.body_length()) > broker.options.message_bytes_max {
        return Err(oversized(broker, u64::from(message.body_length())));
    }
    if publish.immediate {
        return Err(not_implemented("immediate=true"));
    }
    let connection = &broker.connections[call.connection];
    let name = message.exchange();
    let exchange = broker
        .exchange_named(connection.vhost, name)
        .ok_or_else(|| no_exchange(name, &broker.vhosts[connection.vhost].name))?;
    if exchange.declared.internal {
        return Err(access_refused(format!(
            "cannot publish to internal exchange '{name}' in vhost '{}'",
            broker.vhosts[connection.vhost].name
        )));
    }
    let flags = match message.properties() {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    };
    if flags & (EXPIRATION_FLAG | USER_ID_FLAG) != 0 {
        check_properties(message, &connection.user)?;
    }
    Ok(exchange.id)
}

/// The refusal of a body that is too long.
pub(super) fn oversized(broker: &Broker, size: u64) -> Exception {
    precondition_failed(format!(
        "message size {size} is larger than configured max size {}",
        broker.options.message_bytes_max
    ))
}

fn check_properties(message: &Message, user: &str) -> Result<(), Exception> {
    let Ok(properties) = PropertiesView::parse(message.properties()) else { return Ok(()) };
    if let Some(expiration) = properties.expiration() {
        let text = String::from_utf8_lossy(expiration);
        let valid = !expiration.is_empty()
            && expiration.iter().all(u8::is_ascii_digit)
            && text.parse::<u64>().is_ok_and(|number| number <= EXPIRATION_MAX);
        if !valid {
            return Err(precondition_failed(format!(
                "invalid expiration '{text}': a number of milliseconds from 0 to {EXPIRATION_MAX} \
                 is expected"
            )));
        }
    }
    match properties.user_id() {
        Some(claimed) if claimed != user.as_bytes() => Err(precondition_failed(format!(
            "user_id property set to '{}' but authenticated user was '{user}'",
            String::from_utf8_lossy(claimed)
        ))),
        _ => Ok(()),
    }
}

impl Broker {
    /// Routes a message that has passed the checks and puts it into its queues; returns it if it
    /// is mandatory and reaches none. Says whether its confirm has to wait for the disk.
    pub(super) fn accept(
        &mut self,
        call: &mut Call<'_>,
        exchange: ExchangeId,
        publish: Publish,
    ) -> bool {
        let Publish { mandatory, message, .. } = publish;
        let vhost = self.connections[call.connection].vhost;
        self.route(vhost, exchange, &message);
        if self.scratch.queues.is_empty() {
            if mandatory {
                let channel = &self.channels[call.channel];
                let output = Output::Return { channel: channel.number, message };
                call.effects.send(channel.connection_id, output);
            }
            return false;
        }
        self.enqueue(call.now, &message)
    }

    /// Puts a message into the queues it was routed to, and into the journal if one of them keeps
    /// it. Says whether it did.
    fn enqueue(&mut self, now: Timestamp, message: &Message) -> bool {
        let queues = std::mem::take(&mut self.scratch.queues);
        let mut places = std::mem::take(&mut self.places);
        places.clear();
        for id in &queues {
            let Some(queue) = self.queues.get_mut(id) else { continue };
            let ordinal = queue.take_ordinal();
            let journaled = message.persistent() && queue.declared.persists();
            if journaled {
                places.push(Place { queue: *id, ordinal, deliveries: 0 });
            }
            if !queue.has_room(message, &self.budget) && !queue.line.is_empty() {
                // A consumer may be waiting: make room before the log is touched.
                self.deliver(*id);
            }
            let Some(queue) = self.queues.get_mut(id) else { continue };
            let held = Held::Resident(message.clone());
            let item = Item { ordinal, held, deliveries: 0, journaled, published: now };
            queue.push(item, &mut self.budget);
            self.touch(*id);
        }
        if !places.is_empty() {
            self.store.journal().publish(&places, message, now);
        }
        let journaled = !places.is_empty();
        self.places = places;
        self.scratch.queues = queues;
        journaled
    }
}
