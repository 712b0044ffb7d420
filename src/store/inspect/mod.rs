//! Looks at a data directory without changing it: what is in each file, and what is wrong with it.
//!
//! ```text
//!   the directory ──▶ each file by itself: header, every record      ──▶ what is in it, problems
//!        │
//!        └─ overlay ─▶ the store as the next broker would open it    ──▶ which problems matter
//! ```
//!
//! The files are read by what recovery reads them with. What recovery would do with them is found
//! out by letting it: on an [`Overlay`], where nothing it does is kept.
//!
//! Left out: what the queues hold in the end. For that the entries must be replayed, which is the
//! broker's work.

use std::path::Path;
use std::sync::Arc;

mod bodies;
mod files;
mod findings;
mod logs;
mod records;

pub use findings::{
    Damage, Inspection, JournalFile, PlainFile, Problem, SegmentFile, SnapshotFile,
};
pub use records::{RawRecord, raw_records};

use super::directory::{Directory, Ending, JOURNALS, Version};
use super::disk::{Disk, Overlay};
use super::error::StoreError;
use super::options::StoreOptions;
use super::recovery::{Missing, Recovery};
use super::store::Store;
use logs::Logs;

/// Looks a data directory through. None if it is none. What cannot be read is a problem among the
/// others.
///
/// # Errors
/// If a directory cannot be listed, or the file `version` not be read.
pub fn inspect(disk: Arc<dyn Disk>) -> Result<Option<Inspection>, StoreError> {
    let directory = Directory::to_read(Arc::clone(&disk));
    let version = directory.read_version()?;
    if version == Version::None && !directory.has_files()? {
        return Ok(None);
    }
    let ending = directory.ending()?;
    let mut inspection = Inspection {
        format: match version {
            Version::Known { format, .. } => Some(format),
            Version::None | Version::Damaged => None,
        },
        clean: ending == Ending::Clean,
        ..Inspection::default()
    };
    inspection.look_at_snapshots(&directory)?;
    inspection.look_at_journals(&directory, ending == Ending::Cut)?;
    let logs = inspection.recover(disk);
    inspection.look_at_logs(&directory, &logs)?;
    inspection.look_at_bodies(&directory)?;
    inspection.look_at_bad(&directory)?;
    Ok(Some(inspection))
}

impl Inspection {
    /// Whether anything is not as it was written.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.refusal.is_some() || !self.problems.is_empty()
    }

    /// Lets recovery read the directory, and learns what it uses.
    fn recover(&mut self, disk: Arc<dyn Disk>) -> Logs {
        let options = StoreOptions { journal_bytes_prepared: 0, ..StoreOptions::default() };
        let mut logs = Logs::default();
        match Store::examine(Arc::new(Overlay::new(disk)), options) {
            Ok((_store, recovery)) => {
                self.mark_used(&recovery);
                for entry in recovery.entries() {
                    match entry {
                        Ok(entry) => logs.learn(entry),
                        Err(error) => self.refusal = Some(error.to_string()),
                    }
                }
                self.check_recovery(&recovery);
            }
            Err(error) => self.refusal = Some(error.to_string()),
        }
        logs
    }

    fn mark_used(&mut self, recovery: &Recovery) {
        for snapshot in &mut self.snapshots {
            snapshot.used = recovery.reads(Path::new(&snapshot.file.path));
        }
        for journal in &mut self.journals {
            journal.used = recovery.reads(Path::new(&journal.file.path));
        }
        let base = self.snapshots.iter().find(|snapshot| snapshot.used);
        let base = base.map_or(0, |snapshot| snapshot.generation);
        let read = |path: &str| {
            self.snapshots.iter().any(|one| one.file.path == path && one.generation > base)
                || self.journals.iter().any(|one| one.file.path == path && one.used)
        };
        for problem in &mut self.problems {
            problem.needed &= read(&problem.path);
        }
    }

    /// Adds what recovery finds wrong with how the files fit together.
    fn check_recovery(&mut self, recovery: &Recovery) {
        for path in recovery.doubles() {
            self.problem(path, None, "another journal has the same generation", true);
        }
        for Missing { entries, before } in recovery.missing() {
            let text = format!("{entries} entries or more are missing before generation {before}");
            self.problems.push(Problem { path: JOURNALS.into(), octet: None, text, needed: true });
        }
    }
}
