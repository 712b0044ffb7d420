//! What the machine's clocks show, and samples of it for the next process ([`crate::clock`]).
//!
//! A sample is journaled when the broker begins, when the wall clock was set, and with what is
//! journaled anyway if the last one is some seconds old; each snapshot has one. So what a power cut
//! leaves of the journal knows its time to some seconds, and steps of the wall clock up to then are
//! not taken for time that has passed.

use crate::clock::{Reading, Sample, WallClock, resume};
use crate::ids::Timestamp;
use crate::mutants::mutant;
use crate::store::Snapshot;

use super::super::Broker;

/// A sample goes with what is journaled if the last one is so old.
const SAMPLE_MILLISECONDS: u64 = 5000;

/// The clocks, as the broker was told last. Without any reading its time is the wall clock's.
#[derive(Debug, Default)]
pub(in crate::broker) struct Clocks {
    pub wall: WallClock,
    /// The reading that `wall` was found out by.
    mapped: Reading,
    /// The last reading, with the broker's time at that moment.
    read: Option<(Timestamp, Reading)>,
    /// The last one of which a sample is in the journal.
    sampled: Option<(Timestamp, Reading)>,
    /// The last sample that recovery has found.
    pub found: Option<Sample>,
}

impl Broker {
    /// The clocks show this at the beginning of a turn.
    pub fn read_clocks(&mut self, now: Timestamp, reading: Reading) {
        let clocks = &mut self.clocks;
        if clocks.read.is_none() || reading.has_stepped(clocks.mapped) {
            let wall = WallClock::at(now, reading.wall);
            if clocks.read.is_some() {
                log::warn!(
                    "the wall clock was set by {} ms",
                    i128::from(wall.of(now)) - i128::from(clocks.wall.of(now))
                );
            }
            clocks.wall = wall;
            clocks.mapped = reading;
        }
        clocks.read = Some((now, reading));
    }

    /// The broker's time: of the turn that is under way, or that recovery has ended with.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What the wall clock, as it is set now, shows or would have shown at a moment: milliseconds
    /// since the Unix epoch.
    pub fn wall(&self, time: Timestamp) -> u64 {
        self.clocks.wall.of(time)
    }

    /// Recovery has read all samples: goes on from the last one. Without a reading of the clocks
    /// the wall clock is taken to be as it was in the last sample.
    pub(in crate::broker) fn resume_clocks(&mut self) {
        let found = self.clocks.found.as_ref();
        if let Some(reading) = self.options.reading {
            let found = found.filter(|_| !mutant("time_begins_with_the_wall_clock"));
            self.now = resume(found, reading, self.store.boot());
            self.read_clocks(self.now, reading);
        } else if let Some(Sample { time, reading, .. }) = found {
            self.clocks.wall = WallClock::at(*time, reading.wall);
        }
    }

    /// Journals a sample if one is due.
    pub(in crate::broker) fn sample_clocks(&mut self) {
        let Some((now, reading)) = self.clocks.read else { return };
        let due = match self.clocks.sampled {
            None => true,
            Some((last, earlier)) => {
                let old = now.0.saturating_sub(last.0) >= SAMPLE_MILLISECONDS;
                reading.has_stepped(earlier) || (old && self.store.journal().has_entries())
            }
        };
        if due && !mutant("a_step_is_not_sampled") {
            let sample = self.sample(now, reading);
            self.store.journal().sample(&sample);
            self.clocks.sampled = Some((now, reading));
        }
    }

    /// Puts a sample into a snapshot.
    pub(in crate::broker) fn snapshot_clocks(&self, snapshot: &mut Snapshot) {
        match (self.clocks.read, &self.clocks.found) {
            (Some((now, reading)), _) => snapshot.sample(&self.sample(now, reading)),
            (None, Some(found)) => snapshot.sample(found),
            (None, None) => {}
        }
    }

    fn sample(&self, time: Timestamp, reading: Reading) -> Sample {
        Sample { time, reading, boot: self.store.boot().to_owned() }
    }
}
