//! Every way to damage a small store, one at a time: what is served then, and what is said of it.
//!
//! ```text
//!   snapshot 3 ─ journal 3 ─ snapshot 4 ─ journal 4        queues/7: two segments, one message out
//! ```
//!
//! Whatever is damaged, nobody is served octets that were not published, what is not hit is served,
//! and what is lost is counted and kept. `leveret inspect` says the same as recovery.
//!
//! In the quick form every 701st bit is flipped, and so on; with `LEVERET_FULL=1` every one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::super::{Disk, inspect};
use super::*;

const SECTOR: usize = 512;

/// Each queue's messages, by ordinal.
type World = BTreeMap<(u64, u64), Vec<u8>>;

/// A store and what was done to it.
struct Golden {
    disk: MemoryDisk,
    /// All that was published.
    published: World,
    /// What is not settled.
    world: World,
    /// Entries of the last journal that nothing says were synced.
    unsynced: BTreeSet<(u64, u64)>,
    /// The last of them.
    last: BTreeSet<(u64, u64)>,
}

/// What a process makes of a disk.
struct Outcome {
    world: World,
    damaged: u64,
}

/// A persistent message whose octets are found nowhere else.
fn unique(queue: u64, number: u64) -> (Message, Vec<u8>) {
    let mut state = queue * 1_000_003 + number * 7919 + 1;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        state.to_le_bytes()[6]
    });
    let body: Vec<u8> = noise.take(30 + (number as usize % 5) * 40).collect();
    (Message::from_parts("", b"work", &[0x10, 0, 2], &body, true), body)
}

impl Golden {
    fn new() -> Self {
        let disk = MemoryDisk::new();
        let mut golden = Self {
            disk,
            published: World::new(),
            world: World::new(),
            unsynced: BTreeSet::new(),
            last: BTreeSet::from([(8, 11)]),
        };
        let (mut store, _) = open(&golden.disk);
        store.journal().define("/", QUEUE, b"declare 7");
        store.journal().define("/", QueueId(8), b"declare 8");
        let mut log = store.log(QUEUE, true);
        let mut out = None;
        for number in 0..60 {
            golden.publish(&mut store, 7, number);
            log.append(Ordinal(number), &unique(7, number).0, Timestamp(1000 + number));
            log.flush().unwrap();
            match number {
                20 => {
                    checkpoint(&mut store, &mut log, 21, &[]);
                }
                35 => {
                    // The first is out and the next three are settled when the world is put down.
                    let taken: Vec<_> = (0..4).map(|_| log.take().unwrap().unwrap()).collect();
                    for stored in &taken[1..] {
                        golden.settle(&mut store, 7, stored.ordinal.0);
                        log.release(stored.location);
                    }
                    out = Some(taken[0].location);
                    checkpoint(&mut store, &mut log, 36, &[(0, taken[0].location)]);
                }
                45 => checkpoint(&mut store, &mut log, 46, &[(0, out.unwrap())]),
                _ => {}
            }
        }
        sync(&mut store);
        for number in 0..8 {
            golden.publish(&mut store, 8, number);
        }
        golden.settle(&mut store, 8, 2);
        store.journal().write().unwrap();
        sync(&mut store);
        for number in 8..12 {
            golden.publish(&mut store, 8, number);
            golden.unsynced.insert((8, number));
        }
        golden.disk = golden.disk.killed();
        golden
    }

    fn publish(&mut self, store: &mut Store, queue: u64, number: u64) {
        let (message, body) = unique(queue, number);
        let place = Place { queue: QueueId(queue), ordinal: Ordinal(number), deliveries: 0 };
        store.journal().publish(&[place], &message, Timestamp(1000 + number));
        store.journal().write().unwrap();
        self.published.insert((queue, number), body.clone());
        self.world.insert((queue, number), body);
    }

    fn settle(&mut self, store: &mut Store, queue: u64, number: u64) {
        store.journal().settle(QueueId(queue), Ordinal(number));
        self.world.remove(&(queue, number));
    }

    /// Where the bodies are in a file.
    fn places(&self, octets: &[u8]) -> BTreeMap<usize, (u64, u64)> {
        let find = |body: &[u8]| octets.windows(body.len()).position(|window| window == body);
        self.published.iter().filter_map(|(key, body)| Some((find(body)?, *key))).collect()
    }

    /// The messages in a file whose record touches any of these octets.
    fn hit(&self, octets: &[u8], range: std::ops::Range<usize>) -> BTreeSet<(u64, u64)> {
        let frame = 40; // at most so many octets before a body belong to its record
        let touches = |(at, key): (usize, (u64, u64))| {
            let end = at + self.published[&key].len();
            (at.saturating_sub(frame) < range.end && range.start < end).then_some(key)
        };
        self.places(octets).into_iter().filter_map(touches).collect()
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let read = |path: PathBuf| {
            let mut copy = Vec::new();
            self.disk.damage(&path, |octets| copy = octets.clone());
            (path, copy)
        };
        self.disk.files().into_iter().map(read).collect()
    }

    /// Damages one file of a copy, and looks what comes out.
    fn with(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Case<'_> {
        let disk = self.disk.killed();
        assert!(disk.damage(path, change), "{} is there", path.display());
        Case::new(self, disk)
    }
}

/// One damaged store.
struct Case<'a> {
    golden: &'a Golden,
    outcome: Result<Outcome, String>,
    bad: usize,
    /// Whether the end of a file is gone: there is nothing of it to be kept, and nothing may say
    /// what was settled.
    cut_off: bool,
}

impl<'a> Case<'a> {
    fn new(golden: &'a Golden, disk: MemoryDisk) -> Self {
        let before = disk.files();
        let found = inspect(Arc::new(disk.clone())).expect("it can be inspected");
        let told = found.is_some_and(|found| {
            found.refusal.is_some() || found.problems.iter().any(|problem| problem.needed)
        });
        assert_eq!(disk.files(), before, "an inspection changes nothing");
        let outcome = serve(&disk).map_err(|error| error.to_string());
        let reported = outcome.as_ref().map_or(true, |outcome| outcome.damaged > 0);
        let counted = outcome.as_ref().map(|outcome| outcome.damaged);
        assert_eq!(told, reported, "inspect, then recovery, which says {counted:?}");
        let kept = |path: &PathBuf| {
            let path = path.to_string_lossy();
            path.starts_with("bad/") || path.ends_with(".bad")
        };
        let bad = disk.files().iter().filter(|path| kept(path)).count();
        Self { golden, outcome, bad, cut_off: false }
    }

    /// Whether it was refused, in words that help.
    fn refused(&self) -> bool {
        if let Err(text) = &self.outcome {
            assert!(text.contains("data directory (in memory)"), "{text}");
        }
        self.outcome.is_err()
    }

    fn refusal(&self) -> Option<&String> {
        self.outcome.as_ref().err()
    }

    /// What is lost. Checks that all that is served was published, octet for octet.
    fn lost(&self) -> BTreeSet<(u64, u64)> {
        let outcome = self.outcome.as_ref().unwrap_or_else(|text| panic!("{text}"));
        for (key, body) in &outcome.world {
            assert_eq!(Some(body), self.golden.published.get(key), "{key:?}: wrong octets");
            let settled = !self.golden.world.contains_key(key);
            let told = outcome.damaged > 0 || self.cut_off;
            assert!(!settled || told, "{key:?} was settled");
        }
        let served = |key: &&(u64, u64)| !outcome.world.contains_key(*key);
        self.golden.world.keys().filter(served).copied().collect()
    }

    fn damaged(&self) -> u64 {
        self.outcome.as_ref().map_or(0, |outcome| outcome.damaged)
    }

    /// Checks that no more is lost than `hit`, and that it is said and kept.
    fn costs_at_most(&self, hit: &BTreeSet<(u64, u64)>) {
        let lost = self.lost();
        assert!(lost.is_subset(hit), "lost {lost:?}, hit {hit:?}");
        if self.damaged() > 0 && !self.cut_off {
            assert!(self.bad > 0, "what is damaged is kept");
        }
    }

    /// Checks the same, and that what is lost and was promised is counted.
    fn counts_all_but(&self, hit: &BTreeSet<(u64, u64)>, unsynced: &BTreeSet<(u64, u64)>) {
        self.costs_at_most(&hit.union(unsynced).copied().collect());
        let promised = self.lost().difference(unsynced).count() as u64;
        assert!(self.damaged() >= promised, "{promised} lost, {} counted", self.damaged());
    }
}

/// Opens a store and takes all there is, as a broker does.
fn serve(disk: &MemoryDisk) -> Result<Outcome, StoreError> {
    let (store, mut recovery) = try_open(disk)?;
    let mut logs = BTreeMap::new();
    let mut found: BTreeMap<(u64, u64), Vec<u8>> = World::new();
    let mut settled = BTreeSet::new();
    for entry in recovery.entries() {
        match entry? {
            Entry::Queue { id, log, outstanding, .. } => {
                logs.insert(id, (log, outstanding));
            }
            Entry::Publish { places, message, .. } => {
                let key = (places[0].queue.0, places[0].ordinal.0);
                found.insert(key, message.body().to_vec());
            }
            Entry::Settle { queue, first, last } => {
                settled.extend((first.0..=last.0).map(|ordinal| (queue.0, ordinal)));
            }
            _ => {}
        }
    }
    let mut damaged = recovery.damaged();
    for (id, (state, outstanding)) in logs {
        let wanted = |one: &&Outstanding| !settled.contains(&(id.0, one.ordinal.0));
        let outstanding: Vec<_> = outstanding.iter().filter(wanted).collect();
        let locations = outstanding.iter().map(|one| one.location);
        let mut log = store.restore_log(id, &state, locations)?;
        for one in &outstanding {
            if let Some(stored) = log.read(one.location)? {
                found.insert((id.0, one.ordinal.0), stored.message.body().to_vec());
            }
        }
        while let Some(stored) = log.take()? {
            found.insert((id.0, stored.ordinal.0), stored.message.body().to_vec());
        }
        damaged += log.take_damaged();
    }
    found.retain(|key, _| !settled.contains(key));
    Ok(Outcome { world: found, damaged })
}

/// Every `quick`th, or every one if there is time.
fn stride(quick: usize) -> usize {
    if std::env::var_os("LEVERET_FULL").is_some() { 1 } else { quick }
}

fn is(path: &Path, folder: &str) -> bool {
    path.starts_with(folder)
}

#[test]
fn the_undamaged_store_serves_everything() {
    let golden = Golden::new();
    let case = Case::new(&golden, golden.disk.killed());
    assert!(case.lost().is_empty());
    assert_eq!((case.damaged(), case.bad), (0, 0));
    let names: Vec<_> = golden.files().iter().map(|(path, _)| path.display().to_string()).collect();
    for part in ["snapshots/0000000000000003", "snapshots/0000000000000004", "7/00000002.segment"] {
        assert!(names.iter().any(|name| name.contains(part)), "{part} in {names:?}");
    }
}

#[test]
fn a_flipped_bit_costs_one_record_at_most() {
    let golden = Golden::new();
    let step = stride(701);
    for (path, octets) in golden.files() {
        let used = octets.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 20);
        for bit in (0..8 * used.min(octets.len())).step_by(step) {
            let at = bit / 8;
            let case = golden.with(&path, |octets| octets[at] ^= 1 << (bit % 8));
            if is(&path, "version") {
                case.refused();
                continue;
            }
            assert!(!case.refused(), "{} bit {bit}: {:?}", path.display(), case.refusal());
            // The last entry of all looks as if it had been torn while it was written.
            case.counts_all_but(&golden.hit(&octets, at..at + 1), &golden.last);
            assert!(case.lost().len() <= 1 && case.damaged() <= 2, "{} {bit}", path.display());
        }
    }
}

#[test]
fn a_truncated_file_costs_what_is_cut_off() {
    let golden = Golden::new();
    let step = stride(131);
    for (path, octets) in golden.files() {
        for length in (0..octets.len()).step_by(step) {
            let mut case = golden.with(&path, |octets| octets.truncate(length));
            case.cut_off = true;
            if case.refused() {
                let header = is(&path, "journal") && length < 80;
                assert!(header || is(&path, "version"), "{} {length}", path.display());
                continue;
            }
            let hit = golden.hit(&octets, length..octets.len());
            if is(&path, "journal") {
                // The end of a journal looks as if it had never been written.
                case.costs_at_most(&hit);
            } else {
                case.counts_all_but(&hit, &BTreeSet::new());
            }
        }
    }
}

#[test]
fn a_zeroed_sector_costs_what_was_in_it() {
    let golden = Golden::new();
    for (path, octets) in golden.files() {
        for start in (0..octets.len()).step_by(SECTOR) {
            let end = octets.len().min(start + SECTOR);
            let case = golden.with(&path, |octets| octets[start..end].fill(0));
            if is(&path, "version") {
                assert!(case.refused());
                continue;
            }
            assert!(!case.refused(), "{} {start}: {:?}", path.display(), case.refusal());
            case.counts_all_but(&golden.hit(&octets, start..end), &golden.unsynced);
        }
    }
}

#[test]
fn sectors_that_change_places_cost_what_was_in_them() {
    let golden = Golden::new();
    let step = stride(41);
    for (path, octets) in golden.files() {
        let sectors = octets.len() / SECTOR;
        let pairs = (0..sectors).flat_map(|one| (0..sectors).map(move |two| (one, two)));
        for (one, two) in pairs.step_by(step) {
            let (from, to) = (one * SECTOR..(one + 1) * SECTOR, two * SECTOR..(two + 1) * SECTOR);
            let both: BTreeSet<_> = golden
                .hit(&octets, from.clone())
                .union(&golden.hit(&octets, to.clone()))
                .copied()
                .collect();
            let doubled = golden.with(&path, |octets| octets.copy_within(from.clone(), to.start));
            let swapped = golden.with(&path, |octets| {
                let kept = octets[to.clone()].to_vec();
                octets.copy_within(from.clone(), to.start);
                octets[from.clone()].copy_from_slice(&kept);
            });
            for case in [doubled, swapped] {
                if case.refused() {
                    let headers = is(&path, "journal") && one.min(two) < 2;
                    assert!(headers, "{} {one} {two}", path.display());
                } else {
                    case.counts_all_but(&both, &golden.unsynced);
                }
            }
        }
    }
}

#[test]
fn what_is_appended_to_a_file_costs_nothing() {
    let golden = Golden::new();
    for (path, _) in golden.files() {
        for length in [1, 15, 16, 17, 700] {
            let garbage = unique(99, length).1;
            let case = golden.with(&path, |octets| {
                octets.extend(garbage.iter().cycle().take(length as usize));
            });
            assert!(!case.refused() || is(&path, "version"), "{}", path.display());
            if !is(&path, "version") {
                assert!(case.lost().is_empty(), "{} and {length}", path.display());
            }
        }
    }
}

#[test]
fn a_file_in_the_place_of_another_is_noticed() {
    let golden = Golden::new();
    let files = golden.files();
    for (path, octets) in &files {
        for (_, other) in files.iter().filter(|(other, _)| other != path) {
            let mut case = golden.with(path, |octets| octets.clone_from(other));
            let empty = other.iter().all(|octet| *octet == 0);
            case.cut_off = is(path, "journal");
            if is(path, "version") || (is(path, "journal") && case.refused()) {
                assert!(case.refused(), "{}", path.display());
                continue;
            }
            assert!(!case.refused(), "{}: {:?}", path.display(), case.refusal());
            let lost = case.lost();
            assert!(lost.is_subset(&golden.hit(octets, 0..octets.len())));
            // An empty newest journal looks as if nothing had been written yet.
            let told = case.damaged() > 0 || (empty && case.cut_off);
            assert!(told || lost.is_empty(), "{}: lost {lost:?}", path.display());
        }
    }
}

#[test]
fn files_of_others_stay_where_they_are() {
    let golden = Golden::new();
    let disk = golden.disk.killed();
    let names = ["notes.txt", "journal/notes", "snapshots/readme", "queues/notes", "queues/7/x"];
    for name in names {
        disk.create(Path::new(name)).unwrap().write_all_at(b"leveret", 0).unwrap();
    }
    let case = Case::new(&golden, disk.clone());
    assert!(case.lost().is_empty());
    assert_eq!(case.damaged(), 0);
    for name in names {
        assert!(disk.open(Path::new(name)).is_ok(), "{name} is gone");
    }
}
