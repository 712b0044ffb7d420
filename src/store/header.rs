//! The first kilobyte of every file of the store, which says what the file is.
//!
//! ```text
//!   octet   0          7      8       12        16           24      32       40     48 ... 80
//!         | "leveret" | kind | crc32c | version | generation | queue |  base   | time | before |
//!         | .. zeros up to octet 512, then the same 80 octets once more, zeros up to 1024 ..   |
//! ```
//!
//! All numbers are little-endian. The copy stands in a disk sector of its own, so that one bad
//! sector does not cost the file. `crc32c` covers the other 76 octets, and every record's checksum
//! starts from it: a record that an earlier use of the same blocks left behind never passes for a
//! new one.

use byteorder::{ByteOrder, LittleEndian};

use crate::ids::{QueueId, Timestamp};
use crate::mutants::mutant;

/// How many octets a file's header takes, with its copy.
pub(super) const HEADER_BYTES: usize = 1024;

/// The newest format of the data directory that this version reads, and the one it writes. Whatever
/// is on disk that an older version could not read, or would take for something else, raises it.
pub(super) const FORMAT: u32 = 2;

/// The newest version of the files with this header that can be read, and the one that is written.
const LAYOUT: u32 = 1;

const COPY_AT: usize = 512;
const LENGTH: usize = 80;
const MAGIC: &[u8; 7] = b"leveret";

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// A part of a queue's log.
    Segment,
    /// What happened since a checkpoint.
    Journal,
    /// The world at a checkpoint.
    Snapshot,
}

impl FileKind {
    const ALL: [Self; 3] = [Self::Segment, Self::Journal, Self::Snapshot];

    fn letter(self) -> u8 {
        match self {
            Self::Segment => b'L',
            Self::Journal => b'J',
            Self::Snapshot => b'S',
        }
    }
}

/// A number of records and their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// How many.
    pub records: u64,
    /// Octets of the messages' parts together.
    pub octets: u64,
}

impl Tally {
    pub(super) fn add(&mut self, octets: u64) {
        *self = self.plus(Self { records: 1, octets });
    }

    pub(super) fn remove(&mut self, octets: u64) {
        *self = self.less(Self { records: 1, octets });
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_add(other.records),
            octets: self.octets.saturating_add(other.octets),
        }
    }

    /// The difference; what damage has made nonsense of is zero.
    pub(super) fn less(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_sub(other.records),
            octets: self.octets.saturating_sub(other.octets),
        }
    }
}

/// All messages, and those of them that survive a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub all: Tally,
    pub persistent: Tally,
}

/// What is known of the journal that was written before another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Previous {
    /// 0 if there is none.
    pub generation: u64,
    /// How many entries it has; 0 if nobody knows.
    pub entries: u64,
    /// How many of them are known to be synced.
    pub synced: u64,
}

/// A file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub kind: FileKind,
    /// A journal's or snapshot's generation; a segment's number in its log. Never used twice.
    pub generation: u64,
    /// Whose log it is part of; 0 for journals and snapshots.
    pub queue: QueueId,
    /// What the ordinals of a segment's records are counted from; the generation of the journal
    /// that was written before a journal.
    pub base: u64,
    /// What the times of a segment's records are counted from.
    pub time: Timestamp,
    /// What was appended to the log before this segment; the records of the journal that was
    /// written before a journal, and those of them (`persistent`) that were known to be synced.
    pub before: Counts,
}

impl FileHeader {
    /// The header of a journal or a snapshot. A journal tells of the one written before it.
    pub(super) fn of_generation(kind: FileKind, generation: u64, previous: Previous) -> Self {
        let (queue, time) = Default::default();
        let tally = |records| Tally { records, octets: 0 };
        let Previous { generation: base, entries, synced } = previous;
        let before = Counts { all: tally(entries), persistent: tally(synced) };
        Self { kind, generation, queue, base, time, before }
    }

    /// What a journal tells of the one written before it.
    pub(super) fn previous(&self) -> Previous {
        let Counts { all, persistent } = self.before;
        Previous { generation: self.base, entries: all.records, synced: persistent.records }
    }

    /// The octets a file begins with, and the seed of its records' checksums.
    pub(super) fn encode(&self) -> ([u8; HEADER_BYTES], u32) {
        let mut octets = [0; HEADER_BYTES];
        octets[..7].copy_from_slice(MAGIC);
        octets[7] = self.kind.letter();
        LittleEndian::write_u32(&mut octets[12..16], LAYOUT);
        let Counts { all, persistent } = self.before;
        let numbers = [self.generation, self.queue.0, self.base, self.time.0];
        let tallies = [all.records, all.octets, persistent.records, persistent.octets];
        for (place, number) in numbers.into_iter().chain(tallies).enumerate() {
            LittleEndian::write_u64(&mut octets[16 + 8 * place..][..8], number);
        }
        let seed = checksum(&octets[..LENGTH]);
        LittleEndian::write_u32(&mut octets[8..12], seed);
        octets.copy_within(..LENGTH, COPY_AT);
        (octets, seed)
    }

    /// Reads a header of the given kind or its copy, whichever is whole (the newer one, if both
    /// are), and gives the seed of the records' checksums with it.
    pub(super) fn decode(kind: FileKind, file: &[u8]) -> Option<(Self, u32)> {
        let copies = [0, COPY_AT].into_iter().filter_map(|at| Self::decode_copy(file.get(at..)?));
        copies.filter(|(header, _)| header.kind == kind).max_by_key(|(header, _)| header.generation)
    }

    /// Whether both copies of a file's header can be read, though perhaps not the same.
    pub(super) fn is_whole(file: &[u8]) -> bool {
        [0, COPY_AT].iter().all(|at| file.get(*at..).and_then(Self::decode_copy).is_some())
    }

    fn decode_copy(bytes: &[u8]) -> Option<(Self, u32)> {
        let octets = bytes.get(..LENGTH)?;
        let seed = LittleEndian::read_u32(&octets[8..12]);
        let kind = FileKind::ALL.into_iter().find(|kind| kind.letter() == octets[7])?;
        let version = LittleEndian::read_u32(&octets[12..16]);
        if &octets[..7] != MAGIC || checksum(octets) != seed || version > LAYOUT {
            return None;
        }
        let number = |place: usize| LittleEndian::read_u64(&octets[16 + 8 * place..][..8]);
        let tally = |place| Tally { records: number(place), octets: number(place + 1) };
        let header = Self {
            kind,
            generation: number(0),
            queue: QueueId(number(1)),
            base: number(2),
            time: Timestamp(number(3)),
            before: Counts { all: tally(4), persistent: tally(6) },
        };
        Some((header, seed))
    }
}

/// The checksum of a header: over everything but the place where it is kept.
fn checksum(octets: &[u8]) -> u32 {
    let end = if mutant("no_generation_in_the_checksum") { 16 } else { octets.len() };
    crc32c::crc32c_append(crc32c::crc32c(&octets[..8]), &octets[12..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_loss_of_either_sector() {
        let header = FileHeader::of_generation(
            FileKind::Journal,
            7,
            Previous { generation: 6, entries: 5, synced: 4 },
        );
        let (whole, seed) = header.encode();
        for sector in [0..512, 512..1024] {
            let mut octets = whole;
            octets[sector].fill(0);
            assert_eq!(FileHeader::decode(FileKind::Journal, &octets), Some((header, seed)));
            assert_eq!(FileHeader::decode(FileKind::Snapshot, &octets), None);
        }
        assert_eq!(FileHeader::decode(FileKind::Journal, &[0; HEADER_BYTES]), None);
        assert_eq!(FileHeader::decode(FileKind::Journal, &whole[..20]), None);
    }
}
