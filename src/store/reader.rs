//! The reading end of a segment.

use std::io::ErrorKind;
use std::sync::Arc;

use super::codec::Source;
use super::content::{self, Reference};
use super::error::StoreError;
use super::header::{FileHeader, FileKind};
use super::mapping::Mapping;
use super::record::{self, Kind, Record, Step};
use super::segment::{Location, Shelf, offset};
use crate::ids::{Ordinal, Timestamp};
use crate::message::Message;

/// A message as it was found in a queue's log.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its place in the queue.
    pub ordinal: Ordinal,
    /// Where it is in the log.
    pub location: Location,
    /// The message; its bytes are the log's.
    pub message: Message,
    /// When it was published.
    pub published: Timestamp,
}

/// A segment that is mapped, to be read.
pub(super) struct SegmentReader {
    pub number: u64,
    pub header: FileHeader,
    pub mapping: Arc<dyn Mapping>,
    seed: u32,
    /// How much there is to read when the segment is complete.
    length: usize,
    /// The lowest sequence that the next record may have.
    least: u32,
}

/// A message's record as it was found.
pub(super) struct Found {
    /// Its place in the queue.
    pub ordinal: Ordinal,
    /// Where it is in the log.
    pub location: Location,
    /// When it was published.
    pub published: Timestamp,
    /// The message, or where it is among the shared bodies.
    pub content: Content,
}

/// The content of a message's record.
pub(super) enum Content {
    /// The message.
    Message(Message),
    /// Where it is among the shared bodies.
    Reference(Reference),
}

impl Found {
    pub(super) fn persistent(&self) -> bool {
        match &self.content {
            Content::Message(message) => message.persistent(),
            Content::Reference(reference) => reference.persistent,
        }
    }

    /// The message's size in bytes.
    pub(super) fn size(&self) -> u64 {
        match &self.content {
            Content::Message(message) => message.size(),
            Content::Reference(reference) => reference.size,
        }
    }

    pub(super) fn reference(&self) -> Option<&Reference> {
        match &self.content {
            Content::Message(_) => None,
            Content::Reference(reference) => Some(reference),
        }
    }
}

/// What is at a place in a segment.
pub(super) enum Next {
    /// A message, and where the next record is.
    Message(Found, Location),
    /// Octets that are no message, up to this place in the file.
    Damaged(usize),
    /// The segment's end.
    End,
}

impl SegmentReader {
    /// Maps a segment: one that is being written (with its capacity and how far it is), or one that
    /// is complete. None if it is missing or cannot be told what it is.
    pub(super) fn open(
        shelf: &Shelf,
        number: u64,
        writer: Option<(usize, usize)>,
    ) -> Result<Option<Self>, StoreError> {
        let mapping = match writer {
            Some((capacity, written)) => shelf.file(number).and_then(|file| {
                let map = || file.map(capacity, written);
                shelf.directory.files.opening(&shelf.segment(number), "map", map)
            }),
            None => map(shelf, number),
        };
        match mapping {
            Ok(mapping) => {
                let mut reader = Self::over(shelf, number, mapping);
                if let (Some(reader), Some((capacity, _))) = (&mut reader, writer) {
                    reader.length = capacity;
                }
                Ok(reader)
            }
            // A folder in its place costs no more than the segment.
            Err(StoreError::Io { source, .. })
                if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a segment that is mapped already. None if its header is damaged.
    pub(super) fn over(shelf: &Shelf, number: u64, mapping: Arc<dyn Mapping>) -> Option<Self> {
        let found = FileHeader::decode(FileKind::Segment, mapping.bytes());
        let ours = |(header, _): &(FileHeader, u32)| {
            header.queue == shelf.queue && header.generation == number
        };
        let Some((header, seed)) = found.filter(ours) else {
            let path = shelf.segment(number);
            log::error!("{} has no readable header and is set aside", path.display());
            return None;
        };
        let length = mapping.bytes().len();
        Some(Self { number, header, mapping, seed, length, least: 0 })
    }

    /// Makes visible what was written since the segment was mapped: up to `written`, or all of it
    /// if it is complete. Returns whether that could be done with this mapping.
    pub(super) fn reveal(&self, written: Option<u32>) -> bool {
        self.mapping.reveal(written.map_or(self.length, |written| written as usize))
    }

    /// What is at a place, which is the segment's first or follows the last one asked for.
    pub(super) fn next(&mut self, at: Location) -> Next {
        let bytes = self.mapping.bytes();
        match record::step(bytes, at.octet(), self.seed, self.least) {
            Step::Record(record) => {
                let next = Location { offset: offset(record.payload.end), ..at };
                self.least = record.sequence.saturating_add(1);
                match self.message(at, &record) {
                    Some(found) => Next::Message(found, next),
                    None => Next::Damaged(record.payload.end),
                }
            }
            Step::Damaged(range) => Next::Damaged(range.end),
            Step::End { torn: true } => Next::Damaged(bytes.len()),
            Step::End { torn: false } => Next::End,
        }
    }

    /// Another reader of the same mapping, for which the next record has at least sequence `least`.
    pub(super) fn again(&self, least: u32) -> Self {
        Self { header: self.header, mapping: Arc::clone(&self.mapping), least, ..*self }
    }

    /// The lowest sequence that the next record may have.
    pub(super) fn least(&self) -> u32 {
        self.least
    }

    /// Goes on where another reader of the same segment was.
    pub(super) fn go_on(&mut self, least: u32) {
        self.least = least;
    }

    /// The last record is looked for once more.
    pub(super) fn go_back(&mut self) {
        self.least = self.least.saturating_sub(1);
    }

    /// The message at a place where one was taken before. None if it is damaged.
    pub(super) fn at(&self, location: Location) -> Option<Found> {
        let record = record::read(self.mapping.bytes(), location.octet(), self.seed)?;
        self.message(location, &record)
    }

    /// The shared message of a reference. None if it is damaged or another. With `verified` its
    /// checksum was found right before.
    pub(super) fn body(&self, reference: &Reference, verified: bool) -> Option<Message> {
        let (bytes, at) = (self.mapping.bytes(), reference.place.offset as usize);
        let checksum = reference.place.checksum;
        let record = record::read_again(bytes, at, checksum)?;
        if !verified {
            record::read(bytes, at, self.seed)?;
        }
        let parts = content::parts(&mut Source::new(bytes, record.payload))?;
        Some(Message::new(Arc::clone(&self.mapping).backing(), parts, reference.persistent))
    }

    /// The octets from a place where no message is, up to the next one.
    pub(super) fn damaged_at(&self, location: Location) -> &[u8] {
        let bytes = self.mapping.bytes();
        let end = match record::step(bytes, location.octet(), self.seed, 0) {
            Step::Record(record) => record.payload.end,
            Step::Damaged(range) => range.end,
            Step::End { .. } => bytes.len(),
        };
        bytes.get(location.octet()..end).unwrap_or_default()
    }

    fn message(&self, at: Location, record: &Record) -> Option<Found> {
        let bytes = self.mapping.bytes();
        let source = &mut Source::new(bytes, record.payload.clone());
        let content = match record.kind {
            Kind::Entry => Content::Reference(Reference::take(bytes, source)?),
            Kind::Transient | Kind::Persistent => {
                let backing = Arc::clone(&self.mapping).backing();
                let persistent = record.kind == Kind::Persistent;
                Content::Message(Message::new(backing, content::parts(source)?, persistent))
            }
        };
        let time = i32::from_le_bytes(record.extra.to_le_bytes());
        Some(Found {
            ordinal: Ordinal(self.header.base.checked_add(u64::from(record.sequence))?),
            location: Location { offset: offset(at.octet()), ..at },
            content,
            published: Timestamp(self.header.time.0.saturating_add_signed(i64::from(time))),
        })
    }
}

/// Maps a complete segment.
fn map(shelf: &Shelf, number: u64) -> Result<Arc<dyn Mapping>, StoreError> {
    let path = shelf.segment(number);
    shelf.directory.files.opening(&path, "map", || {
        let file = shelf.directory.disk.open(&path)?;
        let length = usize::try_from(file.len()?).unwrap_or(usize::MAX);
        file.map(length, length)
    })
}
