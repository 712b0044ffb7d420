//! The messages of a queue: in at the back, out at the front, back to their place.

use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;
use crate::store::{QueueLog, StoreError, SyncFile};

use super::super::pacing::Patience;
use super::item::{Budget, Held, Item, own_priority};
use super::{Level, Queue, Remains};

impl Queue {
    /// The priority that the queue gives a message: its level.
    pub(crate) fn priority_of(&self, message: &Message) -> u8 {
        match self.settings.priorities {
            None => self.level.priority, // the usual case: the message is not looked into
            Some(known) => own_priority(message).unwrap_or(known.absent).min(known.highest),
        }
    }

    /// The level of a priority, if there is one.
    pub(crate) fn level(&self, priority: u8) -> Option<&Level> {
        if priority == self.level.priority { Some(&self.level) } else { self.others.get(&priority) }
    }

    /// The level of a priority, to be changed.
    pub(crate) fn level_mut(&mut self, priority: u8) -> Option<&mut Level> {
        if priority == self.level.priority {
            Some(&mut self.level)
        } else {
            self.others.get_mut(&priority)
        }
    }

    /// Adds a level that a first message is for.
    pub(crate) fn add_level(&mut self, priority: u8, id: QueueId, log: QueueLog) {
        let persists = self.declared.persists();
        self.others.insert(priority, Level::new(id, priority, persists, log));
    }

    /// All levels, the lowest priority first.
    pub(crate) fn levels(&self) -> impl DoubleEndedIterator<Item = &Level> {
        let own = self.level.priority;
        let lower = self.others.range(..own).map(|(_, level)| level);
        let higher = self.others.range(own..).map(|(_, level)| level);
        lower.chain(std::iter::once(&self.level)).chain(higher)
    }

    /// The level that is served first, of those with something ready.
    fn first_level(&mut self) -> Option<&mut Level> {
        if self.others.is_empty() {
            return self.level.has_ready().then_some(&mut self.level);
        }
        let priority = self.levels().rev().find(|level| level.has_ready())?.priority;
        self.level_mut(priority)
    }

    /// Whether one more message can stay in memory.
    pub(crate) fn has_room(&self, message: &Message, budget: &Budget) -> bool {
        let empty = || self.level(self.priority_of(message)).is_none_or(|it| it.log.is_empty());
        (empty() && self.room.takes(message, budget)) || self.is_stream()
    }

    /// Adds a message at the back of its level, which is there. Says where it is, and whether the
    /// journal is to know of it.
    pub(crate) fn push(
        &mut self,
        priority: u8,
        message: &Message,
        now: Timestamp,
        budget: &mut Budget,
    ) -> Option<(QueueId, Ordinal, bool)> {
        if let Some((stream, level)) = self.stream_parts() {
            return Some(stream.push(level, message, now));
        }
        let own = priority == self.level.priority;
        let level = if own { &mut self.level } else { self.others.get_mut(&priority)? };
        let ordinal = level.take_ordinal();
        let held = Held::Resident(message.clone());
        let item = level.item(&self.settings, ordinal, held, message, now);
        self.ready_body_bytes += u64::from(item.body_length);
        let place = (level.id, ordinal, item.journaled);
        level.push(item, &self.settings, &mut self.room, budget);
        self.note_header((place.0, ordinal), message);
        Some(place)
    }

    /// Takes the first ready message out, to be settled or requeued later.
    #[inline]
    pub(crate) fn take(&mut self) -> Result<Option<(Item, Message)>, StoreError> {
        // The way of most messages: one level, nothing out of order.
        if self.others.is_empty()
            && let Some(taken) = self.level.take_resident()
        {
            self.uncount(&taken.0);
            return Ok(Some(taken));
        }
        self.take_first()
    }

    fn take_first(&mut self) -> Result<Option<(Item, Message)>, StoreError> {
        loop {
            let Some(priority) = self.first_level().map(|level| level.priority) else {
                return Ok(None);
            };
            if let Some(taken) = self.take_from(priority)? {
                return Ok(Some(taken));
            }
        }
    }

    /// Takes the first ready message of the lowest priority out.
    pub(crate) fn take_lowest(&mut self) -> Result<Option<(Item, Message)>, StoreError> {
        loop {
            let lowest = self.levels().find(|level| level.has_ready());
            let Some(priority) = lowest.map(|level| level.priority) else { return Ok(None) };
            if let Some(taken) = self.take_from(priority)? {
                return Ok(Some(taken));
            }
        }
    }

    /// Takes the first ready message of a level out. None if it had only damaged ones.
    fn take_from(&mut self, priority: u8) -> Result<Option<(Item, Message)>, StoreError> {
        while let Some(item) = self.level_mut(priority).and_then(Level::take_known) {
            self.uncount(&item);
            match self.message(&item) {
                Ok(Some(message)) => return Ok(Some((item, message))),
                Err(error) => {
                    // It could not be read for now: it stays where it was.
                    self.requeue(item);
                    return Err(error);
                }
                Ok(None) => {
                    // A damaged record, which the store reports.
                    self.come_to_rest(&item);
                    self.forget_header(&item);
                    if let (Held::Logged(location), Some(level)) =
                        (&item.held, self.level_mut(priority))
                    {
                        level.log.release(*location);
                    }
                }
            }
        }
        let own = priority == self.level.priority;
        let level = if own { Some(&mut self.level) } else { self.others.get_mut(&priority) };
        let Some(level) = level else { return Ok(None) };
        let taken = level.take_logged(&self.settings)?;
        if let Some((item, _)) = &taken {
            self.uncount(item);
        }
        Ok(taken)
    }

    /// Takes a message whose time is over by `now`, if there is one in sight: whatever its place
    /// among those in memory, of those in a log the first.
    pub(crate) fn take_expired(&mut self, now: Timestamp) -> Result<Option<Item>, StoreError> {
        for level in std::iter::once(&mut self.level).chain(self.others.values_mut()) {
            if let Some(item) = level.take_expired(now, &self.settings)? {
                self.uncount(&item);
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// When the next message in sight expires.
    pub(crate) fn next_expiry(&mut self) -> Result<Timestamp, StoreError> {
        if let Some(stream) = &self.stream {
            return Ok(stream.next_look());
        }
        let mut next = self.level.next_expiry(&self.settings)?;
        for level in self.others.values_mut() {
            next = next.min(level.next_expiry(&self.settings)?);
        }
        Ok(next)
    }

    /// Lets go of a message that was taken: acknowledged, rejected or dropped.
    pub(crate) fn settle(&mut self, item: &Item, budget: &mut Budget) {
        self.come_to_rest(item);
        self.release(item, budget);
    }

    /// Gives back what a message takes in memory or in its log.
    pub(crate) fn release(&mut self, item: &Item, budget: &mut Budget) {
        self.forget_header(item);
        match &item.held {
            Held::Resident(message) => self.room.free(message, budget),
            Held::Logged(location) => {
                let location = *location;
                if let Some(level) = self.level_mut(item.priority) {
                    level.log.release(location);
                }
            }
        }
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
        if self.is_stream() {
            return self.level.log.ready_bytes();
        }
        self.ready_body_bytes
    }

    /// Messages that are in memory, ready or not, and their octets.
    pub(crate) fn resident(&self) -> (usize, u64) {
        self.room.held()
    }

    /// Puts a message that was taken back to its place.
    pub(crate) fn requeue(&mut self, item: Item) {
        self.come_to_rest(&item);
        self.note_taken(&item, false);
        self.ready_body_bytes += u64::from(item.body_length);
        if let Some(level) = self.level_mut(item.priority) {
            level.place(item);
        }
    }

    /// Adds a message to its place that was not taken in this process: recovery.
    pub(crate) fn restore(&mut self, item: Item, budget: &mut Budget) {
        if let Held::Resident(message) = &item.held {
            self.room.charge(message, budget);
        }
        self.requeue(item);
    }

    /// The priority of the level that every queue has.
    pub(crate) fn own_priority(&self) -> u8 {
        self.level.priority
    }

    /// An item for a message of an earlier process, in a level that is there: recovery.
    pub(crate) fn known_item(
        &self,
        priority: u8,
        ordinal: Ordinal,
        held: Held,
        message: &Message,
        published: Timestamp,
    ) -> Option<Item> {
        let level = self.level(priority)?;
        Some(level.item(&self.settings, ordinal, held, message, published))
    }

    /// Adds a message at the back that an earlier process had: recovery.
    pub(crate) fn push_restored(&mut self, item: Item, budget: &mut Budget) {
        self.ready_body_bytes += u64::from(item.body_length);
        let own = item.priority == self.level.priority;
        let level = if own { Some(&mut self.level) } else { self.others.get_mut(&item.priority) };
        if let Some(level) = level {
            level.push(item, &self.settings, &mut self.room, budget);
        }
    }

    /// Throws all ready messages away: they are gone for everybody. Returns how many they were, and
    /// those that were in memory, each to be given back with [`Self::release`].
    pub(crate) fn purge(&mut self) -> (u64, Remains) {
        let count = self.ready();
        let mut remains = Remains::default();
        for level in std::iter::once(&mut self.level).chain(self.others.values_mut()) {
            level.clear(&mut remains);
        }
        self.patience = Patience::default();
        self.ready_body_bytes = 0;
        self.forget_ready_headers();
        (count, remains)
    }

    /// How many messages are ready.
    pub(crate) fn ready(&self) -> u64 {
        self.level.ready() + self.others.values().map(Level::ready).sum::<u64>()
    }

    /// Whether a message is ready.
    pub(crate) fn has_ready(&self) -> bool {
        self.level.has_ready() || self.others.values().any(Level::has_ready)
    }

    /// The files of the logs that were written since the last call.
    pub(crate) fn log_files(&mut self) -> Vec<SyncFile> {
        let mut files = self.level.log.sync_files();
        files.extend(self.others.values_mut().flat_map(|level| level.log.sync_files()));
        files
    }

    /// The logs' files have to be synced once more: a checkpoint failed.
    pub(crate) fn sync_again(&mut self) {
        self.level.log.sync_again();
        self.others.values_mut().for_each(|level| level.log.sync_again());
    }

    /// Ends the queue. Returns how many messages were ready, the logs, which are to be deleted when
    /// the journal tells of it, and the messages that were in memory.
    pub(crate) fn end(mut self, budget: &mut Budget) -> (u64, Vec<QueueLog>, Remains) {
        let count = self.ready();
        // What is with consumers counts no more either: nobody will give it back.
        self.room.free_all(budget);
        let (mut logs, mut remains) = (Vec::new(), Remains::default());
        remains.add_delayed(std::mem::take(&mut self.delayed));
        for mut level in std::iter::once(self.level).chain(self.others.into_values()) {
            level.take_memory(&mut remains);
            logs.push(level.log);
        }
        (count, logs, remains)
    }

    /// The octets of an item; `None` if its record is damaged.
    pub(crate) fn message(&self, item: &Item) -> Result<Option<Message>, StoreError> {
        match &item.held {
            Held::Resident(message) => Ok(Some(message.clone())),
            Held::Logged(location) => {
                let Some(level) = self.level(item.priority) else { return Ok(None) };
                Ok(level.log.read(*location)?.map(|stored| stored.message))
            }
        }
    }

    /// When an item was published, which a restart leaves to be read from the log.
    pub(crate) fn published(&self, item: &Item) -> Timestamp {
        match item.held {
            Held::Logged(location) if item.published == Timestamp::default() => {
                let level = self.level(item.priority);
                let stored = level.and_then(|level| level.log.read(location).ok().flatten());
                stored.map_or(item.published, |stored| stored.published)
            }
            Held::Logged(_) | Held::Resident(_) => item.published,
        }
    }

    /// A message is ready no more, but taken.
    fn uncount(&mut self, item: &Item) {
        let length = u64::from(item.body_length);
        self.outstanding += 1;
        self.outstanding_bytes += length;
        self.note_taken(item, true);
        self.ready_body_bytes = self.ready_body_bytes.saturating_sub(length);
    }
}
