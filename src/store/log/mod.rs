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
use std::sync::Weak;

use super::bodies::Bodies;
use super::directory::{QUEUES, SyncFile};
use super::header::Counts;
use super::log_state::LogState;
use super::mapping::Mapping;
use super::options::StoreOptions;
use super::reader::SegmentReader;
use super::segment::{Location, SegmentWriter, Shelf};

mod cursor;
mod gaps;
mod head;
mod references;
mod restore;
mod scan;
mod tail;
mod take;

pub use cursor::{Cursor, Views};
pub use gaps::Gap;
use references::Referring;

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
    /// The most that the messages of a segment are together, be their bodies in it or shared.
    content_bytes_max: u64,
    /// What it refers to among the shared bodies.
    references: Referring,
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
    pub(super) fn new(shelf: Shelf, options: StoreOptions, bodies: Bodies) -> Self {
        Self {
            shelf,
            segment_bytes: options.segment_bytes_min,
            segment_bytes_max: options.segment_bytes_max,
            content_bytes_max: u64::MAX,
            references: Referring::new(bodies),
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

    /// Settles a message that was taken from there.
    pub fn release(&mut self, location: Location) {
        self.references.release(location);
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
        self.references.pass_all();
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
            references: self.references.state(),
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
    pub fn delete(mut self) {
        self.references.release_all();
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
            self.references.pass_all();
        }
    }
}
