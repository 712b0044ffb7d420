//! The destinations of one place in a router: one key, one node, one set of conditions.

use std::collections::BTreeMap;

use super::Destination;

/// A set of destinations that counts how often each was added.
///
/// Most places have exactly one destination, added once: that costs no allocation.
#[derive(Debug, Default)]
pub(super) enum Destinations {
    #[default]
    None,
    One(Destination),
    /// Two or more, or one that was added more than once, with how often each was added.
    Many(BTreeMap<Destination, usize>),
}

impl Destinations {
    /// Adds a destination once more.
    pub(super) fn add(&mut self, destination: Destination) {
        match self {
            Self::None => *self = Self::One(destination),
            Self::One(only) => {
                let mut counts = BTreeMap::from([(*only, 1)]);
                *counts.entry(destination).or_insert(0) += 1;
                *self = Self::Many(counts);
            }
            Self::Many(counts) => *counts.entry(destination).or_insert(0) += 1,
        }
    }

    /// Undoes one `add` of this destination, if there was one.
    pub(super) fn remove(&mut self, destination: Destination) {
        match self {
            Self::One(only) if *only == destination => *self = Self::None,
            Self::None | Self::One(_) => {}
            Self::Many(counts) => {
                let Some(count) = counts.get_mut(&destination) else { return };
                *count -= 1;
                if *count == 0 {
                    counts.remove(&destination);
                }
                if counts.is_empty() {
                    *self = Self::None;
                }
            }
        }
    }

    /// Whether everything added was removed.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Pushes each destination once, in order.
    pub(super) fn push_all(&self, found: &mut Vec<Destination>) {
        match self {
            Self::None => {}
            Self::One(only) => found.push(*only),
            Self::Many(counts) => found.extend(counts.keys()),
        }
    }
}
