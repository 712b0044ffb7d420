//! Looks a journal through before it is replayed: where it ends, and what in it is damaged.
//!
//! ```text
//!   | e0 | e1 | ?? | e3 (synced 3) | e4 |      e2 was synced: it is damaged, the others count
//!   | e0 | e1 | ?? | ?? | e4 (synced 1) |      torn: e2 and e3 never were on disk, nor promised
//!   | e0 | e1 | ??                              torn
//! ```
//!
//! Every entry says how many of the file's entries were known to be synced when it was written.
//! With that, octets that were damaged can be told from octets that a power cut kept from being
//! written. Missing entries that nothing says were synced are where the journal ends; what follows
//! is copied aside and left out: it was not promised, and what was decided later must not count
//! without what was decided earlier.
//!
//! Two things a power cut cannot have done, for a disk writes whole sectors: it does not flip a
//! single bit, and it does not leave a hole in a sector whose end is good. That is damage even
//! where nothing was synced, as under the policy `never`, and costs no more than what it hit. When
//! the power did go, only the second is relied on: of a long entry a part may be left that looks as
//! if one bit were flipped. Then the journal ends there, and it is reported all the same.

use std::ops::Range;

use super::record::{self, FIRST_RECORD, Step};

/// A disk writes so many octets or none of them.
const SECTOR_BYTES: usize = 512;

/// What a look at a journal found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Behind the last entry that counts.
    pub end: usize,
    /// How many entries the file has up to there, those included that are missing between others.
    pub entries: u64,
    /// How many of these can be read.
    pub whole: u32,
    /// How many entries are known to be synced.
    pub synced: u64,
    /// Octets that are damaged, and how many entries they were. The last ones may stand at the end.
    pub damaged: Vec<(Range<usize>, u32)>,
    /// Octets at the end that do not count.
    pub torn: Option<Range<usize>>,
}

/// A place where entries are missing, between two that are there.
struct Hole {
    octets: Range<usize>,
    /// The first missing entry.
    first: u32,
    lost: u32,
    /// How many entries can be read before it.
    whole: u32,
}

impl Hole {
    /// Whether a power cut may have left it, when so many entries are known to have been synced.
    fn may_be_torn(&self, synced: u32) -> bool {
        let Range { start, end } = self.octets;
        self.lost > 0 && self.first >= synced && start / SECTOR_BYTES != end / SECTOR_BYTES
    }

    /// Whether it looks as if one bit of an entry were flipped.
    fn is_flipped(&self, bytes: &[u8], seed: u32) -> bool {
        self.lost == 1 && record::is_one_bit_off(bytes, self.octets.clone(), seed)
    }
}

/// Looks through a journal's octets. With `cut` the power went since they were written.
pub(super) fn survey(bytes: &[u8], seed: u32, cut: bool) -> Survey {
    let mut holes: Vec<Hole> = Vec::new();
    let mut at = FIRST_RECORD;
    let mut damaged_from = None;
    let (mut next, mut synced, mut whole) = (0_u32, 0_u32, 0_u32);
    let torn = loop {
        match record::step(bytes, at, seed, next) {
            Step::Record(record) => {
                let octets = damaged_from.take().unwrap_or(at)..at;
                let lost = record.sequence - next;
                if lost > 0 || !octets.is_empty() {
                    holes.push(Hole { octets, first: next, lost, whole });
                }
                whole += 1;
                synced = synced.max(record.extra);
                next = record.sequence.saturating_add(1);
                at = record.payload.end;
            }
            Step::Damaged(range) => {
                damaged_from = Some(range.start);
                at = range.end;
            }
            Step::End { torn } => match record::last_one_bit_off(bytes, at, seed) {
                Some(end) if torn => {
                    holes.push(Hole { octets: at..end, first: next, lost: 1, whole });
                    (next, at) = (next.saturating_add(1), end);
                }
                _ => break torn,
            },
        }
    };
    let mut survey =
        Survey { end: at, entries: next.into(), whole, synced: synced.into(), ..Survey::default() };
    let mut ended = false;
    for hole in holes {
        ended = hole.may_be_torn(synced) && (cut || !hole.is_flipped(bytes, seed));
        if ended {
            (survey.end, survey.whole) = (hole.octets.start, hole.whole);
            survey.entries = hole.first.into();
        }
        if !ended || hole.is_flipped(bytes, seed) {
            survey.damaged.push((hole.octets, hole.lost));
        }
        if ended {
            break;
        }
    }
    survey.torn = (torn || ended).then_some(survey.end..bytes.len());
    survey
}
