//! The reading end of a segment.

use std::io::ErrorKind;
use std::sync::Arc;

use super::codec::Source;
use super::content;
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

/// What was found at a place in a segment.
pub(super) enum Found {
    /// A message, and where the next record is.
    Message(Stored, Location),
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
    pub(super) fn next(&mut self, at: Location) -> Found {
        let bytes = self.mapping.bytes();
        match record::step(bytes, at.octet(), self.seed, self.least) {
            Step::Record(record) => {
                let next = Location { offset: offset(record.payload.end), ..at };
                self.least = record.sequence.saturating_add(1);
                match self.message(at, &record) {
                    Some(stored) => Found::Message(stored, next),
                    None => Found::Damaged(record.payload.end),
                }
            }
            Step::Damaged(range) => Found::Damaged(range.end),
            Step::End { torn: true } => Found::Damaged(bytes.len()),
            Step::End { torn: false } => Found::End,
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

    /// The message at a place where one was taken before. None if it is damaged.
    pub(super) fn at(&self, location: Location) -> Option<Stored> {
        let record = record::read(self.mapping.bytes(), location.octet(), self.seed)?;
        self.message(location, &record)
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

    fn message(&self, at: Location, record: &Record) -> Option<Stored> {
        let persistent = match record.kind {
            Kind::Transient => false,
            Kind::Persistent => true,
            Kind::Entry => return None,
        };
        let parts = content::parts(&mut Source::new(self.mapping.bytes(), record.payload.clone()))?;
        let time = i32::from_le_bytes(record.extra.to_le_bytes());
        Some(Stored {
            ordinal: Ordinal(self.header.base.checked_add(u64::from(record.sequence))?),
            location: Location { offset: offset(at.octet()), ..at },
            message: Message::new(Arc::clone(&self.mapping).backing(), parts, persistent),
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
