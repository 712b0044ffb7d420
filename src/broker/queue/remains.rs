//! What is left of ready messages that are gone: they count no more, and their memory goes bit by bit.

use std::collections::{BTreeMap, VecDeque};

use crate::ids::Ordinal;

use super::Item;

/// Messages that are gone, level by level.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    levels: Vec<(BTreeMap<Ordinal, Item>, VecDeque<Item>)>,
    delayed: BTreeMap<super::delayed::DelayedKey, Item>,
}

impl Remains {
    /// Adds what a level had: those that were placed by their ordinals, and those in order.
    pub(super) fn add_level(&mut self, placed: BTreeMap<Ordinal, Item>, resident: VecDeque<Item>) {
        self.levels.push((placed, resident));
    }

    /// Adds those that waited to be delivered again.
    pub(super) fn add_delayed(&mut self, delayed: BTreeMap<super::delayed::DelayedKey, Item>) {
        self.delayed = delayed;
    }

    /// Takes one out, and whether the journal has to be told of it by itself: all others are below
    /// their level's next ordinal and were never taken.
    pub(crate) fn pop(&mut self) -> Option<(Item, bool)> {
        while let Some((placed, resident)) = self.levels.last_mut() {
            if let Some((_, item)) = placed.pop_first() {
                return Some((item, true));
            }
            if let Some(item) = resident.pop_front() {
                // One that counts as delivered is none of those that a purge takes by itself.
                let delivered = item.deliveries > 0;
                return Some((item, delivered));
            }
            self.levels.pop();
        }
        self.delayed.pop_first().map(|(_, item)| (item, true))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        let levels = self.levels.iter().map(|(placed, resident)| placed.len() + resident.len());
        levels.sum::<usize>() + self.delayed.len()
    }
}
