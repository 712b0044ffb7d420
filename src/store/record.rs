//! Records: the one frame around everything that is kept in a file.
//!
//! ```text
//!   octet   0        4                8          12       16
//!         | crc32c | kind << 30 | n | sequence | extra  | payload: n octets |
//!
//!   kind 1  a transient message   sequence: its ordinal, extra: its time, both counted from the
//!   kind 2  a persistent message            numbers in the segment's header
//!   kind 3  a journal's entry     sequence: which entry of the file it is, from 0
//!                                 extra: so many entries were known to be synced by then
//! ```
//!
//! The checksum starts from the one of the file's header and covers all that follows it in the
//! record. Sequences grow, so that after a damaged record the next good one can be found: [`step`]
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

/// While looking for the next good record, a candidate this long is checksummed in any case; a
/// longer one only if another record seems to follow it.
const CANDIDATE_BYTES_MAX: usize = 64 * 1024;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Transient,
    Persistent,
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
    let computed = crc32c::crc32c_append(seed, bytes.get(at + 4..record.payload.end)?);
    (stored == computed).then_some(record)
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
}

/// A record that is being gathered.
#[must_use]
pub(super) struct Open {
    at: usize,
    shared: usize,
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
        let open = Open { at: self.bytes.len(), shared: self.shared.len() };
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

    /// Ends a record.
    pub(super) fn finish(&mut self, open: &Open, kind: Kind, seed: u32, sequence: u32, extra: u32) {
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
        let mut checksum = crc32c::crc32c_append(seed, &self.bytes[open.at + 4..]);
        for (_, message) in &self.shared[open.shared..] {
            checksum = crc32c::crc32c_append(checksum, message.body());
        }
        LittleEndian::write_u32(&mut self.bytes[open.at..][..4], checksum);
    }

    /// Puts zeros where the next record will be, so that nothing older is read as one.
    pub(super) fn put_end(&mut self) {
        self.put(&[0; RECORD_BYTES]);
    }

    /// Gives everything to `write`, in order, and is empty then.
    pub(super) fn write<T>(&mut self, write: impl FnOnce(&mut [std::io::IoSlice<'_>]) -> T) -> T {
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
        self.shared_bytes = 0;
    }
}

impl Sink for Gather {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

/// Where a file's first record is.
pub(super) const FIRST_RECORD: usize = HEADER_BYTES;
