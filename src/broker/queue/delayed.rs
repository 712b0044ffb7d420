//! Messages that came back and have to wait before they are delivered again (delayed retry).
//!
//! They are out of the queue's order until their time has come, and then go back to their place.
//! They are neither ready nor with a consumer: limits and counts do not see them, a purge leaves
//! them. Their octets stay where they were. A restart ends the waiting.

use crate::ids::{Ordinal, QueueId, Timestamp};

use super::super::settings::NEVER;
use super::Queue;
use super::item::Item;

/// The most messages that go back at once; its timer brings the queue back for the others.
const WOKEN_MAX: usize = 1024;

/// When a message comes back, and which it is.
pub(super) type DelayedKey = (Timestamp, QueueId, Ordinal);

impl Queue {
    /// Keeps a message back until `due`, or until its own time is over.
    pub(crate) fn delay(&mut self, item: Item, due: Timestamp) {
        self.delayed.insert((due.min(item.expires), item.level, item.ordinal), item);
    }

    /// Puts the messages back to their places that have waited long enough.
    pub(crate) fn wake(&mut self, now: Timestamp) {
        for _ in 0..WOKEN_MAX {
            let Some(first) = self.delayed.first_entry().filter(|first| first.key().0 <= now)
            else {
                return;
            };
            let item = first.remove();
            self.requeue(item);
        }
    }

    /// When the next one has waited long enough.
    pub(crate) fn next_wake(&self) -> Timestamp {
        self.delayed.first_key_value().map_or(NEVER, |((due, ..), _)| *due)
    }

    /// Those that are kept back.
    pub(crate) fn delayed(&self) -> impl Iterator<Item = &Item> {
        self.delayed.values()
    }
}
