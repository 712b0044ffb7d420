//! The exchange types `x-modulus-hash`, `x-random` and `x-local-random`: one of all bindings,
//! whatever their keys.
//!
//! `x-modulus-hash` takes the hash of the routing keys modulo the number of bindings, so each
//! binding that comes or goes sends most keys elsewhere; `x-consistent-hash` does not. The others
//! are given a number that the broker draws. All destinations are local here; what is left of
//! `x-local-random` is which bindings it refuses.

use super::{Destination, InvalidBinding};

/// The destination of each binding, sorted: the same order after a restart.
#[derive(Debug, Default)]
pub(super) struct Pool {
    destinations: Vec<Destination>,
}

impl Pool {
    /// Adds a destination.
    pub(super) fn add(&mut self, destination: Destination) {
        let place = self.destinations.partition_point(|other| *other <= destination);
        self.destinations.insert(place, destination);
    }

    /// Undoes one `add`.
    pub(super) fn remove(&mut self, destination: Destination) {
        if let Ok(place) = self.destinations.binary_search(&destination) {
            self.destinations.remove(place);
        }
    }

    /// Pushes the destination that a number stands for.
    pub(super) fn route(&self, number: u64, found: &mut Vec<Destination>) {
        let count = self.destinations.len() as u64;
        let place = number.checked_rem(count).and_then(|place| usize::try_from(place).ok());
        found.extend(place.and_then(|place| self.destinations.get(place)));
    }
}

/// The rule of `x-local-random` about binding keys.
pub(super) fn refuse_key(key: &str) -> Result<(), InvalidBinding> {
    if key.is_empty() {
        return Ok(());
    }
    Err(InvalidBinding(format!("Non empty binding '{key}' key not permitted")))
}
