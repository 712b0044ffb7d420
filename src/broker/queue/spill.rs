//! What a queue's log has taken in this turn, and gives back when the disk is full.
//!
//! ```text
//!   push ──▶ log: gathered ── flush ──▶ on disk
//!                 pending ── no room ──▶ resident, beyond its bounds, so that consumers go on
//! ```
//!
//! Only what was under way when the disk was found full gets there: publishers are blocked then.

use crate::store::StoreError;

use super::{Budget, Held, Queue};

impl Queue {
    /// Writes what was appended to the log since the last call.
    pub(crate) fn flush(&mut self, budget: &mut Budget) -> Result<(), StoreError> {
        let flushed = self.log.flush();
        match &flushed {
            Ok(()) => drop(std::mem::take(&mut self.pending)),
            Err(error) if error.is_passing() && !self.log.has_written() => self.take_back(budget),
            Err(_) => {}
        }
        flushed
    }

    /// Takes the messages back that could not be written, when the log has no others.
    fn take_back(&mut self, budget: &mut Budget) {
        let count = usize::try_from(self.log.ready()).unwrap_or(usize::MAX);
        let mut pending = std::mem::take(&mut self.pending);
        let written = pending.len().saturating_sub(count);
        self.log.purge();
        for item in pending.drain(written..) {
            if let Held::Resident(message) = &item.held {
                self.charge(message, budget);
                self.resident.push_back(item);
            }
        }
    }
}
