//! The check of order and loss.
//!
//! ```text
//!   lane = a queue of this consumer × a publisher
//!
//!   sequence   last + step   > last + step    = last        < last
//!              as it is due  some are missing  duplicated   reordered
//! ```
//!
//! With several consumers on a queue nobody sees all of it; then gaps mean nothing to one of them,
//! and the end decides: as many as were published, with the same sum of fingerprints.

use serde::Serialize;

use super::stamp::Stamp;

/// What was found wrong with deliveries, and what was right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Deliveries that are ours.
    pub(super) received: u64,
    /// The sum of their fingerprints.
    pub(super) fingerprints: u64,
    /// Messages that were passed over in their lane.
    pub(super) missing: u64,
    /// The same message twice in a row.
    pub(super) duplicated: u64,
    /// Messages behind a later one of the same publisher and queue.
    pub(super) reordered: u64,
    /// Deliveries marked as redelivered; they are counted, and their order is not judged.
    pub(super) redelivered: u64,
    /// Deliveries that this run did not publish.
    pub(super) foreign: u64,
}

impl Findings {
    /// Adds what another consumer found.
    pub(super) fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.fingerprints = self.fingerprints.wrapping_add(other.fingerprints);
        self.missing += other.missing;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.redelivered += other.redelivered;
        self.foreign += other.foreign;
    }
}

/// What a run should have brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected {
    /// Deliveries of all messages.
    pub(super) deliveries: u64,
    /// As many of them may be missing: the broker has refused those messages.
    pub(super) refused: u64,
    /// The sum of their fingerprints, where it is known.
    pub(super) fingerprints: Option<u64>,
}

/// Whether everything came, once and in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    /// All of what follows is as it should be.
    pub(super) ok: bool,
    /// Messages that were not refused and did not come.
    pub(super) lost: u64,
    /// Gaps that a consumer saw in a sequence, closed later or not.
    pub(super) missing: u64,
    /// Messages that came twice, or more of them than were published.
    pub(super) duplicated: u64,
    /// Messages that came behind a later one.
    pub(super) reordered: u64,
    /// Messages marked as redelivered.
    pub(super) redelivered: u64,
    /// Messages that this run did not publish, or not there.
    pub(super) foreign: u64,
    /// What came is the set of what was published; false also when that cannot be known.
    pub(super) same_set: bool,
}

impl Verdict {
    /// Compares what was found with what was expected.
    pub(super) fn new(expected: &Expected, found: &Findings) -> Self {
        let received = found.received;
        let least = expected.deliveries.saturating_sub(expected.refused);
        let most = expected.deliveries + found.redelivered;
        let duplicated = found.duplicated.max(received.saturating_sub(most));
        let lost = (least + found.duplicated).saturating_sub(received);
        let exact = expected.refused == 0 && found.redelivered == 0;
        let same_set = expected.fingerprints == Some(found.fingerprints);
        let strange = found.reordered + found.foreign + lost + duplicated;
        let gaps_are_wrong = exact && found.missing > 0;
        let set_is_wrong = exact && expected.fingerprints.is_some() && !same_set;
        Self {
            ok: strange == 0 && !gaps_are_wrong && !set_is_wrong,
            lost,
            missing: found.missing,
            duplicated,
            reordered: found.reordered,
            redelivered: found.redelivered,
            foreign: found.foreign,
            same_set,
        }
    }
}

/// What one consumer checks.
#[derive(Debug)]
pub(super) struct Checker {
    /// For each queue, by publisher: the last sequence; `None` before the first.
    lanes: Vec<Vec<Option<u64>>>,
    publishers: usize,
    step: u64,
    sees_all: bool,
    findings: Findings,
}

impl Checker {
    /// Checks the deliveries of some queues from some publishers at most, whose sequences grow by
    /// `step`. `sees_all`: there is no other consumer on these queues.
    pub(super) fn new(queues: usize, publishers: u32, step: u64, sees_all: bool) -> Self {
        let lanes = vec![Vec::new(); queues];
        let publishers = publishers as usize;
        Self { lanes, publishers, step, sees_all, findings: Findings::default() }
    }

    /// Takes note of a delivery: from the consumer's `slot`-th queue, with this stamp if any.
    pub(super) fn see(&mut self, slot: usize, stamp: Option<Stamp>, redelivered: bool) {
        let lane = stamp.and_then(|stamp| Some((stamp, self.lane(slot, stamp)?)));
        let Some((stamp, last)) = lane else {
            self.findings.foreign += 1;
            return;
        };
        self.findings.received += 1;
        self.findings.fingerprints = self.findings.fingerprints.wrapping_add(stamp.fingerprint());
        if redelivered {
            self.findings.redelivered += 1;
        } else if let Some(last) = last {
            self.judge(last, stamp.sequence);
        }
    }

    /// What was found so far.
    pub(super) fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Compares a sequence with the last one of its lane.
    fn judge(&mut self, last: u64, sequence: u64) {
        if sequence == last + self.step {
            return;
        }
        if !sequence.abs_diff(last).is_multiple_of(self.step) {
            self.findings.foreign += 1; // ours, but published to another queue
        } else if sequence == last {
            self.findings.duplicated += 1;
        } else if sequence < last {
            self.findings.reordered += 1;
        } else if self.sees_all {
            self.findings.missing += (sequence - last) / self.step - 1;
        }
    }

    /// Moves a stamp's lane on and returns where it was; `None` if nobody here publishes so.
    fn lane(&mut self, slot: usize, stamp: Stamp) -> Option<Option<u64>> {
        let publisher = usize::from(stamp.publisher);
        let lanes = self.lanes.get_mut(slot)?;
        if publisher >= lanes.len() {
            if publisher >= self.publishers {
                return None;
            }
            lanes.resize(publisher + 1, None);
        }
        let lane = lanes.get_mut(publisher)?;
        let last = *lane;
        *lane = last.max(Some(stamp.sequence));
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(publisher: u16, sequence: u64) -> Option<Stamp> {
        Some(Stamp { publisher, sequence, time: 0 })
    }

    fn check(step: u64, sees_all: bool, sequences: &[u64]) -> Findings {
        let mut checker = Checker::new(1, 1, step, sees_all);
        for sequence in sequences {
            checker.see(0, stamp(0, *sequence), false);
        }
        Findings { fingerprints: 0, ..*checker.findings() }
    }

    #[test]
    fn growing_by_one_is_right() {
        let right = Findings { received: 4, ..Default::default() };
        assert_eq!(check(1, true, &[0, 1, 2, 3]), right);
        assert_eq!(check(5, true, &[2, 7, 12, 17]), right);
    }

    #[test]
    fn lost_messages_are_counted() {
        let found = check(1, true, &[0, 1, 5, 6]);
        assert_eq!(found, Findings { received: 4, missing: 3, ..Default::default() });
        let found = check(5, true, &[0, 10]);
        assert_eq!(found, Findings { received: 2, missing: 1, ..Default::default() });
    }

    #[test]
    fn a_message_of_another_queue_is_found() {
        // Every fifth is due here; the seventh belongs elsewhere.
        assert_ne!(check(5, true, &[0, 5, 7, 10]).foreign, 0);
    }

    #[test]
    fn duplicated_messages_are_counted() {
        let found = check(1, true, &[0, 1, 1, 2]);
        assert_eq!(found, Findings { received: 4, duplicated: 1, ..Default::default() });
    }

    #[test]
    fn reordered_messages_are_counted_with_one_consumer_or_several() {
        let found = check(1, true, &[0, 2, 1, 3]);
        assert_eq!(found, Findings { received: 4, missing: 1, reordered: 1, ..Default::default() });
        let found = check(1, false, &[0, 7, 3, 9]);
        assert_eq!(found, Findings { received: 4, reordered: 1, ..Default::default() });
    }

    #[test]
    fn lanes_do_not_disturb_each_other() {
        let mut checker = Checker::new(2, 2, 1, true);
        for (slot, publisher, sequence) in [(0, 0, 5), (1, 0, 0), (0, 1, 9), (0, 0, 6), (1, 0, 1)] {
            checker.see(slot, stamp(publisher, sequence), false);
        }
        let found = Findings { fingerprints: 0, ..*checker.findings() };
        assert_eq!(found, Findings { received: 5, ..Default::default() });
    }

    #[test]
    fn foreign_messages_are_told_apart() {
        let mut checker = Checker::new(1, 1, 1, true);
        checker.see(0, None, false);
        checker.see(0, stamp(1, 0), false);
        checker.see(1, stamp(0, 0), false);
        assert_eq!(*checker.findings(), Findings { foreign: 3, ..Default::default() });
    }

    #[test]
    fn a_redelivered_message_is_not_judged() {
        let mut checker = Checker::new(1, 1, 1, true);
        for (sequence, redelivered) in [(0, false), (1, false), (0, true), (2, false)] {
            checker.see(0, stamp(0, sequence), redelivered);
        }
        let found = Findings { fingerprints: 0, ..*checker.findings() };
        assert_eq!(found, Findings { received: 4, redelivered: 1, ..Default::default() });
    }

    /// The verdict on ten published messages of which these came, to one of several consumers.
    fn verdict(sequences: &[u64]) -> Verdict {
        let all = (0..10).map(|sequence| Stamp { publisher: 0, sequence, time: 0 }.fingerprint());
        let fingerprints = Some(all.fold(0, u64::wrapping_add));
        let mut checker = Checker::new(1, 1, 1, false);
        for sequence in sequences {
            checker.see(0, stamp(0, *sequence), false);
        }
        Verdict::new(&Expected { deliveries: 10, refused: 0, fingerprints }, checker.findings())
    }

    #[test]
    fn the_end_finds_what_no_single_consumer_can() {
        let right = verdict(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert!(right.ok && right.same_set);
        let lost = verdict(&[0, 1, 2, 3, 4, 6, 7, 8, 9]);
        assert_eq!((lost.ok, lost.lost, lost.duplicated), (false, 1, 0));
        let twice = verdict(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]);
        assert_eq!((twice.ok, twice.lost, twice.duplicated), (false, 0, 1));
        let instead = verdict(&[0, 1, 2, 3, 4, 4, 6, 7, 8, 9]);
        assert_eq!((instead.ok, instead.lost, instead.duplicated), (false, 1, 1));
        let other = verdict(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 10]);
        assert_eq!((other.ok, other.lost, other.same_set), (false, 0, false));
    }

    #[test]
    fn what_was_refused_may_be_missing() {
        let found = check(1, true, &[0, 2, 3]);
        let expected = |refused| Expected { deliveries: 4, refused, fingerprints: None };
        assert!(Verdict::new(&expected(1), &found).ok);
        let verdict = Verdict::new(&expected(0), &found);
        assert_eq!((verdict.ok, verdict.lost), (false, 1));
    }
}
