//! The small files that say what the directory is, and how it was left.
//!
//! ```text
//!   version   "leveret 2"              the first start has begun: nothing was promised yet
//!             "journal 7 <checksum>"   second line: something of journal 7 is synced
//!   boot      "3f1c.."                 the boot of the operating system
//!   clean     "stopped in order"
//! ```
//!
//! The second line of `version` is written after the first sync of each journal, before anything is
//! promised that relies on it. So a directory that has lost what it held is told from one that
//! never held anything, and a journal that is gone is missed although nothing follows it.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::{BAD, BODIES, Directory, JOURNALS, NewFile, QUEUES, SNAPSHOTS, TRANSIENT, TRASH};
use crate::store::error::{BOOT, StoreError};
use crate::store::header::FORMAT;

const VERSION: &str = "version";
const CLEAN: &str = "clean";
const CLEAN_TEXT: &str = "stopped in order\n";

/// The text of a mark is no longer than this, in bytes.
const MARK_BYTES_MAX: usize = 96;

/// How the process before this one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Ending {
    /// In order.
    Clean,
    /// It was killed, but the operating system went on: what was written is there.
    Killed,
    /// The power went, or recovery cannot tell: what was not synced may be gone.
    Cut,
}

/// What the file `version` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) enum Version {
    /// There is no such file.
    #[default]
    None,
    /// Its text is none that any version of Leveret has written.
    Damaged,
    /// The format, and the newest journal of which something is known to be synced; 0 for none.
    Known { format: u32, journal: u64 },
}

/// The newest journal that the file `version` names. Only threads that wait for the disk write it.
#[derive(Default)]
pub(super) struct Newest {
    journal: AtomicU64,
    writing: Mutex<()>,
    /// There was no room for a newer one.
    behind: AtomicBool,
}

impl Version {
    fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let format = lines.next().and_then(|line| line.strip_prefix("leveret "));
        let format = format.and_then(|number| number.parse().ok()).filter(|format| *format > 0);
        let journal = match lines.next() {
            None => Some(0),
            Some(line) => journal_in(line),
        };
        match (format, journal, lines.next()) {
            // A later format may say more.
            (Some(format), _, _) if format > FORMAT => Self::Known { format, journal: 0 },
            (Some(format), Some(journal), None) => Self::Known { format, journal },
            _ => Self::Damaged,
        }
    }

    fn text(journal: u64) -> String {
        let first = format!("leveret {FORMAT}\n");
        if journal == 0 { first } else { format!("{first}{}\n", journal_line(journal)) }
    }
}

fn journal_line(journal: u64) -> String {
    let line = format!("journal {journal}");
    format!("{line} {:08x}", crc32c::crc32c(line.as_bytes()))
}

fn journal_in(line: &str) -> Option<u64> {
    let journal = line.strip_prefix("journal ")?.split(' ').next()?.parse().ok()?;
    (journal > 0 && line == journal_line(journal)).then_some(journal)
}

impl Directory {
    /// Refuses a directory that this version cannot read, and learns what `version` says.
    pub(super) fn check_version(&mut self) -> Result<(), StoreError> {
        self.version = self.read_version()?;
        match self.version {
            Version::None if self.has_files()? => {
                Err(self.unreadable("its file `version` (`leveret 2`) is missing"))
            }
            Version::Damaged => Err(self.unreadable("its file `version` (`leveret 2`) is damaged")),
            Version::Known { format: found, .. } if found > FORMAT => {
                Err(StoreError::NewerFormat { directory: self.disk.name(), found, known: FORMAT })
            }
            Version::Known { journal, .. } => {
                self.newest.journal.store(journal, Ordering::Release);
                Ok(())
            }
            Version::None => Ok(()),
        }
    }

    /// What the file `version` says.
    pub(in crate::store) fn read_version(&self) -> Result<Version, StoreError> {
        match self.read_mark(VERSION) {
            Err(StoreError::Io { source, .. }) if is_folder(&source) => Ok(Version::Damaged),
            other => Ok(other?.map_or(Version::None, |text| Version::read(&text))),
        }
    }

    /// Whether there is anything that only a process with an open store makes, whatever the file
    /// `version` says.
    pub(in crate::store) fn has_files(&self) -> Result<bool, StoreError> {
        let known = [JOURNALS, SNAPSHOTS, QUEUES, BODIES, TRANSIENT, TRASH, BAD, BOOT, CLEAN];
        let names = self.list("")?;
        Ok(names.iter().any(|name| known.contains(&name.as_str())))
    }

    /// Whether nothing was ever promised that relies on this directory: it may be empty.
    pub(in crate::store) fn is_new(&self) -> bool {
        match self.version {
            Version::None => true,
            // The first format did not say.
            Version::Known { format, journal } => format > 1 && journal == 0,
            Version::Damaged => false,
        }
    }

    /// Whether a process of the first format has written it last, which marked no journals and at
    /// first made no users.
    pub(in crate::store) fn is_first_format(&self) -> bool {
        matches!(self.version, Version::Known { format: 1, .. })
    }

    /// The newest journal of which something is known to be synced; 0 if none is known.
    pub(in crate::store) fn newest_journal(&self) -> u64 {
        self.newest.journal.load(Ordering::Acquire)
    }

    /// Notes that something of a journal is synced. The first time that must succeed. Later the name
    /// of an older journal stays where there is no room for the note, and the next sync tries again:
    /// what is promised does not rely on it.
    pub(in crate::store) fn mark_journal(&self, generation: u64) -> Result<(), StoreError> {
        let _writing = self.newest.writing.lock();
        let before = self.newest_journal();
        if before >= generation {
            return Ok(());
        }
        match self.write_mark(VERSION, &Version::text(generation)) {
            Err(error) if error.is_passing() && before > 0 => {
                if !self.newest.behind.swap(true, Ordering::Relaxed) {
                    log::warn!("{error}: it still names journal {before}");
                }
                return Ok(());
            }
            other => other?,
        }
        self.newest.journal.store(generation, Ordering::Release);
        self.newest.behind.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Makes an empty directory one of this format.
    pub(super) fn write_version(&self) -> Result<(), StoreError> {
        self.write_mark(VERSION, &Version::text(0))
    }

    /// Makes the directory one of this format, in which everything up to this journal is synced.
    pub(in crate::store) fn mark_found(&self, generation: u64) -> Result<(), StoreError> {
        let ours = matches!(self.version, Version::Known { format: FORMAT, .. });
        match self.mark_journal(generation) {
            // Without room the first sync does it. What an older version would read wrong must not
            // be written before.
            Err(error) if error.is_passing() && ours => {
                log::warn!("{error}");
                Ok(())
            }
            other => other,
        }
    }

    /// How the last process ended; [`Ending::Cut`] as long as one runs.
    pub(in crate::store) fn ending(&self) -> Result<Ending, StoreError> {
        if self.read_text(CLEAN)?.is_some_and(|text| text == CLEAN_TEXT) {
            return Ok(Ending::Clean);
        }
        let boot = self.disk.boot().map(|boot| format!("{boot}\n"));
        let same = boot.is_some() && self.read_text(BOOT)? == boot;
        let nothing = self.version == Version::None;
        Ok(if same || nothing { Ending::Killed } else { Ending::Cut })
    }

    /// Takes the marks of the last process away.
    pub(in crate::store) fn take_ending(&self, ending: Ending) -> Result<(), StoreError> {
        for mark in [CLEAN, BOOT] {
            if self.disk.open(Path::new(mark)).is_err_and(|error| is_folder(&error)) {
                self.set_file_aside(Path::new(mark), mark);
            }
        }
        if ending == Ending::Clean || self.version == Version::None {
            // Before the mark goes: the next process has to rely on either.
            match self.write_boot_mark() {
                // Without it the next kill counts as a power cut; that is all.
                Err(error) if error.is_passing() => log::warn!("{error}"),
                other => other?,
            }
        }
        let path = Path::new(CLEAN);
        self.health.attempt("remove", path, || self.disk.remove(path))
    }

    /// Notes under which boot of the operating system the directory is used. From now on all that
    /// was written is there as long as that is the same, synced or not.
    pub(in crate::store) fn write_boot_mark(&self) -> Result<(), StoreError> {
        match self.disk.boot() {
            Some(boot) => self.write_mark(BOOT, &format!("{boot}\n")),
            None => Ok(()),
        }
    }

    /// Says that this process stopped in order.
    pub(in crate::store) fn write_clean_mark(&self) -> Result<(), StoreError> {
        self.write_mark(CLEAN, CLEAN_TEXT)
    }

    /// As [`Self::read_mark`]; a folder in the place of the file is no mark.
    fn read_text(&self, name: &str) -> Result<Option<String>, StoreError> {
        match self.read_mark(name) {
            Err(StoreError::Io { source, .. }) if is_folder(&source) => Ok(None),
            other => other,
        }
    }

    /// The text of a small file; None if there is none.
    fn read_mark(&self, name: &str) -> Result<Option<String>, StoreError> {
        let path = Path::new(name);
        let read = || -> io::Result<String> {
            let file = self.disk.open(path)?;
            let length = usize::try_from(file.len()?).unwrap_or(MARK_BYTES_MAX);
            let mut bytes = vec![0; length.min(MARK_BYTES_MAX)];
            file.read_exact_at(&mut bytes, 0)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).map_err(|source| StoreError::io("read", path, source)),
        }
    }

    fn write_mark(&self, name: &str, text: &str) -> Result<(), StoreError> {
        self.health.check()?;
        let file = NewFile::create(self, Path::new(name))?;
        // An error here is not final: nothing relies on the file before it has its name.
        let written = file.file.write_all_at(text.as_bytes(), 0);
        written.map_err(|source| StoreError::io("write", Path::new(name), source))?;
        file.publish(self)
    }
}

/// Whether an error says that there is a folder where a file should be.
pub(in crate::store) fn is_folder(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::IsADirectory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_damage_makes_another_version_of_a_version() {
        for journal in [0, 1, 7, u64::MAX] {
            let text = Version::text(journal);
            assert!(text.len() < MARK_BYTES_MAX);
            assert_eq!(Version::read(&text), Version::Known { format: FORMAT, journal });
            for bit in 0..8 * text.len() {
                let mut octets = text.clone().into_bytes();
                octets[bit / 8] ^= 1 << (bit % 8);
                let found = Version::read(&String::from_utf8_lossy(&octets));
                let other = |format| format != FORMAT;
                let told = match found {
                    Version::Known { format, .. } => other(format),
                    Version::None | Version::Damaged => true,
                };
                // A line's end of another kind says the same.
                let same = found == Version::read(&text) && text.as_bytes()[bit / 8] == b'\n';
                assert!(told || same, "bit {bit} of {text:?} makes {found:?}");
            }
        }
        assert_eq!(Version::read(""), Version::Damaged);
        assert_eq!(Version::read("leveret 1\n"), Version::Known { format: 1, journal: 0 });
        assert_eq!(Version::read("leveret 2\njournal 7\n"), Version::Damaged);
    }
}
