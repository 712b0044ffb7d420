//! What a queue's logs have taken in this turn, and give back when the disk is full.
//!
//! ```text
//!   push ──▶ log: gathered ── flush ──▶ on disk
//!                 pending ── no room ──▶ resident, beyond its bounds, so that consumers go on
//! ```
//!
//! Only what was under way when the disk was found full gets there: publishers are blocked then.

use crate::store::StoreError;

use super::super::settings::QueueSettings;
use super::item::Room;
use super::{Budget, Held, Level, Queue};

impl Queue {
    /// Writes what was appended to the logs since the last call. The first that fails says why.
    pub(crate) fn flush(&mut self, budget: &mut Budget) -> Result<(), StoreError> {
        let mut result = self.level.flush(&self.settings, &mut self.room, budget);
        for level in self.others.values_mut() {
            let flushed = level.flush(&self.settings, &mut self.room, budget);
            result = result.and(flushed);
        }
        result
    }

    /// As [`Self::flush`], and gives back the memory that was needed for so many messages at once:
    /// recovery.
    pub(crate) fn flush_restored(&mut self, budget: &mut Budget) -> Result<(), StoreError> {
        let flushed = self.flush(budget);
        for level in std::iter::once(&mut self.level).chain(self.others.values_mut()) {
            level.pending.shrink_to_fit();
            level.log.trim();
        }
        flushed
    }
}

impl Level {
    fn flush(
        &mut self,
        settings: &QueueSettings,
        room: &mut Room,
        budget: &mut Budget,
    ) -> Result<(), StoreError> {
        let flushed = self.log.flush();
        match &flushed {
            Ok(()) => self.pending.clear(),
            Err(error)
                if error.is_passing() && !self.log.has_written() && !self.pending.is_empty() =>
            {
                self.take_back(settings, room, budget);
            }
            Err(_) => {}
        }
        flushed
    }

    /// Takes the messages back that could not be written, when the log has no others.
    fn take_back(&mut self, settings: &QueueSettings, room: &mut Room, budget: &mut Budget) {
        let count = usize::try_from(self.log.ready()).unwrap_or(usize::MAX);
        let pending = std::mem::take(&mut self.pending);
        let written = pending.len().saturating_sub(count);
        self.log.purge();
        for item in pending.into_iter().skip(written) {
            if let Held::Resident(message) = &item.held {
                room.charge(message, budget);
                self.keep(item, settings);
            }
        }
    }
}
