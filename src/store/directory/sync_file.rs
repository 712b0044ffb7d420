//! What is made durable on whatever thread that is done.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::Directory;
use crate::mutants::mutant;
use crate::store::disk::DiskFile;
use crate::store::error::StoreError;

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
    Mark(u64),
}

impl SyncFile {
    pub(in crate::store) fn open(
        directory: &Directory,
        path: PathBuf,
        file: Arc<dyn DiskFile>,
    ) -> Self {
        Self { directory: directory.clone(), path, target: Target::Open(file) }
    }

    /// A file that is opened when it is synced. If it is gone by then it is not needed any more.
    pub(in crate::store) fn named(directory: &Directory, path: PathBuf) -> Self {
        Self { directory: directory.clone(), path, target: Target::Named }
    }

    pub(in crate::store) fn directory(directory: &Directory, path: PathBuf) -> Self {
        Self { directory: directory.clone(), path, target: Target::Directory }
    }

    /// The note that something of a journal is synced: behind the journal's files.
    pub(in crate::store) fn mark(directory: &Directory, generation: u64) -> Self {
        let target = Target::Mark(generation);
        Self { directory: directory.clone(), path: PathBuf::new(), target }
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
            Target::Mark(generation) => return self.directory.mark_journal(*generation),
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
