//! Delayed messages: the exchange type `x-delayed-message`.
//!
//! ```text
//!   publish ─▶ exchange ── x-delay: 5000 ──▶ hidden queue ──▶ index by due time
//!                 ▲                          (octets in memory or in its log, in the journal)
//!                 └──────────── due ─────────────┘
//!              to the bindings, x-delay: -5000
//! ```
//!
//! Each such exchange has a queue of its own, without a name, that no client can reach. A message
//! that asks for a delay is put into it as into any queue that it was routed to: journaled where it
//! is persistent, confirmed when it is durable, spilled to the queue's log where there are many.
//! The message is taken out at the end of the turn, as by a consumer that does not acknowledge, and
//! the index keeps where it is: about 80 octets for each that is in the log, whatever its length.
//! So a checkpoint and a restart know it as they know an unacknowledged delivery.
//!
//! When it is due it is routed by the bindings of that moment. The journal has its arrival in the
//! queues before its settlement here, in one write: cut in between, it comes twice, and is never
//! lost.
//!
//! Left out: `mandatory` of a message that is delayed (it counts as routed), and its BCC keys.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use hashbrown::HashMap;

use crate::clock::WallClock;
use crate::ids::{ExchangeId, Ordinal, QueueId, Timestamp};
use crate::message::Message;
use crate::store::{Location, Outstanding};
use crate::wire::{Field, Properties, ShortString, Table};

use super::Broker;
use super::admission::header;
use super::arguments::{QueueArguments, value};
use super::exchange::Options;
use super::queue::{Declaration, Held, Item};
use super::sender_selected::with_properties;
use super::settings::NEVER;

/// The header with a delay in milliseconds.
const DELAY: &str = "x-delay";
/// The header with the moment of delivery, in milliseconds since 1970 or as a timestamp.
const DELIVERY_TIME: &str = "x-opt-delivery-time";
/// The argument of a hidden queue that names its exchange.
const EXCHANGE: &str = "x-delayed-exchange";
/// The longest delay, in milliseconds: ten years.
const DELAY_MS_MAX: u64 = 315_360_000_000;
/// The most messages that are released in one turn: others have their turn in between.
const RELEASED_MAX: usize = 4096;
/// What a message costs that is released, and each queue that it comes to; bytes that cost a unit.
const RELEASE_UNITS: u64 = 4;
const BYTES_PER_UNIT: u64 = 1024;
/// After how long a message is tried again that could not be read for now.
const RETRY: Duration = Duration::from_millis(500);

/// When a message is due, its hidden queue, and its place there.
pub(super) type DelayedPlace = (Timestamp, QueueId, Ordinal);

/// What waits, by due time.
#[derive(Debug, Default)]
pub(super) struct Delayed {
    index: BTreeMap<DelayedPlace, Kept>,
    /// The exchange of each hidden queue, and how many messages wait.
    queues: HashMap<QueueId, (ExchangeId, u64)>,
}

impl Delayed {
    /// When the next message is due.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.index.first_key_value().map(|((due, ..), _)| *due)
    }

    /// What waits in memory in all exchanges, with its queue.
    pub(super) fn resident(&self) -> impl Iterator<Item = (QueueId, &Item)> {
        self.index.iter().filter_map(|((_, queue, _), kept)| match kept {
            Kept::Whole(item) => Some((*queue, &**item)),
            Kept::Logged(_) => None,
        })
    }

    /// What waits in the logs of hidden queues and is to survive a restart, with its queue.
    pub(super) fn logged(&self) -> impl Iterator<Item = (QueueId, Outstanding)> {
        self.index.iter().filter_map(|((_, queue, ordinal), kept)| match kept {
            Kept::Logged(Logged { location, deliveries, journaled: true, .. }) => {
                let (ordinal, location, deliveries) = (*ordinal, *location, *deliveries);
                Some((*queue, Outstanding { ordinal, location, deliveries }))
            }
            Kept::Logged(_) | Kept::Whole(_) => None,
        })
    }

    /// Whether a queue is the hidden one of an exchange.
    pub(super) fn is_queue(&self, id: QueueId) -> bool {
        self.queues.contains_key(&id)
    }

    fn pop(&mut self, now: Timestamp) -> Option<(QueueId, ExchangeId, Item)> {
        loop {
            let entry = self.index.first_entry().filter(|entry| entry.key().0 <= now)?;
            let ((_, queue, ordinal), kept) = entry.remove_entry();
            // What waits in an exchange that is gone goes in slices.
            let Some((exchange, count)) = self.queues.get_mut(&queue) else { continue };
            *count = count.saturating_sub(1);
            return Some((queue, *exchange, kept.item(queue, ordinal)));
        }
    }

    /// Looks at the first message behind a place, and forgets it if its hidden queue is `gone`. Says
    /// whether there was one.
    pub(super) fn forget_one(&mut self, gone: QueueId, place: &mut DelayedPlace) -> bool {
        let next = self.index.range((Excluded(*place), Unbounded)).next();
        let Some(next) = next.map(|(next, _)| *next) else { return false };
        *place = next;
        if next.1 == gone {
            self.index.remove(&next);
        }
        true
    }

    /// Puts a message back that could not be read, to be tried again.
    fn put_back(&mut self, due: Timestamp, queue: QueueId, item: Item) {
        if let Some((_, count)) = self.queues.get_mut(&queue) {
            *count += 1;
        }
        self.index.insert((due, queue, item.ordinal), Kept::new(item));
    }
}

/// A message that waits. Most are in a log where there are many, so these take little.
#[derive(Debug)]
enum Kept {
    /// In memory.
    Whole(Box<Item>),
    /// In the log of its hidden queue.
    Logged(Logged),
}

/// What of an [`Item`] does not follow from its being in a hidden queue.
#[derive(Debug)]
struct Logged {
    location: Location,
    deliveries: u32,
    body_length: u32,
    journaled: bool,
}

impl Kept {
    fn new(item: Item) -> Self {
        let Item { deliveries, body_length, journaled, .. } = item;
        match item.held {
            Held::Logged(location) => {
                Self::Logged(Logged { location, deliveries, body_length, journaled })
            }
            Held::Resident(_) => Self::Whole(Box::new(item)),
        }
    }

    /// The item again: a hidden queue has one level, and nobody gives back what was in it.
    fn item(&self, queue: QueueId, ordinal: Ordinal) -> Item {
        let &Logged { location, deliveries, body_length, journaled } = match self {
            Self::Whole(item) => return Item::clone(item),
            Self::Logged(logged) => logged,
        };
        Item {
            level: queue,
            ordinal,
            held: Held::Logged(location),
            deliveries,
            returns: 0,
            priority: 0,
            journaled,
            published: Timestamp::default(),
            expires: NEVER,
            body_length,
        }
    }
}

/// When a message is due, if it asks for a delay. A moment of delivery is one of the wall clock's.
pub(super) fn due(message: &Message, published: Timestamp, wall: WallClock) -> Option<Timestamp> {
    let latest = published.0.saturating_add(DELAY_MS_MAX);
    let after = header(message, DELAY).and_then(|field| milliseconds(&field));
    let at = || match header(message, DELIVERY_TIME)? {
        Field::Timestamp(seconds) => Some(seconds.saturating_mul(1000)),
        field => milliseconds(&field),
    };
    let due = match after {
        Some(delay) => published.0.saturating_add(delay),
        None => wall.time(at()?).0,
    };
    (due > published.0).then_some(Timestamp(due.min(latest)))
}

fn milliseconds(field: &Field) -> Option<u64> {
    match field {
        Field::LongString(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
        other => value::integer(other).and_then(|number| u64::try_from(number).ok()),
    }
}

/// The message as it is delivered: the delay is negative, as the plugin has it, which also keeps a
/// further exchange from delaying it again.
fn released(message: &Message) -> Message {
    let delay = header(message, DELAY).and_then(|field| milliseconds(&field));
    let (Some(delay), Ok(mut properties)) = (delay, Properties::decode(message.properties()))
    else {
        return message.clone();
    };
    if let Some(headers) = &mut properties.headers {
        let delay = i64::try_from(delay).unwrap_or(i64::MAX);
        let negative = i32::try_from(-delay).map(Field::I32).unwrap_or_else(|_| Field::I64(-delay));
        *headers = headers
            .iter()
            .map(|(name, field)| {
                let value = if **name == *DELAY { negative.clone() } else { field.clone() };
                (name.clone(), value)
            })
            .collect();
    }
    with_properties(message, &properties)
}

impl Broker {
    /// Gives a delayed exchange its hidden queue.
    pub(super) fn add_delay_queue(&mut self, exchange: ExchangeId) {
        let Some(declared) = self.exchanges.get(&exchange).map(|found| &found.declared) else {
            return;
        };
        let name = Field::LongString(declared.name.as_bytes().to_vec());
        let table = Table::from_iter([(ShortString::clipped(EXCHANGE), name)]);
        let arguments = QueueArguments { table: (&table).into(), ..QueueArguments::default() };
        let declaration = Declaration {
            name: ShortString::default(),
            vhost: declared.vhost,
            durable: declared.durable,
            exclusive: None,
            auto_delete: false,
            arguments,
        };
        let id = self.next_queue.next();
        self.add_queue(id, declaration);
        self.connect_delay_queue(id);
    }

    /// Gives delayed exchanges their hidden queues where a cut in the journal has left them without
    /// one.
    pub(super) fn complete_delays(&mut self) {
        let mut missing: Vec<_> = self
            .exchanges
            .values()
            .filter(|found| matches!(found.declared.options, Options::Delayed(..)))
            .filter(|found| found.delays.is_none())
            .map(|found| found.id)
            .collect();
        missing.sort_unstable();
        for exchange in missing {
            self.add_delay_queue(exchange);
        }
    }

    /// Connects a queue without a name with its exchange: when it is made, and when it is
    /// recovered.
    pub(super) fn connect_delay_queue(&mut self, id: QueueId) {
        let Some(declared) = self.queues.get(&id).map(|queue| &queue.declared) else { return };
        let Some(Field::LongString(name)) = declared.arguments.table.get(EXCHANGE) else { return };
        let name = String::from_utf8_lossy(&name);
        let Some(exchange) = self.vhosts[declared.vhost].exchanges.get(&*name).copied() else {
            return;
        };
        if let Some(exchange) = self.exchanges.get_mut(&exchange) {
            exchange.delays = Some(id);
            self.delayed.queues.insert(id, (exchange.id, 0));
        }
    }

    /// Removes the hidden queue of an exchange, with all that waits in it.
    pub(super) fn remove_delay_queue(&mut self, id: QueueId) {
        self.delayed.queues.remove(&id);
        self.leave_delayed(id);
        self.remove_queue(id);
    }

    /// How many messages an exchange of type `x-delayed-message` holds back.
    pub fn delayed_count(&self, vhost: &str, exchange: &str) -> u64 {
        let vhost = self.vhosts.iter().position(|known| *known.name == *vhost);
        let queue = vhost.and_then(|vhost| self.exchange_named(vhost, exchange)?.delays);
        queue.map_or(0, |queue| {
            let ready = self.queues.get(&queue).map_or(0, super::queue::Queue::ready);
            ready + self.delayed.queues.get(&queue).map_or(0, |(_, count)| *count)
        })
    }

    /// Puts what is new in a hidden queue into the index.
    pub(super) fn index_delayed(&mut self, id: QueueId) {
        // As long as a message lies in a segment's mapping, the next one is read through the same.
        let mut before: Option<Message> = None;
        for _ in 0..RELEASED_MAX {
            let Some(queue) = self.queues.get_mut(&id) else { return };
            let (item, message) = match queue.take() {
                Ok(Some(taken)) => taken,
                Ok(None) => return,
                Err(error) => return self.store_failed(Some(id), error),
            };
            let published = queue.published(&item);
            let due = due(&message, published, self.clocks.wall).unwrap_or(published);
            if let Some((_, count)) = self.delayed.queues.get_mut(&id) {
                *count += 1;
            }
            // Small messages share what they lie in with many that may be gone long before.
            let held = match &item.held {
                Held::Resident(message) => Held::Resident(message.compact()),
                Held::Logged(location) => Held::Logged(*location),
            };
            let key = (due, id, item.ordinal);
            self.delayed.index.insert(key, Kept::new(Item { held, ..item }));
            drop(before.replace(message));
        }
        self.turn.later.push(id);
    }

    /// Routes what is due to the queues that the exchange's bindings lead to now.
    pub(super) fn release_delayed(&mut self, now: Timestamp) {
        // As in `index_delayed`.
        let mut before: Option<Message> = None;
        for _ in 0..RELEASED_MAX {
            if !self.work.has_left() {
                return;
            }
            let Some((queue, exchange, item)) = self.delayed.pop(now) else { return };
            let read = self.queues.get(&queue).map(|queue| queue.message(&item));
            match read {
                Some(Ok(Some(message))) => {
                    self.publish_from(exchange, &released(&message));
                    let queues = self.scratch.queues.len() as u64;
                    let bytes = u64::from(message.body_length());
                    self.work.pay(RELEASE_UNITS * (1 + queues) + bytes / BYTES_PER_UNIT);
                    drop(before.replace(message));
                    self.pass_on(queue, item);
                }
                Some(Err(error)) => {
                    self.delayed.put_back(now.after(RETRY), queue, item);
                    return self.store_failed(Some(queue), error);
                }
                // A damaged record has been reported by the store.
                Some(Ok(None)) | None => self.forget(queue, &item),
            }
        }
    }
}
