//! The fanout exchange: every binding, whatever its key (AMQP 0-9-1, section 3.1.3.2).

use super::Destination;
use super::destinations::Destinations;

/// All destinations.
#[derive(Debug, Default)]
pub(super) struct Fanout {
    destinations: Destinations,
}

impl Fanout {
    /// Adds a destination.
    pub(super) fn add(&mut self, destination: Destination) {
        self.destinations.add(destination);
    }

    /// Undoes one `add`.
    pub(super) fn remove(&mut self, destination: Destination) {
        self.destinations.remove(destination);
    }

    /// Pushes all destinations.
    pub(super) fn route(&self, found: &mut Vec<Destination>) {
        self.destinations.push_all(found);
    }
}
