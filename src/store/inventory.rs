//! The files of a data directory that there is to recover from.

use std::path::PathBuf;

use super::directory::{Directory, JOURNALS, SNAPSHOTS, journal_path, number_in};
use super::error::StoreError;
use super::header::{FileHeader, FileKind, HEADER_BYTES};
use super::journal::Found;

/// What the store has to know of what was found.
pub(super) struct Inventory {
    /// Whole snapshots, oldest first.
    pub snapshots: Vec<u64>,
    /// Written journals, oldest first.
    pub journals: Vec<Found>,
    /// Journals with nothing in them.
    pub empty: Vec<u64>,
    pub slot_max: u64,
    /// The highest generation that a journal ever had.
    pub generation_max: u64,
}

impl Inventory {
    /// Finds the snapshots and journals of a data directory, and clears unfinished ones away.
    pub(super) fn take(directory: &Directory) -> Result<Self, StoreError> {
        let mut inventory = Self {
            snapshots: Vec::new(),
            journals: Vec::new(),
            empty: Vec::new(),
            slot_max: 0,
            generation_max: 0,
        };
        for name in directory.list(SNAPSHOTS)? {
            inventory.snapshots.extend(number_in(&name, "snapshot"));
            if name.ends_with(".tmp") {
                let path = PathBuf::from(SNAPSHOTS).join(name);
                directory.health.guard("remove", &path, || directory.disk.remove(&path))?;
            }
        }
        inventory.snapshots.sort_unstable();
        for name in directory.list(JOURNALS)? {
            let Some(slot) = number_in(&name, "journal") else { continue };
            inventory.slot_max = inventory.slot_max.max(slot);
            inventory.look_at_journal(directory, slot)?;
        }
        inventory.journals.sort_unstable_by_key(|found| found.generation);
        Ok(inventory)
    }

    fn look_at_journal(&mut self, directory: &Directory, slot: u64) -> Result<(), StoreError> {
        let path = journal_path(slot);
        let read = || -> std::io::Result<_> {
            let file = directory.disk.open(&path)?;
            let length = usize::try_from(file.len()?).unwrap_or(HEADER_BYTES).min(HEADER_BYTES);
            let mut bytes = [0; HEADER_BYTES];
            file.read_exact_at(&mut bytes[..length], 0)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|source| StoreError::io("read", &path, source))?;
        match FileHeader::decode(FileKind::Journal, &bytes) {
            Some((header, _)) => {
                let (generation, previous) = (header.generation, header.previous());
                self.generation_max = self.generation_max.max(generation);
                self.journals.push(Found { generation, previous, slot });
            }
            None if bytes.iter().all(|octet| *octet == 0) => self.empty.push(slot),
            None => {
                log::error!("{} has no readable header", path.display());
                directory.set_file_aside(&path, &format!("journal-{slot:04}.journal"));
            }
        }
        Ok(())
    }
}
