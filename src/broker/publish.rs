//! A published message: checked, routed, put into its queues, told to its publisher.

use crate::ids::{ExchangeId, QueueId, Timestamp};
use crate::message::Message;
use crate::store::Place;
use crate::wire::{PropertiesView, ReplyCode, ShortBytes};

use super::Broker;
use super::call::Call;
use super::channel::Mode;
use super::command::Publish;
use super::effect::Output;
use super::exception::{
    Exception, access_refused, no_exchange, not_implemented, precondition_failed,
};
use super::queue::{Held, Item};
use super::sender_selected::copies;

/// The longest time to live that RabbitMQ takes: ten years, in milliseconds.
const EXPIRATION_MAX: u64 = 315_360_000_000;
/// Octets of publishes that a transaction may hold.
const TRANSACTION_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Property flags (section 4.2.6.1): which values follow.
const HEADERS_FLAG: u16 = 1 << 13;
const REPLY_TO_FLAG: u16 = 1 << 9;
const EXPIRATION_FLAG: u16 = 1 << 8;
const USER_ID_FLAG: u16 = 1 << 4;

/// A publish that has passed the checks.
#[derive(Debug)]
pub(super) struct Accepted {
    /// Where it goes. An exchange that is deleted before a commit routes to nothing.
    exchange: ExchangeId,
    mandatory: bool,
    message: Message,
    /// Further routing keys (CC and BCC).
    copies: Vec<ShortBytes>,
}

/// What became of a message in its queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is nothing to wait for.
    Settled,
    /// It is in the journal: what is promised of it waits for the disk.
    Journaled,
    /// One of its queues is full and refuses (x-overflow=reject-publish); others have it.
    Refused,
}

/// Handles a basic.publish with its content.
pub(super) fn publish(
    broker: &mut Broker,
    call: &mut Call<'_>,
    publish: Publish,
) -> Result<(), Exception> {
    let exchange = check(broker, call, &publish)?;
    let accepted = prepare(broker, call, exchange, publish)?;
    if let Mode::Transaction(transaction) = &mut broker.channels[call.channel].mode {
        transaction.publish_bytes += accepted.message.size();
        if transaction.publish_bytes > TRANSACTION_BYTES_MAX {
            return Err(Exception::new(
                ReplyCode::PreconditionFailed,
                format!("a transaction holds at most {TRANSACTION_BYTES_MAX} octets"),
            ));
        }
        transaction.publishes.push(accepted);
        return Ok(());
    }
    let outcome = broker.accept(call, accepted);
    if let Mode::Confirm(confirms) = &mut broker.channels[call.channel].mode {
        match outcome {
            Outcome::Settled => confirms.settle(),
            Outcome::Journaled => confirms.write(),
            Outcome::Refused => confirms.refuse(),
        }
        broker.turn.confirming.push(call.channel);
    }
    Ok(())
}

/// Does what the properties ask of the broker: an address for answers, copies by other keys.
fn prepare(
    broker: &Broker,
    call: &Call<'_>,
    exchange: ExchangeId,
    publish: Publish,
) -> Result<Accepted, Exception> {
    let Publish { mandatory, mut message, .. } = publish;
    let flags = property_flags(&message);
    let mut keys = Vec::new();
    if flags & REPLY_TO_FLAG != 0 {
        message = broker.with_reply_address(call.channel, message)?;
    }
    if flags & HEADERS_FLAG != 0 {
        (message, keys) = copies(message)?;
    }
    Ok(Accepted { exchange, mandatory, message, copies: keys })
}

fn property_flags(message: &Message) -> u16 {
    match message.properties() {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
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
    if property_flags(message) & (EXPIRATION_FLAG | USER_ID_FLAG) != 0 {
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
    /// is mandatory and reaches none.
    pub(super) fn accept(&mut self, call: &mut Call<'_>, accepted: Accepted) -> Outcome {
        let Accepted { exchange, mandatory, message, copies } = accepted;
        if self.deliver_reply(&message) {
            return Outcome::Settled;
        }
        let vhost = self.connections[call.connection].vhost;
        self.route(vhost, exchange, &message, &copies);
        let channel = &mut self.channels[call.channel];
        let routed = self.scratch.queues.len() as u64;
        channel.stats.publish += 1;
        self.statistics.messages.publish += 1;
        self.statistics.messages.publish_in += 1;
        self.statistics.messages.publish_out += routed;
        if let Some(exchange) = self.exchanges.get_mut(&exchange) {
            exchange.stats.publish_in += 1;
            exchange.stats.publish_out += routed;
        }
        if self.scratch.queues.is_empty() {
            if mandatory {
                channel.stats.return_unroutable += 1;
                self.statistics.messages.return_unroutable += 1;
                let output = Output::Return { channel: channel.number, message };
                call.effects.send(channel.connection_id, output);
            } else {
                channel.stats.drop_unroutable += 1;
                self.statistics.messages.drop_unroutable += 1;
                self.statistics.drops.unroutable += 1;
            }
            return Outcome::Settled;
        }
        self.enqueue(call.now, &message)
    }

    /// Puts a message into the queues it was routed to, and into the journal if one of them keeps
    /// it.
    fn enqueue(&mut self, now: Timestamp, message: &Message) -> Outcome {
        let queues = std::mem::take(&mut self.scratch.queues);
        let mut places = std::mem::take(&mut self.places);
        places.clear();
        let mut refused = false;
        for id in &queues {
            if self.make_room_for(*id, message) {
                places.extend(self.push(*id, now, message));
            } else {
                refused = true;
            }
        }
        if !places.is_empty() {
            self.store.journal().publish(&places, message, now);
        }
        let outcome = match (refused, places.is_empty()) {
            (true, _) => Outcome::Refused,
            (false, true) => Outcome::Settled,
            (false, false) => Outcome::Journaled,
        };
        // What a full queue drops has to be in the journal before it is settled there.
        for id in &queues {
            self.drop_head(*id);
        }
        self.places = places;
        self.scratch.queues = queues;
        outcome
    }

    /// Lets consumers make room in a queue that has none for one more message, be it in memory or
    /// within its limits. Says whether the queue takes the message.
    fn make_room_for(&mut self, id: QueueId, message: &Message) -> bool {
        let Some(queue) = self.queues.get(&id) else { return true };
        if queue.refuses(message) || !queue.has_room(message, &self.budget) {
            if !queue.line.is_empty() {
                self.deliver(id);
            }
            return !self.queues.get(&id).is_some_and(|queue| queue.refuses(message));
        }
        true
    }

    /// Puts a message into a queue; returns its place if the queue keeps it.
    fn push(&mut self, id: QueueId, now: Timestamp, message: &Message) -> Option<Place> {
        let queue = self.queues.get_mut(&id)?;
        let ordinal = queue.take_ordinal();
        queue.stats.publish += 1;
        let journaled = message.persistent() && queue.declared.persists();
        let body_length = message.body_length();
        let held = Held::Resident(message.clone());
        let item = Item { ordinal, held, deliveries: 0, journaled, published: now, body_length };
        queue.push(item, &mut self.budget);
        self.touch(id);
        journaled.then_some(Place { queue: id, ordinal, deliveries: 0 })
    }

    /// Throws the oldest ready messages of a queue away until it is within its limits
    /// (x-overflow=drop-head, the default). Waiting consumers come first.
    pub(super) fn drop_head(&mut self, id: QueueId) {
        if !self.queues.get(&id).is_some_and(|queue| queue.over_limit()) {
            return;
        }
        self.deliver(id);
        while let Some(queue) = self.queues.get_mut(&id)
            && queue.over_limit()
        {
            match queue.take() {
                Ok(Some((item, _))) => {
                    self.statistics.drops.overflow += 1;
                    self.forget(id, &item);
                }
                Ok(None) => return,
                Err(error) => {
                    self.failure.get_or_insert(error);
                    return;
                }
            }
        }
    }
}
