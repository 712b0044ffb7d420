//! Recovery: what the data directory tells, in the order in which it happened.
//!
//! ```text
//!   snapshot 3   snapshot 4 (damaged)
//!   journal 3, journal 4, journal 5       ->  entries of snapshot 3, journals 3, 4 and 5
//! ```
//!
//! The newest snapshot that is whole begins, the journals from its generation on follow. Nothing is
//! changed by reading: a crash while recovering is like no crash at all. Nothing is removed that
//! could not be read, and nothing is made up for it: without any whole beginning the store refuses
//! to open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::codec::Source;
use super::directory::{Directory, SNAPSHOTS, journal_path, snapshot_path};
use super::entry::{self, Decoded, Entry};
use super::error::StoreError;
use super::header::{FileHeader, FileKind};
use super::inventory::{Inventory, TORN_BYTES_MAX, map};
use super::journal::Found;
use super::mapping::Mapping;
use super::record::{self, FIRST_RECORD, Step};
use super::snapshot;
use super::survey::{Survey, survey};
use crate::ids::QueueId;

/// What was found when the data directory was opened.
pub struct Recovery {
    sources: Vec<Replay>,
    clean: bool,
    damaged: u64,
    /// Generations of journals that are missing.
    missing: Vec<u64>,
    /// Journals whose generation another one has.
    doubles: Vec<PathBuf>,
    queue_max: QueueId,
    directory: Directory,
    /// As long as this lives no journal is written anew.
    _reading: Arc<()>,
}

/// A file to be read from its first entry to its last.
struct Replay {
    path: PathBuf,
    kind: FileKind,
    /// Behind the last entry; None for all of it.
    end: Option<usize>,
}

impl Recovery {
    /// What happened, in order. Entries that cannot be read are reported, counted and left out.
    ///
    /// # Errors
    /// An item is an error if a file cannot be opened; it is the last one.
    pub fn entries(&mut self) -> Entries<'_> {
        Entries { recovery: self, source: 0, open: None }
    }

    /// Whether the last process stopped in order.
    pub fn clean(&self) -> bool {
        self.clean
    }

    /// How many entries were found damaged so far.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// The highest id that a queue was ever known by; ids must not be used again.
    pub fn queue_max(&self) -> QueueId {
        self.queue_max
    }

    /// Whether a file is among those that tell the entries.
    pub(super) fn reads(&self, path: &Path) -> bool {
        self.sources.iter().any(|source| source.path == path)
    }

    /// The generations of journals that are missing, though there are newer ones.
    pub(super) fn missing(&self) -> &[u64] {
        &self.missing
    }

    /// Journals that say they are what another one is.
    pub(super) fn doubles(&self) -> &[PathBuf] {
        &self.doubles
    }

    /// Chooses where to begin and looks the journals through.
    pub(super) fn begin(
        directory: &Directory,
        inventory: &mut Inventory,
        clean: bool,
        reading: Arc<()>,
    ) -> Result<Self, StoreError> {
        let mut recovery = Self {
            sources: Vec::new(),
            clean,
            damaged: 0,
            missing: Vec::new(),
            doubles: Vec::new(),
            queue_max: QueueId::default(),
            directory: directory.clone(),
            _reading: reading,
        };
        let base = recovery.choose_snapshot(inventory)?;
        recovery.set_doubles_aside(inventory);
        let mut last = None;
        for found in &inventory.journals {
            if found.generation >= base {
                recovery.check_order(base, last, found)?;
                recovery.add_journal(found)?;
                last = Some(found.generation);
            }
        }
        Ok(recovery)
    }

    /// Keeps journals whose generation another one has.
    fn set_doubles_aside(&mut self, inventory: &Inventory) {
        for slot in &inventory.doubles {
            let path = journal_path(*slot);
            log::error!("{} is a double of another journal", path.display());
            self.directory.set_file_aside(&path, &format!("journal-slot-{slot:04}.journal"));
            self.damaged += 1;
            self.doubles.push(path);
        }
    }

    /// Misses a journal: each one names the one before it, which the base or the list must have.
    fn check_order(
        &mut self,
        base: u64,
        last: Option<u64>,
        found: &Found,
    ) -> Result<(), StoreError> {
        let Found { generation, previous, .. } = *found;
        if last.map_or(previous < base || previous == 0, |last| last == previous) {
            return Ok(());
        }
        if base == 0 {
            return Err(self.directory.unreadable(format!("its journal {previous} is missing")));
        }
        log::error!("journal {previous} is missing before {generation}: what it told is lost");
        self.damaged += 1;
        self.missing.push(previous);
        Ok(())
    }

    /// The newest whole snapshot's generation; 0 for the empty world that was before the first.
    fn choose_snapshot(&mut self, inventory: &mut Inventory) -> Result<u64, StoreError> {
        let mut damaged = Vec::new();
        while let Some(generation) = inventory.snapshots.pop() {
            let path = snapshot_path(generation);
            let mapping = map(&self.directory, &path)?;
            if let Ok(whole) = snapshot::verify(mapping.bytes(), generation) {
                self.queue_max = whole.queue_max;
                self.sources.push(Replay { path, kind: FileKind::Snapshot, end: None });
                inventory.snapshots.push(generation);
                break;
            }
            log::error!("{} is damaged", path.display());
            damaged.push(path);
        }
        self.damaged += damaged.len() as u64;
        if inventory.snapshots.is_empty() {
            self.check_first(inventory, damaged.len())?;
        }
        for path in damaged {
            let bad = path.with_extension("snapshot.bad");
            let rename = || self.directory.disk.rename(&path, &bad);
            self.directory.health.guard("rename", &path, rename)?;
        }
        Ok(inventory.snapshots.last().copied().unwrap_or_default())
    }

    /// Without a snapshot the journals must reach back to the first one ever written.
    fn check_first(&self, inventory: &Inventory, damaged: usize) -> Result<(), StoreError> {
        let names = self.directory.list(SNAPSHOTS)?;
        let bad = names.iter().filter(|name| name.ends_with(".bad")).count();
        let first = inventory.journals.first().map(|found| found.generation);
        match first {
            None if damaged + bad == 0 => Ok(()),
            Some(1) if damaged + bad <= 1 => Ok(()),
            _ if damaged + bad == 0 => Err(self.directory.unreadable("its snapshots are missing")),
            _ => Err(self.directory.unreadable("all of its snapshots are damaged")),
        }
    }

    fn add_journal(&mut self, found: &Found) -> Result<(), StoreError> {
        let path = journal_path(found.slot);
        let mapping = map(&self.directory, &path)?;
        let bytes = mapping.bytes();
        let Some((_, seed)) = FileHeader::decode(FileKind::Journal, bytes) else { return Ok(()) };
        let Survey { end, damaged, torn, .. } = survey(bytes, seed);
        let name = |at: usize| format!("journal-{:08}-{at:010}", found.generation);
        for (octets, lost) in damaged {
            let at = octets.start;
            log::error!("{}: {lost} entries are damaged at octet {at}", path.display());
            self.directory.set_aside(&name(at), &bytes[octets]);
            self.damaged += u64::from(lost.max(1));
        }
        if let Some(torn) = torn {
            log::warn!("{}: the end is torn at octet {}", path.display(), torn.start);
            let part = &bytes[torn.start..torn.end.min(torn.start.saturating_add(TORN_BYTES_MAX))];
            let used = part.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
            self.directory.set_aside(&format!("{}.torn", name(torn.start)), &part[..used]);
        }
        self.sources.push(Replay { path, kind: FileKind::Journal, end: Some(end) });
        Ok(())
    }
}

/// The entries of a [`Recovery`].
pub struct Entries<'a> {
    recovery: &'a mut Recovery,
    source: usize,
    open: Option<OpenReplay>,
}

struct OpenReplay {
    mapping: Arc<dyn Mapping>,
    seed: u32,
    end: usize,
    at: usize,
    least: u32,
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(open) = &mut self.open else {
                match self.open_next()? {
                    Ok(open) => self.open = Some(open),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            let bytes = &open.mapping.bytes()[..open.end];
            match record::step(bytes, open.at, open.seed, open.least) {
                Step::Record(record) => {
                    (open.at, open.least) = (record.payload.end, record.sequence.saturating_add(1));
                    let start = record.payload.start;
                    match entry::decode(bytes, Source::new(bytes, record.payload)) {
                        Some(Decoded::Entry(entry)) => return Some(Ok(entry)),
                        Some(Decoded::End { .. }) => {}
                        None => {
                            log::error!("an entry at octet {start} says nothing that is known");
                            self.recovery.damaged += 1;
                        }
                    }
                }
                Step::Damaged(range) => open.at = range.end,
                Step::End { .. } => self.open = None,
            }
        }
    }
}

impl Entries<'_> {
    fn open_next(&mut self) -> Option<Result<OpenReplay, StoreError>> {
        let Replay { path, kind, end } = self.recovery.sources.get(self.source)?;
        self.source += 1;
        let opened = map(&self.recovery.directory, path).and_then(|mapping| {
            let bytes = mapping.bytes();
            let Some((_, seed)) = FileHeader::decode(*kind, bytes) else {
                let changed = std::io::Error::other("it was changed since it was looked through");
                return Err(StoreError::io("read", path, changed));
            };
            let end = end.unwrap_or(bytes.len()).min(bytes.len());
            Ok(OpenReplay { mapping, seed, end, at: FIRST_RECORD, least: 0 })
        });
        if opened.is_err() {
            self.source = self.recovery.sources.len();
        }
        Some(opened)
    }
}
