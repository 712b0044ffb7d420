//! From what is on disk to the broker that it was.
//!
//! ```text
//!   snapshot ──▶ definitions, queues with their logs, messages that were in memory
//!   journal  ──▶ definitions, publishes, deliveries, settlements, purges since then
//! ```
//!
//! Replay gathers, for each queue, what became of each message; at the end each queue gets its
//! messages back in order: those that had been delivered to their place with redelivered set, the
//! others behind its log. Nothing is written before that, and replay gives the same result however
//! often it is begun.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use log::{info, warn};

use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;
use crate::store::{Entry, LogState, Outstanding, Recovery, Store, StoreError};
use crate::wire::{Method, ShortString, exchange, queue};

use super::arguments::{ExchangeArguments, QueueArguments};
use super::durability::{Durability, Turn};
use super::exchange::{Binding, Destination, ExchangeKind};
use super::names::Names;
use super::queue::{Budget, Declaration, Held, Item, Queue};
use super::routing::Scratch;
use super::vhost::ExchangeDeclaration;
use super::{Broker, BrokerOptions};

/// Why a broker cannot begin with a data directory.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The disk failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A definition on disk is not one: starting without it would lose what was promised.
    #[error("the data directory holds a definition that cannot be replayed: {0}")]
    Definition(String),
}

/// A message that the journal or the snapshot had whole.
struct Found {
    message: Message,
    deliveries: u32,
    published: Timestamp,
}

/// What replay has learned of one queue.
#[derive(Default)]
struct Replay {
    next_ordinal: Ordinal,
    /// The next ordinal when the snapshot was made.
    snapshot_next: Ordinal,
    log: Option<LogState>,
    outstanding: BTreeMap<Ordinal, Outstanding>,
    found: BTreeMap<Ordinal, Found>,
    /// Ordinals of log records that were taken after the snapshot: settled, or delivered so often.
    settled: Runs,
    delivered: BTreeMap<Ordinal, u32>,
    purged_before: Ordinal,
}

/// Ordinals as runs, by their first.
#[derive(Default)]
struct Runs(BTreeMap<Ordinal, Ordinal>);

impl Runs {
    fn insert(&mut self, first: Ordinal, last: Ordinal) {
        let longest = self.0.entry(first).or_insert(last);
        *longest = (*longest).max(last);
    }

    fn contains(&self, ordinal: Ordinal) -> bool {
        // Runs are settled once, so they do not overlap: the nearest below decides.
        self.0.range(..=ordinal).next_back().is_some_and(|(_, last)| ordinal <= *last)
    }

    fn last(&self) -> Option<Ordinal> {
        self.0.values().max().copied()
    }
}

impl Broker {
    /// The broker that the data directory holds; an empty one has the vhost `/` with the exchanges
    /// that every vhost has.
    ///
    /// # Errors
    ///
    /// When the disk fails, or a definition cannot be understood: it never begins with less than
    /// was promised.
    pub fn open(
        store: Store,
        mut recovery: Recovery,
        options: BrokerOptions,
        now: Timestamp,
    ) -> Result<Self, BrokerError> {
        let mut broker = Self::empty(store, options);
        broker.recovering = true;
        broker.add_vhost(ShortString::clipped("/"));
        let mut replays = HashMap::<QueueId, Replay>::new();
        for entry in recovery.entries() {
            broker.replay(entry?, &mut replays)?;
        }
        let mut ids: Vec<_> = replays.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            if let Some(replay) = replays.remove(&id) {
                broker.restore_queue(id, replay)?;
            }
        }
        broker.recovering = false;
        // Whatever was replayed would be replayed again: a checkpoint makes an end of it.
        broker.checkpoint_due = !recovery.clean();
        let (queues, messages) =
            (broker.queues.len(), broker.queues.values().map(Queue::ready).sum::<u64>());
        info!("recovered {queues} durable queues with {messages} messages at {}", now.0);
        Ok(broker)
    }

    fn empty(store: Store, options: BrokerOptions) -> Self {
        Self {
            store,
            vhosts: Vec::new(),
            exchanges: HashMap::new(),
            queues: HashMap::new(),
            sources: BTreeMap::new(),
            connections: slab::Slab::new(),
            connection_places: HashMap::new(),
            channels: slab::Slab::new(),
            consumers: slab::Slab::new(),
            budget: Budget::new(options.resident_bytes_max),
            durability: Durability::default(),
            turn: Turn::default(),
            names: Names::new(options.seed),
            next_exchange: Default::default(),
            next_queue: Default::default(),
            next_consumer: 0,
            routed: 0,
            scratch: Scratch::default(),
            places: Vec::new(),
            recovering: false,
            checkpointing: false,
            checkpoint_due: false,
            failure: None,
            options,
        }
    }

    fn replay(
        &mut self,
        entry: Entry,
        replays: &mut HashMap<QueueId, Replay>,
    ) -> Result<(), BrokerError> {
        match entry {
            Entry::Define { virtual_host, queue, method } => {
                self.replay_definition(&virtual_host, queue, &method, replays)?;
            }
            Entry::Queue { id, next_ordinal, log, outstanding } => {
                let replay = replays.entry(id).or_default();
                replay.next_ordinal = next_ordinal;
                replay.snapshot_next = next_ordinal;
                replay.log = Some(log);
                replay.outstanding =
                    outstanding.into_iter().map(|record| (record.ordinal, record)).collect();
            }
            Entry::Publish { places, message, published } => {
                for place in places {
                    // A queue that is gone by now has no replay: its messages went with it.
                    let Some(replay) = replays.get_mut(&place.queue) else { continue };
                    replay.next_ordinal = replay.next_ordinal.max(place.ordinal.next());
                    let deliveries = place.deliveries;
                    let found = Found { message: message.clone(), deliveries, published };
                    replay.found.insert(place.ordinal, found);
                }
            }
            Entry::Settle { queue, first, last } if first <= last => {
                if let Some(replay) = replays.get_mut(&queue) {
                    replay.settle(first, last);
                }
            }
            Entry::Deliver { queue, first, last } if first <= last => {
                if let Some(replay) = replays.get_mut(&queue) {
                    replay.deliver(first, last);
                }
            }
            // A run that ends before it begins: nothing is in it.
            Entry::Settle { .. } | Entry::Deliver { .. } => {}
            Entry::Purge { queue, before } => {
                if let Some(replay) = replays.get_mut(&queue) {
                    replay.purged_before = replay.purged_before.max(before);
                    replay
                        .found
                        .retain(|ordinal, found| *ordinal >= before || found.deliveries > 0);
                }
            }
        }
        Ok(())
    }

    fn replay_definition(
        &mut self,
        vhost: &str,
        id: QueueId,
        bytes: &[u8],
        replays: &mut HashMap<QueueId, Replay>,
    ) -> Result<(), BrokerError> {
        let method =
            Method::decode(bytes).map_err(|error| BrokerError::Definition(error.to_string()))?;
        let vhost = match self.vhosts.iter().position(|known| *known.name == *vhost) {
            Some(place) => place,
            None => self.add_vhost(ShortString::clipped(vhost)),
        };
        match method {
            Method::Queue(queue::Method::Declare(declare)) => {
                replays.entry(id).or_default();
                self.add_queue(id, replayed_queue(vhost, declare)?);
            }
            Method::Queue(queue::Method::Delete(_)) => {
                replays.remove(&id);
                self.remove_queue(id);
            }
            Method::Queue(queue::Method::Bind(bind)) => {
                let destination = self.queue_named(vhost, &bind.queue).map(|queue| queue.id);
                let destination = destination.map(Destination::Queue);
                self.replay_bind(
                    vhost,
                    &bind.exchange,
                    destination,
                    bind.routing_key,
                    bind.arguments,
                )?;
            }
            Method::Queue(queue::Method::Unbind(unbind)) => {
                let destination = self.queue_named(vhost, &unbind.queue).map(|queue| queue.id);
                let source = self.exchange_named(vhost, &unbind.exchange).map(|x| x.id);
                if let (Some(destination), Some(source)) = (destination, source) {
                    let destination = Destination::Queue(destination);
                    let (key, arguments) = (&unbind.routing_key, &unbind.arguments);
                    self.remove_binding(source, destination, key, arguments);
                }
            }
            Method::Exchange(method) => self.replay_exchange(vhost, method)?,
            other => return Err(BrokerError::Definition(other.to_string())),
        }
        Ok(())
    }

    fn replay_exchange(
        &mut self,
        vhost: usize,
        method: exchange::Method,
    ) -> Result<(), BrokerError> {
        match method {
            exchange::Method::Declare(declare) => {
                let declared = replayed_exchange(vhost, declare)?;
                if self.exchange_named(vhost, &declared.name).is_none() {
                    self.add_exchange(declared);
                }
            }
            exchange::Method::Delete(delete) => {
                if let Some(exchange) = self.exchange_named(vhost, &delete.exchange) {
                    self.remove_exchange(exchange.id);
                }
            }
            exchange::Method::Bind(bind) => {
                let destination = self.exchange_named(vhost, &bind.destination);
                let destination = destination.map(|exchange| Destination::Exchange(exchange.id));
                let (key, arguments) = (bind.routing_key, bind.arguments);
                self.replay_bind(vhost, &bind.source, destination, key, arguments)?;
            }
            exchange::Method::Unbind(unbind) => {
                let destination = self.exchange_named(vhost, &unbind.destination).map(|x| x.id);
                let source = self.exchange_named(vhost, &unbind.source).map(|x| x.id);
                if let (Some(destination), Some(source)) = (destination, source) {
                    let destination = Destination::Exchange(destination);
                    let (key, arguments) = (&unbind.routing_key, &unbind.arguments);
                    self.remove_binding(source, destination, key, arguments);
                }
            }
            other => return Err(BrokerError::Definition(Method::from(other).to_string())),
        }
        Ok(())
    }

    fn replay_bind(
        &mut self,
        vhost: usize,
        source: &str,
        destination: Option<Destination>,
        key: ShortString,
        arguments: crate::wire::Table,
    ) -> Result<(), BrokerError> {
        let source = self.exchange_named(vhost, source).map(|exchange| exchange.id);
        let (Some(source), Some(destination)) = (source, destination) else {
            warn!("a binding with key '{key}' names what does not exist any more: left out");
            return Ok(());
        };
        self.add_binding(source, Binding { destination, key, arguments })
            .map_err(|invalid| BrokerError::Definition(invalid.to_string()))?;
        Ok(())
    }

    /// Gives a queue its messages back.
    fn restore_queue(&mut self, id: QueueId, mut replay: Replay) -> Result<(), StoreError> {
        let Some(queue) = self.queues.get_mut(&id) else { return Ok(()) };
        // A queue that is younger than the snapshot has an empty log: what it had is in the journal.
        let state = replay.log.take().unwrap_or_default();
        let outstanding = replay.outstanding.values().map(|record| record.location);
        *queue.log_mut() = self.store.restore_log(id, &state, outstanding)?;
        queue.set_next_ordinal(replay.next_ordinal);
        restore_outstanding(queue, &replay, &mut self.budget);
        take_again(queue, &replay, &mut self.budget)?;
        for (ordinal, found) in std::mem::take(&mut replay.found) {
            let Found { message, deliveries, published } = found;
            let held = Held::Resident(message);
            let item = Item { ordinal, held, deliveries, journaled: true, published };
            // What was in memory when the snapshot was made stood before all that was in the log.
            if deliveries > 0 || ordinal < replay.snapshot_next {
                queue.restore(item, &mut self.budget);
            } else {
                queue.push(item, &mut self.budget);
            }
        }
        queue.flush()
    }
}

impl Replay {
    fn settle(&mut self, first: Ordinal, last: Ordinal) {
        self.next_ordinal = self.next_ordinal.max(last.next());
        remove_range(&mut self.found, first, last);
        remove_range(&mut self.outstanding, first, last);
        self.settled.insert(first, last);
    }

    fn deliver(&mut self, first: Ordinal, last: Ordinal) {
        self.next_ordinal = self.next_ordinal.max(last.next());
        for number in first.0..=last.0 {
            let ordinal = Ordinal(number);
            if let Some(found) = self.found.get_mut(&ordinal) {
                found.deliveries = found.deliveries.saturating_add(1);
            } else if let Some(record) = self.outstanding.get_mut(&ordinal) {
                record.deliveries = record.deliveries.saturating_add(1);
            } else {
                *self.delivered.entry(ordinal).or_default() += 1;
            }
        }
    }
}

/// Takes the entries from `first` through `last` out, at a cost of those alone.
fn remove_range<T>(map: &mut BTreeMap<Ordinal, T>, first: Ordinal, last: Ordinal) {
    while let Some((ordinal, _)) = map.range(first..=last).next() {
        let ordinal = *ordinal;
        map.remove(&ordinal);
    }
}

/// The records that were taken from the log when the snapshot was made and are not settled since.
fn restore_outstanding(queue: &mut Queue, replay: &Replay, budget: &mut Budget) {
    for record in replay.outstanding.values() {
        let item = Item {
            ordinal: record.ordinal,
            held: Held::Logged(record.location),
            deliveries: record.deliveries,
            journaled: true,
            published: Timestamp::default(),
        };
        queue.restore(item, budget);
    }
}

/// Takes from the log what had been taken from it after the snapshot: the settled go, the delivered
/// go back to their place.
fn take_again(queue: &mut Queue, replay: &Replay, budget: &mut Budget) -> Result<(), StoreError> {
    let delivered = replay.delivered.last_key_value().map(|(ordinal, _)| *ordinal);
    let purged = (replay.purged_before > Ordinal(0)).then(|| Ordinal(replay.purged_before.0 - 1));
    let Some(last) = delivered.max(replay.settled.last()).max(purged) else { return Ok(()) };
    while let Some(stored) = queue.log_mut().take()? {
        let deliveries = replay.delivered.get(&stored.ordinal).copied().unwrap_or(0);
        let purged = deliveries == 0 && stored.ordinal < replay.purged_before;
        if replay.settled.contains(stored.ordinal) || purged {
            queue.log_mut().release(stored.location);
            continue;
        }
        let item = Item {
            ordinal: stored.ordinal,
            held: Held::Logged(stored.location),
            deliveries,
            journaled: true,
            published: stored.published,
        };
        queue.restore(item, budget);
        if stored.ordinal > last {
            break; // the first that had not been taken: it is first again, as a returned one
        }
    }
    Ok(())
}

fn replayed_queue(vhost: usize, declare: queue::Declare) -> Result<Declaration, BrokerError> {
    let arguments = QueueArguments::parse(&declare.arguments)
        .map_err(|error| BrokerError::Definition(error.text(&declare.queue)))?;
    Ok(Declaration {
        name: declare.queue,
        vhost,
        durable: declare.durable,
        exclusive: None,
        auto_delete: declare.auto_delete,
        arguments,
    })
}

fn replayed_exchange(
    vhost: usize,
    declare: exchange::Declare,
) -> Result<ExchangeDeclaration, BrokerError> {
    let kind = ExchangeKind::named(&declare.kind)
        .ok_or_else(|| BrokerError::Definition(format!("exchange type '{}'", declare.kind)))?;
    let alternate = ExchangeArguments::parse(&declare.arguments)
        .map_err(|error| BrokerError::Definition(error.text(&declare.exchange)))?
        .alternate_exchange;
    Ok(ExchangeDeclaration {
        name: declare.exchange,
        vhost,
        kind,
        durable: declare.durable,
        auto_delete: declare.auto_delete,
        internal: declare.internal,
        arguments: declare.arguments,
        alternate,
    })
}
