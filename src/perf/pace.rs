//! A publisher's rate: when each message is due.

/// Nanoseconds in a second.
const SECOND: u128 = 1_000_000_000;

/// So many messages a second, evenly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    per_second: u32,
    start: u64,
}

impl Pace {
    /// The first message is due at `start`, in nanoseconds of the run; `per_second` is not 0.
    pub(super) fn new(per_second: u32, start: u64) -> Self {
        Self { per_second: per_second.max(1), start }
    }

    /// How many messages are due until now.
    pub(super) fn due(self, now: u64) -> u64 {
        let Some(passed) = now.checked_sub(self.start) else { return 0 };
        let due = u128::from(passed) * u128::from(self.per_second) / SECOND + 1;
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// When the message with this number, from 0, is due.
    pub(super) fn time(self, number: u64) -> u64 {
        let after = (u128::from(number) * SECOND).div_ceil(self.per_second.into());
        self.start.saturating_add(u64::try_from(after).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_due_at_its_time_and_not_before() {
        for per_second in [1, 3, 1000, 999_983] {
            let pace = Pace::new(per_second, 500);
            for number in [0, 1, 2, 10, 1_000_003] {
                let time = pace.time(number);
                assert!(pace.due(time) > number);
                assert!(time == 0 || pace.due(time - 1) <= number);
            }
        }
    }
}
