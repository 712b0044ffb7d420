//! A queue's log: where the messages wait that are too many to wait in memory.
//!
//! ```text
//!   segment  3             4                      5                        6
//!           | .. x x o x | x x x r r r r r r r | r r r r r r r r r r r | r r r p p      |
//!                  held      head (next to take)                           end   pending
//!
//!   x settled   o outstanding   r ready   p appended, not yet flushed
//! ```
//!
//! A message is appended once, taken once, in the order of ordinals, and released when it is settled.
//! There is no index: ready messages are all those between head and end. In memory are only these two
//! places, a count for each segment with outstanding messages, and one mapping; so memory does not
//! grow with the backlog. A segment is removed when the head is past it and nothing in it is
//! outstanding. What was settled is not written down here: the journal and the snapshots know.
//!
//! Every segment's header says how much was appended before it. So the number of ready messages is put
//! right whenever the head enters a segment, whatever was lost before.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Weak};

use super::directory::{QUEUES, SyncFile, number_in};
use super::error::StoreError;
use super::header::{Counts, FileHeader, FileKind};
use super::mapping::Mapping;
use super::reader::{Found, SegmentReader, Stored};
use super::segment::{Location, LogState, SegmentWriter, Shelf, offset};
use super::store::StoreOptions;
use crate::ids::{Ordinal, Timestamp};
use crate::message::Message;

/// The log of one queue. See the [module](super) for how it and the journal share the work.
pub struct QueueLog {
    shelf: Shelf,
    options: StoreOptions,
    /// The segments that have something to be flushed, and as the last one that which is appended to.
    writers: VecDeque<SegmentWriter>,
    /// The number of the next new segment.
    next_segment: u64,
    /// The size of the next new segment.
    segment_bytes: u64,
    directory_made: bool,
    /// From this segment on there may be octets that are not synced.
    unsynced_from: Option<u64>,
    head: Location,
    reader: Option<SegmentReader>,
    held: BTreeMap<u64, Held>,
    appended: Counts,
    ready: Counts,
    restored: Option<Restored>,
    damaged: u64,
}

/// A segment with outstanding messages.
#[derive(Default)]
struct Held {
    outstanding: u32,
    /// The mapping that those in use share.
    mapping: RefCell<Option<Weak<dyn Mapping>>>,
}

/// What an earlier process left. The transient messages in it are gone.
struct Restored {
    end: Location,
    appended: Counts,
}

impl QueueLog {
    /// An empty log. It makes no file before the first flush.
    pub(super) fn new(shelf: Shelf, options: StoreOptions) -> Self {
        Self {
            shelf,
            segment_bytes: options.segment_bytes_min,
            options,
            writers: VecDeque::new(),
            next_segment: 1,
            directory_made: false,
            unsynced_from: None,
            head: Location::start_of(1),
            reader: None,
            held: BTreeMap::new(),
            appended: Counts::default(),
            ready: Counts::default(),
            restored: None,
            damaged: 0,
        }
    }

    /// The log as `state` says that it was, with the messages `outstanding` that had been taken and
    /// are still not settled. What was appended later is cut off: the journal has it.
    pub(super) fn restore(
        shelf: Shelf,
        options: StoreOptions,
        state: &LogState,
        outstanding: impl IntoIterator<Item = Location>,
    ) -> Result<Self, StoreError> {
        let mut log = Self::new(shelf, options);
        log.head = state.head;
        log.next_segment = state.end.segment + u64::from(state.end.offset > 0);
        log.appended = state.appended;
        // Of what the earlier process left only the persistent messages are there.
        log.ready = Counts { all: state.ready, persistent: state.ready };
        log.restored = Some(Restored { end: state.end, appended: state.appended });
        for location in outstanding {
            log.held.entry(location.segment).or_default().outstanding += 1;
        }
        log.restore_files(state.end)?;
        Ok(log)
    }

    fn restore_files(&mut self, end: Location) -> Result<(), StoreError> {
        let names = self.shelf.directory.list(&self.shelf.path().to_string_lossy())?;
        let found: BTreeSet<u64> =
            names.iter().filter_map(|name| number_in(name, "segment")).collect();
        self.directory_made = !found.is_empty();
        self.held.retain(|segment, _| found.contains(segment));
        if self.is_empty() {
            self.head = Location::start_of(self.next_segment);
        }
        for segment in &found {
            if *segment >= self.next_segment {
                self.remove(*segment)?;
            } else if *segment < self.head.segment && !self.held.contains_key(segment) {
                self.shelf.discard(*segment);
            } else if *segment == end.segment {
                self.cut(end)?;
            }
        }
        // Segments that were settled since the checkpoint are gone: begin at the first that is there.
        if !found.contains(&self.head.segment) {
            let next = found.range(self.head.segment..self.next_segment).next();
            self.head = Location::start_of(next.copied().unwrap_or(self.next_segment));
            self.enter()?;
        }
        Ok(())
    }

    /// Cuts a segment where the checkpoint saw its end, so that nothing older follows it.
    fn cut(&mut self, end: Location) -> Result<(), StoreError> {
        let path = self.shelf.segment(end.segment);
        let open = || -> std::io::Result<_> {
            let file = self.shelf.directory.disk.open(&path)?;
            let length = file.len()?;
            Ok((file, length))
        };
        let (file, length) = open().map_err(|source| StoreError::io("open", &path, source))?;
        let wanted = u64::from(end.offset);
        if length < wanted {
            log::error!("{} ends at octet {length} instead of {wanted}", path.display());
        } else if length > wanted {
            let health = &self.shelf.directory.health;
            health.guard("cut", &path, || file.set_len(wanted))?;
            self.unsynced_from = Some(end.segment);
        }
        Ok(())
    }

    fn remove(&self, segment: u64) -> Result<(), StoreError> {
        let path = self.shelf.segment(segment);
        self.shelf
            .directory
            .health
            .guard("remove", &path, || self.shelf.directory.disk.remove(&path))
    }

    /// Appends a message; its ordinal is higher than all before. Nothing is on disk before
    /// [`QueueLog::flush`].
    pub fn append(&mut self, ordinal: Ordinal, message: &Message, published: Timestamp) {
        if !self.writers.back().is_some_and(|last| last.takes(ordinal, message, published)) {
            self.begin_segment(ordinal, message, published);
        }
        if let Some(writer) = self.writers.back_mut() {
            writer.append(ordinal, message, published);
        }
        for counts in [&mut self.appended, &mut self.ready] {
            counts.all.add(message.size());
            if message.persistent() {
                counts.persistent.add(message.size());
            }
        }
    }

    fn begin_segment(&mut self, ordinal: Ordinal, message: &Message, published: Timestamp) {
        let header = FileHeader {
            kind: FileKind::Segment,
            generation: self.next_segment,
            queue: self.shelf.queue,
            base: ordinal.0,
            time: published,
            before: self.appended,
        };
        self.next_segment += 1;
        self.writers.push_back(SegmentWriter::plan(header, self.segment_bytes, message));
        self.segment_bytes = (2 * self.segment_bytes).min(self.options.segment_bytes_max);
    }

    /// Writes what was appended, with one call for each segment that is touched.
    ///
    /// # Errors
    /// If there is no room for a new segment ([`StoreError::is_full`]): then nothing is lost, and a
    /// later flush may succeed. After any other error the store refuses to write.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        while let Some(writer) = self.writers.front_mut() {
            if !writer.is_flushed() {
                if !self.directory_made {
                    self.shelf.directory.create_directory(&self.shelf.path())?;
                    self.directory_made = true;
                }
                writer.flush(&self.shelf)?;
                let number = writer.number();
                self.unsynced_from.get_or_insert(number);
            }
            if self.writers.len() == 1 {
                break;
            }
            self.writers.pop_front();
        }
        Ok(())
    }

    /// Takes the next ready message. It is outstanding until [`QueueLog::release`]. Damaged ones are
    /// set aside, counted and skipped; transient ones of an earlier process are skipped.
    ///
    /// # Errors
    /// Those of [`QueueLog::flush`], and if a segment cannot be mapped.
    pub fn take(&mut self) -> Result<Option<Stored>, StoreError> {
        let flushed = self.flush();
        if flushed.as_ref().is_err_and(|error| !error.is_full()) {
            flushed?;
            return Ok(None);
        }
        while self.head < self.end() {
            if !self.enter()? {
                continue;
            }
            let Some(reader) = &mut self.reader else { continue };
            match reader.next(self.head) {
                Found::Message(stored, next) => {
                    let at = std::mem::replace(&mut self.head, next);
                    if self.is_gone(at, &stored.message) {
                        continue;
                    }
                    self.hold(&stored);
                    return Ok(Some(stored));
                }
                Found::Damaged(until) => self.skip_damaged(until),
                Found::End if self.head.segment == self.writing() => {
                    self.head = self.end();
                }
                Found::End => self.leave(),
            }
        }
        flushed?;
        self.ready = Counts::default();
        Ok(None)
    }

    /// Reads an outstanding message once more. None if it is damaged, or if it was settled before a
    /// restart and its segment is gone.
    ///
    /// # Errors
    /// If its segment cannot be mapped.
    pub fn read(&self, location: Location) -> Result<Option<Stored>, StoreError> {
        let Some(held) = self.held.get(&location.segment) else { return Ok(None) };
        if let Some(reader) = self.reader.as_ref().filter(|r| r.number == location.segment) {
            return Ok(reader.at(location));
        }
        let shared = held.mapping.borrow().as_ref().and_then(Weak::upgrade);
        let reader = match shared {
            Some(mapping) => SegmentReader::over(&self.shelf, location.segment, mapping),
            None => self.open(location.segment)?,
        };
        let Some(reader) = reader else { return Ok(None) };
        held.mapping.replace(Some(Arc::downgrade(&reader.mapping)));
        Ok(reader.at(location))
    }

    /// Settles a message that was taken from there.
    pub fn release(&mut self, location: Location) {
        let Some(held) = self.held.get_mut(&location.segment) else { return };
        held.outstanding = held.outstanding.saturating_sub(1);
        if held.outstanding > 0 {
            return;
        }
        self.held.remove(&location.segment);
        if location.segment < self.head.segment {
            self.shelf.discard(location.segment);
        }
        self.drop_used_up();
    }

    /// Drops all messages that are not taken yet. Outstanding ones stay.
    pub fn purge(&mut self) {
        for writer in &mut self.writers {
            let forgotten = writer.forget();
            self.appended.all = self.appended.all.less(forgotten.all);
            self.appended.persistent = self.appended.persistent.less(forgotten.persistent);
        }
        // Segments that have no file yet never get one.
        if let Some(first) = self.writers.front() {
            let kept = usize::from(first.file().is_some());
            self.next_segment = first.number() + kept as u64;
            self.writers.truncate(kept);
        }
        let end = self.end();
        for segment in self.head.segment..end.segment {
            if !self.held.contains_key(&segment) {
                self.shelf.discard(segment);
            }
        }
        if self.head.segment != end.segment {
            self.reader = None;
        }
        self.head = end;
        self.ready = Counts::default();
        self.drop_used_up();
    }

    /// How many messages are ready, those included that are appended and not flushed.
    pub fn ready(&self) -> u64 {
        self.ready.all.records
    }

    /// Octets of the ready messages, as [`Message::size`] counts them.
    pub fn ready_bytes(&self) -> u64 {
        self.ready.all.octets
    }

    /// Whether no message is ready.
    pub fn is_empty(&self) -> bool {
        self.ready() == 0
    }

    /// How the log stands, for a snapshot. Everything appended must have been flushed.
    pub fn state(&self) -> LogState {
        assert!(self.writers.iter().all(SegmentWriter::is_flushed), "a log's state before a flush");
        LogState {
            head: self.head,
            end: self.end(),
            appended: self.appended,
            ready: self.ready.persistent,
        }
    }

    /// What was written since the last call and must be synced before a snapshot may rely on it.
    /// Nothing for a queue that is not durable.
    pub fn sync_files(&mut self) -> Vec<SyncFile> {
        self.drop_settled();
        let Some(from) = self.unsynced_from.take().filter(|_| self.shelf.durable) else {
            return Vec::new();
        };
        let directory = &self.shelf.directory;
        let held = self.held.range(from..).map(|(segment, _)| *segment);
        let held = held.filter(|segment| *segment < self.head.segment);
        let files = held.chain(from.max(self.head.segment)..self.next_segment);
        let mut files: Vec<_> =
            files.map(|segment| SyncFile::named(directory, self.shelf.segment(segment))).collect();
        files.push(SyncFile::directory(directory, self.shelf.path()));
        files.push(SyncFile::directory(directory, QUEUES.into()));
        files
    }

    /// Removes the log and everything in it. Messages that are still in use stay readable.
    pub fn delete(self) {
        self.shelf.directory.disk.discard(&self.shelf.path());
    }

    /// How many damaged places were skipped since the last call.
    pub fn take_damaged(&mut self) -> u64 {
        std::mem::take(&mut self.damaged)
    }

    /// Behind the last message that was flushed.
    fn end(&self) -> Location {
        match self.writers.front() {
            Some(writer) if writer.written() > 0 => {
                Location { segment: writer.number(), offset: writer.written() }
            }
            Some(writer) => Location::start_of(writer.number()),
            None => Location::start_of(self.next_segment),
        }
    }

    /// The segment that is appended to; when there is none, the number that the next will have.
    fn writing(&self) -> u64 {
        self.end().segment
    }

    /// Makes the reader that of the head's segment, as far as it is written. Returns whether it is;
    /// if there is nothing to read, the head goes on to the next segment.
    fn enter(&mut self) -> Result<bool, StoreError> {
        let number = self.head.segment;
        if number >= self.next_segment {
            self.ready = Counts::default();
            return Ok(false);
        }
        if let Some(reader) = self.reader.as_ref().filter(|reader| reader.number == number) {
            let writer = self.writers.front().filter(|writer| writer.number() == number);
            if reader.reveal(writer.map(SegmentWriter::written)) {
                return Ok(true);
            }
        }
        let least = self.reader.take().filter(|old| old.number == number).map(|old| old.least());
        let Some(mut reader) = self.open(number)? else {
            // Missing ones of an earlier process were settled after the checkpoint, as a rule.
            let earlier = self.restored.as_ref().is_some_and(|old| number <= old.end.segment);
            self.damaged += u64::from(!earlier);
            self.shelf.set_aside(number);
            self.head = Location::start_of(number + 1);
            return Ok(false);
        };
        match least {
            Some(least) => reader.go_on(least),
            None if self.head.offset == 0 => self.ready = self.ready_from(&reader.header),
            None => {}
        }
        self.reader = Some(reader);
        Ok(true)
    }

    /// Maps a segment; it shares the mapping that messages in use have, if there is one.
    fn open(&self, number: u64) -> Result<Option<SegmentReader>, StoreError> {
        let writer = self.writers.front().filter(|writer| writer.number() == number);
        let writer = writer.and_then(|writer| {
            let capacity = usize::try_from(writer.capacity()).ok()?;
            Some((writer.file()?, capacity, writer.written() as usize))
        });
        SegmentReader::open(&self.shelf, number, writer)
    }

    /// What is ready when the head is at the beginning of the segment with this header.
    fn ready_from(&self, header: &FileHeader) -> Counts {
        let persistent = self.appended.persistent.less(header.before.persistent);
        let all = match &self.restored {
            Some(restored) if header.generation <= restored.end.segment => {
                // What is persistent of the earlier process's, and all of this one's.
                let earlier = restored.appended.persistent.less(header.before.persistent);
                let later = self.appended.all.less(restored.appended.all);
                earlier.plus(later)
            }
            _ => self.appended.all.less(header.before.all),
        };
        Counts { all, persistent }
    }

    /// Whether a message is one of those that do not survive a restart.
    fn is_gone(&self, at: Location, message: &Message) -> bool {
        !message.persistent() && self.restored.as_ref().is_some_and(|restored| at < restored.end)
    }

    fn hold(&mut self, stored: &Stored) {
        let size = stored.message.size();
        self.ready.all.remove(size);
        if stored.message.persistent() {
            self.ready.persistent.remove(size);
        }
        let held = self.held.entry(stored.location.segment).or_default();
        held.outstanding += 1;
        if held.outstanding == 1 {
            let mapping = self.reader.as_ref().map(|reader| Arc::downgrade(&reader.mapping));
            held.mapping.replace(mapping);
        }
    }

    fn skip_damaged(&mut self, until: usize) {
        let Some(reader) = &self.reader else { return };
        let (segment, from) = (self.head.segment, self.head.octet());
        let bytes = reader.mapping.bytes().get(from..until).unwrap_or_default();
        let (queue, length) = (self.shelf.queue, bytes.len());
        log::error!("queue {queue}, segment {segment}: {length} octets at {from} are damaged");
        let directory = &self.shelf.directory;
        directory.set_aside(&format!("queue-{}-{segment:08}-{from:08}", queue.0), bytes);
        self.damaged += 1;
        self.head.offset = offset(until);
    }

    /// Moves the head to the next segment. The one behind goes if nothing in it is outstanding.
    fn leave(&mut self) {
        let segment = self.head.segment;
        self.reader = None;
        self.head = Location::start_of(segment + 1);
        if !self.held.contains_key(&segment) {
            self.shelf.discard(segment);
        }
    }

    /// Drops the last segment too if it is settled and half of it is used. Not earlier: a queue that
    /// is empty most of the time shall not make a file for each message.
    fn drop_used_up(&mut self) {
        let half = |writer: &SegmentWriter| 2 * u64::from(writer.written()) > writer.capacity();
        if self.writers.front().is_some_and(half) {
            self.drop_settled();
        }
    }

    /// Drops the last segment if nothing in it is wanted any more.
    fn drop_settled(&mut self) {
        let Some(writer) = self.writers.front() else { return };
        let settled = self.head == self.end() && !self.held.contains_key(&writer.number());
        if settled && self.writers.len() == 1 && writer.written() > 0 && writer.is_flushed() {
            self.shelf.discard(writer.number());
            self.writers.clear();
            self.reader = None;
            self.head = Location::start_of(self.next_segment);
            self.segment_bytes = self.options.segment_bytes_min;
        }
    }
}
