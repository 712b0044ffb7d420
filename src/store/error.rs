//! What can go wrong with a data directory, and the rule that a failed write is the last one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;

/// Trouble with the data directory, told in one line for the operator.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The operating system refused an operation on a file.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried: "write", "sync", ..
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Another process has the data directory open.
    #[error("data directory {directory} is in use by another process")]
    Locked {
        /// The data directory.
        directory: String,
    },
    /// The data directory was written by a newer Leveret.
    #[error(
        "data directory {directory} has format {found}, \
         but this version of Leveret knows only formats up to {known}"
    )]
    NewerFormat {
        /// The data directory.
        directory: String,
        /// The format of the data.
        found: u32,
        /// The newest format that can be read.
        known: u32,
    },
    /// The disk or the quota is full. That was met before anything was written: nothing is lost,
    /// and what could not be done may be done again when there is room.
    #[error("cannot {operation} {}: no space left", path.display())]
    Full {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The directory holds files of a store, but not what says how to read them.
    #[error(
        "data directory {directory} cannot be read: {reason}; \
         restore it from a copy, or see what is left with `leveret inspect {directory}`"
    )]
    Unreadable {
        /// The data directory.
        directory: String,
        /// What is missing or damaged.
        reason: String,
    },
    /// A write or sync failed before. What is on disk since is not known, so nothing more is
    /// written.
    #[error("the store stopped after an earlier failed write or sync")]
    Stopped,
}

impl StoreError {
    pub(super) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { operation, path }
            }
            _ => Self::Io { operation, path, source },
        }
    }

    /// Whether this is [`StoreError::Full`], which is no reason to stop.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}

/// Whether the store may still write. Shared by everything that writes.
///
/// After a failed write or sync the kernel may report success the next time although the data is
/// gone, so the first failure is the end: nothing is tried again, and no promise can be given any
/// more.
#[derive(Clone, Debug, Default)]
pub(super) struct Health(Arc<AtomicBool>);

impl Health {
    /// Refuses if anything failed before.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.0.load(Ordering::Acquire) { Err(StoreError::Stopped) } else { Ok(()) }
    }

    /// Runs a write or sync unless an earlier one failed, and remembers if it fails.
    pub(super) fn guard<T>(
        &self,
        operation: &'static str,
        path: &Path,
        run: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, StoreError> {
        self.check()?;
        run().map_err(|source| {
            self.0.store(true, Ordering::Release);
            StoreError::Io { operation, path: path.to_owned(), source }
        })
    }
}
