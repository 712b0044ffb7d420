//! The same for bodies that two queues share, and the references to them.
//!
//! ```text
//!   queues/7 ─┐
//!             ├─▶ bodies: 1, 2, ..      two messages of queue 7 are settled, one is out
//!   queues/9 ─┘
//! ```

use std::path::{Path, PathBuf};

use super::super::super::{Disk, inspect};
use super::super::*;
use super::golden::{World, serve, unique};
use super::{SECTOR, is, stride, used};

const OTHER: QueueId = QueueId(9);
const COUNT: u64 = 40;

/// The store before it is damaged, and what is in it.
struct Golden {
    disk: MemoryDisk,
    published: World,
    settled: [u64; 2],
}

impl Golden {
    fn new() -> Self {
        let disk = MemoryDisk::new();
        let (mut store, _) = open(&disk);
        let mut published = World::new();
        store.journal().define("/", QUEUE, b"declare 7");
        store.journal().define("/", OTHER, b"declare 9");
        let (mut one, mut two) = (store.log(QUEUE, true), store.log(OTHER, true));
        for number in 0..COUNT {
            let (message, body) = unique(1, number);
            let message = message.for_several();
            for (id, log) in [(QUEUE, &mut one), (OTHER, &mut two)] {
                log.append(Ordinal(number), &message, Timestamp(1000 + number));
                log.flush().unwrap();
                published.insert((id.0, number), body.clone());
            }
        }
        let taken: Vec<_> = (0..3).map(|_| one.take().unwrap().unwrap().location).collect();
        let mut snapshot = store.begin_checkpoint().unwrap();
        snapshot.define("/", QUEUE, b"declare 7");
        snapshot.define("/", OTHER, b"declare 9");
        let out = |number: u64| Outstanding {
            ordinal: Ordinal(number),
            location: taken[usize::try_from(number).unwrap()],
            deliveries: 1,
        };
        snapshot.queue(QUEUE, Ordinal(COUNT), &one.state(), &[out(0), out(1), out(2)]);
        snapshot.queue(OTHER, Ordinal(COUNT), &two.state(), &[]);
        let files = one.sync_files().into_iter().chain(two.sync_files()).collect();
        store.finish_checkpoint(snapshot, files).run().unwrap();
        store.checkpoint_done().unwrap();
        let settled = [1, 2];
        for number in settled {
            store.journal().settle(QUEUE, Ordinal(number));
            one.release(taken[usize::try_from(number).unwrap()]);
        }
        store.journal().write().unwrap();
        sync(&mut store);
        Self { disk: disk.killed(), published, settled }
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let read = |path: PathBuf| {
            let mut copy = Vec::new();
            self.disk.damage(&path, |octets| copy = octets.clone());
            (path, copy)
        };
        let files = self.disk.files().into_iter();
        files.filter(|path| is(path, "bodies") || is(path, "queues")).map(read).collect()
    }

    /// Damages a copy and takes all there is. Checks that nothing wrong is served, that what is
    /// lost is counted, and that an inspection says the same. Returns what is lost.
    fn lost(&self, what: &str, damage: impl FnOnce(&MemoryDisk)) -> Vec<(u64, u64)> {
        let disk = self.disk.killed();
        damage(&disk);
        let before = disk.files();
        let found = inspect(Arc::new(disk.clone())).unwrap().unwrap();
        assert_eq!(disk.files(), before, "{what}: an inspection changes nothing");
        let told = found.problems.iter().any(|problem| problem.needed);
        let outcome = serve(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(told, outcome.damaged > 0, "{what}: {:?}", found.problems);
        for (key, body) in &outcome.world {
            assert_eq!(Some(body), self.published.get(key), "{what}: {key:?} is not as it was");
        }
        let settled = |key: &&(u64, u64)| key.0 == 7 && self.settled.contains(&key.1);
        let lost = self.published.keys().filter(|key| !settled(key));
        let lost: Vec<_> = lost.filter(|key| !outcome.world.contains_key(*key)).copied().collect();
        let counted = outcome.damaged;
        assert!(counted >= lost.len() as u64, "{what}: {counted} counted of {lost:?}");
        lost
    }

    fn change(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Vec<(u64, u64)> {
        let what = path.display().to_string();
        self.lost(&what, |disk| assert!(disk.damage(path, change), "{what} is there"))
    }
}

/// How many of these messages there are, whichever the queue.
fn messages(lost: &[(u64, u64)]) -> usize {
    let numbers: std::collections::BTreeSet<_> = lost.iter().map(|(_, number)| number).collect();
    numbers.len()
}

#[test]
fn undamaged_everything_is_served() {
    let golden = Golden::new();
    assert!(golden.lost("nothing", |_| ()).is_empty());
    let names: Vec<_> = golden.files().iter().map(|(path, _)| path.display().to_string()).collect();
    let count = |folder: &str| names.iter().filter(|name| name.starts_with(folder)).count();
    assert!(count("bodies/") > 1 && count("queues/7/") == 1 && count("queues/9/") == 1);
}

#[test]
fn a_flipped_bit_costs_one_message_in_the_queues_that_refer_to_it() {
    let golden = Golden::new();
    for (path, octets) in golden.files() {
        for bit in (0..8 * used(&octets)).step_by(stride(211)) {
            let lost = golden.change(&path, |octets| octets[bit / 8] ^= 1 << (bit % 8));
            let most = if is(&path, "bodies") { 2 } else { 1 };
            assert!(lost.len() <= most && messages(&lost) <= 1, "{} {bit}", path.display());
        }
    }
}

#[test]
fn what_is_cut_off_zeroed_or_missing_costs_no_more_than_what_was_in_it() {
    let golden = Golden::new();
    let whole = golden.published.len();
    for (path, octets) in golden.files() {
        for length in (0..used(&octets)).step_by(stride(131)) {
            let lost = golden.change(&path, |octets| octets.truncate(length));
            assert!(lost.len() < whole, "{} {length}", path.display());
        }
        for start in (0..octets.len()).step_by(SECTOR) {
            let end = octets.len().min(start + SECTOR);
            let lost = golden.change(&path, |octets| octets[start..end].fill(0));
            let headers = start < 1024 && lost.is_empty();
            let most = if is(&path, "bodies") { 18 } else { 22 };
            assert!(headers || messages(&lost) <= most, "{} {start}: {lost:?}", path.display());
        }
        // A log's segment that is missing is a gap, of which the broker tells.
        if is(&path, "bodies") {
            let lost = golden.lost("missing", |disk| Disk::remove(disk, &path).unwrap());
            assert!(!lost.is_empty() && lost.len() < whole, "{}", path.display());
        }
    }
}

#[test]
fn a_file_in_the_place_of_another_serves_nothing_wrong() {
    let golden = Golden::new();
    let files = golden.files();
    for (path, _) in &files {
        for (other_path, other) in files.iter().filter(|(other, _)| other != path) {
            let lost = golden.change(path, |octets| octets.clone_from(other));
            let both = [path, other_path].map(|path| path.display().to_string());
            assert!(!lost.is_empty(), "{both:?}");
        }
    }
}
