//! The small store that is damaged, and what a process makes of a damaged one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::super::super::inspect;
use super::super::*;

/// Each queue's messages, by ordinal.
pub(super) type World = BTreeMap<(u64, u64), Vec<u8>>;

/// A store and what was done to it.
pub(super) struct Golden {
    pub(super) disk: MemoryDisk,
    /// All that was published.
    pub(super) published: World,
    /// What is not settled.
    pub(super) world: World,
    /// Entries of the last journal that nothing says were synced.
    pub(super) unsynced: BTreeSet<(u64, u64)>,
    /// The last of them.
    pub(super) last: BTreeSet<(u64, u64)>,
}

/// What a process makes of a disk.
pub(super) struct Outcome {
    pub(super) world: World,
    pub(super) damaged: u64,
    /// Messages in segments that are missing.
    pub(super) missing: u64,
}

/// A persistent message whose octets are found nowhere else.
pub(super) fn unique(queue: u64, number: u64) -> (Message, Vec<u8>) {
    let mut state = queue * 1_000_003 + number * 7919 + 1;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        state.to_le_bytes()[6]
    });
    let body: Vec<u8> =
        noise.take(30 + 40 * usize::try_from(number % 5).unwrap_or_default()).collect();
    (Message::from_parts("", b"work", &[0x10, 0, 2], &body, true), body)
}

impl Golden {
    pub(super) fn new() -> Self {
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

    pub(super) fn publish(&mut self, store: &mut Store, queue: u64, number: u64) {
        let (message, body) = unique(queue, number);
        let place = Place { queue: QueueId(queue), ordinal: Ordinal(number), deliveries: 0 };
        store.journal().publish(&[place], &message, Timestamp(1000 + number));
        store.journal().write().unwrap();
        self.published.insert((queue, number), body.clone());
        self.world.insert((queue, number), body);
    }

    pub(super) fn settle(&mut self, store: &mut Store, queue: u64, number: u64) {
        store.journal().settle(QueueId(queue), Ordinal(number));
        self.world.remove(&(queue, number));
    }

    /// Where the bodies are in a file.
    pub(super) fn places(&self, octets: &[u8]) -> BTreeMap<usize, (u64, u64)> {
        let find = |body: &[u8]| octets.windows(body.len()).position(|window| window == body);
        self.published.iter().filter_map(|(key, body)| Some((find(body)?, *key))).collect()
    }

    /// The messages in a file whose record touches any of these octets.
    pub(super) fn hit(&self, octets: &[u8], range: std::ops::Range<usize>) -> BTreeSet<(u64, u64)> {
        let frame = 40; // at most so many octets before a body belong to its record
        let touches = |(at, key): (usize, (u64, u64))| {
            let end = at + self.published[&key].len();
            (at.saturating_sub(frame) < range.end && range.start < end).then_some(key)
        };
        self.places(octets).into_iter().filter_map(touches).collect()
    }

    pub(super) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let read = |path: PathBuf| {
            let mut copy = Vec::new();
            self.disk.damage(&path, |octets| copy = octets.clone());
            (path, copy)
        };
        self.disk.files().into_iter().map(read).collect()
    }

    /// Damages one file of a copy, and looks what comes out.
    pub(super) fn with(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Case<'_> {
        let disk = self.disk.killed();
        assert!(disk.damage(path, change), "{} is there", path.display());
        Case::new(self, &disk)
    }
}

/// One damaged store.
pub(super) struct Case<'a> {
    pub(super) golden: &'a Golden,
    pub(super) outcome: Result<Outcome, String>,
    pub(super) bad: usize,
    /// Whether the end of a file is gone: there is nothing of it to be kept.
    pub(super) cut_off: bool,
}

impl<'a> Case<'a> {
    pub(super) fn new(golden: &'a Golden, disk: &MemoryDisk) -> Self {
        let before = disk.files();
        let found = inspect(Arc::new(disk.clone())).expect("it can be inspected");
        let told = found.is_some_and(|found| {
            found.refusal.is_some() || found.problems.iter().any(|problem| problem.needed)
        });
        assert_eq!(disk.files(), before, "an inspection changes nothing");
        let outcome = serve(disk).map_err(|error| error.to_string());
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
    pub(super) fn refused(&self) -> bool {
        if let Err(text) = &self.outcome {
            assert!(text.contains("data directory (in memory)"), "{text}");
        }
        self.outcome.is_err()
    }

    pub(super) fn refusal(&self) -> Option<&String> {
        self.outcome.as_ref().err()
    }

    /// What is lost. Checks that all that is served was published, octet for octet.
    pub(super) fn lost(&self) -> BTreeSet<(u64, u64)> {
        let outcome = self.outcome.as_ref().unwrap_or_else(|text| panic!("{text}"));
        for (key, body) in &outcome.world {
            assert_eq!(Some(body), self.golden.published.get(key), "{key:?}: wrong octets");
        }
        let served = |key: &&(u64, u64)| !outcome.world.contains_key(*key);
        self.golden.world.keys().filter(served).copied().collect()
    }

    pub(super) fn damaged(&self) -> u64 {
        self.outcome.as_ref().map_or(0, |outcome| outcome.damaged)
    }

    /// Checks that no more is lost than `hit`, and that it is said and kept.
    pub(super) fn costs_at_most(&self, hit: &BTreeSet<(u64, u64)>) {
        let lost = self.lost();
        assert!(lost.is_subset(hit), "lost {lost:?}, hit {hit:?}");
        if self.damaged() > 0 && !self.cut_off {
            assert!(self.bad > 0, "what is damaged is kept");
        }
    }

    /// Checks the same, and that what is lost and was promised is counted. If all entries are hit
    /// that say what was synced before, nobody can tell what was promised.
    pub(super) fn counts_all_but(
        &self,
        hit: &BTreeSet<(u64, u64)>,
        unsynced: &BTreeSet<(u64, u64)>,
    ) {
        self.costs_at_most(&hit.union(unsynced).copied().collect());
        if !self.golden.unsynced.is_subset(hit) {
            let promised = self.lost().difference(unsynced).count() as u64;
            assert!(self.damaged() >= promised, "{promised} lost, {} counted", self.damaged());
            assert!(!self.returns() || self.damaged() > 0, "what was settled is there again");
        }
    }

    /// Whether anything is served that was settled.
    fn returns(&self) -> bool {
        let world = self.outcome.as_ref().map(|outcome| &outcome.world);
        world.is_ok_and(|world| world.keys().any(|key| !self.golden.world.contains_key(key)))
    }
}

/// Opens a store and takes all there is, as a broker does.
pub(super) fn serve(disk: &MemoryDisk) -> Result<Outcome, StoreError> {
    let (store, recovery) = try_open(disk)?;
    let mut logs = BTreeMap::new();
    let mut found: BTreeMap<(u64, u64), Vec<u8>> = World::new();
    let mut settled = BTreeSet::new();
    for entry in recovery.entries() {
        match entry? {
            Entry::Queue { id, log, outstanding, .. } => {
                logs.insert(id, (log, outstanding));
            }
            Entry::Publish { places, message, .. } => {
                for Place { queue, ordinal, .. } in places {
                    found.insert((queue.0, ordinal.0), message.body().to_vec());
                }
            }
            Entry::Settle { queue, first, last } => {
                settled.extend((first.0..=last.0).map(|ordinal| (queue.0, ordinal)));
            }
            _ => {}
        }
    }
    let (mut damaged, mut missing) = (recovery.damaged(), 0);
    for (id, (state, outstanding)) in logs {
        let wanted = |one: &&Outstanding| !settled.contains(&(id.0, one.ordinal.0));
        let outstanding: Vec<_> = outstanding.iter().filter(wanted).collect();
        let locations = outstanding.iter().map(|one| one.location);
        let mut log = store.restore_log(id, &state, locations)?;
        missing += log.take_gaps().iter().map(|gap| gap.messages).sum::<u64>();
        for one in &outstanding {
            if let Some(stored) = log.read(one.location)? {
                found.insert((id.0, one.ordinal.0), stored.message.body().to_vec());
            } else {
                missing += 1;
            }
        }
        let gone = |ordinal: Ordinal| settled.contains(&(id.0, ordinal.0));
        while let Some(stored) = log.take_unless(gone)? {
            found.insert((id.0, stored.ordinal.0), stored.message.body().to_vec());
        }
        damaged += log.take_damaged();
    }
    found.retain(|key, _| !settled.contains(key));
    Ok(Outcome { world: found, damaged, missing })
}
