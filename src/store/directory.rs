//! The data directory: which file is where, who may open it, and how it is told apart from others.
//!
//! ```text
//!   leveret-data/                         0700
//!     lock                                locked (flock) while a process has the directory open
//!     version                             "leveret 1"
//!     clean                               there if the last process stopped in order
//!     boot                                the boot that all unsynced octets were written under
//!     journal/<slot>.journal              what happened since the checkpoints; recycled
//!     snapshots/<generation>.snapshot     the world at a checkpoint; the newest two
//!     queues/<id>/<number>.segment        the logs of durable queues
//!     transient/<id>/<number>.segment     the logs of other queues; wiped at the start
//!     bad/                                copies of what could not be read; never removed
//! ```

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::error::{BOOT, Health, StoreError};
use super::files::OpenFiles;
use super::header::FORMAT;
use crate::ids::QueueId;
use crate::mutants::mutant;

pub(super) const JOURNALS: &str = "journal";
pub(super) const SNAPSHOTS: &str = "snapshots";
pub(super) const QUEUES: &str = "queues";
pub(super) const TRANSIENT: &str = "transient";
const TRASH: &str = "transient.old";
pub(super) const BAD: &str = "bad";
const LOCK: &str = "lock";
const VERSION: &str = "version";
const CLEAN: &str = "clean";

/// How the process before this one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// In order.
    Clean,
    /// It was killed, but the operating system went on: what was written is there.
    Killed,
    /// The power went, or nobody can tell: what was not synced may be gone.
    Cut,
}

/// The text of a mark is no longer than this.
const MARK_BYTES_MAX: usize = 64;

/// What the file `version` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    None,
    Damaged,
    Format(u32),
}

/// The data directory, and whether it may still be written to.
#[derive(Clone)]
pub(super) struct Directory {
    pub disk: Arc<dyn Disk>,
    pub health: Health,
    /// The files of queue logs that are open to be written.
    pub files: OpenFiles,
    /// Held as long as anything of the store lives.
    _lock: Arc<dyn Any + Send + Sync>,
}

impl Directory {
    /// Locks the directory and makes it a data directory of this format, unless it is one already.
    pub(super) fn open(disk: Arc<dyn Disk>, files: OpenFiles) -> Result<Self, StoreError> {
        let lock = disk.lock(Path::new(LOCK)).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => StoreError::Locked { directory: disk.name() },
            _ => StoreError::io("lock", &Path::new(&disk.name()).join(LOCK), error),
        })?;
        let health = Health::new(Arc::clone(&disk));
        let directory = Self { disk, health, files, _lock: Arc::from(lock) };
        directory.check_version()?;
        for name in [JOURNALS, SNAPSHOTS, QUEUES, BAD] {
            directory.create_directory(Path::new(name))?;
        }
        directory.wipe_transient()?;
        directory.sync_directory(Path::new(""))?;
        Ok(directory)
    }

    /// A directory that is only looked at: it is not locked, and may be none of a store.
    pub(super) fn to_read(disk: Arc<dyn Disk>) -> Self {
        let health = Health::new(Arc::clone(&disk));
        Self { disk, health, files: OpenFiles::new(0), _lock: Arc::new(()) }
    }

    fn check_version(&self) -> Result<(), StoreError> {
        match self.version()? {
            Version::None if self.has_files()? => {
                Err(self.unreadable("its file `version` (`leveret 1`) is missing"))
            }
            Version::None => {
                self.write_boot_mark()?;
                self.write_mark(VERSION, &format!("leveret {FORMAT}\n"))
            }
            Version::Damaged => Err(self.unreadable("its file `version` (`leveret 1`) is damaged")),
            Version::Format(found) if found > FORMAT => {
                Err(StoreError::NewerFormat { directory: self.disk.name(), found, known: FORMAT })
            }
            Version::Format(_) => Ok(()),
        }
    }

    /// What the file `version` says.
    pub(super) fn version(&self) -> Result<Version, StoreError> {
        let Some(text) = self.read_mark(VERSION)? else { return Ok(Version::None) };
        let found = text.trim().strip_prefix("leveret ").and_then(|number| number.parse().ok());
        let found = found.filter(|format| *format > 0);
        Ok(found.map_or(Version::Damaged, Version::Format))
    }

    /// Whether there are files of a store, whatever the file `version` says.
    pub(super) fn has_files(&self) -> Result<bool, StoreError> {
        let names = self.list("")?;
        Ok(names.iter().any(|name| [JOURNALS, SNAPSHOTS, QUEUES].contains(&name.as_str())))
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

    /// How the last process ended. Its mark is gone from now on.
    pub(super) fn take_ending(&self) -> Result<Ending, StoreError> {
        let ending = self.ending()?;
        if ending == Ending::Clean {
            let path = Path::new(CLEAN);
            // Before the mark goes: the next process has to rely on either.
            self.write_boot_mark()?;
            self.health.guard("remove", path, || self.disk.remove(path))?;
            self.sync_directory(Path::new(""))?;
        }
        Ok(ending)
    }

    /// How the last process ended, or that nobody can tell, as long as one runs.
    pub(super) fn ending(&self) -> Result<Ending, StoreError> {
        if self.read_mark(CLEAN)?.is_some() {
            return Ok(Ending::Clean);
        }
        let boot = self.disk.boot().map(|boot| format!("{boot}\n"));
        let same = boot.is_some() && self.read_mark(BOOT)? == boot;
        Ok(if same { Ending::Killed } else { Ending::Cut })
    }

    /// Notes under which boot of the operating system the directory is used. From now on all that
    /// was written is there as long as that is the same, synced or not.
    pub(super) fn write_boot_mark(&self) -> Result<(), StoreError> {
        match self.disk.boot() {
            Some(boot) => self.write_mark(BOOT, &format!("{boot}\n")),
            None => Ok(()),
        }
    }

    /// Says that this process stopped in order.
    pub(super) fn write_clean_mark(&self) -> Result<(), StoreError> {
        self.write_mark(CLEAN, "stopped in order\n")
    }

    /// The text of a small file; None if there is none.
    fn read_mark(&self, name: &str) -> Result<Option<String>, StoreError> {
        let path = Path::new(name);
        let read = || -> io::Result<String> {
            let file = self.disk.open(path)?;
            let length = usize::try_from(file.len()?).unwrap_or(MARK_BYTES_MAX);
            let mut bytes = vec![0; length.min(MARK_BYTES_MAX)];
            file.read_exact_at(&mut bytes, 0)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).map_err(|source| StoreError::io("read", path, source)),
        }
    }

    fn write_mark(&self, name: &str, text: &str) -> Result<(), StoreError> {
        self.health.check()?;
        let file = NewFile::create(self, Path::new(name))?;
        // An error here is not final: nothing relies on the file before it has its name.
        let written = file.file.write_all_at(text.as_bytes(), 0);
        written.map_err(|source| StoreError::io("write", Path::new(name), source))?;
        file.publish(self)
    }

    /// The names in a directory, sorted.
    pub(super) fn list(&self, path: &str) -> Result<Vec<String>, StoreError> {
        let path = Path::new(path);
        self.disk.list(path).map_err(|source| StoreError::io("list", path, source))
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
        health.guard("rename", &temporary, || disk.rename(&temporary, &path))?;
        directory.sync_directory(path.parent().unwrap_or_else(|| Path::new("")))
    }
}

/// The directory of a queue's log.
pub(super) fn log_directory(queue: QueueId, durable: bool) -> PathBuf {
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

/// A file or directory to be made durable, on whatever thread that is done.
#[derive(Clone)]
pub struct SyncFile {
    directory: Directory,
    path: PathBuf,
    target: Target,
}

#[derive(Clone)]
enum Target {
    Open(Arc<dyn DiskFile>),
    Named,
    Directory,
}

impl SyncFile {
    pub(super) fn open(directory: &Directory, path: PathBuf, file: Arc<dyn DiskFile>) -> Self {
        Self { directory: directory.clone(), path, target: Target::Open(file) }
    }

    /// A file that is opened when it is synced. If it is gone by then it is not needed any more.
    pub(super) fn named(directory: &Directory, path: PathBuf) -> Self {
        Self { directory: directory.clone(), path, target: Target::Named }
    }

    pub(super) fn directory(directory: &Directory, path: PathBuf) -> Self {
        Self { directory: directory.clone(), path, target: Target::Directory }
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// The operating system's, once; after that the store refuses to write or sync anything.
    pub fn sync(&self) -> Result<(), StoreError> {
        let Directory { disk, health, files, .. } = &self.directory;
        let opened = match &self.target {
            Target::Open(file) => Ok(Arc::clone(file)),
            Target::Named => files.opening(&self.path, "open", || disk.open(&self.path)),
            Target::Directory => {
                return health.guard("sync directory", &self.path, || {
                    if mutant("no_directory_sync") {
                        return Ok(());
                    }
                    match disk.sync_directory(&self.path) {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                        other => other,
                    }
                });
            }
        };
        match opened {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(())
            }
            other => {
                let file = other?;
                health.guard("sync", &self.path, || file.sync_data())
            }
        }
    }
}

impl std::fmt::Debug for SyncFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SyncFile").field(&self.path).finish()
    }
}
