//! How far a run is at one moment, and what two moments say of the time between them.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::control::{Control, Tally};
use super::report::{Cpu, Fairness, Flow, Shares};

/// Counts and times at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    time: Duration,
    cpu: Duration,
    published: Vec<u64>,
    confirmed: u64,
    consumed: Vec<u64>,
}

impl Sample {
    /// Looks at the run.
    pub(super) fn take(control: &Control) -> Self {
        let each = |tallies: &[Tally]| tallies.iter().map(Tally::messages).collect();
        Self {
            time: Duration::from_nanos(control.now()),
            cpu: own_cpu(),
            published: each(&control.publishers),
            confirmed: control.publishers.iter().map(Tally::confirmed).sum(),
            consumed: each(&control.consumers),
        }
    }

    /// Messages published.
    pub(super) fn published(&self) -> u64 {
        self.published.iter().sum()
    }

    /// Messages consumed.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed.iter().sum()
    }

    /// Everything that was done: it grows while anything goes on.
    pub(super) fn progress(&self) -> u64 {
        self.published() + self.confirmed + self.consumed()
    }

    /// Seconds since an earlier moment.
    pub(super) fn seconds_since(&self, earlier: &Self) -> f64 {
        self.time.saturating_sub(earlier.time).as_secs_f64()
    }

    /// What was published, confirmed and consumed since an earlier moment, in bodies of `size`.
    pub(super) fn flows_since(&self, earlier: &Self, size: u32) -> [Flow; 3] {
        let seconds = self.seconds_since(earlier);
        [
            (self.published(), earlier.published()),
            (self.confirmed, earlier.confirmed),
            (self.consumed(), earlier.consumed()),
        ]
        .map(|(now, before)| {
            let messages = now.saturating_sub(before);
            let per_second = rate(messages, seconds);
            Flow { messages, per_second, octets_per_second: per_second * f64::from(size) }
        })
    }

    /// How evenly the connections shared what was done since an earlier moment.
    pub(super) fn fairness_since(&self, earlier: &Self) -> Fairness {
        let shares = |now: &[u64], before: &[u64]| {
            let counts: Vec<u64> = now.iter().zip(before).map(|(now, old)| now - old).collect();
            Shares::of(&counts)
        };
        Fairness {
            publishers: shares(&self.published, &earlier.published),
            consumers: shares(&self.consumed, &earlier.consumed),
        }
    }

    /// The generator's processor time since an earlier moment.
    pub(super) fn cpu_since(&self, earlier: &Self) -> Cpu {
        let published = self.published() - earlier.published();
        let messages = published.max(self.consumed() - earlier.consumed());
        cpu(self.cpu.saturating_sub(earlier.cpu), messages)
    }
}

/// A line that is written over once a second, on a terminal only.
#[derive(Debug)]
pub(super) struct Progress {
    shows: bool,
    last: Sample,
}

impl Progress {
    /// Begins to show.
    pub(super) fn new() -> Self {
        Self { shows: io::stderr().is_terminal(), last: Sample::default() }
    }

    /// Shows how far the run is, if it has not done so for a second.
    pub(super) fn tick(&mut self, control: &Control) {
        let due = self.last.time + Duration::from_secs(1);
        if !self.shows || Duration::from_nanos(control.now()) < due {
            return;
        }
        let now = Sample::take(control);
        let [published, confirmed, consumed] =
            now.flows_since(&self.last, 0).map(|flow| flow.per_second);
        let second = now.time.as_secs();
        // A terminal that is gone is no reason to end the run.
        let _ = write!(
            io::stderr(),
            "\r{second:4} s {published:11.0}/s published {confirmed:11.0}/s confirmed \
             {consumed:11.0}/s consumed "
        );
        self.last = now;
    }

    /// Ends the line.
    pub(super) fn end(&self) {
        if self.shows && !self.last.time.is_zero() {
            let _ = writeln!(io::stderr());
        }
    }
}

/// Processor time of this process, of the user and of the system.
pub(super) fn own_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Processor time, in all and for a million.
pub(super) fn cpu(spent: Duration, count: u64) -> Cpu {
    let seconds = spent.as_secs_f64();
    Cpu { seconds, seconds_per_million: seconds * 1e6 / (count.max(1) as f64) }
}

/// How many a second.
pub(super) fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}
