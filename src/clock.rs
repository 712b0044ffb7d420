//! The broker's own time: milliseconds that follow the time that has really passed.
//!
//! ```text
//!   wall clock     09:00 ......... 09:10 | set to 12:10 ....... 12:20 | set back to 09:20 ...
//!   uptime          0 min .........10 min|..................... 20 min|......................
//!   broker's time  09:00 .........  09:10|..................... 09:20 |......................
//!                                        sample                       sample
//! ```
//!
//! Messages expire, delays end and streams forget by the broker's time. It begins with the wall
//! clock when a data directory is made. From then on it advances by the time since the operating
//! system was started, suspended or not (`CLOCK_BOOTTIME`), whatever becomes of the wall clock. The
//! journal and each snapshot have *samples*: what all clocks showed at one moment. So the next
//! process goes on where the last one was:
//!
//! - Under the same boot of the operating system, the uptime says exactly how long that was.
//! - Otherwise only the wall clock can tell. If it shows less than in the last sample, it was set
//!   back or there is no battery behind it: then what is certain counts, the time since the boot.
//!
//! Times that people see are the broker's time moved by what the wall clock is ahead of it now, so
//! they are right as soon as the wall clock is.

use crate::ids::Timestamp;

/// The wall clock was set if it and the uptime have come apart by so many milliseconds. Both are
/// read one after the other and rounded; NTP's slewing changes the pace of both.
const STEP_MILLISECONDS_MIN: u64 = 50;

/// What the machine's clocks show at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock: milliseconds since the Unix epoch. People and NTP set it.
    pub wall: u64,
    /// Milliseconds since the operating system was started, also those in which it was suspended.
    pub uptime: u64,
}

impl Reading {
    /// Whether the wall clock was set between an earlier reading and this one.
    #[must_use]
    pub fn has_stepped(self, earlier: Self) -> bool {
        let ahead = |reading: Self| i128::from(reading.wall) - i128::from(reading.uptime);
        (ahead(self) - ahead(earlier)).unsigned_abs() >= u128::from(STEP_MILLISECONDS_MIN)
    }
}

/// The broker's time and what the machine's clocks showed at the same moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// The broker's time.
    pub time: Timestamp,
    /// The machine's clocks.
    pub reading: Reading,
    /// The run of the operating system that the uptime belongs to; empty if it cannot be told.
    pub boot: String,
}

/// The broker's time when the clocks show `now` under the boot `boot`, going on from the last
/// sample; without one it begins with the wall clock.
#[must_use]
pub fn resume(last: Option<&Sample>, now: Reading, boot: &str) -> Timestamp {
    let Some(Sample { time, reading, boot: before }) = last else { return Timestamp(now.wall) };
    let same = !boot.is_empty() && boot == before;
    let elapsed = match now.uptime.checked_sub(reading.uptime) {
        Some(elapsed) if same => elapsed,
        // The machine was started since, and has been up for so long.
        _ => now.wall.saturating_sub(reading.wall).max(now.uptime),
    };
    Timestamp(time.0.saturating_add(elapsed))
}

/// Converts between the broker's time and the wall clock's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WallClock {
    /// How many milliseconds the wall clock is ahead of the broker's time.
    ahead: i64,
}

impl WallClock {
    /// The wall clock shows `wall` at `time`.
    #[must_use]
    pub fn at(time: Timestamp, wall: u64) -> Self {
        let ahead = i128::from(wall) - i128::from(time.0);
        let limit = i128::from(i64::MAX);
        Self { ahead: i64::try_from(ahead.clamp(-limit, limit)).unwrap_or_default() }
    }

    /// What the wall clock shows, or as it is set now would have shown, at a moment: milliseconds
    /// since the Unix epoch.
    #[must_use]
    pub fn of(self, time: Timestamp) -> u64 {
        time.0.saturating_add_signed(self.ahead)
    }

    /// The broker's time when the wall clock, as it is set now, shows `wall`.
    #[must_use]
    pub fn time(self, wall: u64) -> Timestamp {
        Timestamp(wall.saturating_add_signed(-self.ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn sample(time: u64, wall: u64, uptime: u64, boot: &str) -> Sample {
        let reading = Reading { wall, uptime };
        Sample { time: Timestamp(time), reading, boot: boot.to_owned() }
    }

    #[test]
    fn under_one_boot_time_advances_by_the_uptime_whatever_the_wall_clock_shows() {
        let last = sample(1000, 50 * HOUR, 10 * HOUR, "a");
        for wall in [0, 49 * HOUR, 50 * HOUR, 5000 * HOUR, u64::MAX] {
            let now = Reading { wall, uptime: 10 * HOUR + 7 };
            assert_eq!(resume(Some(&last), now, "a"), Timestamp(1007));
        }
    }

    #[test]
    fn after_another_boot_the_wall_clock_tells_and_time_never_runs_back() {
        let last = sample(1000, 50 * HOUR, 10 * HOUR, "a");
        let of = |wall, uptime, boot| resume(Some(&last), Reading { wall, uptime }, boot).0 - 1000;
        assert_eq!(of(52 * HOUR, 5, "b"), 2 * HOUR);
        // Set back, or without a battery: what is certain counts.
        assert_eq!(of(49 * HOUR, 5, "b"), 5);
        assert_eq!(of(0, 5, "b"), 5);
        // Up for longer than the wall clock says: it was set back in this boot.
        assert_eq!(of(51 * HOUR, 3 * HOUR, "b"), 3 * HOUR);
        // The boot cannot be told, or an uptime contradicts it.
        assert_eq!(of(52 * HOUR, 11 * HOUR, ""), 11 * HOUR);
        assert_eq!(of(52 * HOUR, 9 * HOUR, "a"), 9 * HOUR);
        let unknown = sample(1000, 50 * HOUR, 10 * HOUR, "");
        let now = Reading { wall: 51 * HOUR, uptime: 10 };
        assert_eq!(resume(Some(&unknown), now, ""), Timestamp(1000 + HOUR));
        assert_eq!(resume(None, Reading { wall: 7, uptime: 1 }, "a"), Timestamp(7));
    }

    #[test]
    fn a_step_of_the_wall_clock_is_seen_in_both_directions_and_a_pause_is_none() {
        let earlier = Reading { wall: 5 * HOUR, uptime: HOUR };
        let after = |wall, uptime| Reading { wall, uptime }.has_stepped(earlier);
        assert!(!after(5 * HOUR + 3, HOUR + 1), "read one after the other");
        assert!(!after(8 * HOUR, 4 * HOUR), "suspended for three hours");
        assert!(after(8 * HOUR, HOUR + 1));
        assert!(after(4 * HOUR, HOUR + 1));
        assert!(after(0, u64::MAX));
    }

    #[test]
    fn what_people_see_follows_the_wall_clock_and_back() {
        for (time, wall) in [(1000, 9000), (9000, 1000), (5, 5), (u64::MAX, 0), (0, u64::MAX)] {
            let clock = WallClock::at(Timestamp(time), wall);
            let _ = (clock.of(Timestamp(u64::MAX)), clock.time(u64::MAX));
            if time.abs_diff(wall) < u64::MAX / 2 {
                assert_eq!(clock.of(Timestamp(time)), wall);
                assert_eq!(clock.time(wall), Timestamp(time));
            }
        }
    }
}
