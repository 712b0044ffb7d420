//! What makes a journal durable, on whatever thread that is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::directory::SyncFile;
use super::error::StoreError;
use super::in_use::InUse;
use crate::ids::SyncPoint;

/// How far syncing has got; shared with those who sync.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU64);

impl Progress {
    pub(super) fn point(&self) -> SyncPoint {
        SyncPoint(self.0.load(Ordering::Acquire))
    }

    pub(super) fn raise(&self, point: SyncPoint) {
        self.0.fetch_max(point.0, Ordering::AcqRel);
    }
}

/// Makes the journal durable up to a point, on whatever thread that is done.
#[derive(Clone, Debug)]
pub struct SyncRequest {
    /// Everything up to here is durable when it has run.
    pub point: SyncPoint,
    pub(super) files: Vec<SyncFile>,
    pub(super) progress: Arc<Progress>,
    pub(super) in_use: Arc<InUse>,
}

impl SyncRequest {
    /// Syncs: one fdatasync, except right after a checkpoint began.
    ///
    /// # Errors
    /// [`StoreError::Exhausted`] if a directory cannot be opened for now. Any other error is final:
    /// nothing that waits for this point may be promised, now or later.
    pub fn run(&self) -> Result<(), StoreError> {
        for file in &self.files {
            file.sync()?;
        }
        // What is synced to a file that no name leads to is lost.
        self.in_use.check()?;
        self.progress.raise(self.point);
        Ok(())
    }
}
