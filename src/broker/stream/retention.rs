//! How long a stream keeps messages: `x-max-length-bytes` and `x-max-age`.
//!
//! ```text
//!   | 3: all older than the beginning of 4 | 4 .............. | 5: being written |
//!     goes when what follows is within        begins at t       is always kept
//!     the length, or when t is too old
//! ```
//!
//! Whole segments go, so a stream may keep somewhat more than it has to; the last segment stays.

use std::ops::Range;
use std::time::Duration;

use crate::ids::{QueueId, Timestamp};
use crate::store::StoreError;

use super::super::Broker;
use super::super::drops::Cause;
use super::super::queue::Queue;
use super::super::settings::{NEVER, QueueSettings};

/// No segment is limited to less: its header alone takes a quarter of that.
const SEGMENT_BYTES_MIN: u64 = 4096;
/// Of a stream with a length, segments are at most such a part of it.
const SEGMENTS_IN_LENGTH: u64 = 4;

/// When the first segment of a stream gets too old.
#[derive(Debug)]
pub(super) struct Horizon {
    due: Timestamp,
    /// For which segments and which age that was found out.
    known_for: Option<(Range<u64>, Duration)>,
}

impl Default for Horizon {
    fn default() -> Self {
        Self { due: NEVER, known_for: None }
    }
}

impl Horizon {
    /// When it does; never if there is no age or only one segment.
    pub(super) fn due(&self) -> Timestamp {
        self.due
    }
}

impl Queue {
    /// Makes the segments of a stream such that its limits can be kept.
    pub(in crate::broker) fn limit_segments(&mut self) {
        let QueueSettings { segment_bytes, max_length_bytes, .. } = self.settings;
        let Some((_, level)) = self.stream_parts() else { return };
        let share = max_length_bytes.map_or(u64::MAX, |length| length / SEGMENTS_IN_LENGTH);
        let bytes = segment_bytes.filter(|bytes| *bytes > 0).unwrap_or(u64::MAX).min(share);
        level.log_mut().limit_segments(bytes.max(SEGMENT_BYTES_MIN));
    }

    /// Drops the segments that are beyond the length.
    fn forget_excess(&mut self) -> Result<(), StoreError> {
        let most = self.settings.max_length_bytes;
        let Some((_, level)) = self.stream_parts() else { return Ok(()) };
        let log = level.log_mut();
        while most.is_some_and(|most| log.ready_bytes() > most) && log.drop_first_segment()? {}
        Ok(())
    }

    /// Drops the segments that are too old.
    fn forget_old(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let max_age = self.settings.max_age;
        let Some((stream, level)) = self.stream_parts() else { return Ok(()) };
        let log = level.log_mut();
        let Some(age) = max_age else {
            stream.horizon = Default::default();
            return Ok(());
        };
        loop {
            let of = Some((log.segments(), age));
            if stream.horizon.known_for != of {
                let begins = log.second_begins(&mut stream.views)?;
                stream.horizon.due = begins.map_or(NEVER, |begins| begins.after(age));
                stream.horizon.known_for = of;
            }
            if stream.horizon.due > now || !log.drop_first_segment()? {
                return Ok(());
            }
        }
    }
}

impl Broker {
    /// Drops what a stream keeps no longer, and counts it.
    pub(super) fn retain(&mut self, id: QueueId) -> Result<(), StoreError> {
        let now = self.now;
        let Some(queue) = self.queues.get_mut(&id) else { return Ok(()) };
        let all = queue.ready();
        queue.forget_excess()?;
        let young = queue.ready();
        queue.forget_old(now)?;
        let counts = [(Cause::MaxLength, all - young), (Cause::Expired, young - queue.ready())];
        for (cause, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            queue.drops.count(cause, count);
            self.drops.count(cause, count);
        }
        Ok(())
    }
}
