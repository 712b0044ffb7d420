//! A segment: one file of a queue's log, written once from front to back.
//!
//! ```text
//!   0           1024                      written            capacity
//!   | header    | record | record | ...   | zeros ........... |
//! ```
//!
//! Its room is reserved on the disk before the first octet is written (`fallocate`), so a full disk
//! is met when a segment begins, never in the middle of one. Segments begin at 64 KiB and double up
//! to 8 MiB; a message that is longer gets a segment of its own size. A file is used once: what
//! follows its last record are zeros.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::codec::{Sink, Source};
use super::content;
use super::directory::{Directory, TRANSIENT, log_directory, segment_name};
use super::disk::DiskFile;
use super::error::StoreError;
use super::header::{Counts, FileHeader, FileKind, Tally};
use super::record::{FIRST_RECORD, Gather, Kind, RECORD_BYTES};
use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;

/// The room for segments is a multiple of this.
const PAGE_BYTES: u64 = 4096;

/// No log gets so many segments that it could not count on.
const SEGMENTS_MAX: u64 = 1 << 48;

/// Where a record is in a queue's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The number of the segment; never used twice in a log.
    pub(super) segment: u64,
    /// The octet in it.
    pub(super) offset: u32,
}

impl Location {
    /// Where a segment begins.
    pub(super) fn start_of(segment: u64) -> Self {
        Self { segment, offset: 0 }
    }

    /// Where reading goes on in a file, in octets.
    pub(super) fn octet(self) -> usize {
        FIRST_RECORD.max(self.offset as usize)
    }

    pub(super) fn put(self, sink: &mut impl Sink) {
        sink.put_number(self.segment);
        sink.put_number(u64::from(self.offset));
    }

    pub(super) fn take(source: &mut Source<'_>) -> Option<Self> {
        Some(Self { segment: source.number()?, offset: source.number_u32()? })
    }
}

/// How a queue's log stands: everything that its files do not say themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// The next message to be taken.
    pub(super) head: Location,
    /// Behind the last message.
    pub(super) end: Location,
    /// What was ever appended.
    pub(super) appended: Counts,
    /// What of it is persistent and not yet taken.
    pub(super) ready: Tally,
}

impl LogState {
    /// How many messages are to be taken out of the log after a restart.
    pub fn ready(&self) -> u64 {
        self.ready.records
    }

    pub(super) fn put(&self, sink: &mut impl Sink) {
        self.head.put(sink);
        self.end.put(sink);
        for Tally { records, octets } in [self.appended.all, self.appended.persistent, self.ready] {
            sink.put_number(records);
            sink.put_number(octets);
        }
    }

    pub(super) fn take(source: &mut Source<'_>) -> Option<Self> {
        let (head, end) = (Location::take(source)?, Location::take(source)?);
        let mut tally = || Some(Tally { records: source.number()?, octets: source.number()? });
        let appended = Counts { all: tally()?, persistent: tally()? };
        let ready = tally()?;
        let plausible = head <= end && end.segment <= SEGMENTS_MAX;
        plausible.then_some(Self { head, end, appended, ready })
    }
}

/// Where a queue's segments are.
pub(super) struct Shelf {
    pub directory: Directory,
    pub queue: QueueId,
    pub durable: bool,
}

impl Shelf {
    pub(super) fn path(&self) -> PathBuf {
        log_directory(self.queue, self.durable)
    }

    /// Makes the directory.
    pub(super) fn make(&self) -> Result<(), StoreError> {
        if !self.durable {
            // There may have been no room for it when the broker began.
            self.directory.create_directory(Path::new(TRANSIENT))?;
        }
        self.directory.create_directory(&self.path())
    }

    pub(super) fn segment(&self, number: u64) -> PathBuf {
        self.path().join(segment_name(number))
    }

    /// Keeps a segment that cannot be read, under a name where nobody looks for it. Returns whether
    /// there was one.
    pub(super) fn set_aside(&self, number: u64) -> bool {
        self.directory.set_file_aside(
            &self.segment(number),
            &format!("queue-{}-{}", self.queue.0, segment_name(number)),
        )
    }

    /// Reports octets of a segment that are no record, and keeps a copy of them.
    pub(super) fn set_octets_aside(&self, segment: u64, at: usize, octets: &[u8]) {
        let (queue, length) = (self.queue, octets.len());
        log::error!("queue {queue}, segment {segment}: {length} octets at {at} are damaged");
        let name = format!("queue-{}-{segment:08}-{at:08}", queue.0);
        self.directory.set_aside(&name, octets);
    }

    pub(super) fn discard(&self, number: u64) {
        self.close(number);
        self.directory.disk.discard(&self.segment(number));
    }

    /// The file of a segment that was made before.
    pub(super) fn file(&self, number: u64) -> Result<Arc<dyn DiskFile>, StoreError> {
        let Directory { disk, files, .. } = &self.directory;
        files.get(&**disk, (self.queue, number), &self.segment(number))
    }

    /// Nothing more is written to a segment: its file need not stay open.
    pub(super) fn close(&self, number: u64) {
        self.directory.files.close((self.queue, number));
    }
}

/// The writing end of a segment.
pub(super) struct SegmentWriter {
    header: FileHeader,
    seed: u32,
    capacity: u64,
    /// Whether the file is there: not until the first records are written.
    made: bool,
    /// Where the next write goes.
    written: u32,
    /// Where it will go when what is gathered is written.
    planned: u32,
    gather: Gather,
    /// What is gathered.
    pending: Counts,
}

impl SegmentWriter {
    /// Plans a segment of about `capacity` octets, and of as many as its first message needs.
    pub(super) fn plan(mut header: FileHeader, capacity: u64, first: &Message) -> Self {
        header.kind = FileKind::Segment;
        let needed = FIRST_RECORD as u64 + record_bytes_max(first);
        let mut gather = Gather::default();
        let seed = gather.put_header(&header);
        Self {
            header,
            seed,
            capacity: capacity.max(needed).next_multiple_of(PAGE_BYTES),
            made: false,
            written: 0,
            planned: offset(gather.len()),
            gather,
            pending: Counts::default(),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.header.generation
    }

    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// How far it is written.
    pub(super) fn written(&self) -> u32 {
        self.written
    }

    /// Whether its file is there.
    pub(super) fn is_made(&self) -> bool {
        self.made
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.pending == Counts::default()
    }

    /// Whether there is room for a message, and its ordinal and time can be told from the header's.
    pub(super) fn takes(&self, ordinal: Ordinal, message: &Message, published: Timestamp) -> bool {
        u64::from(self.planned) + record_bytes_max(message) <= self.capacity
            && self.relative(ordinal, published).is_some()
    }

    /// Gathers a message's record. The caller has asked [`SegmentWriter::takes`].
    pub(super) fn append(&mut self, ordinal: Ordinal, message: &Message, published: Timestamp) {
        let (sequence, time) = self.relative(ordinal, published).unwrap_or_default();
        let kind = if message.persistent() { Kind::Persistent } else { Kind::Transient };
        let before = self.gather.len();
        let open = self.gather.begin();
        content::put(&mut self.gather, message);
        self.gather.finish(&open, kind, self.seed, sequence, time);
        self.planned += offset(self.gather.len() - before);
        self.pending.all.add(message.size());
        if message.persistent() {
            self.pending.persistent.add(message.size());
        }
    }

    fn relative(&self, ordinal: Ordinal, published: Timestamp) -> Option<(u32, u32)> {
        let sequence = ordinal.0.checked_sub(self.header.base)?;
        let time = i128::from(published.0) - i128::from(self.header.time.0);
        let time = i32::try_from(time).ok()?;
        Some((u32::try_from(sequence).ok()?, u32::from_le_bytes(time.to_le_bytes())))
    }

    /// Writes what is gathered, with one call. Before the first write the file is made and its room
    /// reserved; if there is none, everything stays gathered and may be flushed later.
    pub(super) fn flush(&mut self, shelf: &Shelf) -> Result<(), StoreError> {
        if self.is_flushed() {
            return Ok(());
        }
        let path = shelf.segment(self.number());
        let health = &shelf.directory.health;
        health.check()?;
        let file = if self.made {
            shelf.file(self.number())?
        } else {
            create(shelf, self.number(), self.capacity)?
        };
        self.made = true;
        let at = u64::from(self.written);
        let write = || self.gather.write(|slices| file.write_vectored_at(slices, at));
        health.attempt("write", &path, write)?;
        self.written = self.planned;
        self.pending = Counts::default();
        Ok(())
    }

    /// Gives back the memory that gathering took.
    pub(super) fn trim(&mut self) {
        self.gather.trim();
    }

    /// Forgets what is gathered, and says what that was.
    pub(super) fn forget(&mut self) -> Counts {
        self.gather.clear();
        self.planned = self.written;
        std::mem::take(&mut self.pending)
    }
}

fn create(shelf: &Shelf, number: u64, capacity: u64) -> Result<Arc<dyn DiskFile>, StoreError> {
    let path = shelf.segment(number);
    let Directory { disk, files, .. } = &shelf.directory;
    let file = files.opening(&path, "create", || disk.create(&path))?;
    match file.allocate(capacity) {
        Ok(()) => {
            files.put((shelf.queue, number), Arc::clone(&file));
            Ok(file)
        }
        Err(source) => {
            if let Err(error) = disk.remove(&path) {
                log::error!("cannot remove {}: {error}", path.display());
            }
            Err(StoreError::io("reserve room for", &path, source))
        }
    }
}

/// At most so many octets are needed for a message's record.
fn record_bytes_max(message: &Message) -> u64 {
    RECORD_BYTES as u64 + content::encoded_bytes_max(message)
}

/// An offset in a segment. A payload is at most 1 GiB, so a segment never reaches 4 GiB.
pub(super) fn offset(octets: usize) -> u32 {
    u32::try_from(octets).unwrap_or(u32::MAX)
}
