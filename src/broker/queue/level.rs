//! A queue's messages of one priority, in order. A queue without priorities has one level.
//!
//! ```text
//!               take                                                     push
//!   ◀── one of ──┬── placed    { o   o  o }       heap, by ordinal  ◄── requeued, own expiration
//!                ├── resident  [ o o o o ]        heap, bounded     ◄── while the log is empty
//!                └── log       [ o o o o o o … ]  disk              ◄── else
//! ```
//!
//! Messages that go in order wait in `resident`, and, when they become too many, in the log. What
//! may have to go out of order is `placed`: found by its ordinal, and by when its time is over. The
//! first message of a log in which some expire is fetched ahead of its turn, as the *scout*: it
//! stands among the placed ones, so that its time is seen to be over too.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;
use crate::store::{QueueLog, StoreError, Stored};

use super::super::settings::{NEVER, QueueSettings};
use super::Remains;
use super::item::{Budget, Held, Item, Room, own_ttl};

/// The messages of one priority. Everywhere but in its queue it is known by its own number, like a
/// queue: in the journal, in snapshots, in the directory of its log.
pub(crate) struct Level {
    /// Its number; that of the queue for the level that every queue has.
    pub id: QueueId,
    /// The priority of its messages.
    pub priority: u8,
    /// Whether the queue persists.
    pub persists: bool,
    next_ordinal: Ordinal,
    resident: VecDeque<Item>,
    placed: BTreeMap<Ordinal, Item>,
    /// The placed ones that expire, by when they do.
    dues: BTreeSet<(Timestamp, Ordinal)>,
    pub(super) log: QueueLog,
    /// Whether messages in the log may expire.
    log_expires: bool,
    scout: Option<Ordinal>,
    /// What was appended to the log and may not be written yet.
    pub(super) pending: Vec<Item>,
    /// The first ordinal after a restart: octets of what was in the log before are not counted.
    counted_from: Ordinal,
    /// Messages below may have been delivered although nothing says so: there was a power cut.
    redelivered_before: Ordinal,
}

impl Level {
    /// An empty level.
    pub(super) fn new(id: QueueId, priority: u8, persists: bool, log: QueueLog) -> Self {
        Self {
            id,
            priority,
            persists,
            next_ordinal: Ordinal(1),
            resident: VecDeque::new(),
            placed: BTreeMap::new(),
            dues: BTreeSet::new(),
            log,
            log_expires: false,
            scout: None,
            pending: Vec::new(),
            counted_from: Ordinal(0),
            redelivered_before: Ordinal(0),
        }
    }

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

    /// An item for a message of this level that was not delivered yet, as far as is known.
    #[inline]
    pub(crate) fn item(
        &self,
        settings: &QueueSettings,
        ordinal: Ordinal,
        held: Held,
        message: &Message,
        published: Timestamp,
    ) -> Item {
        Item {
            level: self.id,
            ordinal,
            held,
            deliveries: u32::from(ordinal < self.redelivered_before),
            returns: 0,
            priority: self.priority,
            journaled: self.persists && message.persistent(),
            published,
            expires: settings.expiry(published, own_ttl(message)),
            body_length: message.body_length(),
        }
    }

    /// Adds a message at the back: in memory where there is room, else in the log.
    #[inline]
    pub(super) fn push(
        &mut self,
        item: Item,
        settings: &QueueSettings,
        room: &mut Room,
        budget: &mut Budget,
    ) {
        let Held::Resident(message) = &item.held else { return };
        if !(self.log.is_empty() && room.takes(message, budget)) {
            self.log_expires |= item.expires != NEVER;
            self.log.append(item.ordinal, message, item.published);
            self.pending.push(item);
            return;
        }
        room.charge(message, budget);
        self.keep(item, settings);
    }

    /// Puts a message where its ordinal says.
    pub(super) fn place(&mut self, item: Item) {
        if item.expires != NEVER {
            self.dues.insert((item.expires, item.ordinal));
        }
        self.placed.insert(item.ordinal, item);
    }

    fn take_placed(&mut self, ordinal: Ordinal) -> Option<Item> {
        let item = self.placed.remove(&ordinal)?;
        if item.expires != NEVER {
            self.dues.remove(&(item.expires, ordinal));
        }
        if self.scout == Some(ordinal) {
            self.scout = None;
        }
        Some(item)
    }

    /// Takes the first message if it is one of those in order, in memory.
    #[inline]
    pub(super) fn take_resident(&mut self) -> Option<(Item, Message)> {
        if !self.placed.is_empty() {
            return None;
        }
        let item = self.resident.pop_front()?;
        match &item.held {
            Held::Resident(message) => {
                let message = message.clone();
                Some((item, message))
            }
            Held::Logged(_) => None, // never in this line
        }
    }

    /// Takes the first message that is in memory, or whose place in the log is.
    pub(super) fn take_known(&mut self) -> Option<Item> {
        match (self.placed.first_key_value(), self.resident.front()) {
            (Some((placed, _)), front) if front.is_none_or(|front| *placed < front.ordinal) => {
                let ordinal = *placed;
                self.take_placed(ordinal)
            }
            _ => self.resident.pop_front(),
        }
    }

    /// Takes the first message of the log. A damaged record is skipped (the store reports it).
    pub(super) fn take_logged(
        &mut self,
        settings: &QueueSettings,
    ) -> Result<Option<(Item, Message)>, StoreError> {
        let Some(Stored { ordinal, location, message, published }) = self.log.take()? else {
            self.log_expires = false;
            return Ok(None);
        };
        let mut item = self.item(settings, ordinal, Held::Logged(location), &message, published);
        if ordinal < self.counted_from {
            item.body_length = 0;
        }
        Ok(Some((item, message)))
    }

    /// Takes a message whose time is over by `now`, if there is one in sight.
    pub(super) fn take_expired(
        &mut self,
        now: Timestamp,
        settings: &QueueSettings,
    ) -> Result<Option<Item>, StoreError> {
        self.send_scout(settings)?;
        if let Some((due, ordinal)) = self.dues.first().copied()
            && due <= now
        {
            return Ok(self.take_placed(ordinal));
        }
        if self.resident.front().is_some_and(|front| front.expired(now)) {
            return Ok(self.resident.pop_front());
        }
        Ok(None)
    }

    /// When the next message in sight expires.
    pub(super) fn next_expiry(
        &mut self,
        settings: &QueueSettings,
    ) -> Result<Timestamp, StoreError> {
        self.send_scout(settings)?;
        let placed = self.dues.first().map_or(NEVER, |(due, _)| *due);
        Ok(self.resident.front().map_or(placed, |front| placed.min(front.expires)))
    }

    /// Fetches the first message of a log in which some expire.
    fn send_scout(&mut self, settings: &QueueSettings) -> Result<(), StoreError> {
        if self.log_expires
            && self.scout.is_none()
            && let Some((item, _)) = self.take_logged(settings)?
        {
            self.scout = Some(item.ordinal);
            self.place(item);
        }
        Ok(())
    }

    /// Takes all that is in memory out and empties the log: a purge.
    pub(super) fn clear(&mut self, remains: &mut Remains) {
        self.dues.clear();
        self.scout = None;
        self.log_expires = false;
        self.log.purge();
        self.pending.clear();
        self.take_memory(remains);
    }

    /// Takes all out that is in memory.
    pub(super) fn take_memory(&mut self, remains: &mut Remains) {
        remains.add_level(std::mem::take(&mut self.placed), std::mem::take(&mut self.resident));
    }

    /// How many messages are ready.
    pub(crate) fn ready(&self) -> u64 {
        self.resident.len() as u64 + self.placed.len() as u64 + self.log.ready()
    }

    /// Whether a message is ready.
    pub(crate) fn has_ready(&self) -> bool {
        !(self.resident.is_empty() && self.placed.is_empty() && self.log.is_empty())
    }

    /// Ready messages that are in memory, or whose place in the log is, for a snapshot.
    pub(crate) fn ready_items(&self) -> impl Iterator<Item = &Item> {
        self.placed.values().chain(&self.resident)
    }

    /// The log itself: recovery and snapshots.
    pub(crate) fn log_mut(&mut self) -> &mut QueueLog {
        &mut self.log
    }

    /// The log, to be looked at.
    pub(crate) fn log(&self) -> &QueueLog {
        &self.log
    }

    /// Gives the level the log that an earlier process left, with ordinals below `counted_from`:
    /// recovery.
    pub(crate) fn restore_log(
        &mut self,
        log: QueueLog,
        counted_from: Ordinal,
        redelivered_before: Ordinal,
    ) {
        self.redelivered_before = redelivered_before;
        self.counted_from = counted_from;
        self.log_expires = !log.is_empty();
        self.log = log;
    }

    /// Below this ordinal messages may have been delivered although nothing says so.
    pub(crate) fn redelivered_before(&self) -> Ordinal {
        self.redelivered_before
    }

    /// Puts a message at the end of those in memory, whatever the bounds say.
    pub(super) fn keep(&mut self, item: Item, settings: &QueueSettings) {
        if item.expires < settings.expiry(item.published, None) {
            self.place(item);
        } else {
            self.resident.push_back(item);
        }
    }
}
