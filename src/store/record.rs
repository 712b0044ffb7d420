//! Records: the one frame around everything that is kept in a file.
//!
//! ```text
//!   octet   0        4                8          12       16
//!         | crc32c | kind << 30 | n | sequence | extra  | payload: n octets |
//!
//!   kind 1  a transient message   sequence: its ordinal, extra: its time, both counted from the
//!   kind 2  a persistent message            numbers in the segment's header
//!   kind 3  in a journal          sequence: which entry of the file it is, from 0
//!           an entry              extra: so many entries were known to be synced by then
//!           in a segment          sequence and extra: as of a message
//!           a reference
//! ```
//!
//! The checksum starts from the one of the file's header, xor the record's place in the file, and
//! covers all that follows it in the record: octets that a disk wrote or read at a wrong place are
//! no record. Sequences grow, so that after a damaged record the next good one can be found: [`step`]
//! looks for it octet by octet, and one bad record costs one record.

use std::ops::Range;

use byteorder::{ByteOrder, LittleEndian};

use super::header::{FileHeader, HEADER_BYTES};
use crate::message::Message;
use crate::mutants::mutant;

pub(super) use super::codec::Sink;

/// Octets before a record's payload.
pub(super) const RECORD_BYTES: usize = 16;

/// The longest payload; far above what AMQP lets a message be (512 MiB).
pub(super) const PAYLOAD_BYTES_MAX: usize = (1 << 30) - 1;

/// From this size on a body is written from where it is, below it is copied to the others.
const SHARED_BYTES_MIN: usize = 8 * 1024;

/// What a gather keeps of its buffer when it is emptied.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// CRC-32C's polynomial, its lowest power in the highest bit.
const CRC32C_POLYNOMIAL: u32 = 0x82f6_3b78;

/// While looking for the next good record, a candidate this long is checksummed in any case; a
/// longer one only if another record seems to follow it.
const CANDIDATE_BYTES_MAX: usize = 64 * 1024;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Transient,
    Persistent,
    /// An entry in journals and snapshots; in segments, a message whose body is among the shared
    /// ones.
    Entry,
}

/// A record that was found whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub kind: Kind,
    pub sequence: u32,
    pub extra: u32,
    /// Where the payload is; its end is where the next record begins.
    pub payload: Range<usize>,
}

/// What is found at a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A record.
    Record(Record),
    /// Octets that are no record, with a good one after them.
    Damaged(Range<usize>),
    /// Nothing more: only zeros, or (`torn`) octets that are no record.
    End { torn: bool },
}

/// Looks what is in `bytes` at `at`, where a record of at least sequence `least` may begin.
pub(super) fn step(bytes: &[u8], at: usize, seed: u32, least: u32) -> Step {
    match read(bytes, at, seed) {
        Some(record) if record.sequence >= least => return Step::Record(record),
        _ => {}
    }
    match resync(bytes, at, seed, least).filter(|_| !mutant("first_bad_record_is_the_end")) {
        Some(next) => Step::Damaged(at..next),
        None => Step::End { torn: bytes.get(at..).is_some_and(|rest| !starts_with_zeros(rest)) },
    }
}

/// The record at `at`, if it is whole.
pub(super) fn read(bytes: &[u8], at: usize, seed: u32) -> Option<Record> {
    let record = read_frame(bytes, at)?;
    let stored = LittleEndian::read_u32(bytes.get(at..at + 4)?);
    let computed = crc32c::crc32c_append(placed(seed, at), bytes.get(at + 4..record.payload.end)?);
    (stored == computed).then_some(record)
}

/// The record at `at`, if it has this checksum; whether that is right was found out before.
pub(super) fn read_again(bytes: &[u8], at: usize, checksum: u32) -> Option<Record> {
    let record = read_frame(bytes, at)?;
    (LittleEndian::read_u32(bytes.get(at..at + 4)?) == checksum).then_some(record)
}

/// What the checksum of a record at `at` begins with. Files are far shorter than 4 GiB.
fn placed(seed: u32, at: usize) -> u32 {
    seed ^ u32::try_from(at).unwrap_or(u32::MAX)
}

/// Whether one flipped bit is all that is wrong with a record, whose octets these are.
///
/// Flipping a bit changes a checksum by what only the bit's distance from the end decides, so the
/// difference to the right one is compared with that of each bit in turn, from the last on.
pub(super) fn is_one_bit_off(bytes: &[u8], octets: Range<usize>, seed: u32) -> bool {
    let seed = placed(seed, octets.start);
    let record = bytes.get(octets).and_then(|octets| octets.split_at_checked(4));
    let Some((stored, covered)) = record else { return false };
    let wrong = LittleEndian::read_u32(stored) ^ crc32c::crc32c_append(seed, covered);
    let mut change = 1_u32;
    let bits = (0..covered.len().saturating_mul(8)).any(|_| {
        change = (change >> 1) ^ if change & 1 == 1 { CRC32C_POLYNOMIAL } else { 0 };
        change == wrong
    });
    bits || wrong.count_ones() == 1
}

/// Where the record at `at` ends, if it is the last one and one flipped bit is all that is wrong
/// with it.
pub(super) fn last_one_bit_off(bytes: &[u8], at: usize, seed: u32) -> Option<usize> {
    let end = read_frame(bytes, at)?.payload.end;
    (starts_with_zeros(&bytes[end..]) && is_one_bit_off(bytes, at..end, seed)).then_some(end)
}

/// What the checksums of a file's entries begin with, when its header is gone: what two of them agree
/// about that stand one behind the other.
pub(super) fn seed_of_entries(bytes: &[u8]) -> Option<u32> {
    let entry = |at: usize| read_frame(bytes, at).filter(|record| record.kind == Kind::Entry);
    // As many passes as a search for the next good record takes.
    let mut budget = bytes.len().saturating_mul(64);
    for at in HEADER_BYTES..bytes.len() {
        let Some(one) = entry(at) else { continue };
        let after = one.payload.end;
        let next = entry(after).filter(|two| two.sequence == one.sequence.saturating_add(1));
        let Some(two) = next else { continue };
        budget = budget.checked_sub(two.payload.end - at)?;
        let seed = seed_of(bytes, at..after);
        if seed == seed_of(bytes, after..two.payload.end) {
            return seed;
        }
    }
    None
}

/// The seed with which a record's checksum is right: the checksum's steps, taken back one by one.
fn seed_of(bytes: &[u8], octets: Range<usize>) -> Option<u32> {
    let at = octets.start;
    let (stored, covered) = bytes.get(octets)?.split_at_checked(4)?;
    let mut state = !LittleEndian::read_u32(stored);
    for octet in covered.iter().rev() {
        for _ in 0..8 {
            let carried = state >> 31;
            state = (state ^ if carried == 1 { CRC32C_POLYNOMIAL } else { 0 }) << 1 | carried;
        }
        state ^= u32::from(*octet);
    }
    Some(placed(!state, at))
}

/// What the octets at `at` say that they are, if that is possible.
fn read_frame(bytes: &[u8], at: usize) -> Option<Record> {
    let frame = bytes.get(at..at.checked_add(RECORD_BYTES)?)?;
    let word = LittleEndian::read_u32(&frame[4..8]);
    let kind = match word >> 30 {
        1 => Kind::Transient,
        2 => Kind::Persistent,
        3 => Kind::Entry,
        _ => return None,
    };
    let start = at + RECORD_BYTES;
    let end = start.checked_add(word as usize & PAYLOAD_BYTES_MAX)?;
    let (sequence, extra) =
        (LittleEndian::read_u32(&frame[8..12]), LittleEndian::read_u32(&frame[12..16]));
    (end <= bytes.len()).then_some(Record { kind, sequence, extra, payload: start..end })
}

/// The place of the next good record after `at`.
fn resync(bytes: &[u8], at: usize, seed: u32, least: u32) -> Option<usize> {
    // However the octets are made up, the search takes no more than a bounded number of passes.
    let mut budget = bytes.len().saturating_sub(at).saturating_mul(64);
    let mut next = at;
    loop {
        next += 1 + bytes.get(next + 1..)?.iter().position(|octet| *octet != 0)?.saturating_sub(15);
        let Some(record) = read_frame(bytes, next).filter(|record| record.sequence >= least) else {
            continue;
        };
        let after = record.payload.end;
        let followed = starts_with_zeros(&bytes[after..]) || read_frame(bytes, after).is_some();
        if record.payload.len() > CANDIDATE_BYTES_MAX && !followed {
            continue;
        }
        budget = budget.checked_sub(record.payload.len())?;
        if read(bytes, next, seed).is_some() {
            return Some(next);
        }
    }
}

/// Whether nothing was ever written from here on, as far as one record can tell.
fn starts_with_zeros(bytes: &[u8]) -> bool {
    bytes.iter().take(RECORD_BYTES).all(|octet| *octet == 0)
}

/// Records on their way to a file, to be written with one call. Long bodies stay where they are.
#[derive(Default)]
pub(super) struct Gather {
    bytes: Vec<u8>,
    /// Bodies, each with the place in `bytes` before which it belongs.
    shared: Vec<(usize, Message)>,
    shared_bytes: usize,
    /// Octets of the file before what is gathered.
    before: usize,
    /// Octets at the end that the next write begins with once more.
    end_bytes: usize,
}

/// A record that is being gathered.
#[must_use]
pub(super) struct Open {
    at: usize,
    shared: usize,
    /// Where it will be in the file.
    place: usize,
}

impl Gather {
    /// Octets gathered.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.shared_bytes
    }

    /// Puts a file's header, and returns the seed of its records.
    pub(super) fn put_header(&mut self, header: &FileHeader) -> u32 {
        let (octets, seed) = header.encode();
        self.put(&octets);
        seed
    }

    /// Begins a record. What is put until [`Gather::finish`] is its payload.
    pub(super) fn begin(&mut self) -> Open {
        let place = self.before + self.len();
        let open = Open { at: self.bytes.len(), shared: self.shared.len(), place };
        self.put(&[0; RECORD_BYTES]);
        open
    }

    /// Puts a message's body, the last part of a payload.
    pub(super) fn put_body(&mut self, message: &Message) {
        let body = message.body();
        if body.len() < SHARED_BYTES_MIN {
            self.put(body);
        } else {
            self.shared.push((self.bytes.len(), message.clone()));
            self.shared_bytes += body.len();
        }
    }

    /// Ends a record. Returns its checksum.
    pub(super) fn finish(
        &mut self,
        open: &Open,
        kind: Kind,
        seed: u32,
        sequence: u32,
        extra: u32,
    ) -> u32 {
        let bodies = self.shared[open.shared..].iter();
        let shared: usize = bodies.map(|(_, message)| message.body().len()).sum();
        let payload = self.bytes.len() - open.at - RECORD_BYTES + shared;
        // Messages are limited to half of this where they come in.
        assert!(payload <= PAYLOAD_BYTES_MAX, "a record of {payload} octets");
        let kind = match kind {
            Kind::Transient => 1,
            Kind::Persistent => 2,
            Kind::Entry => 3,
        };
        let length = u32::try_from(payload).unwrap_or_default();
        let frame = &mut self.bytes[open.at..][..RECORD_BYTES];
        LittleEndian::write_u32(&mut frame[4..8], kind << 30 | length);
        LittleEndian::write_u32(&mut frame[8..12], sequence);
        LittleEndian::write_u32(&mut frame[12..16], extra);
        let seed = placed(seed, open.place);
        let mut checksum = crc32c::crc32c_append(seed, &self.bytes[open.at + 4..]);
        for (_, message) in &self.shared[open.shared..] {
            checksum = crc32c::crc32c_append(checksum, message.body());
        }
        LittleEndian::write_u32(&mut self.bytes[open.at..][..4], checksum);
        checksum
    }

    /// Puts zeros where the next record will be, so that nothing older is read as one.
    pub(super) fn put_end(&mut self) {
        self.put(&[0; RECORD_BYTES]);
        self.end_bytes = RECORD_BYTES;
    }

    /// Gives everything to `write`, in order, and is empty then. If that fails everything stays,
    /// but for the zeros behind it, and can be written to the same place later.
    pub(super) fn write<E>(
        &mut self,
        write: impl FnOnce(&mut [std::io::IoSlice<'_>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut slices = Vec::with_capacity(2 * self.shared.len() + 1);
        let mut from = 0;
        for (at, message) in &self.shared {
            slices.push(std::io::IoSlice::new(&self.bytes[from..*at]));
            slices.push(std::io::IoSlice::new(message.body()));
            from = *at;
        }
        slices.push(std::io::IoSlice::new(&self.bytes[from..]));
        let written = write(&mut slices);
        drop(slices);
        if written.is_err() {
            self.bytes.truncate(self.bytes.len().saturating_sub(self.end_bytes));
            self.end_bytes = 0;
            return written;
        }
        self.before += self.len() - self.end_bytes;
        self.clear();
        written
    }

    /// Gives back the memory that nothing is in.
    pub(super) fn trim(&mut self) {
        self.bytes.shrink_to_fit();
        self.shared.shrink_to_fit();
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
        self.shared.clear();
        (self.shared_bytes, self.end_bytes) = (0, 0);
    }
}

impl Sink for Gather {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

/// Where a file's first record is.
pub(super) const FIRST_RECORD: usize = HEADER_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    fn gather_into(gather: &mut Gather, octets: &mut Vec<u8>) {
        let written = gather.write(|slices| {
            slices.iter().for_each(|slice| octets.extend_from_slice(slice));
            Ok::<_, ()>(())
        });
        assert_eq!(written, Ok(()));
    }

    #[test]
    fn what_could_not_be_written_is_written_the_same_later() {
        let (mut tried, mut gather) = (Vec::new(), Gather::default());
        let open = gather.begin();
        gather.put(b"payload");
        gather.finish(&open, Kind::Entry, 77, 0, 0);
        gather.put_end();
        let refused = gather.write(|slices| {
            slices.iter().for_each(|slice| tried.extend_from_slice(slice));
            Err("full")
        });
        assert_eq!(refused, Err("full"));
        let mut octets = Vec::new();
        gather.put_end();
        gather_into(&mut gather, &mut octets);
        assert_eq!(octets, tried);
    }

    #[test]
    fn one_flipped_bit_is_told_from_other_damage_wherever_it_is() {
        let mut octets = vec![0; 100];
        let mut gather = Gather { before: 100, ..Gather::default() };
        let open = gather.begin();
        gather.put(b"a payload of some octets");
        gather.finish(&open, Kind::Entry, 77, 3, 1);
        gather_into(&mut gather, &mut octets);
        let end = octets.len();
        let flip = |octets: &mut [u8], bit: usize| octets[bit / 8] ^= 1 << (bit % 8);
        for bit in 800..8 * end {
            flip(&mut octets, bit);
            assert!(is_one_bit_off(&octets, 100..end, 77), "bit {bit}");
            let another = 800 + (bit + 9) % 320;
            flip(&mut octets, another);
            assert!(!is_one_bit_off(&octets, 100..end, 77), "bit {bit} and another");
            flip(&mut octets, another);
            flip(&mut octets, bit);
        }
        assert!(!is_one_bit_off(&octets, 100..103, 77) && !is_one_bit_off(&octets, 100..130, 77));
    }

    #[test]
    fn a_record_is_one_only_in_its_place() {
        let mut gather = Gather::default();
        let mut octets = Vec::new();
        for sequence in 0..3 {
            let open = gather.begin();
            gather.put(b"payload");
            gather.finish(&open, Kind::Entry, 77, sequence, 0);
            gather.put_end();
            let end = octets.len().saturating_sub(RECORD_BYTES);
            octets.truncate(end);
            gather_into(&mut gather, &mut octets);
        }
        let length = RECORD_BYTES + 7;
        assert_eq!(octets.len(), 3 * length + RECORD_BYTES);
        assert!((0..3).all(|place| read(&octets, place * length, 77).is_some()));
        assert_eq!(seed_of(&octets, length..2 * length), Some(77));
        octets.copy_within(2 * length..3 * length, 0);
        assert!(read(&octets, 0, 77).is_none());
    }
}
