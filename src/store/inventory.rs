//! What there is to recover from: which snapshots and journals are in the data directory.
//!
//! A journal is told from a file that waits to be used by its header, which is there twice. One
//! that has lost both copies may have told anything, so nothing is begun without it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::{
    Directory, JOURNALS, Postponed, QUEUES, SNAPSHOTS, is_folder, journal_path, number_in,
};
use super::error::StoreError;
use super::header::{FileHeader, FileKind, HEADER_BYTES};
use super::journal_file::Found;
use super::mapping::Mapping;
use super::record;
use super::survey::survey;

/// No more than this is copied aside of a journal's torn end.
pub(super) const TORN_BYTES_MAX: usize = 4 << 20;

/// What the store has to know of what was found.
#[derive(Default)]
pub(super) struct Inventory {
    /// Whole snapshots, oldest first.
    pub snapshots: Vec<u64>,
    /// Written journals, oldest first.
    pub journals: Vec<Found>,
    /// Journals with nothing in them.
    pub empty: Vec<u64>,
    /// Journals whose generation another one has.
    pub doubles: Vec<u64>,
    pub slot_max: u64,
    /// The highest generation that a journal ever had.
    pub generation_max: u64,
    /// The highest number that a log has, whether or not its queue is known.
    pub log_max: u64,
    /// What is wrong with journals that were cut off in their headers, if that is what they are.
    pub torn: Vec<String>,
    /// What is to be changed when the directory is accepted.
    pub postponed: Postponed,
}

impl Inventory {
    /// Finds the snapshots and journals of a data directory. Unfinished ones are to be removed.
    pub(super) fn take(directory: &Directory) -> Result<Self, StoreError> {
        let mut inventory = Self::default();
        for name in directory.list(SNAPSHOTS)? {
            inventory.snapshots.extend(number_in(&name, "snapshot"));
            if name.ends_with(".tmp") {
                let path = PathBuf::from(SNAPSHOTS).join(name);
                inventory.postponed.remove(path);
            }
        }
        inventory.snapshots.sort_unstable();
        for name in directory.list(JOURNALS)? {
            let Some(slot) = number_in(&name, "journal") else { continue };
            inventory.slot_max = inventory.slot_max.max(slot);
            inventory.look_at_journal(directory, slot)?;
        }
        inventory.journals.sort_unstable_by_key(|found| (found.generation, found.slot));
        inventory.part_doubles();
        for slot in std::mem::take(&mut inventory.empty) {
            if inventory.look_at_empty(directory, slot)? {
                inventory.empty.push(slot);
            }
        }
        let logs = directory.list(QUEUES)?.into_iter().filter_map(|name| name.parse().ok());
        inventory.log_max = logs.max().unwrap_or_default();
        Ok(inventory)
    }

    fn look_at_journal(&mut self, directory: &Directory, slot: u64) -> Result<(), StoreError> {
        let path = journal_path(slot);
        let read = || -> std::io::Result<_> {
            let file = directory.disk.open(&path)?;
            let length = usize::try_from(file.len()?).unwrap_or(HEADER_BYTES).min(HEADER_BYTES);
            let mut bytes = [0; HEADER_BYTES];
            file.read_exact_at(&mut bytes[..length], 0)?;
            Ok((bytes, length))
        };
        let (bytes, length) = read().map_err(|source| match is_folder(&source) {
            true => directory.unreadable(format!("{} is a folder", path.display())),
            false => StoreError::io("read", &path, source),
        })?;
        match FileHeader::decode(FileKind::Journal, &bytes[..length]) {
            Some((header, _)) => {
                let (generation, previous) = (header.generation, header.previous());
                self.generation_max = self.generation_max.max(generation);
                self.journals.push(Found { generation, previous, slot });
            }
            None if bytes.iter().all(|octet| *octet == 0) => self.empty.push(slot),
            // Without it recovery cannot tell whether something is missing. A write that has failed
            // in the header leaves nothing behind it, and no mark.
            None => {
                let reason = format!("both headers of {} are damaged", path.display());
                let mapping = map(directory, &path)?;
                let rest = mapping.bytes().get(HEADER_BYTES..).unwrap_or_default();
                if directory.newest_journal() == 0 || rest.iter().any(|octet| *octet != 0) {
                    return Err(directory.unreadable(reason));
                }
                log::warn!("{reason}, and nothing follows them");
                self.postponed.copy(format!("journal-slot-{slot:04}.torn"), &mapping, 0..length);
                self.postponed.remove(path);
                self.torn.push(reason);
            }
        }
        Ok(())
    }

    /// Whether a journal that has no header is empty. One that is not was torn when it was begun, and
    /// is to be removed then, or it has lost its header since: then its entries say that some of
    /// them were synced. Two of them that stand one behind the other tell what their checksums begin
    /// with.
    fn look_at_empty(&mut self, directory: &Directory, slot: u64) -> Result<bool, StoreError> {
        let path = journal_path(slot);
        let mapping = map(directory, &path)?;
        let bytes = mapping.bytes();
        let Some(last) = bytes.iter().rposition(|octet| *octet != 0) else { return Ok(true) };
        let seed = record::seed_of_entries(bytes);
        if seed.is_some_and(|seed| survey(bytes, seed, false).synced > 0) {
            let reason = format!("both headers of {} are gone", path.display());
            return Err(directory.unreadable(reason));
        }
        log::warn!("{} is torn at its beginning", path.display());
        let torn = HEADER_BYTES.min(last)..last.saturating_add(1).min(TORN_BYTES_MAX);
        self.postponed.copy(format!("journal-slot-{slot:04}.torn"), &mapping, torn);
        // The next journal may be of the same generation: what is in this one would pass for its
        // own.
        self.postponed.remove(path);
        Ok(false)
    }

    /// Takes out journals that say they are what another one is: copies, which somebody has put in
    /// the place of what is missing now.
    fn part_doubles(&mut self) {
        let mut last = None;
        self.journals.retain(|found| {
            let double = last.replace(found.generation) == Some(found.generation);
            if double {
                self.doubles.push(found.slot);
            }
            !double
        });
    }
}

/// A file's octets.
pub(super) fn map(directory: &Directory, path: &Path) -> Result<Arc<dyn Mapping>, StoreError> {
    let map = || {
        let file = directory.disk.open(path)?;
        let length = usize::try_from(file.len()?).unwrap_or(usize::MAX);
        file.map(length, length)
    };
    map().map_err(|source| StoreError::io("map", path, source))
}
