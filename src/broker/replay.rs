//! The first reading of what is on disk: what became of each queue's messages.
//!
//! ```text
//!   publish    q1 #7 ─▶ the next ordinal is #8 or higher
//!   deliver    q1 #3..=#7 ─▶ delivered │3 ── 7 : 1│
//!   settle     q1 #3..=#6 ─▶ settled   │3 ─ 6│      delivered │7 : 1│
//!   purge      q1 before #8 ─▶ all ready ones below are gone
//! ```
//!
//! Nothing is kept for a message by itself, but where one record of the log is outstanding: what
//! happened is kept as runs of ordinals, so that a journal of any length takes little memory. No
//! ordinal is used twice, and so it does not matter here in which order things happened to one.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::ids::{Ordinal, QueueId};
use crate::mutants::mutant;
use crate::store::{Gap, Location, LogState, Outstanding, Place};

use super::restore::Arrived;
use super::runs::Runs;

/// What is known of all queues and levels that are there.
pub(super) type Replays = HashMap<QueueId, Replay>;

/// What replay has learned of one queue, or of one level of it.
#[derive(Default)]
pub(super) struct Replay {
    pub(super) next_ordinal: Ordinal,
    /// The next ordinal when the snapshot was made.
    pub(super) snapshot_next: Ordinal,
    pub(super) log: Option<LogState>,
    /// The log records that had been taken when the snapshot was made, and are not settled.
    pub(super) outstanding: BTreeMap<Ordinal, Location>,
    /// What was in memory or taken from the log at the snapshot is below; what was ready in the log
    /// is not.
    taken_before: Ordinal,
    settled: Runs,
    /// How often those were delivered that are not settled.
    delivered: Runs,
    /// How many of these deliveries were given back without having failed.
    returned: Runs,
    /// The queue and priority that it is a level of, if it is not a queue's first.
    pub(super) level_of: Option<(QueueId, u8)>,
    purged_before: Ordinal,
    /// Messages below may have been delivered although nothing says so.
    pub(super) redelivered_before: Ordinal,
    /// Messages that were read and go to their places with the rest of their batch.
    pub(super) arrived: Vec<Arrived>,
    /// What comes in order has this ordinal or a higher one.
    pub(super) in_order_from: Ordinal,
}

impl Replay {
    /// How the queue stood at the checkpoint.
    pub(super) fn begin(
        &mut self,
        next_ordinal: Ordinal,
        log: LogState,
        outstanding: &[Outstanding],
    ) {
        self.next_ordinal = next_ordinal;
        self.snapshot_next = next_ordinal;
        self.log = Some(log);
        for Outstanding { ordinal, location, deliveries } in outstanding {
            self.outstanding.insert(*ordinal, *location);
            self.taken_before = self.taken_before.max(ordinal.next());
            self.delivered.add(*ordinal, *ordinal, *deliveries);
        }
    }

    /// A message came.
    pub(super) fn publish(&mut self, place: &Place) {
        self.next_ordinal = self.next_ordinal.max(place.ordinal.next());
        self.delivered.add(place.ordinal, place.ordinal, place.deliveries);
        if place.ordinal < self.snapshot_next {
            self.taken_before = self.taken_before.max(place.ordinal.next());
        }
    }

    /// Messages were acknowledged, expired or dropped.
    pub(super) fn settle(&mut self, first: Ordinal, last: Ordinal) {
        self.next_ordinal = self.next_ordinal.max(last.next());
        while let Some((ordinal, _)) = self.outstanding.range(first..=last).next() {
            let ordinal = *ordinal;
            self.outstanding.remove(&ordinal);
        }
        self.delivered.remove(first, last);
        self.returned.remove(first, last);
        self.settled.add(first, last, 1);
    }

    /// Messages were handed to a consumer.
    pub(super) fn deliver(&mut self, first: Ordinal, last: Ordinal) {
        self.next_ordinal = self.next_ordinal.max(last.next());
        self.delivered.add(first, last, 1);
    }

    /// Deliveries were given back without having failed.
    pub(super) fn give_back(&mut self, first: Ordinal, last: Ordinal, times: u32) {
        self.returned.add(first, last, times);
    }

    /// All ready messages below an ordinal were dropped.
    pub(super) fn purge(&mut self, before: Ordinal) {
        // Transient messages before it are told of by nothing else.
        self.next_ordinal = self.next_ordinal.max(before);
        self.purged_before = self.purged_before.max(before);
    }

    /// Whether a message is there no more. A purge takes those that were never delivered; others
    /// that were ready it settles one by one.
    pub(super) fn is_gone(&self, ordinal: Ordinal) -> bool {
        if mutant("purge_takes_what_comes") && self.purged_before > Ordinal(0) {
            return true;
        }
        self.settled.get(ordinal) > 0
            || (ordinal < self.purged_before && self.delivered.get(ordinal) == 0)
    }

    /// How many messages of a gap in the log nobody has settled: they are lost.
    pub(super) fn lost_in(&self, gap: &Gap) -> u64 {
        let first = gap.after.map_or(self.taken_before, Ordinal::next);
        let end = gap.before.unwrap_or(self.snapshot_next);
        // A purge has taken what was never delivered.
        let purged = self.purged_before.min(end);
        let known = self.settled.count(first, purged) + self.delivered.count(first, purged);
        let unknown = purged.0.saturating_sub(first.0).saturating_sub(known);
        gap.messages.saturating_sub(self.settled.count(first, end) + unknown)
    }

    /// How often a message that is not settled was delivered, and how often that was given back.
    pub(super) fn deliveries(&self, ordinal: Ordinal) -> (u32, u32) {
        (self.delivered.get(ordinal), self.returned.get(ordinal))
    }

    /// The last message that was delivered and is not settled.
    pub(super) fn last_delivered(&self) -> Ordinal {
        self.delivered.last().unwrap_or_default()
    }

    /// The last ordinal to which anything happened.
    pub(super) fn last_touched(&self) -> Option<Ordinal> {
        let purged = self.purged_before.0.checked_sub(1).map(Ordinal);
        self.delivered.last().max(self.settled.last()).max(purged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten messages, 10 to 19.
    fn gap() -> Gap {
        let (after, before) = (Some(Ordinal(9)), Some(Ordinal(20)));
        Gap { segments: 2..=2, messages: 10, after, before }
    }

    #[test]
    fn what_is_missing_and_not_settled_is_lost() {
        let mut replay = Replay::default();
        replay.begin(Ordinal(100), LogState::default(), &[]);
        replay.settle(Ordinal(5), Ordinal(12));
        assert_eq!(replay.lost_in(&gap()), 7);
        replay.settle(Ordinal(13), Ordinal(30));
        assert_eq!(replay.lost_in(&gap()), 0);
    }

    #[test]
    fn what_a_purge_has_taken_is_not_lost() {
        let mut replay = Replay::default();
        replay.begin(Ordinal(100), LogState::default(), &[]);
        replay.deliver(Ordinal(10), Ordinal(11));
        replay.settle(Ordinal(10), Ordinal(10));
        replay.purge(Ordinal(15));
        assert_eq!(replay.lost_in(&gap()), 6, "11, which is out, and 15 to 19");
        replay.purge(Ordinal(100));
        assert_eq!(replay.lost_in(&gap()), 1, "11");
    }

    #[test]
    fn what_was_taken_before_the_snapshot_does_not_count() {
        let mut replay = Replay::default();
        replay.begin(Ordinal(100), LogState::default(), &[]);
        replay.publish(&Place { queue: QueueId(1), ordinal: Ordinal(9), deliveries: 0 });
        replay.settle(Ordinal(0), Ordinal(9));
        let first = Gap { after: None, ..gap() };
        assert_eq!(replay.lost_in(&first), 10);
        replay.settle(Ordinal(10), Ordinal(19));
        assert_eq!(replay.lost_in(&first), 0);
        let last = Gap { messages: 90, before: None, ..gap() };
        assert_eq!(replay.lost_in(&last), 80);
    }
}
