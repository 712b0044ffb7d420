//! A published message: checked, routed, put into its queues, told to its publisher.

use crate::ids::{ExchangeId, Ordinal, QueueId};
use crate::message::Message;
use crate::store::Place;
use crate::wire::{ReplyCode, ShortBytes};

use super::Broker;
use super::access::Operation;
use super::arguments::Overflow;
use super::call::Call;
use super::channel::Mode;
use super::command::Publish;
use super::dead_letter::Dead;
use super::deaths::Reason;
use super::drops::Cause;
use super::effect::Output;
use super::exception::Exception;
use super::fsync::{FsyncPolicy, Promise};
use super::publish_checks::check;
use super::queue::Queue;
use super::sender_selected::copies;

/// Octets of publishes that a transaction may hold.
const TRANSACTION_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What each further queue of a message costs.
const QUEUE_UNITS: u64 = 2;

/// What a message may cost on its way out, in the turn in which it came: a look at its queue and a
/// delivery.
const DELIVERED_UNITS: u64 = 3;

/// Property flags (section 4.2.6.1): which values follow.
const HEADERS_FLAG: u16 = 1 << 13;
const REPLY_TO_FLAG: u16 = 1 << 9;

/// A publish that has passed the checks.
#[derive(Debug)]
pub(super) struct Accepted {
    /// Where it goes. An exchange that is deleted before a commit routes to nothing.
    exchange: ExchangeId,
    mandatory: bool,
    message: Message,
    /// Further routing keys (CC and BCC).
    copies: Vec<ShortBytes>,
    /// It goes where the publish before it went.
    known: bool,
}

impl Accepted {
    /// Bytes of the message's body.
    pub(super) fn body_length(&self) -> u64 {
        self.message.body_length().into()
    }
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
    let known = if publish.repeats { broker.last_route.exchange(call.channel) } else { None };
    if known.is_none() {
        broker.last_route.forget();
    }
    let exchange = check(broker, call, &publish, known)?;
    let accepted = prepare(broker, call, (exchange, known.is_some()), publish)?;
    if known.is_none() || !accepted.copies.is_empty() {
        let keys = accepted.copies.iter().map(|key| &**key);
        let keys = std::iter::once(accepted.message.routing_key()).chain(keys);
        broker.permit_topic(call, Operation::Write, exchange, keys)?;
    }
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
        transaction.publishes.push_back(accepted);
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
    (exchange, known): (ExchangeId, bool),
    publish: Publish,
) -> Result<Accepted, Exception> {
    let Publish { mandatory, mut message, .. } = publish;
    let flags = message.property_flags();
    let mut keys = Vec::new();
    if flags & REPLY_TO_FLAG != 0 {
        message = broker.with_reply_address(call.channel, message)?;
    }
    if flags & HEADERS_FLAG != 0 {
        (message, keys) = copies(message)?;
    }
    Ok(Accepted { exchange, mandatory, message, copies: keys, known })
}

impl Broker {
    /// Routes a message that has passed the checks and puts it into its queues; returns it if it
    /// is mandatory and reaches none.
    pub(super) fn accept(&mut self, call: &mut Call<'_>, accepted: Accepted) -> Outcome {
        let Accepted { exchange, mandatory, message, copies, known } = accepted;
        let vhost = self.connections[call.connection].vhost;
        if known && copies.is_empty() {
            self.scratch.queues.clear();
            self.scratch.queues.extend_from_slice(self.last_route.queues());
        } else {
            if self.deliver_reply(&message) {
                return Outcome::Taken(Promise::Nothing);
            }
            self.route(vhost, exchange, &message, &copies);
            if !known && copies.is_empty() && self.scratch.by_keys {
                self.remember_route(call.channel, exchange);
            }
        }
        let before = std::mem::take(&mut self.scratch.before);
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
                self.send_on(call.channel, output, call.effects);
            } else {
                self.channels[call.channel].stats.drop_unroutable += 1;
                self.statistics.messages.drop_unroutable += 1;
            }
            return Outcome::Taken(before);
        }
        self.full_queues.filled.clear();
        let outcome = self.enqueue(&message, None);
        if !self.full_queues.filled.is_empty() {
            self.note_filled(call.connection);
        }
        self.pace(call);
        match outcome {
            Outcome::Taken(promise) => Outcome::Taken(promise.max(before)),
            Outcome::Refused => Outcome::Refused,
        }
    }

    /// Remembers the route of a message that goes by exchange and key alone.
    fn remember_route(&mut self, channel: usize, exchange: ExchangeId) {
        let queues = &self.scratch.queues;
        let joins = match queues.as_slice() {
            [] => true,
            [id] => self.queues.get(id).is_some_and(Queue::joins),
            _ => false,
        };
        self.last_route.remember((channel, exchange), queues, joins);
    }

    /// Puts a message into the queues it was routed to, and into the journal if one of them keeps
    /// it; one that comes from another queue leaves it by the same record.
    pub(super) fn enqueue(&mut self, message: &Message, source: Option<Source>) -> Outcome {
        let queues = std::mem::take(&mut self.scratch.queues);
        let several =
            (queues.len() > 1 && self.store.shares(message)).then(|| message.for_several());
        let message = several.as_ref().unwrap_or(message);
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
        let further = (queues.len() as u64).saturating_sub(1);
        if further > 0 {
            self.work.spend(QUEUE_UNITS * further);
        }
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
        if queue.welcomes(message, self.now, &self.budget) {
            return Welcome::Room; // the usual case, with one look at the queue
        }
        if queue.has_duplicate(message) {
            // What is in the queue may be over.
            self.expire(id);
            if self.queues.get(&id).is_some_and(|queue| queue.has_duplicate(message)) {
                return Welcome::Duplicate;
            }
        }
        let Some(queue) = self.queues.get(&id) else { return Welcome::Room };
        let (full, pressed) = (queue.refuses(message), queue.is_pressed(self.now));
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
        // What comes in may go out in the same turn.
        self.work.allow(DELIVERED_UNITS);
        queue.stats.publish += 1;
        if queue.blocks() {
            self.full_queues.filled.push(id);
        }
        self.touch(id);
        journaled.then_some((Place { queue: level, ordinal, deliveries: 0 }, policy))
    }
}
