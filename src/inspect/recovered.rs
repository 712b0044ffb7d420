//! What a broker would make of a data directory, found out by letting one do it.
//!
//! ```text
//!   directory ─ overlay ─▶ broker: replays, then stops in order ─▶ one snapshot, in memory
//!                                                                   └─▶ definitions, queues
//! ```
//!
//! A broker that stops in order writes down all that counts, and nothing else: that is what is
//! shown. It needs the memory that a broker would need to recover, and that of the snapshot.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::InspectError;
use super::entries;
use super::lines::Lines;
use crate::broker::{Broker, BrokerError, BrokerOptions};
use crate::clock::{Sample, WallClock};
use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;
use crate::store::{
    Disk, Entry, Location, LogState, Outstanding, Overlay, Recovery, Store, StoreError,
    StoreOptions,
};
use crate::wire::{Method, queue};

/// What a broker would begin with.
pub(super) struct Recovered {
    pub definitions: Vec<Definition>,
    /// Users, permissions, vhosts and policies, as the changes that make them.
    pub changes: Vec<String>,
    pub queues: BTreeMap<QueueId, Queue>,
    wall: WallClock,
    store: Store,
    recovery: Recovery,
}

/// A durable exchange, queue or binding: the method that declares it.
pub(super) struct Definition {
    pub virtual_host: String,
    pub queue: QueueId,
    pub method: Method,
}

/// A durable queue.
pub(super) struct Queue {
    pub virtual_host: String,
    pub name: String,
    /// Messages that were never delivered.
    pub ready: u64,
    /// Messages that were delivered and not settled; they are delivered again.
    pub unsettled: u64,
    /// What it keeps, by the number that stands for it in entries: the queue's own, and one more
    /// for each priority that it has seen.
    pub levels: BTreeMap<QueueId, Level>,
}

/// The messages of one priority.
#[derive(Default)]
pub(super) struct Level {
    pub priority: u8,
    log: LogState,
    outstanding: Vec<Outstanding>,
}

/// A message that stands before those in the log.
enum Front {
    Logged(Location),
    Resident(Message, Timestamp),
}

impl Recovered {
    /// Lets a broker recover from `disk`, on an overlay.
    pub(super) fn try_out(disk: Arc<dyn Disk>) -> Result<Self, BrokerError> {
        let overlay = Overlay::new(disk);
        let (store, recovery) = open(&overlay)?;
        Broker::open(store, recovery, BrokerOptions::default())?.close_store()?;
        let (store, recovery) = open(&overlay)?;
        let (definitions, changes, queues, wall) = Default::default();
        let mut recovered = Self { definitions, changes, queues, wall, store, recovery };
        let mut queue_of = BTreeMap::new();
        for entry in recovered.recovery.entries() {
            match entry? {
                Entry::Define { virtual_host, queue, method } => {
                    let method = Method::decode(&method)
                        .map_err(|error| BrokerError::Definition(error.to_string()))?;
                    recovered.definitions.push(Definition { virtual_host, queue, method });
                    let declared = recovered.definitions.last().and_then(Definition::declared);
                    if let Some(declared) = declared {
                        queue_of.insert(queue, queue);
                        recovered.queues.insert(queue, declared);
                    }
                }
                Entry::Sample(Sample { time, reading, .. }) => {
                    recovered.wall = WallClock::at(time, reading.wall);
                }
                Entry::Change { table } => recovered.changes.push(entries::change(&table)),
                entry => learn(&mut recovered.queues, &mut queue_of, entry),
            }
        }
        Ok(recovered)
    }

    /// Prints the messages of all queues of a name, in the order in which they will be delivered.
    pub(super) fn messages(
        &mut self,
        name: &str,
        lines: &mut Lines<'_>,
    ) -> Result<(), InspectError> {
        lines.wall = self.wall;
        for queue in self.queues.values().filter(|queue| queue.name == name) {
            let mut levels: Vec<_> = queue.levels.iter().collect();
            levels.sort_unstable_by_key(|(id, level)| (Reverse(level.priority), **id));
            for (id, level) in levels {
                let mut front = BTreeMap::new();
                for one in &level.outstanding {
                    front.insert(one.ordinal, (one.deliveries, Front::Logged(one.location)));
                }
                for entry in self.recovery.entries() {
                    if let Entry::Publish { places, message, published } = entry? {
                        for place in places.iter().filter(|place| place.queue == *id) {
                            let resident = Front::Resident(message.clone(), published);
                            front.insert(place.ordinal, (place.deliveries, resident));
                        }
                    }
                }
                print(&self.store, (*id, level), queue, front, lines)?;
            }
        }
        Ok(())
    }
}

fn print(
    store: &Store,
    (id, level): (QueueId, &Level),
    queue: &Queue,
    front: BTreeMap<Ordinal, (u32, Front)>,
    lines: &mut Lines<'_>,
) -> Result<(), InspectError> {
    let locations = level.outstanding.iter().map(|one| one.location);
    let mut log = store.restore_log(id, &level.log, locations)?;
    let mut print = |ordinal: Ordinal, deliveries: u32, message: &Message, published| {
        let facts = [
            ("virtual_host", json!(queue.virtual_host)),
            ("queue", json!(queue.name)),
            ("priority", json!(level.priority)),
            ("ordinal", json!(ordinal.0)),
            ("deliveries", json!(deliveries)),
        ];
        lines.print(&facts, Some((message, published)))
    };
    for (ordinal, (deliveries, message)) in front {
        match message {
            Front::Resident(message, published) => {
                print(ordinal, deliveries, &message, published)?;
            }
            Front::Logged(location) => {
                if let Some(stored) = log.read(location)? {
                    print(ordinal, deliveries, &stored.message, stored.published)?;
                }
            }
        }
    }
    while let Some(stored) = log.take()? {
        print(stored.ordinal, 0, &stored.message, stored.published)?;
        log.release(stored.location);
    }
    Ok(())
}

fn open(overlay: &Overlay) -> Result<(Store, Recovery), StoreError> {
    let options = StoreOptions { journal_bytes_prepared: 0, ..StoreOptions::default() };
    Store::examine(Arc::new(overlay.clone()), options)
}

/// Takes in what an entry says of a queue. `queue_of` tells which queue a number stands for.
fn learn(
    queues: &mut BTreeMap<QueueId, Queue>,
    queue_of: &mut BTreeMap<QueueId, QueueId>,
    entry: Entry,
) {
    match entry {
        Entry::Level { queue, priority, id } => {
            if let Some(known) = queues.get_mut(&queue) {
                queue_of.insert(id, queue);
                known.levels.insert(id, Level { priority, ..Level::default() });
            }
        }
        Entry::Queue { id, log, outstanding, .. } => {
            let queue = queue_of.get(&id).and_then(|queue| queues.get_mut(queue));
            if let Some(queue) = queue {
                queue.ready += log.ready();
                outstanding.iter().for_each(|one| queue.count(one.deliveries));
                if let Some(level) = queue.levels.get_mut(&id) {
                    (level.log, level.outstanding) = (log, outstanding);
                }
            }
        }
        Entry::Publish { places, .. } => {
            for place in places {
                let queue = queue_of.get(&place.queue).and_then(|queue| queues.get_mut(queue));
                if let Some(queue) = queue {
                    queue.count(place.deliveries);
                }
            }
        }
        _ => {} // a snapshot says nothing else of queues
    }
}

impl Definition {
    /// The queue that it declares, if it declares one.
    fn declared(&self) -> Option<Queue> {
        let Method::Queue(queue::Method::Declare(declare)) = &self.method else { return None };
        Some(Queue {
            virtual_host: self.virtual_host.clone(),
            name: declare.queue.to_string(),
            ready: 0,
            unsettled: 0,
            levels: BTreeMap::from([(self.queue, Level::default())]),
        })
    }
}

impl Queue {
    fn count(&mut self, deliveries: u32) {
        if deliveries > 0 {
            self.unsettled += 1;
        } else {
            self.ready += 1;
        }
    }
}
