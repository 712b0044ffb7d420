//! The journal: what makes promises durable, for all queues at once.
//!
//! ```text
//!   generation 4                    generation 5 (a file used before)
//!   | header | e | e | e | e | 0 |  | header | e | e | e | 0 | .. older octets .. |
//!                            closed                    position
//! ```
//!
//! Whatever must survive is an [`super::Entry`] here before anybody hears of it: one write for each
//! turn of the router, and one fdatasync of this one file for as many turns as gather while the
//! last one runs. After each write stand zeros, where the next one begins.
//!
//! Files are written anew when no snapshot needs them any more, because syncing is twice as fast
//! where nothing has to be allocated; a journal that outgrows its file reserves more room at its
//! end (`room.rs`). The generation in the header is part of every checksum, so older octets never
//! pass for entries.

use std::sync::Arc;

use super::directory::{Directory, SyncFile};
use super::entry::{self, Place};
use super::error::StoreError;
use super::header::{FileHeader, FileKind, Previous};
use super::in_use::InUse;
use super::journal_file::{Found, Generations, JournalFile};
use super::offset;
use super::options::StoreOptions;
use super::record::{Gather, Kind, RECORD_BYTES};
use super::room::Room;
use super::sync::{Progress, SyncRequest};
use crate::ids::{Ordinal, QueueId, SyncPoint, Timestamp};
use crate::message::Message;
use crate::mutants::mutant;

/// Gathers entries: for the journal and for snapshots.
pub(super) struct EntryWriter {
    pub gather: Gather,
    seed: u32,
    /// How many entries there are in the file.
    pub entries: u32,
    /// The highest queue id that was seen.
    pub queue_max: QueueId,
}

impl EntryWriter {
    pub(super) fn new(
        kind: FileKind,
        generation: u64,
        previous: Previous,
        queue_max: QueueId,
    ) -> Self {
        let mut gather = Gather::default();
        let seed = gather.put_header(&FileHeader::of_generation(kind, generation, previous));
        Self { gather, seed, entries: 0, queue_max }
    }

    /// Puts an entry; `synced` of the file's entries are known to be durable.
    pub(super) fn put(&mut self, synced: u32, put: impl FnOnce(&mut Gather)) {
        let open = self.gather.begin();
        put(&mut self.gather);
        self.gather.finish(&open, Kind::Entry, self.seed, self.entries, synced);
        self.entries += 1;
    }

    pub(super) fn saw(&mut self, queue: QueueId) {
        self.queue_max = self.queue_max.max(queue);
    }
}

/// The current journal.
pub struct Journal {
    directory: Directory,
    pub(super) writer: EntryWriter,
    generation: u64,
    /// The last one before it of which anything was written.
    previous: Previous,
    slot: u64,
    /// What to sync for the current generation; the directory too, if the file is new.
    files: Vec<SyncFile>,
    /// Where the next write goes.
    position: u64,
    room: Room,
    /// Entries of earlier generations.
    entries_before: u64,
    /// Entries of this generation that are written.
    written: u32,
    /// Files of earlier generations, each with the point up to which it was written.
    older: Vec<(SyncPoint, Vec<SyncFile>)>,
    delivered: Option<Run>,
    settled: Option<Run>,
    progress: Arc<Progress>,
    in_use: Arc<InUse>,
}

/// Consecutive messages of one queue to which the same happened.
#[derive(Clone, Copy)]
struct Run {
    queue: QueueId,
    first: Ordinal,
    last: Ordinal,
}

impl Run {
    /// Takes one more message in, or gives the run back that has to be written first.
    fn extend(run: &mut Option<Self>, queue: QueueId, ordinal: Ordinal) -> Option<Self> {
        match run {
            Some(run) if run.queue == queue && run.last.next() == ordinal => {
                run.last = ordinal;
                None
            }
            _ => run.replace(Self { queue, first: ordinal, last: ordinal }),
        }
    }
}

impl Journal {
    pub(super) fn new(
        directory: Directory,
        generations: Generations,
        file: JournalFile,
        options: &StoreOptions,
        queue_max: QueueId,
    ) -> Self {
        let Generations { previous, current: generation } = generations;
        let writer = EntryWriter::new(FileKind::Journal, generation, previous, queue_max);
        let files = file.sync_files(&directory);
        let JournalFile { slot, path, file, length, .. } = file;
        let room = Room::new((path, file), length, options, directory.health.clone());
        let in_use = InUse::new(Arc::clone(&directory.disk), directory.health.clone());
        let in_use = Arc::new(in_use);
        Self {
            directory,
            writer,
            generation,
            previous,
            slot,
            files,
            room,
            position: 0,
            entries_before: 0,
            written: 0,
            older: Vec::new(),
            delivered: None,
            settled: None,
            progress: Arc::default(),
            in_use,
        }
    }

    /// Begins in a file. Nothing was written before.
    pub(super) fn begin_in(&mut self, file: JournalFile) {
        self.files = file.sync_files(&self.directory);
        let JournalFile { slot, path, file, length, .. } = file;
        self.slot = slot;
        self.in_use.set(path.clone(), Arc::clone(&file));
        self.room.switch(path, file, length);
    }

    /// Goes on in another file, under the next generation. Everything must have been written.
    pub(super) fn switch(&mut self, generation: u64, file: JournalFile) {
        let point = self.point();
        let files = file.sync_files(&self.directory);
        let files = std::mem::replace(&mut self.files, files);
        if self.position > 0 {
            self.older.push((point, files));
            let entries = u64::from(self.written);
            let synced = self.progress.point().0.saturating_sub(self.entries_before).min(entries);
            self.previous = Previous { generation: self.generation, entries, synced };
        }
        self.entries_before = point.0;
        self.written = 0;
        self.position = 0;
        let queue_max = self.writer.queue_max;
        self.writer = EntryWriter::new(FileKind::Journal, generation, self.previous, queue_max);
        self.generation = generation;
        let JournalFile { slot, path, file, length, .. } = file;
        self.slot = slot;
        self.in_use.set(path.clone(), Arc::clone(&file));
        self.room.switch(path, file, length);
    }

    /// A snapshot has made everything up to `point` durable.
    pub(super) fn supersede(&mut self, point: SyncPoint) {
        self.progress.raise(point);
        self.older.retain(|(older, _)| *older > point);
    }

    /// A definition was made or changed: an AMQP method (class id, method id, arguments) and the
    /// queue it is about, 0 if none.
    pub fn define(&mut self, virtual_host: &str, queue: QueueId, method: &[u8]) {
        self.put_runs();
        self.writer.saw(queue);
        self.put(|gather| entry::put_define(gather, virtual_host, queue, method));
    }

    /// Users, permissions, vhosts, parameters, policies or limits were changed, as `table` says.
    pub fn change(&mut self, table: &[u8]) {
        self.put_runs();
        self.put(|gather| entry::put_change(gather, table));
    }

    /// An exchange has seen a deduplication header, which counts until a moment or without end.
    pub fn remember(
        &mut self,
        virtual_host: &str,
        exchange: &str,
        until: Option<Timestamp>,
        header: &[u8],
    ) {
        self.put(|gather| {
            entry::put_remember(gather, (virtual_host, exchange), until, header);
        });
    }

    /// A consumer of a stream has got on: all before `next` is done with.
    pub fn remember_offset(&mut self, queue: QueueId, consumer_tag: &str, next: Ordinal) {
        self.put(|gather| offset::put(gather, queue, consumer_tag, next));
    }

    /// A message went to all these places.
    pub fn publish(&mut self, places: &[Place], message: &Message, published: Timestamp) {
        for place in places {
            self.writer.saw(place.queue);
        }
        self.put(|gather| entry::put_publish(gather, places, message, published));
    }

    /// A message is settled: acknowledged, expired or dropped.
    pub fn settle(&mut self, queue: QueueId, ordinal: Ordinal) {
        let ordinal = if mutant("settle_the_next") { ordinal.next() } else { ordinal };
        if let Some(run) = Run::extend(&mut self.settled, queue, ordinal) {
            // A message is delivered before it is settled.
            self.put_delivered();
            self.put(|gather| entry::put_settle(gather, run.queue, run.first, run.last));
        }
    }

    /// A message was handed to a consumer.
    pub fn deliver(&mut self, queue: QueueId, ordinal: Ordinal) {
        if mutant("no_mark_of_a_delivery") {
            return;
        }
        if let Some(run) = Run::extend(&mut self.delivered, queue, ordinal) {
            self.put(|gather| entry::put_deliver(gather, run.queue, run.first, run.last));
        }
    }

    /// All ready messages below `before` are gone; outstanding ones are not.
    pub fn purge(&mut self, queue: QueueId, before: Ordinal) {
        self.put_runs();
        self.put(|gather| entry::put_purge(gather, queue, before));
    }

    /// Writes everything since the last time with one call, and says up to where all is written
    /// now.
    ///
    /// # Errors
    /// If the disk is full ([`StoreError::is_full`]) nothing is lost, and nothing may be promised
    /// before a later write succeeds. Any other error is final: the store refuses to write from
    /// then on.
    pub fn write(&mut self) -> Result<SyncPoint, StoreError> {
        self.put_runs();
        if self.writer.entries > self.written {
            let length = self.writer.gather.len() as u64;
            self.room.reserve(self.position + length + RECORD_BYTES as u64)?;
            self.writer.gather.put_end();
            let (file, at, gather) = (&self.room.file, self.position, &mut self.writer.gather);
            let write = || gather.write(|slices| file.write_vectored_at(slices, at));
            self.directory.health.attempt("write", &self.room.path, write)?;
            self.position += length;
            self.written = self.writer.entries;
        }
        let synced = self.progress.point();
        self.older.retain(|(point, _)| *point > synced);
        Ok(self.point())
    }

    /// Whether the disk has no room for the journal but what was reserved before.
    pub fn is_low(&self) -> bool {
        self.room.is_low()
    }

    /// What [`Self::is_low`] means, as an error.
    pub fn full(&self) -> StoreError {
        self.room.full()
    }

    /// Tries to get spare room again. Returns whether there is.
    ///
    /// # Errors
    /// If the room cannot be reserved for another reason than that there is none.
    pub fn replenish(&mut self) -> Result<bool, StoreError> {
        self.room.replenish(self.position + self.gathered())
    }

    /// Octets that are to be written.
    fn gathered(&self) -> u64 {
        let pending = self.writer.entries > self.written;
        if pending { (self.writer.gather.len() + RECORD_BYTES) as u64 } else { 0 }
    }

    /// The files of earlier generations that may not be synced.
    pub(super) fn older_files(&self) -> impl Iterator<Item = SyncFile> {
        self.older.iter().flat_map(|(_, files)| files).cloned()
    }

    /// What has to be done so that everything written so far is durable.
    pub fn sync_request(&self) -> SyncRequest {
        // The directory of a new file has to be synced only once.
        let named = self.progress.point().0 > self.entries_before;
        let current = match (self.written, named) {
            (0, _) => &[],
            (_, true) => &self.files[..1],
            (_, false) => &self.files[..],
        };
        let marked = self.written == 0 || self.directory.newest_journal() >= self.generation;
        let mark = (!marked).then(|| SyncFile::mark(&self.directory, self.generation));
        SyncRequest {
            point: self.point(),
            files: self.older_files().chain(current.iter().cloned()).chain(mark).collect(),
            progress: Arc::clone(&self.progress),
            in_use: Arc::clone(&self.in_use),
        }
    }

    /// The generation that is being written.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The journal as it will be found.
    pub(super) fn found(&self) -> Found {
        Found { generation: self.generation, previous: self.previous, slot: self.slot }
    }

    /// The point at which the current generation began.
    pub(super) fn switched_at(&self) -> SyncPoint {
        SyncPoint(self.entries_before)
    }

    /// How much was written since the last checkpoint began, in octets.
    /// Whether entries wait to be written.
    pub fn has_entries(&self) -> bool {
        self.delivered.is_some() || self.settled.is_some() || self.writer.gather.len() > 0
    }

    pub(super) fn length(&self) -> u64 {
        self.position
    }

    pub(super) fn queue_max(&self) -> QueueId {
        self.writer.queue_max
    }

    /// Says whether the file that is written is still in its place, on any thread.
    pub fn in_use(&self) -> Arc<InUse> {
        Arc::clone(&self.in_use)
    }

    /// Up to where everything is written.
    pub fn point(&self) -> SyncPoint {
        SyncPoint(self.entries_before + u64::from(self.written))
    }

    pub(super) fn put(&mut self, put: impl FnOnce(&mut Gather)) {
        let synced = self.progress.point().0.saturating_sub(self.entries_before);
        self.writer.put(u32::try_from(synced).unwrap_or(u32::MAX), put);
    }

    pub(super) fn put_runs(&mut self) {
        self.put_delivered();
        if let Some(Run { queue, first, last }) = self.settled.take() {
            self.put(|gather| entry::put_settle(gather, queue, first, last));
        }
    }

    pub(super) fn put_delivered(&mut self) {
        if let Some(Run { queue, first, last }) = self.delivered.take() {
            self.put(|gather| entry::put_deliver(gather, queue, first, last));
        }
    }
}
