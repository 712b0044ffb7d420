//! The room that a journal has on the disk.
//!
//! ```text
//!   | header | e | e | e | 0 | spare room ............ |
//!   0                        position                  reserved
//! ```
//!
//! It is reserved before anything is written, in steps, and there is always some to spare behind the
//! position. On a full disk the journal lives on that, and says that it is low: what makes room
//! (acknowledgements, purges, deletions) has to be written too.

use std::path::PathBuf;
use std::sync::Arc;

use super::disk::DiskFile;
use super::error::{Health, StoreError};
use super::options::StoreOptions;

/// A journal's file, and how much of it is reserved.
pub(super) struct Room {
    pub path: PathBuf,
    pub file: Arc<dyn DiskFile>,
    /// So far there is room on the disk.
    reserved: u64,
    /// Room is reserved in steps of this.
    step_bytes: u64,
    /// So much room is kept to spare.
    spare_bytes: u64,
    /// There is less than that: the disk is full.
    low: bool,
    health: Health,
}

impl Room {
    /// The room of a file that is `reserved` octets long.
    pub(super) fn new(
        (path, file): (PathBuf, Arc<dyn DiskFile>),
        reserved: u64,
        options: &StoreOptions,
        health: Health,
    ) -> Self {
        let step_bytes = options.journal_bytes_prepared.max(1);
        let spare_bytes = options.journal_bytes_spare;
        Self { path, file, reserved, step_bytes, spare_bytes, low: false, health }
    }

    /// Goes on in another file.
    pub(super) fn switch(&mut self, path: PathBuf, file: Arc<dyn DiskFile>, reserved: u64) {
        (self.path, self.file, self.reserved, self.low) = (path, file, reserved, false);
    }

    /// Makes sure that there is room up to an octet, and some to spare behind it. Where the disk has
    /// no room for that any more, the spare room is used.
    pub(super) fn reserve(&mut self, end: u64) -> Result<(), StoreError> {
        let wanted = end + self.spare_bytes;
        if wanted <= self.reserved || (self.low && end <= self.reserved) {
            return Ok(());
        }
        let reserved = self.allocate(wanted.next_multiple_of(self.step_bytes));
        self.low = reserved.as_ref().is_err_and(StoreError::is_passing);
        match reserved {
            Err(error) if error.is_passing() && end <= self.reserved => Ok(()),
            Err(error) if error.is_passing() => self.allocate(end),
            other => other,
        }
    }

    fn allocate(&mut self, length: u64) -> Result<(), StoreError> {
        self.health.check()?;
        let reserved = self.file.allocate(length);
        reserved.map_err(|source| StoreError::io("reserve room for", &self.path, source))?;
        self.reserved = length;
        Ok(())
    }

    /// Whether there is less to spare than there should be.
    pub(super) fn is_low(&self) -> bool {
        self.low
    }

    /// Tries to get room to spare behind an octet again. Returns whether there is.
    pub(super) fn replenish(&mut self, end: u64) -> Result<bool, StoreError> {
        self.low = false;
        match self.reserve(end) {
            Err(error) if !error.is_passing() => Err(error),
            Err(_) => Ok(false),
            Ok(()) => Ok(!self.low),
        }
    }

    /// What [`Self::is_low`] means, as an error.
    pub(super) fn full(&self) -> StoreError {
        StoreError::Full { operation: "reserve room for", path: self.path.clone() }
    }
}
