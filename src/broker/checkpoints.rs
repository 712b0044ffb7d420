//! When a checkpoint is made.
//!
//! ```text
//!   journal, MiB   0 ........ 32 ................................ 128
//!                             if the last one is 250 ms ago       in any case
//!                             and the snapshot was short
//! ```
//!
//! What the journal holds is what the next start replays after a kill. With small messages that
//! takes longest, 5 ms for each MiB; such a journal fills slowly, and a checkpoint at 32 MiB costs
//! nothing that could be measured. One that longer messages fill in 60 ms is let grow.

use std::time::Duration;

use log::warn;

use super::Broker;
use crate::ids::Timestamp;
use crate::store::{CheckpointJob, StoreError};

/// How long a checkpoint is left that had no room.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How long the one before must be ago for one that is not needed.
const EARLY_AFTER: Duration = Duration::from_millis(250);

/// The checkpoints that were made, and the one that is to be.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    under_way: bool,
    /// One is due although the journal is short.
    pub(super) due: bool,
    /// None before: the last one had no room.
    not_before: Timestamp,
    /// None before that is not needed.
    early_from: Timestamp,
}

impl Broker {
    /// Begins a checkpoint when one is due and none is under way. The job is to be run on another
    /// thread, and then [`Self::checkpoint_done`] to be called.
    pub fn checkpoint(&mut self, now: Timestamp) -> Result<Option<CheckpointJob>, StoreError> {
        if !self.is_checkpoint_due(now) {
            return Ok(None);
        }
        match self.flush_all().and_then(|()| self.begin_checkpoint()) {
            Ok(job) => {
                self.checkpoints.under_way = true;
                self.checkpoints.due = false;
                self.checkpoints.early_from = now.after(EARLY_AFTER);
                Ok(Some(job))
            }
            Err(error) if error.is_passing() => {
                self.checkpoint_failed(now, &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes what waits for the logs of all queues: a snapshot names the end of each log. A turn may
    /// have had no time to look at a queue, or no room to write its log.
    fn flush_all(&mut self) -> Result<(), StoreError> {
        for queue in self.queues.values_mut() {
            queue.flush(&mut self.budget)?;
        }
        Ok(())
    }

    fn is_checkpoint_due(&self, now: Timestamp) -> bool {
        let Checkpoints { under_way, due, not_before, early_from } = self.checkpoints;
        let wanted = || {
            due || self.store.wants_checkpoint()
                || (early_from <= now && self.store.gains_by_checkpoint())
        };
        // A new journal may be the room that is missing: where files may only be so long.
        let fits = || self.alarms.has_room() || self.store.wants_checkpoint();
        !under_way && wanted() && not_before <= now && fits()
    }

    /// The checkpoint's job has been run: what it replaces goes.
    pub fn checkpoint_done(&mut self) -> Result<(), StoreError> {
        self.checkpoints.under_way = false;
        self.store.checkpoint_done()
    }

    /// Whether a checkpoint is under way: its job is running, or has and was not heard of.
    pub fn is_checkpointing(&self) -> bool {
        self.checkpoints.under_way
    }

    /// A checkpoint had no room: another one comes later.
    pub fn checkpoint_failed(&mut self, now: Timestamp, error: &StoreError) {
        warn!("no checkpoint: {error}");
        self.checkpoints.not_before = now.after(RETRY_AFTER);
        self.checkpoints.under_way = false;
        self.checkpoints.due = true;
        self.store.checkpoint_failed();
        for queue in self.queues.values_mut().filter(|queue| queue.declared.persists()) {
            queue.sync_again();
        }
    }
}
