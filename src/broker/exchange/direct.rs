//! The direct exchange: the routing key equals the binding key (AMQP 0-9-1, section 3.1.3.1).

use std::collections::HashMap;

use super::Destination;
use super::destinations::Destinations;

/// Destinations by binding key.
#[derive(Debug, Default)]
pub(super) struct Direct {
    keys: HashMap<Box<[u8]>, Destinations>,
}

impl Direct {
    /// Adds a destination under a key.
    pub(super) fn add(&mut self, key: &str, destination: Destination) {
        self.keys.entry(key.as_bytes().into()).or_default().add(destination);
    }

    /// Undoes one `add`.
    pub(super) fn remove(&mut self, key: &str, destination: Destination) {
        let Some(destinations) = self.keys.get_mut(key.as_bytes()) else { return };
        destinations.remove(destination);
        if destinations.is_empty() {
            self.keys.remove(key.as_bytes());
        }
    }

    /// Pushes the destinations bound with exactly this key.
    pub(super) fn route(&self, key: &[u8], found: &mut Vec<Destination>) {
        if let Some(destinations) = self.keys.get(key) {
            destinations.push_all(found);
        }
    }
}
