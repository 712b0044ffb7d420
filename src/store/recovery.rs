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
use super::directory::{BAD, Directory, Ending, SNAPSHOTS, journal_path, snapshot_path};
use super::entry::{self, Decoded, Entry};
use super::error::StoreError;
use super::header::{FileHeader, FileKind, Previous};
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
    ending: Ending,
    damaged: u64,
    missing: Vec<Missing>,
    /// Journals whose generation another one has.
    doubles: Vec<PathBuf>,
    /// Whether the entries have been asked for.
    told: bool,
    queue_max: QueueId,
    /// The last journal that is told.
    last: Previous,
    directory: Directory,
    /// As long as this lives no journal is written anew.
    _reading: Arc<()>,
}

/// Entries that are missing at the end of a journal, or all of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    /// At least so many.
    pub entries: u64,
    /// The generation of the journal that tells of them.
    pub before: u64,
}

/// A file to be read from its first entry to its last.
struct Replay {
    path: PathBuf,
    kind: FileKind,
    /// Behind the last entry; None for all of it.
    end: Option<usize>,
}

impl Recovery {
    /// What happened, in order. Entries that cannot be read are left out, and reported and counted
    /// the first time that all is read.
    ///
    /// # Errors
    /// An item is an error if a file cannot be opened; it is the last one.
    pub fn entries(&mut self) -> Entries<'_> {
        let again = std::mem::replace(&mut self.told, true);
        Entries { recovery: self, again, source: 0, open: None }
    }

    /// Whether the last process stopped in order.
    pub fn clean(&self) -> bool {
        self.ending == Ending::Clean
    }

    /// Whether what the last process wrote without syncing it may be gone: there was a power cut,
    /// or nobody can tell.
    pub fn cut(&self) -> bool {
        self.ending == Ending::Cut
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

    /// What is missing between the journals.
    pub(super) fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// Journals that say they are what another one is.
    pub(super) fn doubles(&self) -> &[PathBuf] {
        &self.doubles
    }

    /// Gives back the room behind the last entry of each journal.
    pub(super) fn cut_journals(&self) -> Result<(), StoreError> {
        for Replay { path, end, .. } in &self.sources {
            let Some(end) = *end else { continue };
            let cut = || self.directory.disk.open(path)?.set_len(end as u64);
            self.directory.health.guard("cut", path, cut)?;
        }
        Ok(())
    }

    /// The last journal that is told; it is synced when anything is written behind it.
    pub(super) fn last_journal(&self) -> Previous {
        self.last
    }

    /// Chooses where to begin and looks the journals through.
    pub(super) fn begin(
        directory: &Directory,
        inventory: &mut Inventory,
        ending: Ending,
        reading: Arc<()>,
    ) -> Result<Self, StoreError> {
        let mut recovery = Self {
            sources: Vec::new(),
            ending,
            damaged: 0,
            missing: Vec::new(),
            doubles: Vec::new(),
            told: false,
            queue_max: QueueId::default(),
            last: Previous::default(),
            directory: directory.clone(),
            _reading: reading,
        };
        let base = recovery.choose_snapshot(inventory)?;
        recovery.set_doubles_aside(inventory);
        recovery.follow(base, inventory)?;
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

    /// Looks the journals through from a generation on, one after the other.
    fn follow(&mut self, base: u64, inventory: &mut Inventory) -> Result<(), StoreError> {
        let earlier = inventory.journals.iter().rfind(|found| found.generation < base);
        self.last.generation = earlier.map_or(0, |found| found.generation);
        let mut looks = Vec::new();
        for found in inventory.journals.iter().filter(|found| found.generation >= base) {
            looks.push((*found, look(&self.directory, found, self.cut())?));
        }
        let mut looks = looks.into_iter().peekable();
        while let Some((found, look)) = looks.next() {
            if !self.follows(base, &found, &look, looks.peek().map(|(next, _)| next))? {
                self.leave_out(inventory, &found)?;
                for (found, _) in looks {
                    self.leave_out(inventory, &found)?;
                }
                return Ok(());
            }
            let Survey { entries, .. } = look.survey;
            self.add_journal(&found, look);
            self.last = Previous { generation: found.generation, entries, synced: entries };
        }
        Ok(())
    }

    /// Whether a journal goes on where the last one ends. If something is missing in between that
    /// was synced, that is reported, and what follows is told all the same. What a power cut has
    /// kept of journals behind one that it has not kept does not count: nothing of it was promised.
    fn follows(
        &mut self,
        base: u64,
        found: &Found,
        look: &Look,
        next: Option<&Found>,
    ) -> Result<bool, StoreError> {
        let Found { generation, previous, .. } = *found;
        let begins = self.last.generation < base.max(1);
        let here = self.last.generation == previous.generation;
        let entries = if here && !begins { self.last.entries } else { 0 };
        if (begins && previous.generation < base.max(1)) || (here && entries >= previous.entries) {
            return Ok(true);
        }
        let next_synced = next.is_some_and(|next| next.previous.synced > 0);
        let synced = previous.synced > entries || look.survey.synced > 0 || next_synced;
        if self.cut() && !synced {
            return Ok(false);
        }
        if base == 0 && !here {
            let missing = previous.generation;
            return Err(self.directory.unreadable(format!("its journal {missing} is missing")));
        }
        let missing = previous.entries.saturating_sub(entries).max(1);
        log::error!("{missing} entries or more are missing before journal {generation}");
        self.damaged += missing;
        self.missing.push(Missing { entries: missing, before: generation });
        Ok(true)
    }

    /// Moves a journal out of the way that is not to be told.
    fn leave_out(&self, inventory: &mut Inventory, found: &Found) -> Result<(), StoreError> {
        let Found { generation, slot, .. } = *found;
        log::warn!("journal {generation} follows on what was never synced and is set aside");
        let (path, name) = (journal_path(slot), format!("journal-{generation:08}.journal.torn"));
        let rename = || self.directory.disk.rename(&path, &Path::new(BAD).join(name));
        self.directory.health.guard("rename", &path, rename)?;
        inventory.journals.retain(|other| other.generation != generation);
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
        // A journal that nothing was written into leaves none: the next one then is the first.
        let first = inventory.journals.first().map(|found| found.previous.generation);
        match first {
            None if damaged + bad == 0 => Ok(()),
            Some(0) if damaged + bad <= 1 => Ok(()),
            // It may be one that does not count.
            Some(_) if damaged + bad == 0 && self.cut() => Ok(()),
            _ if damaged + bad == 0 => Err(self.directory.unreadable("its snapshots are missing")),
            _ => Err(self.directory.unreadable("all of its snapshots are damaged")),
        }
    }

    fn add_journal(&mut self, found: &Found, look: Look) {
        let Look { path, mapping, survey } = look;
        let Survey { end, damaged, torn, .. } = survey;
        let bytes = mapping.bytes();
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
    }
}

/// The entries of a [`Recovery`].
pub struct Entries<'a> {
    recovery: &'a mut Recovery,
    /// Whether they were read before.
    again: bool,
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
                        None if self.again => {}
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

/// A journal as it was found.
struct Look {
    path: PathBuf,
    mapping: Arc<dyn Mapping>,
    survey: Survey,
}

fn look(directory: &Directory, found: &Found, cut: bool) -> Result<Look, StoreError> {
    let path = journal_path(found.slot);
    let mapping = map(directory, &path)?;
    // Its header could be read a moment ago.
    let header = FileHeader::decode(FileKind::Journal, mapping.bytes());
    let survey = header.map(|(_, seed)| survey(mapping.bytes(), seed, cut)).unwrap_or_default();
    Ok(Look { path, mapping, survey })
}
