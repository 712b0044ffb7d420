//! Checkpoints: so that the journal stays short, and what it no longer needs can go.
//!
//! ```text
//!   router: begin ── journal 5 ends, 6 begins; the world is put into snapshot 6 ──▶ finish
//!   job:    sync the logs ─▶ write snapshot 6, sync, rename, sync directory ─▶ make a journal file
//!   router: done ── snapshots 6 and 5 stay, with journals 5 and 6; journal 4 is used anew as 7
//! ```
//!
//! The order is what counts: a snapshot relies on the logs, so they are durable before it has a
//! name; the journals go when the snapshot that makes them needless has one. If any step fails, the
//! older snapshot and all journals since are still there.

use std::sync::Arc;

use parking_lot::Mutex;

use super::directory::{Directory, SyncFile, journal_path};
use super::error::StoreError;
use super::journal_file::JournalFile;
use super::snapshot::Snapshot;
use crate::mutants::mutant;

/// Zeros are written in pieces of this size.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The part of a checkpoint that waits for the disk; it is run by another thread than the router's.
pub struct CheckpointJob {
    pub(super) directory: Directory,
    pub(super) snapshot: Snapshot,
    pub(super) logs: Vec<SyncFile>,
    /// What a power cut has taken is accounted for in the snapshot: this boot can be relied upon.
    pub(super) mark_boot: bool,
    /// The slot of a journal file to be made, and how long.
    pub(super) prepare: Option<(u64, u64)>,
    /// Where it is put.
    pub(super) prepared: Prepared,
}

/// A journal file on its way from the job that made it to the store.
pub(super) type Prepared = Arc<Mutex<Option<JournalFile>>>;

impl CheckpointJob {
    /// Syncs the logs, writes the snapshot and makes it durable.
    ///
    /// # Errors
    /// If the disk is full ([`StoreError::is_passing`]) nothing is lost, and a later checkpoint may
    /// succeed. Any other error is final.
    pub fn run(self) -> Result<(), StoreError> {
        if !mutant("snapshot_before_the_logs") {
            for file in &self.logs {
                file.sync()?;
            }
        }
        self.snapshot.write(&self.directory)?;
        if self.mark_boot {
            match self.directory.write_boot_mark() {
                // Without it the next kill counts as a power cut; that is all.
                Err(error) if error.is_full() => log::warn!("{error}"),
                other => other?,
            }
        }
        if let Some((slot, length)) = self.prepare {
            // Without a prepared file the journal makes one itself; it only takes longer.
            match prepare_journal(&self.directory, slot, length) {
                Err(error) if error.is_passing() => {
                    log::warn!("no journal file in reserve: {error}");
                }
                other => *self.prepared.lock() = Some(other?),
            }
        }
        Ok(())
    }
}

/// Makes a journal file whose octets are on the disk already, as zeros.
pub(super) fn prepare_journal(
    directory: &Directory,
    slot: u64,
    length: u64,
) -> Result<JournalFile, StoreError> {
    let path = journal_path(slot);
    let io = |source| StoreError::io("prepare", &path, source);
    directory.health.check()?;
    let file = directory.disk.create(&path).map_err(io)?;
    let mut at = 0;
    while at < length {
        let part = usize::try_from(length - at).unwrap_or(ZEROS.len()).min(ZEROS.len());
        if let Err(source) = file.write_all_at(&ZEROS[..part], at) {
            // Right now: somebody may need the room, and the name.
            directory.disk.remove(&path).map_err(io)?;
            return Err(io(source));
        }
        at += part as u64;
    }
    SyncFile::open(directory, path.clone(), Arc::clone(&file)).sync()?;
    if let Some(parent) = path.parent() {
        directory.sync_directory(parent)?;
    }
    Ok(JournalFile { slot, path, file, length, new: false })
}

/// A journal's file, to be written anew.
pub(super) fn reuse_journal(directory: &Directory, slot: u64) -> Result<JournalFile, StoreError> {
    let path = journal_path(slot);
    let file = directory.disk.open(&path);
    let file = file.map_err(|source| StoreError::io("open", &path, source))?;
    let length = file.len().map_err(|source| StoreError::io("measure", &path, source))?;
    Ok(JournalFile { slot, path, file, length, new: false })
}
