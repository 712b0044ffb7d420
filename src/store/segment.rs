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
use super::content::{self, Reference};
use super::directory::{BODIES, Directory, SHARED, TRANSIENT, log_directory, segment_name};
use super::disk::DiskFile;
use super::error::StoreError;
use super::header::{Counts, FileHeader, FileKind};
use super::record::{FIRST_RECORD, Gather, Kind, RECORD_BYTES};
use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::{BodyPlace, Message};

/// The room for segments is a multiple of this.
const PAGE_BYTES: u64 = 4096;

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

    /// A place in a segment.
    pub(super) fn at(segment: u64, offset: u32) -> Self {
        Self { segment, offset }
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

/// Where a queue's segments are, or those of the shared bodies.
#[derive(Clone)]
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

    /// Whose segments they are, in names of copies.
    fn name(&self) -> String {
        if self.queue == SHARED { BODIES.to_owned() } else { format!("queue-{}", self.queue.0) }
    }

    /// Keeps a segment that cannot be read, under a name where nobody looks for it. Returns whether
    /// there was one.
    pub(super) fn set_aside(&self, number: u64) -> bool {
        self.directory.set_file_aside(
            &self.segment(number),
            &format!("{}-{}", self.name(), segment_name(number)),
        )
    }

    /// Reports octets of a segment that are no record, and keeps a copy of them.
    pub(super) fn set_octets_aside(&self, segment: u64, at: usize, octets: &[u8]) {
        let (path, length) = (self.segment(segment), octets.len());
        log::error!("{}: {length} octets at {at} are damaged", path.display());
        let name = format!("{}-{segment:08}-{at:08}", self.name());
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
    /// Octets of its messages, those included that it only refers to.
    content: u64,
    /// The most that these may be.
    content_max: u64,
}

/// What is appended to a segment.
pub(super) enum Appended<'a> {
    /// A message with its body.
    Message(&'a Message),
    /// A reference to a message among the shared bodies.
    Reference(Reference),
}

impl Appended<'_> {
    /// The message's size.
    fn size(&self) -> u64 {
        match self {
            Self::Message(message) => message.size(),
            Self::Reference(reference) => reference.size,
        }
    }

    fn persistent(&self) -> bool {
        match self {
            Self::Message(message) => message.persistent(),
            Self::Reference(reference) => reference.persistent,
        }
    }

    /// At most so many octets are needed for its record.
    fn record_bytes_max(&self) -> u64 {
        let payload = match self {
            Self::Message(message) => content::encoded_bytes_max(message),
            Self::Reference(_) => content::REFERENCE_BYTES_MAX,
        };
        RECORD_BYTES as u64 + payload
    }
}

impl SegmentWriter {
    /// Plans a segment of about `capacity` octets, and of as many as its first message needs. Its
    /// messages, those included that it only refers to, are to be at most `content_max` octets, or
    /// one message.
    pub(super) fn plan(
        mut header: FileHeader,
        (capacity, content_max): (u64, u64),
        first: &Appended<'_>,
    ) -> Self {
        header.kind = FileKind::Segment;
        let needed = FIRST_RECORD as u64 + first.record_bytes_max();
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
            content: 0,
            content_max,
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
    pub(super) fn takes(
        &self,
        ordinal: Ordinal,
        what: &Appended<'_>,
        published: Timestamp,
    ) -> bool {
        u64::from(self.planned) + what.record_bytes_max() <= self.capacity
            && (self.content == 0 || self.content.saturating_add(what.size()) <= self.content_max)
            && self.relative(ordinal, published).is_some()
    }

    /// Gathers a message's record. The caller has asked [`SegmentWriter::takes`]. Returns where the
    /// record is going to be, and its checksum.
    pub(super) fn append(
        &mut self,
        ordinal: Ordinal,
        what: &Appended<'_>,
        published: Timestamp,
    ) -> BodyPlace {
        let (sequence, time) = self.relative(ordinal, published).unwrap_or_default();
        let before = self.gather.len();
        let open = self.gather.begin();
        let kind = match what {
            Appended::Message(message) => {
                content::put(&mut self.gather, message);
                if message.persistent() { Kind::Persistent } else { Kind::Transient }
            }
            Appended::Reference(reference) => {
                reference.put(&mut self.gather);
                Kind::Entry
            }
        };
        let checksum = self.gather.finish(&open, kind, self.seed, sequence, time);
        let place = BodyPlace { segment: self.number(), offset: self.planned, checksum };
        self.planned += offset(self.gather.len() - before);
        self.content += what.size();
        self.pending.all.add(what.size());
        if what.persistent() {
            self.pending.persistent.add(what.size());
        }
        place
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

/// An offset in a segment. A payload is at most 1 GiB, so a segment never reaches 4 GiB.
pub(super) fn offset(octets: usize) -> u32 {
    u32::try_from(octets).unwrap_or(u32::MAX)
}
