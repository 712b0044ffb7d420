//! The data directory: which file is where, who may open it, and how it is told apart from others.
//!
//! ```text
//!   leveret-data/                         0700
//!     lock                                locked (flock) while a process has the directory open
//!     version                             "leveret 2", and which journal is the newest
//!     clean                               there if the last process stopped in order
//!     boot                                the boot that all unsynced octets were written under
//!     journal/<slot>.journal              what happened since the checkpoints; recycled
//!     snapshots/<generation>.snapshot     the world at a checkpoint; the newest two
//!     queues/<id>/<number>.segment        the logs of durable queues
//!     transient/<id>/<number>.segment     the logs of other queues; wiped at the start
//!     bodies/<number>.segment             long bodies that logs of several queues refer to
//!     bad/                                copies of what could not be read; never removed
//! ```

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::error::{Health, StoreError};
use super::files::OpenFiles;
use crate::ids::QueueId;
use crate::mutants::mutant;

mod marks;
mod postponed;
mod sync_file;

use marks::Newest;
pub(super) use marks::{Ending, Version, is_folder};
pub(super) use postponed::Postponed;
pub use sync_file::SyncFile;

pub(super) const JOURNALS: &str = "journal";
pub(super) const SNAPSHOTS: &str = "snapshots";
pub(super) const QUEUES: &str = "queues";
pub(super) const TRANSIENT: &str = "transient";
pub(super) const BODIES: &str = "bodies";
const TRASH: &str = "transient.old";
pub(super) const BAD: &str = "bad";
const LOCK: &str = "lock";

/// The data directory, and whether it may still be written to.
#[derive(Clone)]
pub(super) struct Directory {
    pub disk: Arc<dyn Disk>,
    pub health: Health,
    /// The files of queue logs that are open to be written.
    pub files: OpenFiles,
    /// What `version` said when the directory was opened.
    version: Version,
    /// The newest journal that `version` names.
    newest: Arc<Newest>,
    /// Held as long as anything of the store lives.
    _lock: Arc<dyn Any + Send + Sync>,
}

impl Directory {
    /// Locks the directory, unless another process has, and sees whether this version can read it.
    /// But for the lock nothing is changed: see [`Self::take`].
    pub(super) fn open(disk: Arc<dyn Disk>, files: OpenFiles) -> Result<Self, StoreError> {
        let lock = disk.lock(Path::new(LOCK)).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => StoreError::Locked { directory: disk.name() },
            _ => StoreError::io("lock", &Path::new(&disk.name()).join(LOCK), error),
        })?;
        let mut directory = Self { files, _lock: Arc::from(lock), ..Self::to_read(disk) };
        directory.check_version()?;
        for name in [JOURNALS, SNAPSHOTS, QUEUES, BODIES, BAD] {
            directory.list(name)?;
        }
        Ok(directory)
    }

    /// A directory that is only looked at: it is not locked, and may be none of a store.
    pub(super) fn to_read(disk: Arc<dyn Disk>) -> Self {
        let health = Health::new(Arc::clone(&disk));
        let (version, newest) = Default::default();
        Self { disk, health, files: OpenFiles::new(0), version, newest, _lock: Arc::new(()) }
    }

    /// Makes the directory this process's own, when it is certain that it can be begun with.
    pub(super) fn take(&self, ending: Ending) -> Result<(), StoreError> {
        if self.version == Version::None {
            self.write_version()?;
        }
        for name in [JOURNALS, SNAPSHOTS, QUEUES, BAD] {
            self.create_directory(Path::new(name))?;
        }
        self.take_ending(ending)?;
        self.wipe_transient()?;
        self.sync_directory(Path::new(""))
    }

    fn wipe_transient(&self) -> Result<(), StoreError> {
        let io = |operation, path: &str, result: io::Result<()>| {
            result.map_err(|source| StoreError::io(operation, Path::new(path), source))
        };
        let names = self.list("")?;
        // What a process left that was killed while wiping has to be out of the way first.
        io("remove", TRASH, self.disk.remove(Path::new(TRASH)))?;
        if names.iter().any(|name| name == TRANSIENT) {
            let renamed = self.disk.rename(Path::new(TRANSIENT), Path::new(TRASH));
            io("rename", TRANSIENT, renamed)?;
            self.disk.discard(Path::new(TRASH));
        }
        match self.create_directory(Path::new(TRANSIENT)) {
            // The first log that needs it makes it.
            Err(error) if error.is_full() => Ok(()),
            other => other,
        }
    }

    /// The names in a directory, sorted.
    pub(super) fn list(&self, path: &str) -> Result<Vec<String>, StoreError> {
        let path = Path::new(path);
        self.disk.list(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotADirectory => {
                self.unreadable(format!("{} is a file where a folder should be", path.display()))
            }
            _ => StoreError::io("list", path, source),
        })
    }

    pub(super) fn create_directory(&self, path: &Path) -> Result<(), StoreError> {
        let made = self.disk.create_directory(path);
        made.map_err(|source| StoreError::io("create directory", path, source))
    }

    pub(super) fn sync_directory(&self, path: &Path) -> Result<(), StoreError> {
        if mutant("no_directory_sync") {
            return Ok(());
        }
        self.health.guard("sync directory", path, || self.disk.sync_directory(path))
    }

    /// Keeps a copy of octets that could not be read, for people to look at.
    ///
    /// A copy that cannot be made is only reported: what it is about was reported before.
    pub(super) fn set_aside(&self, name: &str, bytes: &[u8]) {
        let path = Path::new(BAD).join(name);
        let copy = match self.disk.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return,
            Err(error) => Err(error),
            Ok(file) => file.write_all_at(bytes, 0),
        };
        match copy {
            Ok(()) => log::warn!("{} octets are set aside as {}", bytes.len(), path.display()),
            Err(error) => log::error!("cannot set octets aside as {}: {error}", path.display()),
        }
    }

    /// Moves a file that could not be read to where nobody but people looks for it. Returns whether
    /// there was one.
    pub(super) fn set_file_aside(&self, path: &Path, name: &str) -> bool {
        let aside = Path::new(BAD).join(name);
        match self.disk.rename(path, &aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
            Ok(()) => log::warn!("{} is set aside as {}", path.display(), aside.display()),
            Err(error) => log::error!("cannot set {} aside: {error}", path.display()),
        }
        true
    }

    /// An error about the directory as a whole.
    pub(super) fn unreadable(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Unreadable { directory: self.disk.name(), reason: reason.into() }
    }
}

/// A file that gets its name when it is whole and durable.
pub(super) struct NewFile {
    pub file: Arc<dyn DiskFile>,
    temporary: PathBuf,
    path: PathBuf,
}

impl NewFile {
    pub(super) fn create(directory: &Directory, path: &Path) -> Result<Self, StoreError> {
        let temporary = path.with_extension("tmp");
        let disk = &directory.disk;
        let file = disk.remove(&temporary).and_then(|()| disk.create(&temporary));
        let file = file.map_err(|source| StoreError::io("create", &temporary, source))?;
        Ok(Self { file, temporary, path: path.to_owned() })
    }

    pub(super) fn publish(self, directory: &Directory) -> Result<(), StoreError> {
        let Self { file, temporary, path } = self;
        let Directory { health, disk, .. } = directory;
        health.guard("sync", &temporary, || file.sync_data())?;
        health.attempt("rename", &temporary, || disk.rename(&temporary, &path))?;
        directory.sync_directory(path.parent().unwrap_or_else(|| Path::new("")))
    }
}

/// What stands for the shared bodies where a queue's id is asked for: no queue has it.
pub(super) const SHARED: QueueId = QueueId(0);

/// The directory of a queue's log, or of the shared bodies.
pub(super) fn log_directory(queue: QueueId, durable: bool) -> PathBuf {
    if queue == SHARED {
        return PathBuf::from(BODIES);
    }
    Path::new(if durable { QUEUES } else { TRANSIENT }).join(queue.0.to_string())
}

pub(super) fn segment_name(number: u64) -> String {
    format!("{number:08}.segment")
}

pub(super) fn journal_path(slot: u64) -> PathBuf {
    Path::new(JOURNALS).join(format!("{slot:04}.journal"))
}

pub(super) fn snapshot_path(generation: u64) -> PathBuf {
    Path::new(SNAPSHOTS).join(format!("{generation:016}.snapshot"))
}

/// The number in a name such as `00000007.segment`, if it is one.
pub(super) fn number_in(name: &str, extension: &str) -> Option<u64> {
    name.strip_suffix(extension)?.strip_suffix('.')?.parse().ok()
}
