//! The deliveries of a channel that wait for an acknowledgement, in the order of their tags.
//!
//! Tags only grow, so the deliveries lie sorted in a deque: an acknowledgement finds its place by
//! bisection and leaves a gap, gaps at the front fall off, and when most of the deque is gaps it is
//! closed up. So the oldest, the newest and any in the middle cost the same, and one delivery that
//! is never acknowledged does not hold the memory of all that came after it.

use std::collections::VecDeque;

use crate::ids::DeliveryTag;

/// Things by delivery tag; see the module.
#[derive(Debug)]
pub(super) struct Unacked<T> {
    entries: VecDeque<(DeliveryTag, Option<T>)>,
    live: usize,
}

impl<T> Default for Unacked<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), live: 0 }
    }
}

impl<T> Unacked<T> {
    /// Adds a delivery; its tag is higher than any before.
    pub(super) fn push(&mut self, tag: DeliveryTag, entry: T) {
        debug_assert!(self.entries.back().is_none_or(|(last, _)| *last < tag));
        self.entries.push_back((tag, Some(entry)));
        self.live += 1;
    }

    /// Takes the delivery with this tag out.
    pub(super) fn take(&mut self, tag: DeliveryTag) -> Option<T> {
        let place = self.entries.binary_search_by_key(&tag, |(tag, _)| *tag).ok()?;
        let entry = self.entries[place].1.take()?;
        self.live -= 1;
        while self.entries.front().is_some_and(|(_, entry)| entry.is_none()) {
            self.entries.pop_front();
        }
        if self.entries.len() > 2 * self.live + 64 {
            self.entries.retain(|(_, entry)| entry.is_some());
        }
        Some(entry)
    }

    /// Takes the oldest delivery out if its tag is at most `last`.
    pub(super) fn take_first_through(&mut self, last: DeliveryTag) -> Option<(DeliveryTag, T)> {
        while let Some((tag, _)) = self.entries.front() {
            if *tag > last {
                return None;
            }
            if let Some((tag, Some(entry))) = self.entries.pop_front() {
                self.live -= 1;
                return Some((tag, entry));
            }
        }
        None
    }

    /// Puts deliveries back that were taken out: rolled-back acknowledgements.
    pub(super) fn put_back(&mut self, mut entries: Vec<(DeliveryTag, T)>) {
        let Some(last) = entries.iter().map(|(tag, _)| *tag).max() else { return };
        entries.sort_by_key(|(tag, _)| *tag);
        self.live += entries.len();
        let end = self.entries.partition_point(|(tag, _)| *tag <= last);
        let later = self.entries.split_off(end);
        let mut earlier = std::mem::take(&mut self.entries).into_iter().peekable();
        for (tag, entry) in entries {
            while let Some(before) = earlier.next_if(|(other, _)| *other < tag) {
                self.entries.push_back(before);
            }
            earlier.next_if(|(other, _)| *other == tag); // the gap that it left
            self.entries.push_back((tag, Some(entry)));
        }
        self.entries.extend(earlier);
        self.entries.extend(later);
    }

    /// Whether a delivery with this tag waits.
    pub(super) fn contains(&self, tag: DeliveryTag) -> bool {
        self.entries
            .binary_search_by_key(&tag, |(tag, _)| *tag)
            .is_ok_and(|place| self.entries[place].1.is_some())
    }

    /// Takes the oldest delivery out.
    pub(super) fn take_first(&mut self) -> Option<T> {
        self.take_first_through(DeliveryTag(u64::MAX)).map(|(_, entry)| entry)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// What waits, in the order of tags.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|(_, entry)| entry.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(count: u64) -> Unacked<u64> {
        let mut unacked = Unacked::default();
        for tag in 1..=count {
            unacked.push(DeliveryTag(tag), tag);
        }
        unacked
    }

    #[test]
    fn a_tag_is_taken_once() {
        let mut unacked = filled(3);
        assert_eq!(unacked.take(DeliveryTag(2)), Some(2));
        assert_eq!(unacked.take(DeliveryTag(2)), None);
        assert_eq!(unacked.take(DeliveryTag(9)), None);
        assert_eq!(unacked.iter().copied().collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn multiple_takes_all_up_to_a_tag() {
        let mut unacked = filled(5);
        unacked.take(DeliveryTag(2));
        let mut taken = Vec::new();
        while let Some((_, entry)) = unacked.take_first_through(DeliveryTag(4)) {
            taken.push(entry);
        }
        assert_eq!(taken, [1, 3, 4]);
        assert_eq!(unacked.live, 1);
    }

    #[test]
    fn one_stuck_delivery_does_not_hold_memory() {
        let mut unacked = filled(1);
        for tag in 2..100_000 {
            unacked.push(DeliveryTag(tag), tag);
            unacked.take(DeliveryTag(tag));
        }
        assert_eq!(unacked.live, 1);
        assert!(unacked.entries.len() <= 2 + 64 + 2);
    }

    #[test]
    fn what_is_put_back_keeps_its_order() {
        let mut unacked = filled(3);
        for tag in [1, 3] {
            unacked.take(DeliveryTag(tag));
        }
        unacked.push(DeliveryTag(4), 4);
        unacked.put_back(vec![(DeliveryTag(3), 3), (DeliveryTag(1), 1)]);
        assert_eq!(unacked.iter().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(unacked.take(DeliveryTag(3)), Some(3));
        assert_eq!(unacked.len(), 3);
    }
}
