//! A message in a queue, and what it costs to keep it in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;
use crate::store::Location;
use crate::wire::PropertiesView;

/// The most messages of one queue that are kept in memory, ready and unacknowledged together.
const RESIDENT_COUNT_MAX: usize = 16 * 1024;
/// The most octets of one queue's messages that are kept in memory.
const RESIDENT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What a message costs beside its own octets, roughly.
const ITEM_BYTES: u64 = 128;

/// Property flags (section 4.2.6.1): which values are there.
const PRIORITY_FLAG: u16 = 1 << 11;
const EXPIRATION_FLAG: u16 = 1 << 8;

/// Where a message's octets are while the queue keeps it.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// In memory.
    Resident(Message),
    /// In a log of the queue, to be read when needed.
    Logged(Location),
}

/// A message in a queue.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// The number of its level, by which journal and snapshots know it.
    pub level: QueueId,
    /// Its place in its level.
    pub ordinal: Ordinal,
    /// Its octets.
    pub held: Held,
    /// How often it has been handed to a consumer; more than 0 means redelivered.
    pub deliveries: u32,
    /// How many of these were given back without having failed.
    pub returns: u32,
    /// The priority of its level, by which the queue knows it.
    pub priority: u8,
    /// Whether the journal knows it: persistent, in a queue that persists.
    pub journaled: bool,
    /// When it was published.
    pub published: Timestamp,
    /// When its time is over.
    pub expires: Timestamp,
    /// Octets of its body that count against a limit.
    pub body_length: u32,
}

impl Item {
    /// How often a delivery of it has failed.
    pub(crate) fn failures(&self) -> u32 {
        self.deliveries.saturating_sub(self.returns)
    }

    /// Whether its time is over.
    pub(crate) fn expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    /// Whether its time is over for a waiting consumer too: one that may not wait at all
    /// (a time to live of 0) is delivered in the turn in which it came.
    pub(crate) fn expired_for_consumer(&self, now: Timestamp) -> bool {
        self.expired(now) && (self.deliveries > 0 || self.published < now)
    }
}

/// The time to live that a message brought along (`expiration`), which was checked when it came.
pub(crate) fn own_ttl(message: &Message) -> Option<Duration> {
    if message.property_flags() & EXPIRATION_FLAG == 0 {
        return None;
    }
    let view = PropertiesView::parse(message.properties()).ok()?;
    let digits = std::str::from_utf8(view.expiration()?).ok()?;
    digits.parse().ok().map(Duration::from_millis)
}

/// The priority that a message brought along.
pub(crate) fn own_priority(message: &Message) -> Option<u8> {
    if message.property_flags() & PRIORITY_FLAG == 0 {
        return None;
    }
    PropertiesView::parse(message.properties()).ok()?.priority()
}

/// Octets that the messages of all queues together may take in memory.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
    /// What messages of several queues have given back since it was added up last.
    returned: Arc<AtomicU64>,
}

impl Budget {
    /// So many octets.
    pub(crate) fn new(bytes: u64) -> Self {
        Self { left: bytes, returned: Arc::default() }
    }

    /// Octets that are left.
    pub(crate) fn left(&self) -> u64 {
        self.left.saturating_add(self.returned.load(Ordering::Relaxed))
    }

    fn take(&mut self, bytes: u64) {
        self.left = self.left.saturating_add(self.returned.swap(0, Ordering::Relaxed));
        self.left = self.left.saturating_sub(bytes);
    }
}

/// What one queue keeps in memory.
#[derive(Debug, Default)]
pub(crate) struct Room {
    count: usize,
    bytes: u64,
    /// What of it the queue has taken of the budget by itself: not the bytes that queues share.
    own: u64,
}

impl Room {
    /// Whether one more message can stay in memory.
    pub(crate) fn takes(&self, message: &Message, budget: &Budget) -> bool {
        self.count < RESIDENT_COUNT_MAX
            && self.bytes + cost(message) <= RESIDENT_BYTES_MAX
            && own_cost(message) + shared_cost(message) <= budget.left()
    }

    /// How many messages are kept in memory, and what they count.
    pub(crate) fn held(&self) -> (usize, u64) {
        (self.count, self.bytes)
    }

    /// A message is kept in memory from now on.
    pub(crate) fn charge(&mut self, message: &Message, budget: &mut Budget) {
        self.count += 1;
        self.bytes += cost(message);
        self.own += own_cost(message);
        budget.take(own_cost(message) + shared_cost(message));
        if let Some(shared) = message.shared() {
            shared.charge(message.size(), &budget.returned);
        }
    }

    /// None of the messages is kept any more.
    pub(crate) fn free_all(&mut self, budget: &mut Budget) {
        budget.left += self.own;
        *self = Self::default();
    }

    /// A message is kept no more.
    pub(crate) fn free(&mut self, message: &Message, budget: &mut Budget) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(cost(message));
        self.own = self.own.saturating_sub(own_cost(message));
        budget.left += own_cost(message);
    }
}

/// What each queue takes for a message of the memory of all queues.
fn own_cost(message: &Message) -> u64 {
    if message.shared().is_some() { ITEM_BYTES } else { cost(message) }
}

/// What the first of several queues takes for all of them: given back when the message is dropped.
fn shared_cost(message: &Message) -> u64 {
    message.shared().filter(|shared| !shared.is_charged()).map_or(0, |_| message.size())
}

/// What a message in memory counts against the bounds of its queue.
fn cost(message: &Message) -> u64 {
    message.size() + ITEM_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_queues_share_is_charged_once_and_given_back_by_the_last() {
        let message = Message::from_parts("", b"", &[0, 0], &[0; 10_000], true).for_several();
        let size = message.size();
        let mut budget = Budget::new(100_000);
        let mut rooms = [Room::default(), Room::default(), Room::default()];
        for room in &mut rooms {
            assert!(room.takes(&message, &budget));
            room.charge(&message, &mut budget);
            assert_eq!(room.held(), (1, cost(&message)), "each queue counts its own");
        }
        assert_eq!(budget.left(), 100_000 - size - 3 * ITEM_BYTES);
        // One queue settles it, one is deleted: the third still has it.
        rooms[0].free(&message, &mut budget);
        rooms[1].free_all(&mut budget);
        assert_eq!(budget.left(), 100_000 - size - ITEM_BYTES);
        rooms[2].free(&message, &mut budget);
        drop(message);
        assert_eq!(budget.left(), 100_000);
    }
}
