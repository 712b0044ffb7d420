//! A published message: checked, routed, put into its queues, told to its publisher.

use crate::ids::{ExchangeId, Ordinal, QueueId};
use crate::message::Message;
use crate::store::Place;
use crate::wire::{PropertiesView, ReplyCode, ShortBytes};

use super::Broker;
use super::access::{Access, Operation, Tag};
use super::arguments::Overflow;
use super::call::Call;
use super::channel::Mode;
use super::command::Publish;
use super::connections::Connection;
use super::dead_letter::Dead;
use super::deaths::Reason;
use super::drops::Cause;
use super::effect::Output;
use super::exception::{
    Exception, access_refused, no_exchange, not_implemented, precondition_failed,
};
use super::fsync::{FsyncPolicy, Promise};
use super::permission::Object;
use super::queue::property_flags;
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
    /// Every queue that wants it has it, and this has to hold before that is told.
    Taken(Promise),
    /// One of its queues is full and refuses (x-overflow=reject-publish); others have it.
    Refused,
}

/// Whether a queue takes a message.
pub(super) enum Welcome {
    /// It does.
    Room,
    /// It is full and refuses.
    Full,
    /// It has one with the same deduplication header.
    Duplicate,
}

/// Where the journal knows a message that is being moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    /// The number of the level it leaves.
    pub queue: QueueId,
    /// Its place there.
    pub ordinal: Ordinal,
}

/// Handles a basic.publish with its content.
pub(super) fn publish(
    broker: &mut Broker,
    call: &mut Call<'_>,
    publish: Publish,
) -> Result<(), Exception> {
    let exchange = check(broker, call, &publish)?;
    let accepted = prepare(broker, call, exchange, publish)?;
    let keys = accepted.copies.iter().map(|key| &**key);
    let keys = std::iter::once(accepted.message.routing_key()).chain(keys);
    broker.permit_topic(call, Operation::Write, exchange, keys)?;
    if let Mode::Transaction(transaction) = &mut broker.channels[call.channel].mode {
        transaction.publish_bytes += accepted.message.size();
        broker.transactions_bytes += accepted.message.size();
        let most = broker.options.transactions_bytes_max;
        if broker.transactions_bytes > most {
            return Err(Exception::new(
                ReplyCode::ResourceError,
                format!("all transactions together hold at most {most} octets"),
            ));
        }
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
            Outcome::Taken(Promise::Synced) => confirms.write(),
            Outcome::Taken(Promise::Nothing | Promise::Written) => confirms.settle(),
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

/// Whether a publish is allowed, in the order of RabbitMQ's checks.
fn check(broker: &mut Broker, call: &Call<'_>, publish: &Publish) -> Result<ExchangeId, Exception> {
    let message = &publish.message;
    if u64::from(message.body_length()) > broker.options.message_bytes_max {
        return Err(oversized(broker, u64::from(message.body_length())));
    }
    if publish.immediate {
        return Err(not_implemented("immediate=true"));
    }
    let connection = &broker.connections[call.connection];
    let name = message.exchange();
    let vhost = connection.vhost;
    match broker.exchange_named(vhost, name).map(|exchange| exchange.id) {
        Some(exchange) => broker.permit_publish(call, exchange)?,
        None => broker.permit(call, Operation::Write, Object::Exchange(name))?,
    }
    let connection = &broker.connections[call.connection];
    let exchange = broker
        .exchange_named(vhost, name)
        .ok_or_else(|| no_exchange(name, &broker.vhosts[vhost].name))?;
    if exchange.declared.internal {
        return Err(access_refused(format!(
            "cannot publish to internal exchange '{name}' in vhost '{}'",
            broker.vhosts[connection.vhost].name
        )));
    }
    if property_flags(message) & (EXPIRATION_FLAG | USER_ID_FLAG) != 0 {
        check_properties(message, connection, &broker.access)?;
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

fn check_properties(
    message: &Message,
    connection: &Connection,
    access: &Access,
) -> Result<(), Exception> {
    let user = &connection.user;
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
        Some(claimed) if claimed != user.as_bytes() && !impersonates(access, connection) => {
            Err(precondition_failed(format!(
                "user_id property set to '{}' but authenticated user was '{user}'",
                String::from_utf8_lossy(claimed)
            )))
        }
        _ => Ok(()),
    }
}

/// Whether a user may publish under other names.
fn impersonates(access: &Access, connection: &Connection) -> bool {
    let user = access.users.get(&connection.user);
    connection.facts.owner || user.is_some_and(|user| user.has(Tag::Impersonator))
}

impl Broker {
    /// Routes a message that has passed the checks and puts it into its queues; returns it if it
    /// is mandatory and reaches none.
    pub(super) fn accept(&mut self, call: &mut Call<'_>, accepted: Accepted) -> Outcome {
        let Accepted { exchange, mandatory, message, copies } = accepted;
        if self.deliver_reply(&message) {
            return Outcome::Taken(Promise::Nothing);
        }
        let vhost = self.connections[call.connection].vhost;
        self.route(vhost, exchange, &message, &copies);
        let routed = self.scratch.queues.len() as u64;
        self.channels[call.channel].stats.publish += 1;
        self.statistics.messages.publish += 1;
        self.statistics.sizes.count(message.body_length().into());
        self.statistics.messages.publish_in += 1;
        self.statistics.messages.publish_out += routed;
        if let Some(exchange) = self.exchanges.get_mut(&exchange) {
            exchange.stats.publish_in += 1;
            exchange.stats.publish_out += routed;
        }
        if self.vhosts[vhost].traced {
            self.trace_publish(call.channel, vhost, &message, &copies);
        }
        if self.scratch.queues.is_empty() {
            self.drops.unroutable(exchange, call.now, &message);
            if mandatory {
                let channel = &mut self.channels[call.channel];
                channel.stats.return_unroutable += 1;
                self.statistics.messages.return_unroutable += 1;
                let output = Output::Return { channel: channel.number, message };
                call.effects.send(channel.connection_id, output);
            } else {
                self.channels[call.channel].stats.drop_unroutable += 1;
                self.statistics.messages.drop_unroutable += 1;
            }
            return Outcome::Taken(Promise::Nothing);
        }
        self.full_queues.filled.clear();
        let outcome = self.enqueue(&message, None);
        if !self.full_queues.filled.is_empty() {
            self.note_filled(call.connection);
        }
        self.pace(call);
        outcome
    }

    /// Puts a message into the queues it was routed to, and into the journal if one of them keeps
    /// it; one that comes from another queue leaves it by the same record.
    pub(super) fn enqueue(&mut self, message: &Message, source: Option<Source>) -> Outcome {
        let queues = std::mem::take(&mut self.scratch.queues);
        let mut places = std::mem::take(&mut self.places);
        places.clear();
        let mut promise = Promise::Nothing;
        let mut refused = false;
        for id in &queues {
            match self.make_room_for(*id, message) {
                Welcome::Room => {
                    if let Some((place, policy)) = self.push(*id, message) {
                        places.push(place);
                        promise = promise.max(policy.promise());
                        self.turn.sync_within(policy);
                    }
                }
                Welcome::Full => {
                    refused = true;
                    self.turn_away(*id, message);
                }
                Welcome::Duplicate => promise = promise.max(self.drop_duplicate(*id, message)),
            }
        }
        let (now, journal) = (self.now, self.store.journal());
        match (source, places.is_empty()) {
            (None, true) => {}
            (None, false) => journal.publish(&places, message, now),
            (Some(source), true) => journal.settle(source.queue, source.ordinal),
            (Some(Source { queue, ordinal }), false) => {
                journal.transfer(queue, ordinal, &places, message, now);
            }
        }
        let outcome = if refused { Outcome::Refused } else { Outcome::Taken(promise) };
        // What a full queue drops has to be in the journal before it is settled there.
        for id in &queues {
            self.drop_excess(*id);
        }
        self.places = places;
        self.scratch.queues = queues;
        outcome
    }

    /// Lets consumers make room in a queue that has none for one more message, be it in memory or
    /// within its limits. Says whether the queue takes the message.
    pub(super) fn make_room_for(&mut self, id: QueueId, message: &Message) -> Welcome {
        let Some(queue) = self.queues.get(&id) else { return Welcome::Room };
        if queue.has_duplicate(message) {
            // What is in the queue may be over.
            self.expire(id);
            if self.queues.get(&id).is_some_and(|queue| queue.has_duplicate(message)) {
                return Welcome::Duplicate;
            }
        }
        let Some(queue) = self.queues.get(&id) else { return Welcome::Room };
        let (full, pressed) = (queue.refuses(message), queue.is_pressed());
        if full || pressed || !queue.has_room(message, &self.budget) {
            let waited_for = queue.consumers.first().is_some();
            if full {
                self.expire(id);
            }
            if waited_for {
                self.deliver(id);
            }
            if pressed {
                self.note_pressed(id);
            }
            if full && self.queues.get(&id).is_some_and(|queue| queue.refuses(message)) {
                return Welcome::Full;
            }
        }
        Welcome::Room
    }

    /// A queue does not take a message because it has one with the same deduplication header. Says
    /// what its confirm promises: as much as that of the other, which may be under way.
    fn drop_duplicate(&mut self, id: QueueId, message: &Message) -> Promise {
        let Some(queue) = self.queues.get_mut(&id) else { return Promise::Nothing };
        queue.drops.note(Cause::Duplicate, self.now, message);
        self.drops.count(Cause::Duplicate, 1);
        let keeps = queue.declared.persists() && message.persistent();
        if keeps { queue.fsync(self.options.fsync).promise() } else { Promise::Nothing }
    }

    /// A full queue does not take a message: it is lost there, or dead at once.
    fn turn_away(&mut self, id: QueueId, message: &Message) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        if queue.settings.overflow == Overflow::RejectPublishDlx {
            let message = Some(message.clone());
            self.die(Dead { queue: id, item: None, message, reason: Reason::MaxLength });
        } else {
            queue.drops.note(Cause::MaxLength, self.now, message);
            self.drops.count(Cause::MaxLength, 1);
        }
    }

    /// Puts a message into a queue; returns its place if the queue keeps it, and how well.
    fn push(&mut self, id: QueueId, message: &Message) -> Option<(Place, FsyncPolicy)> {
        let queue = self.queues.get_mut(&id)?;
        let policy = queue.fsync(self.options.fsync);
        let priority = queue.priority_of(message);
        if queue.level(priority).is_none() {
            self.next_queue = self.next_queue.next();
            let (level, persists) = (self.next_queue, queue.declared.persists());
            if persists {
                self.store.journal().level(id, priority, level);
            }
            queue.add_level(priority, level, self.store.log(level, persists));
        }
        let (level, ordinal, journaled) =
            queue.push(priority, message, self.now, &mut self.budget)?;
        queue.stats.publish += 1;
        if queue.blocks() {
            self.full_queues.filled.push(id);
        }
        self.touch(id);
        journaled.then_some((Place { queue: level, ordinal, deliveries: 0 }, policy))
    }
}
