//! What a broker would make of a data directory, found out by letting one do it.
//!
//! ```text
//!   directory ─ overlay ─▶ broker: replays, then stops in order ─▶ one snapshot, in memory
//!                                                                   └─▶ definitions, queues
//! ```
//!
//! A broker that stops in order writes down all that counts, and nothing else: that is what is
//! shown. It needs the memory that a broker would need to recover, and that of the snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::InspectError;
use super::lines::Lines;
use crate::broker::{Broker, BrokerError, BrokerOptions};
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
    pub queues: BTreeMap<QueueId, Queue>,
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
        let (definitions, queues) = Default::default();
        let mut recovered = Self { definitions, queues, store, recovery };
        for entry in recovered.recovery.entries() {
            learn(&mut recovered.definitions, &mut recovered.queues, entry?)?;
        }
        Ok(recovered)
    }

    /// Prints the messages of all queues of a name, in the order in which they will be delivered.
    pub(super) fn messages(
        &mut self,
        name: &str,
        lines: &mut Lines<'_>,
    ) -> Result<(), InspectError> {
        for (id, queue) in self.queues.iter().filter(|(_, queue)| queue.name == name) {
            let mut front = BTreeMap::new();
            for one in &queue.outstanding {
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
            self.print(*id, queue, front, lines)?;
        }
        Ok(())
    }

    fn print(
        &self,
        id: QueueId,
        queue: &Queue,
        front: BTreeMap<Ordinal, (u32, Front)>,
        lines: &mut Lines<'_>,
    ) -> Result<(), InspectError> {
        let locations = queue.outstanding.iter().map(|one| one.location);
        let mut log = self.store.restore_log(id, &queue.log, locations)?;
        let mut print = |ordinal: Ordinal, deliveries: u32, message: &Message, published| {
            let facts = [
                ("virtual_host", json!(queue.virtual_host)),
                ("queue", json!(queue.name)),
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
}

fn open(overlay: &Overlay) -> Result<(Store, Recovery), StoreError> {
    let options = StoreOptions { journal_bytes_prepared: 0, ..StoreOptions::default() };
    Store::open(Arc::new(overlay.clone()), options)
}

fn learn(
    definitions: &mut Vec<Definition>,
    queues: &mut BTreeMap<QueueId, Queue>,
    entry: Entry,
) -> Result<(), BrokerError> {
    match entry {
        Entry::Define { virtual_host, queue: id, method } => {
            let method = Method::decode(&method)
                .map_err(|error| BrokerError::Definition(error.to_string()))?;
            if let Method::Queue(queue::Method::Declare(declare)) = &method {
                let queue = Queue {
                    virtual_host: virtual_host.clone(),
                    name: declare.queue.to_string(),
                    ready: 0,
                    unsettled: 0,
                    log: LogState::default(),
                    outstanding: Vec::new(),
                };
                queues.insert(id, queue);
            }
            definitions.push(Definition { virtual_host, queue: id, method });
        }
        Entry::Queue { id, log, outstanding, .. } => {
            if let Some(queue) = queues.get_mut(&id) {
                queue.ready += log.ready();
                outstanding.iter().for_each(|one| queue.count(one.deliveries));
                (queue.log, queue.outstanding) = (log, outstanding);
            }
        }
        Entry::Publish { places, .. } => {
            for place in places {
                if let Some(queue) = queues.get_mut(&place.queue) {
                    queue.count(place.deliveries);
                }
            }
        }
        _ => {} // a snapshot says nothing else of queues
    }
    Ok(())
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
