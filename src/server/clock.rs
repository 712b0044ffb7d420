//! The clock, read at the rim only: everything within gets its time as a value.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::ids::Timestamp;

/// Tells the time: the wall clock's when the process started, and from there on without a jump,
/// whatever becomes of the wall clock. So no message expires and no client is dropped because
/// somebody sets it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
    started_at: Timestamp,
}

impl Clock {
    /// A clock that agrees with the wall clock now.
    pub(super) fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_at: Timestamp::default().after(since_epoch) }
    }

    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        self.started_at.after(self.started.elapsed())
    }

    /// How long it is until `moment`, rounded up; nothing if that is past.
    pub(super) fn until(&self, moment: Timestamp) -> Duration {
        Duration::from_millis(moment.0.saturating_sub(self.now().0))
    }
}
