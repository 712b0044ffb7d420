//! The checkpoint: all that must survive, written anew, so that the older journal can go.
//!
//! A snapshot is made of the same records as the journal: definitions in an order in which they can
//! be replayed (exchanges, queues, bindings), each queue's place in its log, and the messages that
//! are only in memory. It is gathered between two turns; another thread syncs the queue logs and
//! writes it. A crash in between finds the older snapshot and all of the journal.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::{Message, Shared};
use crate::store::{CheckpointJob, Outstanding, Place, Snapshot, StoreError};
use crate::wire::Method;

use super::Broker;
use super::access::Change;
use super::channel::Mode;
use super::queue::{Held, Item, Queue};
use super::recollection::Recollection;
use super::stream::snapshot_offsets;
use super::topology::{exchange_declare, queue_declare};

impl Broker {
    /// Ends in order, when no checkpoint is under way: a last one, synced, and the mark that
    /// nothing is left to replay. Where there is no room for that, the journal is as a crash would
    /// leave it: what was promised is there.
    pub fn close_store(mut self) -> Result<(), StoreError> {
        match self.close_in_order() {
            Ok(()) => self.store.close(),
            Err(error) if error.is_passing() => {
                log::warn!("{error}: the next start replays the journal");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn close_in_order(&mut self) -> Result<(), StoreError> {
        self.store.journal().write()?;
        for queue in self.queues.values_mut() {
            queue.flush(&mut self.budget)?;
        }
        self.begin_checkpoint()?.run()?;
        self.store.checkpoint_done()
    }

    pub(super) fn begin_checkpoint(&mut self) -> Result<CheckpointJob, StoreError> {
        let mut snapshot = self.store.begin_checkpoint()?;
        self.snapshot_definitions(&mut snapshot);
        self.snapshot_clocks(&mut snapshot);
        let unacked = self.unacked_by_queue();
        let mut delayed = self.delayed_by_queue();
        let mut ids: Vec<_> = self.queues.keys().copied().collect();
        ids.sort_unstable();
        let mut shared = SharedMessages::default();
        for id in &ids {
            let Some(queue) = self.queues.get(id) else { continue };
            if queue.declared.persists() {
                snapshot_offsets(&mut snapshot, queue);
                let delayed = delayed.remove(id).unwrap_or_default();
                snapshot_queue(
                    &mut snapshot,
                    queue,
                    unacked.get(id).map_or(&[], Vec::as_slice),
                    delayed,
                    &mut shared,
                );
            }
        }
        shared.put(&mut snapshot);
        let mut files = Vec::new();
        for id in &ids {
            if let Some(queue) = self.queues.get_mut(id)
                && queue.declared.persists()
            {
                files.extend(queue.log_files());
            }
        }
        Ok(self.store.finish_checkpoint(snapshot, files))
    }

    fn snapshot_definitions(&self, snapshot: &mut Snapshot) {
        for table in self.access.changes().iter().filter_map(Change::to_table) {
            let mut octets = Vec::new();
            table.encode(&mut octets);
            snapshot.change(&octets);
        }
        let mut define = |vhost: &str, queue: QueueId, method: &Method| {
            let mut bytes = Vec::new();
            method.encode(&mut bytes);
            snapshot.define(vhost, queue, &bytes);
        };
        let mut exchanges: Vec<_> =
            self.exchanges.values().filter(|exchange| exchange.declared.durable).collect();
        exchanges.sort_unstable_by_key(|exchange| exchange.id);
        let mut windows = Vec::new();
        for exchange in &exchanges {
            let declared = &exchange.declared;
            if !declared.name.is_empty() && !declared.name.starts_with("amq.") {
                let vhost = &self.vhosts[declared.vhost].name;
                define(vhost, QueueId(0), &exchange_declare(declared).into());
            }
            if let Recollection::Window(window) = &exchange.recollection {
                windows.push((declared, window));
            }
        }
        let mut queues: Vec<_> =
            self.queues.values().filter(|queue| queue.declared.persists()).collect();
        queues.sort_unstable_by_key(|queue| queue.id);
        for queue in queues {
            let vhost = &self.vhosts[queue.declared.vhost].name;
            define(vhost, queue.id, &queue_declare(&queue.declared).into());
        }
        for exchange in &exchanges {
            for binding in exchange.bindings.iter() {
                if self.binding_persists(exchange.id, binding.destination)
                    && let Some((vhost, method)) = self.bind_method(exchange.id, binding)
                {
                    define(&vhost, QueueId(0), &method);
                }
            }
        }
        for (declared, window) in windows {
            let vhost = &self.vhosts[declared.vhost].name;
            for (header, until) in window.iter() {
                snapshot.remember(vhost, &declared.name, until, header);
            }
        }
    }

    /// The deliveries that wait for an acknowledgement, those of transactions too, and the dead
    /// that were not moved yet.
    fn unacked_by_queue(&self) -> BTreeMap<QueueId, Vec<&Item>> {
        let mut by_queue = BTreeMap::<_, Vec<_>>::new();
        for (_, channel) in &self.channels {
            let settled = match &channel.mode {
                Mode::Transaction(transaction) => Some(&transaction.settlements),
                Mode::Plain | Mode::Confirm(_) => None,
            };
            let settled = settled.into_iter().flatten().map(|(_, delivered, _)| delivered);
            for delivered in channel.unacked.iter().chain(settled) {
                by_queue.entry(delivered.queue).or_default().push(&delivered.item);
            }
        }
        for (queue, item) in self.delayed.resident() {
            by_queue.entry(queue).or_default().push(item);
        }
        for dead in &self.morgue.waiting {
            by_queue.entry(dead.queue).or_default().extend(&dead.item);
        }
        by_queue
    }

    /// What delayed exchanges hold back in the logs of their hidden queues.
    fn delayed_by_queue(&self) -> BTreeMap<QueueId, Vec<Outstanding>> {
        let mut by_queue = BTreeMap::<_, Vec<_>>::new();
        for (queue, record) in self.delayed.logged() {
            by_queue.entry(queue).or_default().push(record);
        }
        by_queue
    }
}

/// Writes what a queue's messages need: for each level the log's extent, which of its records are
/// taken and not settled, and the messages in memory. `delayed` are records of its first level that
/// wait for their time.
fn snapshot_queue(
    snapshot: &mut Snapshot,
    queue: &Queue,
    unacked: &[&Item],
    mut delayed: Vec<Outstanding>,
    shared: &mut SharedMessages,
) {
    for level in queue.levels() {
        if level.id != queue.id {
            snapshot.level(queue.id, level.priority, level.id);
        }
        let taken = || unacked.iter().copied().chain(queue.delayed());
        let taken = || taken().filter(|item| item.level == level.id);
        let kept = || level.ready_items().chain(taken()).filter(|item| item.journaled);
        let mut outstanding: Vec<_> = kept().filter_map(outstanding).collect();
        if level.id == queue.id {
            outstanding.append(&mut delayed);
        }
        snapshot.queue(level.id, level.next_ordinal(), &level.log().state(), &outstanding);
        if level.redelivered_before() > Ordinal(0) {
            snapshot.redeliver(level.id, level.redelivered_before());
        }
        for item in kept() {
            if let Held::Resident(message) = &item.held {
                let (ordinal, deliveries) = (item.ordinal, item.deliveries);
                let place = Place { queue: level.id, ordinal, deliveries };
                if !shared.add(place, message, item.published) {
                    snapshot.publish(&[place], message, item.published);
                }
            }
            if item.returns > 0 {
                snapshot.give_back(level.id, item.ordinal, item.returns);
            }
        }
    }
}

/// Messages that several queues keep in memory: each is put once, behind all queues.
#[derive(Default)]
struct SharedMessages {
    messages: Vec<(Message, Timestamp, Vec<Place>)>,
    /// Where each is among them, by what its holders share.
    found: HashMap<(*const Shared, Timestamp), usize>,
}

impl SharedMessages {
    /// Adds a place of a message, if it is one for several queues.
    fn add(&mut self, place: Place, message: &Message, published: Timestamp) -> bool {
        let Some(shared) = message.shared() else { return false };
        let next = self.messages.len();
        let index = *self.found.entry((std::ptr::from_ref(shared), published)).or_insert(next);
        match self.messages.get_mut(index) {
            Some((_, _, places)) => places.push(place),
            None => self.messages.push((message.clone(), published, vec![place])),
        }
        true
    }

    fn put(self, snapshot: &mut Snapshot) {
        for (message, published, places) in self.messages {
            snapshot.publish(&places, &message, published);
        }
    }
}

/// An item of the list of records that are taken from a log and not settled.
fn outstanding(item: &Item) -> Option<Outstanding> {
    match item.held {
        Held::Logged(location) => {
            Some(Outstanding { ordinal: item.ordinal, location, deliveries: item.deliveries })
        }
        Held::Resident(_) => None,
    }
}
