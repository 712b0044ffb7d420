//! Whether the journal that is written is still the one that the next start will find.
//!
//! An operator may remove or rename the data directory, or a file in it, while the broker has it
//! open. The kernel goes on as if nothing had happened: all that is written and synced then is gone
//! with the last descriptor. So the name is looked at after each sync, before anything is promised,
//! and by the watchdog once a second; if it leads to another file or to none, that is an end as by
//! a disk that has failed.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::disk::{Disk, DiskFile};
use super::error::{Health, StoreError};

/// The journal's file in use, with the name that it should have.
pub struct InUse {
    disk: Arc<dyn Disk>,
    health: Health,
    current: Mutex<Option<(PathBuf, Arc<dyn DiskFile>)>>,
}

impl InUse {
    pub(super) fn new(disk: Arc<dyn Disk>, health: Health) -> Self {
        Self { disk, health, current: Mutex::default() }
    }

    /// The journal goes on in this file.
    pub(super) fn set(&self, path: PathBuf, file: Arc<dyn DiskFile>) {
        *self.current.lock() = Some((path, file));
    }

    /// The store is closed: from now on anything may happen to the directory.
    pub(super) fn end(&self) {
        self.current.lock().take();
    }

    /// Checks that the name leads to the file. Where that cannot be known, it does.
    ///
    /// # Errors
    /// If it does not: final, nothing may be promised any more.
    pub fn check(&self) -> Result<(), StoreError> {
        let current = self.current.lock().clone();
        let Some((path, file)) = current else { return Ok(()) };
        let there = match self.disk.identity(&path) {
            Err(error) => !is_gone(&error),
            Ok(named) => {
                let open = file.identity().unwrap_or_default();
                named.zip(open).is_none_or(|(named, open)| named == open)
            }
        };
        if there || self.current.lock().as_ref().is_none_or(|(now, _)| *now != path) {
            return Ok(());
        }
        self.health.guard("keep", &path, || {
            Err(io::Error::other("it was removed, renamed or replaced while it was in use"))
        })
    }
}

impl std::fmt::Debug for InUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InUse").finish_non_exhaustive()
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
