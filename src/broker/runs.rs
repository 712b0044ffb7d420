//! Numbers for ordinals, kept as runs: what happened to a million messages in order is one entry.
//!
//! ```text
//!   add(3..=7, 1)    | 3 ──────── 7 : 1 |
//!   add(8..=9, 1)    | 3 ─────────────── 9 : 1 |          runs that say the same are one
//!   add(5..=6, 1)    | 3 ─ 4 : 1 | 5 ─ 6 : 2 | 7 ─ 9 : 1 |
//!   remove(4..=5)    | 3 : 1 |       | 6 : 2 | 7 ─ 9 : 1 |
//! ```

use std::collections::BTreeMap;

use crate::ids::Ordinal;

/// A number above 0 for some ordinals, 0 for all others.
#[derive(Debug, Default)]
pub(super) struct Runs(BTreeMap<Ordinal, Run>);

/// The ordinals through `last` have the number `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    last: Ordinal,
    count: u32,
}

impl Runs {
    /// Adds a number to each ordinal from `first` through `last`.
    pub(super) fn add(&mut self, first: Ordinal, last: Ordinal, count: u32) {
        if first > last || count == 0 || self.extend(first, last, count) {
            return;
        }
        let mut next = Some(first); // the first that has not got its number
        for (known, run) in self.take(first, last) {
            if let Some(gap) = next.filter(|gap| *gap < known) {
                self.insert(gap, Ordinal(known.0 - 1), count);
            }
            self.insert(known, run.last, run.count.saturating_add(count));
            next = run.last.0.checked_add(1).map(Ordinal);
        }
        if let Some(gap) = next.filter(|gap| *gap <= last) {
            self.insert(gap, last, count);
        }
        // What follows may say the same as the last of these.
        if let Some(after) = last.0.checked_add(1).map(Ordinal)
            && let Some(run) = self.0.remove(&after)
        {
            self.insert(after, run.last, run.count);
        }
    }

    /// The usual case: the last run goes on.
    fn extend(&mut self, first: Ordinal, last: Ordinal, count: u32) -> bool {
        let Some(mut entry) = self.0.last_entry() else { return false };
        let run = entry.get_mut();
        let follows = run.count == count && run.last.0.checked_add(1) == Some(first.0);
        if follows {
            run.last = last;
        }
        follows
    }

    /// Forgets the numbers of the ordinals from `first` through `last`.
    pub(super) fn remove(&mut self, first: Ordinal, last: Ordinal) {
        if first <= last && self.last().is_some_and(|highest| highest >= first) {
            self.take(first, last);
        }
    }

    /// The number of an ordinal.
    pub(super) fn get(&self, ordinal: Ordinal) -> u32 {
        let run = self.0.range(..=ordinal).next_back().filter(|(_, run)| ordinal <= run.last);
        run.map_or(0, |(_, run)| run.count)
    }

    /// How many ordinals from `first` on, and below `end`, have a number.
    pub(super) fn count(&self, first: Ordinal, end: Ordinal) -> u64 {
        let before = self.0.range(..first).next_back();
        let within = self.0.range(first..end.max(first));
        let lengths = before.into_iter().chain(within).map(|(at, run)| {
            // `last` is below the end of all ordinals where something ends behind it.
            let until = run.last.0.saturating_add(1).min(end.0);
            until.saturating_sub(at.0.max(first.0))
        });
        lengths.sum()
    }

    /// The highest ordinal with a number.
    pub(super) fn last(&self) -> Option<Ordinal> {
        self.0.last_key_value().map(|(_, run)| run.last)
    }

    /// Takes the runs out that lie within these ordinals, and of others the part that does.
    fn take(&mut self, first: Ordinal, last: Ordinal) -> Vec<(Ordinal, Run)> {
        self.split(first);
        if let Some(after) = last.0.checked_add(1) {
            self.split(Ordinal(after));
        }
        let mut taken = Vec::new();
        while let Some((at, run)) = self.0.range(first..=last).next() {
            taken.push((*at, *run));
            let at = *at;
            self.0.remove(&at);
        }
        taken
    }

    /// Makes sure that no run goes across the place before `at`.
    fn split(&mut self, at: Ordinal) {
        if let Some((_, run)) = self.0.range_mut(..at).next_back()
            && run.last >= at
        {
            let upper = *run;
            run.last = Ordinal(at.0 - 1);
            self.0.insert(at, upper);
        }
    }

    /// Adds a run where there is none, as a part of the one before it if that says the same.
    fn insert(&mut self, first: Ordinal, last: Ordinal, count: u32) {
        if let Some((_, before)) = self.0.range_mut(..first).next_back()
            && before.count == count
            && before.last.0 + 1 == first.0
        {
            before.last = last;
        } else {
            self.0.insert(first, Run { last, count });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_goes_in_order_is_one_run() {
        let mut runs = Runs::default();
        for ordinal in 1..=1_000 {
            runs.add(Ordinal(ordinal), Ordinal(ordinal), 1);
        }
        assert_eq!(runs.0.len(), 1);
        assert_eq!(runs.last(), Some(Ordinal(1_000)));
    }

    #[test]
    fn gaps_that_are_closed_leave_one_run() {
        let mut runs = Runs::default();
        for ordinal in (1..=1_000).step_by(2).chain((2..=1_000).step_by(2)) {
            runs.add(Ordinal(ordinal), Ordinal(ordinal), 1);
        }
        assert_eq!(runs.0.len(), 1);
    }

    #[test]
    fn the_highest_ordinals_are_none_that_overflow() {
        let mut runs = Runs::default();
        runs.add(Ordinal(0), Ordinal(u64::MAX), u32::MAX);
        runs.add(Ordinal(u64::MAX), Ordinal(u64::MAX), 1);
        runs.remove(Ordinal(5), Ordinal(u64::MAX - 1));
        assert_eq!(runs.get(Ordinal(u64::MAX)), u32::MAX);
        assert_eq!(runs.get(Ordinal(4)), u32::MAX);
        assert_eq!(runs.get(Ordinal(5)), 0);
    }

    proptest! {
        #[test]
        fn runs_are_as_numbers_one_by_one(
            steps in prop::collection::vec((any::<bool>(), 0..40_u64, 0..12_u64, 1..3_u32), 1..60),
        ) {
            let (mut runs, mut naive) = (Runs::default(), [0_u32; 64]);
            for (add, first, length, count) in steps {
                let last = first + length;
                if add {
                    runs.add(Ordinal(first), Ordinal(last), count);
                } else {
                    runs.remove(Ordinal(first), Ordinal(last));
                }
                let place = |number| usize::try_from(number).unwrap();
                for number in &mut naive[place(first)..=place(last)] {
                    *number = if add { *number + count } else { 0 };
                }
                for (ordinal, number) in naive.iter().enumerate() {
                    prop_assert_eq!(runs.get(Ordinal(ordinal as u64)), *number);
                }
                let (first, end) = (place(first), place(last));
                let several = naive[first..end].iter().filter(|number| **number > 0).count();
                prop_assert_eq!(runs.count(Ordinal(first as u64), Ordinal(last)), several as u64);
                let highest = naive.iter().rposition(|number| *number > 0);
                prop_assert_eq!(runs.last(), highest.map(|last| Ordinal(last as u64)));
                let apart = runs.0.iter().zip(runs.0.iter().skip(1)).all(|((_, run), (next, after))| {
                    run.last < *next && (run.last.next() < *next || run.count != after.count)
                });
                prop_assert!(apart, "{:?}", runs);
            }
        }
    }
}
