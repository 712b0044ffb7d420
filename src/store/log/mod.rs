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
//! A message is appended once, taken once, in the order of ordinals, and released when it is
//! settled. There is no index: ready messages are all those between head and end. In memory are
//! only these two places, a count for each segment with outstanding messages, and one mapping; so
//! memory does not grow with the backlog. A segment is removed when the head is past it and nothing
//! in it is outstanding. What was settled is not written down here: the journal and the snapshots
//! know.
//!
//! Every segment's header says how much was appended before it. So the number of ready messages is
//! put right whenever the head enters a segment, whatever was lost before.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};

use super::directory::{QUEUES, SyncFile};
use super::error::StoreError;
use super::header::Counts;
use super::mapping::Mapping;
use super::options::StoreOptions;
use super::reader::{Found, SegmentReader, Stored};
use super::segment::{Location, LogState, SegmentWriter, Shelf};

mod cursor;
mod gaps;
mod head;
mod restore;
mod scan;
mod tail;

pub use cursor::{Cursor, Views};
pub use gaps::Gap;

/// The log of one queue. See the [module](super) for how it and the journal share the work.
pub struct QueueLog {
    shelf: Shelf,
    options: StoreOptions,
    /// The segments that have something to be flushed, and as the last one that which is appended
    /// to.
    writers: VecDeque<SegmentWriter>,
    /// The number of the next new segment.
    next_segment: u64,
    /// The size of the next new segment.
    segment_bytes: u64,
    /// The most that it grows to.
    segment_bytes_max: u64,
    directory_made: bool,
    /// From this segment on there may be octets that are not synced.
    unsynced_from: Option<u64>,
    head: Location,
    reader: Option<SegmentReader>,
    held: BTreeMap<u64, Held>,
    appended: Counts,
    ready: Counts,
    restored: Option<Restored>,
    /// Segments that were not there when the log was restored.
    gaps: Vec<Gap>,
    /// Messages lost since somebody asked.
    damaged: Cell<u64>,
    /// Damaged places that were skipped since the head entered its segment.
    skipped: u64,
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
            segment_bytes_max: options.segment_bytes_max,
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
            gaps: Vec::new(),
            damaged: Cell::new(0),
            skipped: 0,
        }
    }

    /// Takes the next ready message. It is outstanding until [`QueueLog::release`]. Damaged ones
    /// are set aside, counted and skipped; transient ones of an earlier process are skipped.
    ///
    /// # Errors
    /// Those of [`QueueLog::flush`], and if a segment cannot be mapped.
    pub fn take(&mut self) -> Result<Option<Stored>, StoreError> {
        let flushed = self.flush();
        if flushed.as_ref().is_err_and(|error| !error.is_passing()) {
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
        self.miss(0);
        self.ready = Counts::default();
        Ok(None)
    }

    /// Reads an outstanding message once more. None if it is damaged, which is reported, or if it
    /// was settled before a restart and its segment is gone.
    ///
    /// # Errors
    /// If its segment cannot be mapped.
    pub fn read(&self, location: Location) -> Result<Option<Stored>, StoreError> {
        let Some(held) = self.held.get(&location.segment) else { return Ok(None) };
        if let Some(reader) = self.reader.as_ref().filter(|r| r.number == location.segment) {
            return Ok(self.read_with(reader, location));
        }
        let shared = held.mapping.borrow().as_ref().and_then(Weak::upgrade);
        let shared = shared
            .and_then(|mapping| SegmentReader::over(&self.shelf, location.segment, mapping))
            .and_then(|reader| reader.at(location));
        if shared.is_some() {
            return Ok(shared);
        }
        // The mapping may be older than the record.
        let Some(reader) = self.open(location.segment)? else {
            self.damaged.set(self.damaged.get() + 1);
            return Ok(None);
        };
        held.mapping.replace(Some(Arc::downgrade(&reader.mapping)));
        Ok(self.read_with(&reader, location))
    }

    fn read_with(&self, reader: &SegmentReader, location: Location) -> Option<Stored> {
        let stored = reader.at(location);
        if stored.is_none() {
            let octets = reader.damaged_at(location);
            self.shelf.set_octets_aside(location.segment, location.octet(), octets);
            self.damaged.set(self.damaged.get() + 1);
        }
        stored
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
            let kept = usize::from(first.is_made());
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

    /// Octets of the ready messages, as [`crate::message::Message::size`] counts them.
    pub fn ready_bytes(&self) -> u64 {
        self.ready.all.octets
    }

    /// Whether no message is ready.
    pub fn is_empty(&self) -> bool {
        self.ready() == 0
    }

    /// Whether a message is ready that is written.
    pub fn has_written(&self) -> bool {
        self.head < self.end()
    }

    /// Whether everything that was appended is written.
    pub fn is_flushed(&self) -> bool {
        self.writers.iter().all(SegmentWriter::is_flushed)
    }

    /// How the log stands, for a snapshot. Everything appended must have been flushed.
    pub fn state(&self) -> LogState {
        assert!(self.is_flushed(), "a log's state before a flush");
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
        if self.writers.is_empty() {
            // It was empty at a moment that is not of its own choosing, so it seems to be so often.
            self.segment_bytes = self.options.segment_bytes_min;
        }
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

    /// Nobody knows what [`QueueLog::sync_files`] gave was synced: all of it is to be synced again.
    pub fn sync_again(&mut self) {
        if self.directory_made {
            self.unsynced_from = Some(0);
        }
    }

    /// Removes the log and everything in it. Messages that are still in use stay readable.
    pub fn delete(self) {
        for writer in &self.writers {
            self.shelf.close(writer.number());
        }
        self.shelf.directory.disk.discard(&self.shelf.path());
    }

    /// How many messages were found damaged or missing since the last call.
    pub fn take_damaged(&mut self) -> u64 {
        self.damaged.take()
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

    /// Drops the last segment too if it is settled and half of it is used. Not earlier: a queue
    /// that is empty most of the time shall not make a file for each message.
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
        }
    }
}
