//! Segments of an earlier process that are not there any more.
//!
//! ```text
//!   at the checkpoint     | 3 | 4 | 5 | 6 | 7 |
//!   now                   | 3 |       | 6 | 7 |     the gap: 4 and 5, settled since then, or lost?
//! ```
//!
//! A log does not know what was settled. It says how many messages were in a gap and between which
//! ordinals; who has read the journal can tell how many of them nobody has settled.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::super::error::StoreError;
use super::super::log_state::LogState;
use super::super::reader::{Next, SegmentReader};
use super::super::segment::Location;
use super::QueueLog;
use crate::ids::Ordinal;

/// Consecutive segments that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Their numbers.
    pub segments: RangeInclusive<u64>,
    /// The persistent messages that were in them and had not been taken at the checkpoint.
    pub messages: u64,
    /// Their ordinals are higher, if there is anything before them.
    pub after: Option<Ordinal>,
    /// Their ordinals are lower, if there is anything behind them.
    pub before: Option<Ordinal>,
}

/// What is known of a segment that is there.
struct Edge {
    /// Persistent messages in the log, up to the segment's end.
    appended: u64,
    last: Option<Ordinal>,
}

impl QueueLog {
    /// The segments that were missing when the log was restored; told once.
    pub fn take_gaps(&mut self) -> Vec<Gap> {
        std::mem::take(&mut self.gaps)
    }

    /// The gaps of a log that was left in this state, where these segments were found.
    pub(super) fn find_gaps(
        &self,
        state: &LogState,
        found: &BTreeSet<u64>,
    ) -> Result<Vec<Gap>, StoreError> {
        let mut gaps = Vec::new();
        let mut next = state.head.segment;
        while next < self.next_segment {
            if found.contains(&next) {
                next += 1;
                continue;
            }
            let behind = found.range(next..self.next_segment).next().copied();
            let last = behind.unwrap_or(self.next_segment) - 1;
            gaps.extend(self.gap(state, next..=last)?);
            next = last + 1;
        }
        Ok(gaps)
    }

    /// A gap; none if a segment beside it cannot be read, which is reported when that is entered.
    fn gap(
        &self,
        state: &LogState,
        segments: RangeInclusive<u64>,
    ) -> Result<Option<Gap>, StoreError> {
        let (first, last) = segments.clone().into_inner();
        let all = state.appended.persistent.records;
        let edge = if first == state.head.segment {
            Some(Edge { appended: all.saturating_sub(state.ready.records), last: None })
        } else {
            self.edge(first - 1)?
        };
        let (before, appended) = if last + 1 == self.next_segment {
            (None, Some(all))
        } else {
            let behind = SegmentReader::open(&self.shelf, last + 1, None)?.map(|it| it.header);
            let base = behind.as_ref().map(|header| Ordinal(header.base));
            (base, behind.map(|header| header.before.persistent.records))
        };
        Ok(edge.zip(appended).map(|(edge, appended)| Gap {
            segments,
            messages: appended.saturating_sub(edge.appended),
            after: edge.last,
            before,
        }))
    }

    /// What a segment ends with. Damaged records count, nobody can say as what.
    fn edge(&self, segment: u64) -> Result<Option<Edge>, StoreError> {
        let Some(mut reader) = SegmentReader::open(&self.shelf, segment, None)? else {
            return Ok(None);
        };
        let mut edge = Edge { appended: reader.header.before.persistent.records, last: None };
        let mut at = Location::start_of(segment);
        loop {
            match reader.next(at) {
                Next::Message(found, next) => {
                    edge.appended += u64::from(found.persistent());
                    edge.last = Some(found.ordinal);
                    at = next;
                }
                Next::Damaged(until) => {
                    edge.appended += 1;
                    at.offset = super::super::segment::offset(until);
                }
                Next::End => return Ok(Some(edge)),
            }
        }
    }
}
