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
//! written. One missing entry is taken for damage, and costs itself only. More than one in a row that
//! nothing says was synced is where the journal ends; what follows is copied aside and left out.
//! After a power cut even one is: what follows may rely on it, as a purge does on the deliveries
//! before it.

use std::ops::Range;

use super::record::{self, FIRST_RECORD, Step};

/// What a look at a journal found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Behind the last entry that counts.
    pub end: usize,
    /// How many entries the file has up to there, those included that are missing between others.
    pub entries: u64,
    /// How many of them are known to be synced.
    pub synced: u64,
    /// Octets that are damaged, and how many entries they were.
    pub damaged: Vec<(Range<usize>, u32)>,
    /// Octets at the end that do not count.
    pub torn: Option<Range<usize>>,
}

/// A place where entries are missing.
struct Hole {
    octets: Range<usize>,
    /// The first missing entry.
    first: u32,
    lost: u32,
}

/// Looks through a journal's octets. With `cut` the power went since they were written.
pub(super) fn survey(bytes: &[u8], seed: u32, cut: bool) -> Survey {
    let mut holes: Vec<Hole> = Vec::new();
    let mut at = FIRST_RECORD;
    let mut damaged_from = None;
    let (mut next, mut synced) = (0_u32, 0_u32);
    let torn = loop {
        match record::step(bytes, at, seed, next) {
            Step::Record(record) => {
                let octets = damaged_from.take().unwrap_or(at)..at;
                let lost = record.sequence - next;
                if lost > 0 || !octets.is_empty() {
                    holes.push(Hole { octets, first: next, lost });
                }
                synced = synced.max(record.extra);
                next = record.sequence.saturating_add(1);
                at = record.payload.end;
            }
            Step::Damaged(range) => {
                damaged_from = Some(range.start);
                at = range.end;
            }
            Step::End { torn } => break torn,
        }
    };
    let most = if cut { 0 } else { 1 };
    let ends = |hole: &Hole| hole.lost > most && hole.first >= synced;
    let cut = holes.iter().position(ends);
    let (end, entries) = cut.map_or((at, next), |cut| (holes[cut].octets.start, holes[cut].first));
    let damaged = holes.into_iter().take(cut.unwrap_or(usize::MAX));
    let damaged = damaged.map(|hole| (hole.octets, hole.lost)).collect();
    let torn = (torn || cut.is_some()).then_some(end..bytes.len());
    Survey { end, entries: entries.into(), synced: synced.into(), damaged, torn }
}
