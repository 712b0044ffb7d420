//! Publisher confirms of one channel: which publishes are settled, and how they are told together.
//!
//! ```text
//!   tags    1 2 3 4 5 6 7 8 9 ...
//!           ----- ~~~ - ~~~~~ ^ next
//!           told   |  |   waiting for the sync of a later turn
//!                  |  settled at once (unroutable, or nothing to write)
//!                  waiting for a sync
//! ```
//!
//! A publish that has to be synced first waits for a sync point; any other is settled at the end of
//! its turn, when the journal is written. One `basic.ack multiple=true` tells everything below the first waiting tag; what is
//! settled above it is told one by one, so that `multiple` never covers a tag that is not settled.

use std::collections::VecDeque;

use crate::ids::SyncPoint;
use crate::wire::{Method, basic};

/// Tags from `first` through `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: u64,
    last: u64,
}

/// The state of a channel in confirm mode.
#[derive(Debug)]
pub(super) struct Confirms {
    /// The tag of the next publish; the first one after confirm.select is 1.
    next: u64,
    /// Settled and not told yet, sorted.
    settled: Vec<Run>,
    /// Refused by a queue and not told yet, sorted.
    refused: Vec<Run>,
    /// Written in the turn that is going on: its sync point is not known yet.
    written: Vec<Run>,
    /// Waiting for a sync, in the order of points and of tags.
    waiting: VecDeque<(SyncPoint, Run)>,
}

impl Default for Confirms {
    fn default() -> Self {
        Self {
            next: 1,
            settled: Vec::new(),
            refused: Vec::new(),
            written: Vec::new(),
            waiting: VecDeque::new(),
        }
    }
}

impl Confirms {
    /// A publish that no sync is promised for: settled when its turn ends and is written.
    pub(super) fn settle(&mut self) {
        extend(&mut self.settled, self.next);
        self.next += 1;
    }

    /// A publish that one of its queues has refused: told with basic.nack.
    pub(super) fn refuse(&mut self) {
        extend(&mut self.refused, self.next);
        self.next += 1;
    }

    /// A publish that has to be synced before it is told.
    pub(super) fn write(&mut self) {
        extend(&mut self.written, self.next);
        self.next += 1;
    }

    /// The turn's journal is written as far as `point`.
    pub(super) fn end_turn(&mut self, point: SyncPoint) {
        self.waiting.extend(self.written.drain(..).map(|run| (point, run)));
    }

    /// Everything up to `point` is synced.
    pub(super) fn synced(&mut self, point: SyncPoint) {
        while self.waiting.front().is_some_and(|(waits_for, _)| *waits_for <= point) {
            if let Some((_, run)) = self.waiting.pop_front() {
                self.settled.push(run);
            }
        }
        self.settled.sort_unstable_by_key(|run| run.first);
    }

    /// Whether confirms wait for a sync.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Tells what is settled, as few methods as possible. Returns how many were acknowledged.
    pub(super) fn tell(&mut self, mut send: impl FnMut(Method)) -> u64 {
        let first_open = self
            .waiting
            .front()
            .map(|(_, run)| run.first)
            .into_iter()
            .chain(self.written.first().map(|run| run.first))
            .chain(self.refused.first().map(|run| run.first))
            .min()
            .unwrap_or(self.next);
        let mut ack = |delivery_tag, multiple| {
            send(basic::Ack { delivery_tag, multiple }.into());
        };
        let below = self.settled.iter().filter(|run| run.first < first_open);
        let (mut count, mut highest) = (0, 0);
        for run in below {
            count += run.last - run.first + 1;
            highest = run.last;
        }
        if count > 0 {
            ack(highest, count > 1);
        }
        for run in self.settled.iter().filter(|run| run.first > first_open) {
            for tag in run.first..=run.last {
                ack(tag, false);
                count += 1;
            }
        }
        self.settled.clear();
        for delivery_tag in self.refused.drain(..).flat_map(|run| run.first..=run.last) {
            send(basic::Nack { delivery_tag, multiple: false, requeue: false }.into());
        }
        count
    }

    /// How many publishes have not been told anything yet.
    pub(super) fn open(&self) -> u64 {
        let told_later = self.settled.iter().chain(&self.refused).chain(&self.written);
        let waiting = self.waiting.iter().map(|(_, run)| run);
        told_later.chain(waiting).map(|run| run.last - run.first + 1).sum()
    }
}

/// Adds a tag to the last run, or a new run for it.
fn extend(runs: &mut Vec<Run>, tag: u64) {
    match runs.last_mut() {
        Some(run) if run.last + 1 == tag => run.last = tag,
        _ => runs.push(Run { first: tag, last: tag }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(confirms: &mut Confirms) -> Vec<(u64, bool)> {
        let mut told = Vec::new();
        confirms.tell(|method| {
            if let Method::Basic(basic::Method::Ack(ack)) = method {
                told.push((ack.delivery_tag, ack.multiple));
            }
        });
        told
    }

    #[test]
    fn a_turn_of_publishes_is_told_at_once() {
        let mut confirms = Confirms::default();
        (0..3).for_each(|_| confirms.settle());
        assert_eq!(told(&mut confirms), [(3, true)]);
        confirms.settle();
        assert_eq!(told(&mut confirms), [(4, false)]);
        assert_eq!(told(&mut confirms), []);
    }

    #[test]
    fn multiple_never_covers_what_waits_for_a_sync() {
        let mut confirms = Confirms::default();
        confirms.settle();
        confirms.write();
        confirms.settle();
        confirms.settle();
        confirms.end_turn(SyncPoint(1));
        assert_eq!(told(&mut confirms), [(1, false), (3, false), (4, false)]);
        confirms.synced(SyncPoint(0));
        assert_eq!(told(&mut confirms), []);
        confirms.synced(SyncPoint(1));
        assert_eq!(told(&mut confirms), [(2, false)]);
    }

    #[test]
    fn multiple_never_covers_what_was_refused() {
        let mut confirms = Confirms::default();
        confirms.settle();
        confirms.refuse();
        confirms.settle();
        confirms.end_turn(SyncPoint(1));
        let mut told = Vec::new();
        confirms.tell(|method| told.push(method.to_string()));
        let expected =
            ["basic.ack delivery_tag=1", "basic.ack delivery_tag=3", "basic.nack delivery_tag=2"];
        assert_eq!(told, expected);
    }

    #[test]
    fn one_sync_releases_the_turns_before_it_together() {
        let mut confirms = Confirms::default();
        for point in 1..=3 {
            confirms.write();
            confirms.write();
            confirms.end_turn(SyncPoint(point));
        }
        confirms.synced(SyncPoint(2));
        assert_eq!(told(&mut confirms), [(4, true)]);
        assert!(confirms.waits());
    }
}
