//! Any file or folder missing, emptied, zeroed, or replaced by a folder or a file.
//!
//! Whatever is lost, a start either refuses, changes nothing and refuses again, or says that
//! something is missing; and it never begins with an empty world.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::super::Disk;
use super::super::*;
use super::golden::{Golden, Outcome, serve, unique};

/// The names that a data directory has.
const NAMES: [&str; 9] =
    ["version", "journal", "snapshots", "queues", "bodies", "transient", "bad", "boot", "clean"];

/// What happens to a file or a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Missing,
    Emptied,
    Zeroed,
    Folder,
    File,
}

impl Loss {
    fn befall(self, disk: &MemoryDisk, path: &Path) {
        match self {
            Self::Emptied => _ = disk.damage(path, Vec::clear),
            Self::Zeroed => _ = disk.damage(path, |octets| octets.fill(0)),
            Self::Missing | Self::Folder | Self::File => disk.remove(path).unwrap(),
        }
        match self {
            Self::Folder => disk.create_directory(path).unwrap(),
            Self::File => disk.create(path).unwrap().write_all_at(b"?", 0).unwrap(),
            Self::Missing | Self::Emptied | Self::Zeroed => {}
        }
    }
}

/// A directory as its last process left it.
struct Left {
    name: &'static str,
    disk: MemoryDisk,
    /// Who must be served, or said to be lost.
    world: BTreeSet<(u64, u64)>,
}

/// The first messages, all promised.
fn begin(disk: &MemoryDisk) -> (Store, QueueLog) {
    let (mut store, _) = open(disk);
    store.journal().define("/", QUEUE, b"declare 7");
    let mut log = store.log(QUEUE, true);
    for number in 0..20 {
        let place = Place { queue: QUEUE, ordinal: Ordinal(number), deliveries: 0 };
        store.journal().publish(&[place], &unique(7, number).0, Timestamp(1000 + number));
        log.append(Ordinal(number), &unique(7, number).0, Timestamp(1000 + number));
    }
    store.journal().write().unwrap();
    log.flush().unwrap();
    sync(&mut store);
    (store, log)
}

/// Directories before and after the first checkpoint, and before and after the first clean stop.
fn all_left() -> Vec<Left> {
    let mut all = Vec::new();
    let first: BTreeSet<_> = (0..20).map(|number| (7, number)).collect();
    for (name, checkpoints) in [("new", 0), ("one checkpoint", 1), ("three checkpoints", 3)] {
        let disk = MemoryDisk::new();
        let (mut store, mut log) = begin(&disk);
        for _ in 0..checkpoints {
            checkpoint(&mut store, &mut log, 20, &[]);
        }
        all.push(Left { name, disk: disk.killed(), world: first.clone() });
        store.close().unwrap();
        all.push(Left { name, disk: disk.killed(), world: first.clone() });
    }
    let golden = Golden::new();
    let world = golden.world.keys().filter(|key| !golden.unsynced.contains(*key));
    let world = world.copied().collect();
    all.push(Left { name: "golden", disk: golden.disk, world });
    all
}

/// All names and octets.
fn contents(disk: &MemoryDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| {
        let mut copy = Vec::new();
        disk.damage(&path, |octets| copy.clone_from(octets));
        (path, copy)
    };
    disk.files().into_iter().map(read).collect()
}

/// Starts again and again. What comes out the first time; `None` if it is refused.
fn start(disk: &MemoryDisk, what: &str) -> Option<Outcome> {
    let before = contents(disk);
    match serve(disk) {
        Ok(outcome) => {
            let again = serve(&disk.killed()).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(again.world, outcome.world, "{what}: the second start");
            Some(outcome)
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("data directory (in memory)"), "{what}: {text}");
            for _ in 0..2 {
                assert_eq!(contents(disk), before, "{what}: a refused start changes nothing");
                let again = serve(disk).err().map(|error| error.to_string());
                assert_eq!(again.as_ref(), Some(&text), "{what}: a refused start is refused again");
            }
            None
        }
    }
}

impl Left {
    /// Checks that what is not served is said to be lost.
    fn check(&self, disk: &MemoryDisk, what: &str) {
        let what = format!("{}: {what}", self.name);
        let Some(outcome) = start(disk, &what) else { return };
        let served = |key: &&(u64, u64)| !outcome.world.contains_key(*key);
        let lost = self.world.iter().filter(served).count() as u64;
        let told = outcome.damaged + outcome.missing;
        assert!(lost == 0 || told > 0, "{what}: {lost} lost without a word");
    }
}

#[test]
fn whatever_file_or_folder_is_lost_is_missed() {
    for left in all_left() {
        let files = left.disk.files();
        for path in &files {
            for loss in [Loss::Missing, Loss::Emptied, Loss::Zeroed, Loss::Folder] {
                let disk = left.disk.killed();
                loss.befall(&disk, path);
                left.check(&disk, &format!("{} {loss:?}", path.display()));
            }
        }
        let parents = files.iter().flat_map(|path| path.ancestors().skip(1));
        let folders: BTreeSet<_> = parents.filter(|path| *path != Path::new("")).collect();
        for path in folders {
            for loss in [Loss::Missing, Loss::File] {
                let disk = left.disk.killed();
                loss.befall(&disk, path);
                left.check(&disk, &format!("{} {loss:?}", path.display()));
            }
        }
    }
}

/// A kill and a power cut may come with it, or the directory is a copy on another machine.
#[test]
fn whatever_is_lost_together_is_missed() {
    for left in all_left() {
        for set in 0..1_u32 << NAMES.len() {
            let lost: Vec<_> = (0..NAMES.len()).filter(|bit| set >> bit & 1 == 1).collect();
            // With all that a store has made, the knowledge is gone that there was one.
            if lost.len() == NAMES.len() {
                continue;
            }
            let disk = left.disk.killed();
            for place in &lost {
                disk.remove(Path::new(NAMES[*place])).unwrap();
            }
            let everything = NAMES.iter().all(|name| {
                let path = Path::new(name);
                let gone = |file: &PathBuf| !file.starts_with(path);
                disk.files().iter().all(gone) && disk.list(path).unwrap().is_empty()
            });
            let names = disk.list(Path::new("")).unwrap();
            if !(everything && names.iter().all(|name| name == "lock")) {
                let names: Vec<_> = lost.iter().map(|place| NAMES[*place]).collect();
                left.check(&disk, &format!("without {names:?}"));
            }
        }
    }
}

/// Each journal and each snapshot, in all combinations, with a power cut or without.
#[test]
fn whichever_journals_and_snapshots_are_lost_together_are_missed() {
    for left in all_left() {
        let mut kept = left.disk.files();
        kept.retain(|path| path.starts_with("journal") || path.starts_with("snapshots"));
        for set in 0..1_u32 << kept.len() {
            for loss in [Loss::Missing, Loss::Emptied, Loss::Zeroed] {
                for disk in [left.disk.killed(), left.disk.cut()] {
                    for (bit, path) in kept.iter().enumerate() {
                        if set >> bit & 1 == 1 {
                            loss.befall(&disk, path);
                        }
                    }
                    left.check(&disk, &format!("{set:b} of {kept:?} {loss:?}"));
                }
            }
        }
    }
}

/// Messages of a queue whose definition is lost may still be wanted.
#[test]
fn a_run_that_had_to_guess_removes_no_log() {
    let disk = MemoryDisk::new();
    let (mut store, mut log) = begin(&disk);
    checkpoint(&mut store, &mut log, 20, &[]);
    checkpoint(&mut store, &mut log, 20, &[]);
    let disk = disk.killed();
    let newest = files(&disk, "snapshots/").pop().unwrap();
    disk.damage(&newest, |octets| octets.fill(0));
    let octets = contents(&disk)[Path::new("queues/7/00000001.segment")].clone();
    let (mut store, recovery) = open(&disk);
    assert!(recovery.queue_max() >= QUEUE, "its number is not used again");
    // The log of another queue is all that is known now.
    let mut other = store.log(QueueId(8), true);
    checkpoint(&mut store, &mut other, 1, &[]);
    let kept = contents(&disk);
    assert_eq!(kept.get(Path::new("bad/queue-7/00000001.segment")), Some(&octets));
}
