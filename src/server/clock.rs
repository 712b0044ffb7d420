//! The clocks, read in this module only: everything within gets its time as a value.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::clock::Reading;
use crate::ids::Timestamp;

/// The wall clock: milliseconds since the Unix epoch.
pub(super) fn wall() -> u64 {
    milliseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// What the machine's clocks show.
pub(super) fn read() -> Reading {
    let uptime = clock_gettime(ClockId::Boottime);
    let uptime = Duration::try_from(uptime).unwrap_or_default();
    Reading { wall: wall(), uptime: milliseconds(uptime) }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Measures the time of connections: that in which the machine was running. What a suspended
/// machine misses is no silence of its clients.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
    started_at: Timestamp,
}

impl Clock {
    /// A clock that begins with the wall clock.
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), started_at: Timestamp(wall()) }
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

/// The broker's time ([`crate::clock`]) in this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct BrokerClock {
    began: Timestamp,
    uptime: u64,
}

impl BrokerClock {
    /// A clock that shows `began` at the moment of a reading.
    pub(super) fn new(began: Timestamp, reading: Reading) -> Self {
        Self { began, uptime: reading.uptime }
    }

    /// The broker's time at the moment of a reading.
    pub(super) fn at(&self, reading: Reading) -> Timestamp {
        self.began.after(Duration::from_millis(reading.uptime.saturating_sub(self.uptime)))
    }

    /// How long it is until `moment`, rounded up; nothing if that is past. A machine that is
    /// suspended meanwhile waits longer: the watchdog notices.
    pub(super) fn until(&self, moment: Timestamp) -> Duration {
        Duration::from_millis(moment.0.saturating_sub(self.at(read()).0))
    }
}

/// Notices what those that wait for a moment do not: that the wall clock was set, or the machine
/// was suspended.
#[derive(Debug)]
pub(super) struct Jumps {
    read: Reading,
    running: Timestamp,
}

impl Jumps {
    /// Compares with the clocks as they are now.
    pub(super) fn new(clock: &Clock) -> Self {
        Self { read: read(), running: clock.now() }
    }

    /// Whether there was a jump since this was asked the last time.
    pub(super) fn any(&mut self, clock: &Clock) -> bool {
        let (read, running) = (read(), clock.now());
        let suspended = Reading { wall: running.0, ..read }
            .has_stepped(Reading { wall: self.running.0, ..self.read });
        let jumped = suspended || read.has_stepped(self.read);
        *self = Self { read, running };
        jumped
    }
}
