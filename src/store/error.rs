//! What can go wrong with a data directory, and the rule that a failed write is the last one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustix::io::Errno;
use thiserror::Error;

use super::disk::Disk;
use crate::mutants::mutant;

/// The file with the boot of the operating system whose page cache can be relied upon.
pub(super) const BOOT: &str = "boot";

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
    /// The process has no descriptors or no memory maps left for a file. Nothing was done, and it
    /// may be done again when there are some.
    #[error("cannot {operation} {}: {source}", path.display())]
    Exhausted {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
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
    #[error("the store has stopped: {first}")]
    Stopped {
        /// What failed, in one line.
        first: String,
    },
}

impl StoreError {
    pub(super) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            // A file may be as long as the limit of the process and no longer: there is no room.
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full { operation, path },
            _ if is_exhausted(&source) => Self::Exhausted { operation, path, source },
            _ => Self::Io { operation, path, source },
        }
    }

    /// Whether this is [`StoreError::Full`].
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Whether it is no reason to stop: nothing was done, nothing is lost, and a later try may
    /// succeed.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Exhausted { .. })
    }
}

/// Whether the process has run out of descriptors, files or memory maps.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOMEM].map(|errno| errno.raw_os_error());
    error.raw_os_error().is_some_and(|code| exhausted.contains(&code))
}

/// Whether the store may still write. Shared by everything that writes.
///
/// After a failed write or sync the kernel may report success the next time although the data is
/// gone, so the first failure is the end: nothing is tried again, and no promise can be given any
/// more.
#[derive(Clone)]
pub(super) struct Health {
    failure: Arc<Failure>,
    disk: Arc<dyn Disk>,
}

#[derive(Default)]
struct Failure {
    met: AtomicBool,
    /// What failed first. Locked until that is dealt with: nobody is told before, and ends the
    /// process.
    first: Mutex<Option<String>>,
}

impl Health {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { failure: Arc::default(), disk }
    }

    /// Refuses if anything failed before.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.failure.met.load(Ordering::Acquire) {
            let first = self.failure.first.lock().clone().unwrap_or_default();
            return Err(StoreError::Stopped { first });
        }
        Ok(())
    }

    /// Runs what may be done again if there was no room for it, no descriptor or no memory, unless
    /// something failed before: it writes the same octets to the same place, or changes a name. Any
    /// other failure is remembered.
    pub(super) fn attempt(
        &self,
        operation: &'static str,
        path: &Path,
        run: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), StoreError> {
        self.check()?;
        run().map_err(|source| match StoreError::io(operation, path, source) {
            passing if passing.is_passing() => passing,
            other => self.fail(other),
        })
    }

    /// Runs a sync unless an earlier one failed, and remembers if it fails, also for want of room:
    /// what it was to make durable may be gone. To want for a descriptor is not to fail: nothing
    /// was synced.
    pub(super) fn guard<T>(
        &self,
        operation: &'static str,
        path: &Path,
        run: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, StoreError> {
        self.check()?;
        run().map_err(|source| {
            let errnos = [Errno::MFILE, Errno::NFILE].map(|errno| errno.raw_os_error());
            if source.raw_os_error().is_some_and(|code| errnos.contains(&code)) {
                return StoreError::Exhausted { operation, path: path.to_owned(), source };
            }
            self.fail(StoreError::Io { operation, path: path.to_owned(), source })
        })
    }

    fn fail(&self, error: StoreError) -> StoreError {
        let mut first = self.failure.first.lock();
        self.failure.met.store(!mutant("retry_after_a_failed_sync"), Ordering::Release);
        // The kernel may forget what it could not write: the next process shall not rely on it.
        if let Err(error) = self.disk.remove(Path::new(BOOT)) {
            log::error!("cannot remove {BOOT}: {error}");
        }
        first.get_or_insert_with(|| error.to_string());
        error
    }
}
