//! The store: one data directory, its journal, its logs, and its checkpoints.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::bodies::{self, Bodies};
use super::checkpoint::{CheckpointJob, Prepared, prepare_journal, reuse_journal};
use super::directory::{
    Directory, Ending, QUEUES, SyncFile, journal_path, log_directory, snapshot_path,
};
use super::disk::Disk;
use super::error::StoreError;
use super::files::OpenFiles;
use super::inventory::Inventory;
use super::journal::Journal;
use super::journal_file::{Found, Generations, JournalFile, needed_from, sync_found};
use super::log::QueueLog;
use super::log_state::LogState;
use super::options::StoreOptions;
use super::recovery::Recovery;
use super::segment::{Location, Shelf};
use super::snapshot::Snapshot;
use crate::ids::{QueueId, SyncPoint};
use crate::message::Message;
use crate::mutants::mutant;

/// The journal is at least so many times as long as the last snapshot when a checkpoint pays that is
/// not needed: the router puts the snapshot together and does nothing else meanwhile.
const SNAPSHOT_SHARE: u64 = 16;

/// An open data directory.
pub struct Store {
    directory: Directory,
    options: StoreOptions,
    journal: Journal,
    /// What several queues share.
    bodies: Bodies,
    /// Published snapshots, oldest first.
    snapshots: Vec<u64>,
    /// The length of the last snapshot, in octets.
    snapshot_bytes: u64,
    /// The generation of the snapshot that is being written.
    publishing: Option<(u64, SyncPoint)>,
    /// Journals before the current one, oldest first.
    journals: Vec<Found>,
    /// A file for the next journal.
    spare: Prepared,
    slot_next: u64,
    /// Queues whose logs were asked for, until the first checkpoint shows which are left over.
    known: Mutex<Option<BTreeSet<QueueId>>>,
    /// The run of the operating system; empty if it cannot be told.
    boot: String,
    /// Recovery had to choose or leave out something: no log may be taken for left over.
    guessed: bool,
    /// The next checkpoint accounts for a power cut.
    mark_boot: bool,
    /// Alive while recovery still reads the journals.
    reading: Weak<()>,
    /// What was found in the directory and how it was left, until it is accepted.
    found: Option<(Inventory, Ending)>,
}

impl Store {
    /// Opens the data directory, or makes one, finds out what is to be recovered, and accepts it.
    ///
    /// # Errors
    /// Those of [`Self::examine`] and [`Self::accept`].
    pub fn open(
        disk: Arc<dyn Disk>,
        options: StoreOptions,
    ) -> Result<(Self, Recovery), StoreError> {
        let (mut store, recovery) = Self::examine(disk, options)?;
        store.accept(&recovery)?;
        Ok((store, recovery))
    }

    /// Finds out what is to be recovered from a data directory, and changes nothing in it. The store
    /// is to be [accepted](Self::accept) before anything is written.
    ///
    /// # Errors
    /// If another process has it open, a newer version wrote it, it cannot be read without losing
    /// definitions, or the operating system refuses something.
    pub fn examine(
        disk: Arc<dyn Disk>,
        options: StoreOptions,
    ) -> Result<(Self, Recovery), StoreError> {
        let directory = Directory::open(disk, OpenFiles::new(options.open_files_max))?;
        let ending = directory.ending()?;
        let mut inventory = Inventory::take(&directory)?;
        let reading = Arc::new(());
        let weak = Arc::downgrade(&reading);
        let recovery = Recovery::begin(&directory, &mut inventory, ending, reading)?;
        let newest = inventory.snapshots.last().copied().unwrap_or_default();
        let current = newest.max(inventory.generation_max) + 1;
        let generations = Generations { previous: recovery.last_journal(), current };
        let (file, queue_max) = (JournalFile::unmade(), recovery.queue_max());
        let next_body = recovery.next_body().max(bodies::next_number(&directory)?);
        let bodies = Bodies::new(&directory, options, next_body, Weak::clone(&weak));
        let store = Self {
            boot: directory.disk.boot().unwrap_or_default(),
            bodies,
            journal: Journal::new(directory.clone(), generations, file, &options, queue_max),
            directory,
            options,
            snapshots: inventory.snapshots.clone(),
            snapshot_bytes: 0,
            publishing: None,
            journals: Vec::new(),
            spare: Prepared::default(),
            slot_next: inventory.slot_max + 1,
            known: Mutex::new(Some(BTreeSet::new())),
            guessed: false,
            mark_boot: recovery.cut(),
            reading: weak,
            found: Some((inventory, ending)),
        };
        Ok((store, recovery))
    }

    /// Makes the directory this process's own, and what was found in it durable: a killed process
    /// may have left it unsynced, and what is promised from now on relies on it. Once done, it is
    /// not done again.
    ///
    /// # Errors
    /// The operating system's.
    pub fn accept(&mut self, recovery: &Recovery) -> Result<(), StoreError> {
        let Some((inventory, ending)) = self.found.take() else { return Ok(()) };
        self.directory.take(ending)?;
        let Inventory { snapshots, journals, mut empty, postponed, .. } = inventory;
        postponed.make(&self.directory)?;
        if ending != Ending::Clean && !mutant("recovered_is_not_synced") {
            sync_found(&self.directory, &journals)?;
        }
        let needed_from = needed_from(&snapshots);
        let (needed, needless): (Vec<_>, Vec<_>) =
            journals.into_iter().partition(|found| found.generation >= needed_from);
        self.journals = needed;
        empty.extend(needless.iter().map(|found| found.slot));
        let file = match empty.pop() {
            Some(slot) => reuse_journal(&self.directory, slot)?,
            None => {
                self.slot_next += 1;
                first_journal(&self.directory, self.slot_next - 1, &self.options, recovery)?
            }
        };
        self.journal.begin_in(file);
        let spare = empty.pop().map(|slot| reuse_journal(&self.directory, slot)).transpose()?;
        *self.spare.lock() = spare;
        for slot in empty {
            self.directory.disk.discard(&journal_path(slot));
        }
        self.guessed = recovery.has_guessed();
        if !self.guessed {
            // The journal tells what is in those that were begun after the snapshot.
            bodies::remove_from(&self.directory, recovery.next_body())?;
        }
        self.directory.mark_found(recovery.newest_told(&self.snapshots))
    }

    /// A new, empty log of a queue that never had one. It makes no file before its first flush. That
    /// of a queue that is not durable is gone at the next start.
    pub fn log(&self, queue: QueueId, durable: bool) -> QueueLog {
        QueueLog::new(self.shelf(queue, durable), self.options, self.bodies.clone())
    }

    /// The log of a durable queue as it was at a checkpoint. Of the messages that had been taken
    /// out of it, those at `outstanding` are still not settled after all that happened since.
    ///
    /// # Errors
    /// If its files cannot be listed, opened or cut.
    pub fn restore_log(
        &self,
        queue: QueueId,
        state: &LogState,
        outstanding: impl IntoIterator<Item = Location>,
    ) -> Result<QueueLog, StoreError> {
        QueueLog::restore(self.log(queue, true), state, outstanding)
    }

    fn shelf(&self, queue: QueueId, durable: bool) -> Shelf {
        if let Some(known) = self.known.lock().as_mut().filter(|_| durable) {
            known.insert(queue);
        }
        Shelf { directory: self.directory.clone(), queue, durable }
    }

    /// The data directory's name, for messages to people.
    pub fn name(&self) -> String {
        self.directory.disk.name()
    }

    /// Whether nothing was synced in this directory yet, by this process or an earlier one.
    pub fn is_new(&self) -> bool {
        self.directory.newest_journal() == 0
    }

    /// The journal.
    pub fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }

    /// Names the run of the operating system; empty if it cannot be told.
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// Whether the journal has grown so long that a checkpoint is due.
    pub fn wants_checkpoint(&self) -> bool {
        self.journal.length() >= self.options.journal_bytes_max
    }

    /// Whether a checkpoint would spare the next start a good part of its work, and write little
    /// against what has been written since the last one.
    pub fn gains_by_checkpoint(&self) -> bool {
        let length = self.journal.length();
        length >= self.options.journal_bytes_early.max(SNAPSHOT_SHARE * self.snapshot_bytes)
    }

    /// Ends the journal's generation and begins the next, which the snapshot comes before. All logs
    /// must be flushed; the snapshot is to be filled before anything else is journaled.
    ///
    /// # Errors
    /// Those of [`Journal::write`], or if a file for the journal cannot be made. If that is passing
    /// ([`StoreError::is_passing`]), a checkpoint may begin later.
    pub fn begin_checkpoint(&mut self) -> Result<Snapshot, StoreError> {
        self.journal.write()?;
        let file = self.next_journal()?;
        let generation = self.journal.generation();
        self.journals.push(self.journal.found());
        self.journal.switch(generation + 1, file);
        let (queue_max, next_body) = (self.journal.queue_max(), self.bodies.next_segment());
        Ok(Snapshot::new(generation + 1, queue_max, next_body))
    }

    /// A file for the next generation, with room to go on from when the disk is full.
    fn next_journal(&mut self) -> Result<JournalFile, StoreError> {
        let prepared = self.spare.lock().take();
        let mut file = match prepared {
            Some(file) => file,
            None => self.new_journal()?,
        };
        if file.length < self.options.journal_bytes_spare {
            if let Err(source) = file.file.allocate(self.options.journal_bytes_spare) {
                let error = StoreError::io("reserve room for", &file.path, source);
                *self.spare.lock() = Some(file);
                return Err(error);
            }
            file.length = self.options.journal_bytes_spare;
        }
        Ok(file)
    }

    fn new_journal(&mut self) -> Result<JournalFile, StoreError> {
        let file = JournalFile::create(&self.directory, self.slot_next)?;
        self.slot_next += 1;
        Ok(file)
    }

    /// Hands a filled snapshot over, with what the logs have to have synced before it is published.
    /// The job is to be run on another thread.
    pub fn finish_checkpoint(
        &mut self,
        snapshot: Snapshot,
        mut logs: Vec<SyncFile>,
    ) -> CheckpointJob {
        // Should the snapshot be damaged one day, these are needed with the one before.
        logs.extend(self.journal.older_files());
        logs.extend(self.bodies.sync_files());
        self.snapshot_bytes = snapshot.length();
        self.publishing = Some((snapshot.generation(), self.journal.switched_at()));
        let prepare = self.spare.lock().is_none().then(|| {
            self.slot_next += 1;
            (self.slot_next - 1, self.options.journal_bytes_prepared)
        });
        CheckpointJob {
            directory: self.directory.clone(),
            snapshot,
            logs,
            mark_boot: std::mem::take(&mut self.mark_boot),
            prepare,
            prepared: Arc::clone(&self.spare),
        }
    }

    /// The job has run: what the new snapshot makes needless goes.
    ///
    /// # Errors
    /// If the data directory cannot be listed, or a journal not be opened to be used anew.
    pub fn checkpoint_done(&mut self) -> Result<(), StoreError> {
        if let Some((generation, point)) = self.publishing.take() {
            self.snapshots.push(generation);
            self.journal.supersede(point);
        }
        while self.snapshots.len() > 2 {
            self.directory.disk.discard(&snapshot_path(self.snapshots.remove(0)));
        }
        let needed_from = needed_from(&self.snapshots);
        let needless = self.journals.iter().take_while(|found| found.generation < needed_from);
        let needless = self.journals.drain(..needless.count()).collect::<Vec<_>>();
        for Found { slot, .. } in needless {
            let mut spare = self.spare.lock();
            let wanted = spare.is_none() && self.reading.strong_count() == 0;
            match wanted.then(|| reuse_journal(&self.directory, slot)).transpose() {
                Ok(Some(file)) => *spare = Some(file),
                Err(error) if !error.is_passing() => return Err(error),
                // Another one is made when it is needed.
                Ok(None) | Err(_) => self.directory.disk.discard(&journal_path(slot)),
            }
        }
        self.drop_orphans()
    }

    /// The job could not be run to its end: the snapshots and journals there are stay.
    pub fn checkpoint_failed(&mut self) {
        self.publishing = None;
        self.bodies.sync_again();
    }

    /// Removes the logs of queues that do not exist any more: their removal was cut short by a
    /// crash. If recovery had to guess they are kept in `bad/`: then no one can say which queues
    /// there were.
    fn drop_orphans(&self) -> Result<(), StoreError> {
        let Some(known) = self.known.lock().take() else { return Ok(()) };
        let names = match self.directory.list(QUEUES) {
            Err(error) if error.is_passing() => {
                *self.known.lock() = Some(known); // the next checkpoint tries again
                return Ok(());
            }
            other => other?,
        };
        for name in names {
            let Ok(id) = name.parse().map(QueueId) else { continue };
            if known.contains(&id) {
                continue;
            }
            let path = log_directory(id, true);
            if self.guessed {
                log::warn!("{QUEUES}/{name} belongs to no queue that is known; it is kept");
                self.directory.set_file_aside(&path, &format!("queue-{name}"));
            } else {
                self.directory.disk.discard(&path);
            }
        }
        self.bodies.sweep(self.guessed)
    }

    /// Whether a message that goes to several queues is to be stored once for all of them.
    pub fn shares(&self, message: &Message) -> bool {
        message.body_length() >= self.options.shared_bytes_min
    }

    /// Marks the data directory as left in order. The last checkpoint must be done.
    ///
    /// # Errors
    /// If the mark cannot be made durable.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.journal.write()?;
        self.journal.sync_request().run()?;
        self.journal.in_use().end();
        match self.directory.write_clean_mark() {
            Err(error) if error.is_passing() => {
                log::warn!("{error}: the next start replays the journal");
                return Ok(());
            }
            other => other?,
        }
        self.directory.sync_directory(Path::new(""))
    }
}

/// The first journal file of this process. A full disk does not keep it from starting: what was
/// reserved and not written of earlier journals is given back, and if that is not enough, the
/// journal begins without room.
fn first_journal(
    directory: &Directory,
    slot: u64,
    options: &StoreOptions,
    recovery: &Recovery,
) -> Result<JournalFile, StoreError> {
    match prepare_journal(directory, slot, options.journal_bytes_prepared) {
        Err(error) if error.is_full() => log::warn!("{error}: beginning on a full disk"),
        other => return other,
    }
    recovery.cut_journals()?;
    let file = JournalFile::create(directory, slot)?;
    let wanted = options.journal_bytes_spare;
    let length = if file.file.allocate(wanted).is_ok() { wanted } else { 0 };
    Ok(JournalFile { length, ..file })
}
