//! Bodies that several queues share: each is written once, and the queues' logs refer to it.
//!
//! ```text
//!   queues/7/00000001.segment    | reference ─┐ |
//!   queues/8/00000004.segment    | reference ─┼─|─▶ bodies/00000002.segment  | message | message |
//!   queues/9/00000001.segment    | reference ─┘ |                              2: 3 references
//! ```
//!
//! The segments are those of a queue's log, with messages as records. How many references each has
//! is counted in memory, and put down in snapshots queue by queue: a segment is removed when none is
//! left. So what is kept is whole segments, as in a queue's log.
//!
//! A body is written before any reference to it. What was written after the last snapshot is told
//! by the journal: after a crash those bodies are referred to by nothing, as the logs are cut where
//! the snapshot saw their ends. A number is used for one segment only, and a reference carries the
//! checksum of the record that it was made for: it finds that one, or none.
//!
//! Left out: room that is freed inside of a segment, as by compaction.

mod views;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::content::Reference;
use super::directory::{
    BODIES, Directory, SHARED, SyncFile, log_directory, number_in, segment_name,
};
use super::error::StoreError;
use super::header::{Counts, FileHeader, FileKind};
use super::options::StoreOptions;
use super::segment::{Appended, SegmentWriter, Shelf};
use crate::ids::{Ordinal, Timestamp};
use crate::message::{BodyPlace, Message};
use crate::mutants::mutant;
use views::Views;

/// The shared bodies of a store: one handle for each of its logs.
#[derive(Clone)]
pub(super) struct Bodies(Arc<Mutex<Inner>>);

struct Inner {
    shelf: Shelf,
    options: StoreOptions,
    /// As in a queue's log: those with something to be written, and the one that is appended to.
    writers: VecDeque<SegmentWriter>,
    next_segment: u64,
    next_ordinal: Ordinal,
    /// The size of the next new segment.
    segment_bytes: u64,
    directory_made: bool,
    /// From this segment on there may be bytes that are not synced.
    unsynced_from: Option<u64>,
    /// How many references each segment has.
    references: BTreeMap<u64, u64>,
    views: Views,
    /// Alive while recovery counts references: until then nothing is without.
    counting: Weak<()>,
}

impl Bodies {
    /// The bodies in a data directory, none of them referred to so far. New segments have numbers
    /// from `next_segment` on. While `counting` lives no segment is removed.
    pub(super) fn new(
        directory: &Directory,
        options: StoreOptions,
        next_segment: u64,
        counting: Weak<()>,
    ) -> Self {
        let shelf = Shelf { directory: directory.clone(), queue: SHARED, durable: true };
        Self(Arc::new(Mutex::new(Inner {
            shelf,
            options,
            writers: VecDeque::new(),
            next_segment,
            next_ordinal: Ordinal(1),
            segment_bytes: options.segment_bytes_min,
            directory_made: false,
            unsynced_from: None,
            references: BTreeMap::new(),
            views: Views::default(),
            counting,
        })))
    }

    /// Refers to a message that several queues share, which is stored if it is not. None if it is
    /// for one queue only. Nothing is on disk before [`Bodies::flush`].
    pub(super) fn refer(&self, message: &Message, published: Timestamp) -> Option<Reference> {
        let shared = message.shared()?;
        let inner = &mut *self.0.lock();
        let place = shared.place().filter(|place| inner.is_live(place.segment));
        let place = place.unwrap_or_else(|| {
            let place = inner.append(message, published);
            shared.store(place);
            place
        });
        *inner.references.entry(place.segment).or_default() += 1;
        Some(Reference { place, persistent: message.persistent(), size: message.size() })
    }

    /// Counts references that a log has had since before a restart.
    pub(super) fn count(&self, segment: u64, references: u64) {
        *self.0.lock().references.entry(segment).or_default() += references;
    }

    /// A log has so many references less. The segment goes with the last one.
    pub(super) fn release(&self, segment: u64, references: u64) {
        self.0.lock().release(segment, references);
    }

    /// Writes the bodies that were stored since the last call.
    ///
    /// # Errors
    /// As [`super::QueueLog::flush`].
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.0.lock().flush()
    }

    /// The message that a reference stands for. None if it is damaged or gone.
    ///
    /// # Errors
    /// If its segment cannot be mapped.
    pub(super) fn read(&self, reference: &Reference) -> Result<Option<Message>, StoreError> {
        let inner = &mut *self.0.lock();
        let Inner { shelf, writers, views, .. } = inner;
        let writer = writers.front().filter(|it| it.number() == reference.place.segment);
        views.read(shelf, writer, reference)
    }

    /// What was written since the last call and must be synced before a snapshot may rely on it.
    pub(super) fn sync_files(&self) -> Vec<SyncFile> {
        self.0.lock().sync_files()
    }

    /// Nobody knows what [`Bodies::sync_files`] gave was synced: all of it is to be synced again.
    pub(super) fn sync_again(&self) {
        let inner = &mut *self.0.lock();
        if inner.directory_made || !inner.references.is_empty() {
            inner.unsynced_from = Some(0);
        }
    }

    /// The number that the next new segment gets.
    pub(super) fn next_segment(&self) -> u64 {
        self.0.lock().next_segment
    }

    /// Removes segments that nothing refers to: a crash has left them. Recovery must be over.
    ///
    /// # Errors
    /// If the directory cannot be listed.
    pub(super) fn sweep(&self, keep: bool) -> Result<(), StoreError> {
        let inner = &mut *self.0.lock();
        let numbers = numbers(&inner.shelf.directory)?;
        for number in numbers.into_iter().filter(|number| !inner.is_live(*number)) {
            if keep {
                let path = inner.shelf.segment(number);
                log::warn!("{} belongs to no queue that is known; it is kept", path.display());
            } else {
                inner.shelf.discard(number);
            }
        }
        Ok(())
    }
}

/// The numbers of the segments that are there.
pub(super) fn numbers(directory: &Directory) -> Result<Vec<u64>, StoreError> {
    let names = directory.list(BODIES)?;
    Ok(names.iter().filter_map(|name| number_in(name, "segment")).collect())
}

/// The number behind those of all segments that are there.
pub(super) fn next_number(directory: &Directory) -> Result<u64, StoreError> {
    let last = numbers(directory)?.into_iter().max();
    Ok(last.map_or(1, |last| last.saturating_add(1)))
}

/// Removes the segments from a number on.
pub(super) fn remove_from(directory: &Directory, first: u64) -> Result<(), StoreError> {
    for number in numbers(directory)?.into_iter().filter(|number| *number >= first) {
        let path = log_directory(SHARED, true).join(segment_name(number));
        directory.health.attempt("remove", &path, || directory.disk.remove(&path))?;
    }
    Ok(())
}

impl Inner {
    /// Whether a segment is there and stays, so that it may be referred to.
    fn is_live(&self, segment: u64) -> bool {
        self.references.contains_key(&segment)
            || self.writers.iter().any(|writer| writer.number() == segment)
    }

    fn append(&mut self, message: &Message, published: Timestamp) -> BodyPlace {
        let ordinal = self.next_ordinal;
        self.next_ordinal = ordinal.next();
        let what = Appended::Message(message);
        if let Some(last) = self.writers.back_mut().filter(|it| it.takes(ordinal, &what, published))
        {
            return last.append(ordinal, &what, published);
        }
        let header = FileHeader {
            kind: FileKind::Segment,
            generation: self.next_segment,
            queue: SHARED,
            base: ordinal.0,
            time: published,
            before: Counts::default(),
        };
        self.next_segment += 1;
        let mut writer = SegmentWriter::plan(header, (self.segment_bytes, u64::MAX), &what);
        self.segment_bytes = (2 * self.segment_bytes).min(self.options.segment_bytes_max);
        let place = writer.append(ordinal, &what, published);
        self.writers.push_back(writer);
        place
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        while let Some(writer) = self.writers.front_mut() {
            if !writer.is_flushed() {
                if !self.directory_made {
                    self.shelf.make()?;
                    self.directory_made = true;
                }
                writer.flush(&self.shelf)?;
                let number = writer.number();
                self.unsynced_from.get_or_insert(number);
            }
            if self.writers.len() == 1 {
                break;
            }
            if let Some(full) = self.writers.pop_front() {
                self.shelf.close(full.number());
                self.drop_if_free(full.number());
            }
        }
        Ok(())
    }

    fn release(&mut self, segment: u64, references: u64) {
        let references = if mutant("a_body_goes_with_the_first") { u64::MAX } else { references };
        let Some(left) = self.references.get_mut(&segment) else { return };
        *left = left.saturating_sub(references);
        if *left == 0 {
            self.references.remove(&segment);
            self.drop_if_free(segment);
        }
    }

    /// Drops a segment that nothing refers to. One that is appended to stays as long as less than
    /// half of it is used: not every body shall make a file.
    fn drop_if_free(&mut self, segment: u64) {
        if self.counting.strong_count() > 0 || self.references.contains_key(&segment) {
            return;
        }
        let last = self.writers.back().filter(|writer| writer.number() == segment);
        let half = |writer: &SegmentWriter| 2 * u64::from(writer.written()) > writer.capacity();
        if !last.is_some_and(|writer| writer.is_flushed() && !half(writer)) {
            self.discard(segment);
        }
    }

    fn discard(&mut self, segment: u64) {
        let place = self.writers.iter().position(|writer| writer.number() == segment);
        let writer = place.and_then(|place| self.writers.remove(place));
        self.views.forget(segment);
        if writer.is_none_or(|writer| writer.is_made()) {
            self.shelf.discard(segment);
        }
    }

    fn sync_files(&mut self) -> Vec<SyncFile> {
        let only = self.writers.front().filter(|only| self.writers.len() == 1 && only.is_flushed());
        let only = only.map(SegmentWriter::number);
        if let Some(free) = only.filter(|number| !self.references.contains_key(number)) {
            self.discard(free);
            self.segment_bytes = self.options.segment_bytes_min;
        }
        let from = self.unsynced_from.take().filter(|_| !mutant("bodies_are_not_synced"));
        let Some(from) = from else { return Vec::new() };
        let directory = &self.shelf.directory;
        let mut files: Vec<_> = self
            .references
            .range(from..)
            .map(|(segment, _)| SyncFile::named(directory, self.shelf.segment(*segment)))
            .collect();
        files.push(SyncFile::directory(directory, BODIES.into()));
        files.push(SyncFile::directory(directory, "".into()));
        files
    }
}
