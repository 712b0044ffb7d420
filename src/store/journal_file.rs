//! The files of journals: which one was found, which one is written next.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::{Directory, JOURNALS, SNAPSHOTS, SyncFile, journal_path};
use super::disk::{DiskFile, Unmade};
use super::error::StoreError;
use super::header::Previous;
use crate::mutants::mutant;

/// The number of a journal, and the last one before it of which anything was written.
#[derive(Clone, Copy)]
pub(super) struct Generations {
    pub previous: Previous,
    pub current: u64,
}

/// A journal that is in the data directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub generation: u64,
    /// The one that was written before.
    pub previous: Previous,
    pub slot: u64,
}

/// A file that the journal may write next.
pub(super) struct JournalFile {
    pub slot: u64,
    pub path: PathBuf,
    pub file: Arc<dyn DiskFile>,
    pub length: u64,
    /// Whether its name may not be durable yet.
    pub new: bool,
}

impl JournalFile {
    /// The file of a journal before the directory is accepted: nothing can be written to it.
    pub(super) fn unmade() -> Self {
        let (slot, path, length) = Default::default();
        Self { slot, path, file: Arc::new(Unmade), length, new: false }
    }

    /// A new file, without room.
    pub(super) fn create(directory: &Directory, slot: u64) -> Result<Self, StoreError> {
        let path = journal_path(slot);
        let file = directory.disk.create(&path);
        let file = file.map_err(|source| StoreError::io("create", &path, source))?;
        Ok(Self { slot, path, file, length: 0, new: true })
    }

    /// What is to be synced of it: the directory too, if the file is new.
    pub(super) fn sync_files(&self, directory: &Directory) -> Vec<SyncFile> {
        let mut files = vec![SyncFile::open(directory, self.path.clone(), Arc::clone(&self.file))];
        if let Some(parent) = self.path.parent().filter(|_| self.new) {
            files.push(SyncFile::directory(directory, parent.to_owned()));
        }
        files
    }
}

/// Syncs the journals that were found, and the names of journals and snapshots.
pub(super) fn sync_found(directory: &Directory, journals: &[Found]) -> Result<(), StoreError> {
    for found in journals {
        SyncFile::named(directory, journal_path(found.slot)).sync()?;
    }
    directory.sync_directory(Path::new(JOURNALS))?;
    directory.sync_directory(Path::new(SNAPSHOTS))
}

/// The oldest generation that a kept snapshot needs the journal of. Before there are two snapshots
/// the journals reach back to the empty world.
pub(super) fn needed_from(snapshots: &[u64]) -> u64 {
    if mutant("journals_go_too_early") {
        return snapshots.last().map_or(0, |newest| newest + 1);
    }
    if snapshots.len() < 2 { 0 } else { snapshots[0] }
}
