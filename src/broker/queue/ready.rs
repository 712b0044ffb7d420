//! The messages of a queue: in at the back, out at the front, back to their place.

use crate::ids::{Ordinal, Timestamp};
use crate::message::Message;
use crate::store::{Location, LogState, QueueLog, StoreError, SyncFile};

use super::Queue;

/// The most messages of one queue that are kept in memory, ready and unacknowledged together.
const RESIDENT_COUNT_MAX: usize = 16 * 1024;
/// The most octets of one queue's messages that are kept in memory.
const RESIDENT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What a message costs beside its own octets, roughly.
const ITEM_BYTES: u64 = 128;

/// Octets that the messages of all queues together may take in memory.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
}

impl Budget {
    /// So many octets.
    pub(crate) fn new(bytes: u64) -> Self {
        Self { left: bytes }
    }
}

/// Where a message's octets are while the queue keeps it.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// In memory.
    Resident(Message),
    /// In the queue's log, to be read when needed.
    Logged(Location),
}

/// A message in a queue.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Its place.
    pub ordinal: Ordinal,
    /// Its octets.
    pub held: Held,
    /// How often it has been handed to a consumer; more than 0 means redelivered.
    pub deliveries: u32,
    /// Whether the journal knows it: persistent, in a queue that persists.
    pub journaled: bool,
    /// When it was published.
    pub published: Timestamp,
    /// Octets of its body; 0 where they are not known and nobody asks.
    pub body_length: u32,
}

/// What an item in memory counts against the bounds.
fn cost(message: &Message) -> u64 {
    message.size() + ITEM_BYTES
}

impl Queue {
    /// The ordinal of the next message, which is taken by the call.
    pub(crate) fn take_ordinal(&mut self) -> Ordinal {
        let ordinal = self.next_ordinal;
        self.next_ordinal = ordinal.next();
        ordinal
    }

    /// Sets the ordinal of the next message: recovery.
    pub(crate) fn set_next_ordinal(&mut self, next: Ordinal) {
        self.next_ordinal = self.next_ordinal.max(next);
    }

    /// The ordinal that the next message will get.
    pub(crate) fn next_ordinal(&self) -> Ordinal {
        self.next_ordinal
    }

    /// Whether one more message can stay in memory.
    pub(crate) fn has_room(&self, message: &Message, budget: &Budget) -> bool {
        self.log.is_empty()
            && self.resident_count < RESIDENT_COUNT_MAX
            && self.resident_bytes + cost(message) <= RESIDENT_BYTES_MAX
            && cost(message) <= budget.left
    }

    /// Adds a message at the back: in memory where there is room, else in the log.
    pub(crate) fn push(&mut self, item: Item, budget: &mut Budget) {
        self.ready_body_bytes += u64::from(item.body_length);
        if let Held::Resident(message) = &item.held {
            if self.has_room(message, budget) {
                self.charge(message, budget);
                self.resident.push_back(item);
            } else {
                self.log.append(item.ordinal, message, item.published);
            }
        }
    }

    /// Takes the first ready message out, to be settled or requeued later. A damaged record in the
    /// log is skipped (and reported by the store).
    pub(crate) fn take(&mut self) -> Result<Option<(Item, Message)>, StoreError> {
        let taken = self.take_first()?;
        if let Some((item, _)) = &taken {
            let length = u64::from(item.body_length);
            self.ready_body_bytes = self.ready_body_bytes.saturating_sub(length);
            self.outstanding += 1;
            self.outstanding_bytes += length;
        }
        Ok(taken)
    }

    fn take_first(&mut self) -> Result<Option<(Item, Message)>, StoreError> {
        while let Some((ordinal, _)) = self.returned.first_key_value() {
            if self.resident.front().is_some_and(|front| front.ordinal < *ordinal) {
                break;
            }
            let Some((_, item)) = self.returned.pop_first() else { break };
            match (self.message(&item)?, &item.held) {
                (Some(message), _) => return Ok(Some((item, message))),
                (None, Held::Logged(location)) => self.log.release(*location),
                (None, Held::Resident(_)) => {}
            }
        }
        if let Some(item) = self.resident.pop_front()
            && let Held::Resident(message) = &item.held
        {
            let message = message.clone();
            return Ok(Some((item, message)));
        }
        let Some(stored) = self.log.take()? else { return Ok(None) };
        let item = Item {
            ordinal: stored.ordinal,
            held: Held::Logged(stored.location),
            deliveries: 0,
            journaled: self.declared.persists() && stored.message.persistent(),
            published: stored.published,
            body_length: self.counted_length(stored.ordinal, &stored.message),
        };
        Ok(Some((item, stored.message)))
    }

    /// Lets go of a message that was taken: acknowledged, rejected or dropped.
    pub(crate) fn settle(&mut self, item: &Item, budget: &mut Budget) {
        self.come_to_rest(item);
        self.forget(item, budget);
    }

    /// Puts a message that was taken back to its place.
    pub(crate) fn requeue(&mut self, item: Item) {
        self.come_to_rest(&item);
        self.ready_body_bytes += u64::from(item.body_length);
        self.returned.insert(item.ordinal, item);
    }

    /// A message that was taken is outstanding no more.
    fn come_to_rest(&mut self, item: &Item) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.outstanding_bytes = self.outstanding_bytes.saturating_sub(u64::from(item.body_length));
    }

    /// Messages that were taken and are neither settled nor back, and octets of their bodies.
    pub(crate) fn outstanding(&self) -> (u64, u64) {
        (self.outstanding, self.outstanding_bytes)
    }

    /// Octets of the bodies of ready messages, as far as they are known.
    pub(crate) fn ready_octets(&self) -> u64 {
        self.ready_body_bytes
    }

    /// Messages that are in memory, ready or not, and their octets.
    pub(crate) fn resident(&self) -> (usize, u64) {
        (self.resident_count, self.resident_bytes)
    }

    /// Adds a message to the returned ones that was not taken in this process: recovery.
    pub(crate) fn restore(&mut self, item: Item, budget: &mut Budget) {
        self.ready_body_bytes += u64::from(item.body_length);
        if let Held::Resident(message) = &item.held {
            self.charge(message, budget);
        }
        self.returned.insert(item.ordinal, item);
    }

    /// Throws all ready messages away. Returns how many they were, and the ordinals of returned
    /// ones that the journal knows (all others are below the next ordinal and were never taken).
    pub(crate) fn purge(&mut self, budget: &mut Budget) -> (u64, Vec<Ordinal>) {
        let count = self.ready();
        let returned = std::mem::take(&mut self.returned);
        let mut journaled = Vec::new();
        for (ordinal, item) in returned {
            self.forget(&item, budget);
            if item.journaled {
                journaled.push(ordinal);
            }
        }
        for item in std::mem::take(&mut self.resident) {
            self.forget(&item, budget);
        }
        self.log.purge();
        self.ready_body_bytes = 0;
        (count, journaled)
    }

    /// How many messages are ready.
    pub(crate) fn ready(&self) -> u64 {
        self.resident.len() as u64 + self.returned.len() as u64 + self.log.ready()
    }

    /// Whether a message is ready.
    pub(crate) fn has_ready(&self) -> bool {
        !(self.resident.is_empty() && self.returned.is_empty() && self.log.is_empty())
    }

    /// Writes what was appended to the log since the last call.
    pub(crate) fn flush(&mut self) -> Result<(), StoreError> {
        self.log.flush()
    }

    /// The log's extent, for a snapshot.
    pub(crate) fn log_state(&self) -> LogState {
        self.log.state()
    }

    /// The log's files that were written since the last call.
    pub(crate) fn log_files(&mut self) -> Vec<SyncFile> {
        self.log.sync_files()
    }

    /// Gives the queue the log that an earlier process left, with ordinals below `counted_from`:
    /// recovery.
    pub(crate) fn restore_log(&mut self, log: QueueLog, counted_from: Ordinal) {
        self.counted_from = counted_from;
        self.log = log;
    }

    /// The log itself: recovery.
    pub(crate) fn log_mut(&mut self) -> &mut QueueLog {
        &mut self.log
    }

    /// Ready messages that are in memory or returned, for a snapshot.
    pub(crate) fn ready_items(&self) -> impl Iterator<Item = &Item> {
        self.returned.values().chain(&self.resident)
    }

    /// Ends the queue and its files. Returns how many messages were ready.
    pub(crate) fn delete(mut self, budget: &mut Budget) -> u64 {
        let (count, _) = self.purge(budget);
        self.log.delete();
        count
    }

    /// The octets of an item; `None` if its record is damaged.
    fn message(&self, item: &Item) -> Result<Option<Message>, StoreError> {
        match &item.held {
            Held::Resident(message) => Ok(Some(message.clone())),
            Held::Logged(location) => Ok(self.log.read(*location)?.map(|stored| stored.message)),
        }
    }

    /// What a message from the log counts against a limit on octets.
    fn counted_length(&self, ordinal: Ordinal, message: &Message) -> u32 {
        if ordinal < self.counted_from { 0 } else { message.body_length() }
    }

    fn charge(&mut self, message: &Message, budget: &mut Budget) {
        self.resident_count += 1;
        self.resident_bytes += cost(message);
        budget.left = budget.left.saturating_sub(cost(message));
    }

    fn forget(&mut self, item: &Item, budget: &mut Budget) {
        match &item.held {
            Held::Resident(message) => {
                release(&mut self.resident_count, &mut self.resident_bytes, cost(message), budget)
            }
            Held::Logged(location) => self.log.release(*location),
        }
    }
}

/// Takes a resident message off the counts.
fn release(count: &mut usize, bytes: &mut u64, cost: u64, budget: &mut Budget) {
    *count = count.saturating_sub(1);
    *bytes = bytes.saturating_sub(cost);
    budget.left += cost;
}
