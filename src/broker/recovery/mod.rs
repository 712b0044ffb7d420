//! From what is on disk to the broker that it was.
//!
//! ```text
//!   snapshot ──▶ definitions, queues with their logs, messages that were in memory
//!   journal  ──▶ definitions, publishes, deliveries, settlements, purges since then
//! ```
//!
//! All of it is read twice. The first time tells the definitions, and what became of the messages
//! (`replay.rs`); the second time those that are left go to their queues (`restore.rs`). Both take
//! memory for what is left, not for what happened.
//!
//! Each queue gets its messages back in order: those that had been delivered to their place with
//! redelivered set, the others behind its log. After a power cut all of them are set redelivered: a
//! delivery is told to the journal, but does not wait for it to be synced. Nothing is changed that
//! replay relies on: it gives the same result however often it is begun.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use log::{info, warn};

use crate::ids::QueueId;
use crate::message::Message;
use crate::mutants::mutant;
use crate::store::{Entry, Place, Recovery, Store, StoreError};
use crate::wire::{Method, ShortString, Table, exchange, queue};

use super::access::Access;
use super::alarms::{Alarms, Failure};
use super::checkpoints::Checkpoints;
use super::dead_letter::Morgue;
use super::drops::Drops;
use super::durability::{Durability, Turn};
use super::effect::Effects;
use super::exchange::{Binding, Destination};
use super::full_queues::FullQueues;
use super::last_route::LastRoute;
use super::names::Names;
use super::pacing::Pacing;
use super::queue::{Budget, Queue};
use super::replay::Replays;
use super::replayed::{BrokerError, read_change, replayed_exchange, replayed_queue};
use super::restore::Batch;
use super::routing::Scratch;
use super::timers::{Clocks, Timers};
use super::{Broker, BrokerOptions};

mod first_start;

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
    ) -> Result<Self, BrokerError> {
        let mut broker = Self::empty(store, options);
        broker.recovering = true;
        let mut replays = Replays::new();
        let damaged = recovery.damaged() > 0;
        for entry in recovery.entries() {
            let entry = entry?;
            if damaged {
                check_declared(&entry, &replays)?;
            }
            broker.replay(entry, &mut replays)?;
        }
        broker.check_users(&recovery)?;
        // Up to here nothing is changed on disk: a directory that is refused is refused again.
        broker.store.accept(&recovery)?;
        broker.resume_clocks();
        broker.restore_messages(&mut recovery, &mut replays)?;
        for queue in broker.queues.values_mut() {
            queue.find_headers()?;
        }
        broker.recovering = false;
        broker.complete_delays();
        broker.begin_access()?;
        // A number is never used twice, also not that of a queue whose deletion is known no more.
        broker.next_queue = broker.next_queue.max(recovery.queue_max());
        // Whatever was replayed would be replayed again: a checkpoint makes an end of it.
        broker.checkpoints.due = !recovery.clean();
        let (queues, messages) =
            (broker.queues.len(), broker.queues.values().map(Queue::ready).sum::<u64>());
        info!("recovered {queues} durable queues with {messages} messages");
        Ok(broker)
    }

    /// Gives all queues their messages back, when it is known what became of them.
    fn restore_messages(
        &mut self,
        recovery: &mut Recovery,
        replays: &mut Replays,
    ) -> Result<(), StoreError> {
        let cut = recovery.cut() && !mutant("a_power_cut_flags_nothing");
        let mut ids: Vec<_> = replays.keys().copied().collect();
        ids.sort_unstable();
        for id in &ids {
            let Some(replay) = replays.get_mut(id) else { continue };
            if cut {
                replay.redelivered_before = replay.next_ordinal;
            }
            self.restore_log(*id, replay)?;
        }
        let mut batch = Batch::default();
        for entry in recovery.entries() {
            let (Entry::Publish { places, message, published }
            | Entry::Transfer { places, message, published, .. }) = entry?
            else {
                continue;
            };
            let shares = |message: &Message| self.store.shares(message);
            batch.add(&places, (message, published), replays, shares);
            if batch.is_full() {
                self.restore_batch(std::mem::take(&mut batch), replays)?;
            }
        }
        self.restore_batch(batch, replays)?;
        for id in ids {
            if self.delayed.is_queue(id) {
                self.index_delayed(id);
            }
            self.end_restored_stream(id)?;
        }
        self.failure.check()
    }

    fn empty(store: Store, options: BrokerOptions) -> Self {
        Self {
            store,
            access: Access::default(),
            vhosts: Vec::new(),
            exchanges: HashMap::new(),
            queues: HashMap::new(),
            sources: BTreeMap::new(),
            connections: slab::Slab::new(),
            connection_places: HashMap::new(),
            channels: slab::Slab::new(),
            reply_channels: HashMap::new(),
            consumers: slab::Slab::new(),
            deadlines: Default::default(),
            delayed: Default::default(),
            budget: Budget::new(options.resident_bytes_max),
            histories_bytes: 0,
            transactions_bytes: 0,
            durability: Durability::default(),
            alarms: Alarms::default(),
            full_queues: FullQueues::default(),
            pacing: Pacing::default(),
            turn: Turn::default(),
            names: Names::new(options.seed),
            next_exchange: Default::default(),
            next_queue: Default::default(),
            next_consumer: 0,
            now: Default::default(),
            timers: Timers::default(),
            clocks: Clocks::default(),
            morgue: Morgue::default(),
            drops: Drops::default(),
            statistics: Default::default(),
            routed: 0,
            scratch: Scratch::default(),
            last_route: LastRoute::default(),
            places: Vec::new(),
            recovering: false,
            warned: Default::default(),
            checkpoints: Checkpoints::default(),
            work: super::work::Work::new(options.work_per_turn),
            failure: Failure::default(),
            options,
        }
    }

    fn replay(&mut self, entry: Entry, replays: &mut Replays) -> Result<(), BrokerError> {
        match entry {
            Entry::Define { virtual_host, queue, method } => {
                self.replay_definition(&virtual_host, queue, &method, replays)?;
            }
            Entry::Change { table } => {
                let change = read_change(&table)?;
                self.apply_change(change, &mut Effects::default())
                    .map_err(|refused| BrokerError::Definition(refused.to_string()))?;
            }
            Entry::Queue { id, next_ordinal, log, outstanding } => {
                replays.entry(id).or_default().begin(next_ordinal, log, &outstanding);
            }
            Entry::Publish { places, .. } => replay_publish(&places, replays),
            Entry::Transfer { queue, ordinal, places, .. } => {
                replay_publish(&places, replays);
                if let Some(replay) = replays.get_mut(&queue) {
                    replay.settle(ordinal, ordinal);
                }
            }
            Entry::Level { queue, priority, id } => self.replay_level(queue, priority, id, replays),
            Entry::GiveBack { queue, first, last, times } if first <= last => {
                if let Some(replay) = replays.get_mut(&queue) {
                    replay.give_back(first, last, times);
                }
            }
            Entry::Remember { virtual_host, exchange, until, header } => {
                self.replay_remembered(&virtual_host, &exchange, until, &header);
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
            Entry::Settle { .. } | Entry::Deliver { .. } | Entry::GiveBack { .. } => {}
            Entry::Sample(sample) => self.clocks.found = Some(sample),
            Entry::Offset(offset) => self.replay_offset(&offset),
            Entry::Redeliver { queue, before } => {
                if let Some(replay) = replays.get_mut(&queue) {
                    replay.redelivered_before = replay.redelivered_before.max(before);
                }
            }
            Entry::Purge { queue, before } => {
                if let Some(replay) = replays.get_mut(&queue) {
                    replay.purge(before);
                }
            }
        }
        Ok(())
    }

    /// A queue has got a level for another priority.
    fn replay_level(&mut self, queue: QueueId, priority: u8, id: QueueId, replays: &mut Replays) {
        self.next_queue = self.next_queue.max(id);
        let Some(known) = self.queues.get_mut(&queue) else { return };
        if known.level(priority).is_none() {
            known.add_level(priority, id, self.store.log(id, true));
            replays.entry(id).or_default().level_of = Some((queue, priority));
        }
    }

    fn replay_definition(
        &mut self,
        vhost: &str,
        id: QueueId,
        bytes: &[u8],
        replays: &mut Replays,
    ) -> Result<(), BrokerError> {
        let method =
            Method::decode(bytes).map_err(|error| BrokerError::Definition(error.to_string()))?;
        let vhost = match self.vhost_named(vhost) {
            Some(place) => place,
            None => self.add_vhost(ShortString::clipped(vhost)),
        };
        match method {
            Method::Queue(queue::Method::Declare(declare)) => {
                replays.entry(id).or_default();
                self.add_queue(id, replayed_queue(vhost, declare)?);
                self.connect_delay_queue(id);
            }
            Method::Queue(queue::Method::Delete(_)) => {
                for level in self.queues.get(&id).into_iter().flat_map(Queue::levels) {
                    replays.remove(&level.id);
                }
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
        arguments: Table,
    ) -> Result<(), BrokerError> {
        let source = self.exchange_named(vhost, source).map(|exchange| exchange.id);
        let (Some(source), Some(destination)) = (source, destination) else {
            warn!("a binding with key '{key}' names what does not exist any more: left out");
            return Ok(());
        };
        self.add_binding(source, Binding { destination, key, arguments: arguments.into() })
            .map_err(|invalid| BrokerError::Definition(invalid.to_string()))?;
        Ok(())
    }
}

fn replay_publish(places: &[Place], replays: &mut Replays) {
    for place in places {
        if let Some(replay) = replays.get_mut(&place.queue) {
            replay.publish(place);
        }
    }
}

/// Whether the queues that a message went to are known. They always are unless their declaration is
/// damaged, and then going on would cost all their messages.
fn check_declared(entry: &Entry, replays: &Replays) -> Result<(), BrokerError> {
    let (Entry::Publish { places, .. } | Entry::Transfer { places, .. }) = entry else {
        return Ok(());
    };
    let unknown = places.iter().find(|place| !replays.contains_key(&place.queue));
    unknown.map_or(Ok(()), |place| Err(BrokerError::Undeclared(place.queue)))
}
