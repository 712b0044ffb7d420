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

use super::directory::{Directory, Ending, SNAPSHOTS, is_folder, journal_path, snapshot_path};
use super::error::StoreError;
use super::header::{FileHeader, FileKind, Previous};
use super::inventory::{Inventory, TORN_BYTES_MAX, map};
use super::journal_file::Found;
use super::mapping::Mapping;
use super::snapshot;
use super::survey::{Survey, survey};
use crate::ids::QueueId;

mod entries;

pub use entries::Entries;

/// What was found when the data directory was opened.
pub struct Recovery {
    sources: Vec<Replay>,
    ending: Ending,
    damaged: u64,
    missing: Vec<Missing>,
    /// Journals whose generation another one has.
    doubles: Vec<PathBuf>,
    queue_max: QueueId,
    /// Something was chosen or left out because of what is damaged or missing.
    guessed: bool,
    next_body: u64,
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
    /// What happened, in order. Entries that cannot be read are left out: they were reported and
    /// counted when the files were looked through.
    ///
    /// # Errors
    /// An item is an error if a file cannot be opened, or an entry is whole and says nothing that
    /// this version knows; it is the last one.
    pub fn entries(&self) -> Entries<'_> {
        Entries::new(self)
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

    /// How many entries were found damaged.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// The highest id that a queue was ever known by; ids must not be used again.
    pub fn queue_max(&self) -> QueueId {
        self.queue_max
    }

    /// The segments of bodies that the snapshot may refer to have lower numbers.
    pub(super) fn next_body(&self) -> u64 {
        self.next_body
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
            self.directory.health.attempt("cut", path, cut)?;
        }
        Ok(())
    }

    /// Whether nothing was ever promised that relies on the directory.
    pub fn is_new(&self) -> bool {
        self.directory.is_new()
    }

    /// Whether the directory may hold a world without users: the first format had none at first.
    pub fn may_lack_users(&self) -> bool {
        self.directory.is_first_format() && self.damaged == 0 && !self.sources.is_empty()
    }

    /// Whether something was chosen or left out because of what is damaged or missing: then no one
    /// can say of a log that its queue was deleted.
    pub(super) fn has_guessed(&self) -> bool {
        self.guessed || self.damaged > 0
    }

    /// The newest journal that may be marked as synced when all that was found is.
    pub(super) fn newest_told(&self, snapshots: &[u64]) -> u64 {
        let before = snapshots.last().map_or(0, |newest| newest.saturating_sub(1));
        self.last.generation.max(before)
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
            // Also the number of a log is not used again whose queue is known no more.
            queue_max: QueueId(inventory.log_max),
            guessed: false,
            next_body: 0,
            last: Previous::default(),
            directory: directory.clone(),
            _reading: reading,
        };
        let base = recovery.choose_snapshot(inventory)?;
        recovery.set_doubles_aside(inventory);
        recovery.check_newest(base, inventory)?;
        // Somebody has said that what is missing does not count.
        recovery.guessed |= directory.is_new() && (base > 0 || inventory.log_max > 0);
        recovery.follow(base, inventory)?;
        if recovery.sources.is_empty() && !directory.is_new() {
            return Err(directory.unreadable("its snapshots and journals are missing"));
        }
        Ok(recovery)
    }

    /// The journal that is known to be the newest with anything synced has to be there, unless a
    /// snapshot came later: nothing that follows would miss it.
    fn check_newest(&self, base: u64, inventory: &Inventory) -> Result<(), StoreError> {
        let newest = self.directory.newest_journal();
        let found = |found: &Found| found.generation == newest;
        if newest == 0 || base > newest || inventory.journals.iter().any(found) {
            return Ok(());
        }
        Err(self.directory.unreadable(match (base, inventory.torn.first()) {
            (_, Some(torn)) => torn.clone(),
            (0, None) if inventory.journals.is_empty() => {
                "its snapshots and journals are missing".to_owned()
            }
            _ => format!("its journal {newest}, the newest, is missing or empty"),
        }))
    }

    /// Keeps journals whose generation another one has.
    fn set_doubles_aside(&mut self, inventory: &mut Inventory) {
        for slot in &inventory.doubles {
            let path = journal_path(*slot);
            log::error!("{} is a double of another journal", path.display());
            let name = format!("journal-slot-{slot:04}.journal");
            inventory.postponed.set_aside(path.clone(), &name);
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
                self.leave_out(inventory, &found);
                looks.for_each(|(found, _)| self.leave_out(inventory, &found));
                return Ok(());
            }
            let Survey { entries, .. } = look.survey;
            self.add_journal(&found, look, inventory);
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
        if !here {
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
    fn leave_out(&mut self, inventory: &mut Inventory, found: &Found) {
        let Found { generation, slot, .. } = *found;
        log::warn!("journal {generation} follows on what was never synced");
        let name = format!("journal-{generation:08}.journal.torn");
        inventory.postponed.set_aside(journal_path(slot), &name);
        inventory.journals.retain(|other| other.generation != generation);
    }

    /// The newest whole snapshot's generation; 0 for the empty world that was before the first.
    fn choose_snapshot(&mut self, inventory: &mut Inventory) -> Result<u64, StoreError> {
        let mut damaged = Vec::new();
        while let Some(generation) = inventory.snapshots.pop() {
            let path = snapshot_path(generation);
            let mapping = match map(&self.directory, &path) {
                Err(StoreError::Io { source, .. }) if is_folder(&source) => None,
                other => Some(other?),
            };
            let verify = |mapping: Arc<dyn Mapping>| snapshot::verify(mapping.bytes(), generation);
            if let Some(Ok(whole)) = mapping.map(verify) {
                self.queue_max = self.queue_max.max(whole.queue_max);
                self.next_body = whole.next_body;
                self.sources.push(Replay { path, kind: FileKind::Snapshot, end: None });
                inventory.snapshots.push(generation);
                break;
            }
            log::error!("{} is damaged", path.display());
            damaged.push(path);
        }
        self.damaged += damaged.len() as u64;
        self.guessed |= self.directory.list(SNAPSHOTS)?.iter().any(|name| name.ends_with(".bad"));
        if inventory.snapshots.is_empty() {
            self.check_first(inventory, damaged.len())?;
        }
        for path in damaged {
            let bad = path.with_extension("snapshot.bad");
            inventory.postponed.rename(path, bad);
        }
        Ok(inventory.snapshots.last().copied().unwrap_or_default())
    }

    /// Without a snapshot the journals must reach back to the first one ever written.
    fn check_first(&self, inventory: &Inventory, damaged: usize) -> Result<(), StoreError> {
        let names = self.directory.list(SNAPSHOTS)?;
        let bad = names.iter().filter(|name| name.ends_with(".bad")).count();
        let told = self.directory.newest_journal() > 0;
        // A journal that nothing was written into leaves none: the next one then is the first.
        let first = inventory.journals.first().map(|found| found.previous.generation);
        match first {
            None if damaged + bad == 0 => Ok(()),
            Some(0) if damaged + bad <= 1 => Ok(()),
            // It may be one that does not count.
            Some(_) if damaged + bad == 0 && self.cut() && !told => Ok(()),
            _ if damaged + bad == 0 => Err(self.directory.unreadable("its snapshots are missing")),
            _ => Err(self.directory.unreadable("all of its snapshots are damaged")),
        }
    }

    fn add_journal(&mut self, found: &Found, look: Look, inventory: &mut Inventory) {
        let Look { path, mapping, survey } = look;
        let Survey { end, damaged, torn, .. } = survey;
        let bytes = mapping.bytes();
        let name = |at: usize| format!("journal-{:08}-{at:010}", found.generation);
        for (octets, lost) in damaged {
            let at = octets.start;
            log::error!("{}: {lost} entries are damaged at octet {at}", path.display());
            inventory.postponed.copy(name(at), &mapping, octets);
            self.damaged += u64::from(lost.max(1));
        }
        if let Some(torn) = torn {
            log::warn!("{}: the end is torn at octet {}", path.display(), torn.start);
            let part = &bytes[torn.start..torn.end.min(torn.start.saturating_add(TORN_BYTES_MAX))];
            let used = part.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
            let octets = torn.start..torn.start + used;
            inventory.postponed.copy(format!("{}.torn", name(torn.start)), &mapping, octets);
        }
        self.sources.push(Replay { path, kind: FileKind::Journal, end: Some(end) });
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
