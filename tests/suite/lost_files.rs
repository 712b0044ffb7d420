//! A data directory that has lost something never begins with the users of a first start: it is
//! refused, again and again, or its own users are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leveret::broker::access::{Change, NewPassword};
use leveret::broker::{Broker, BrokerOptions, Effects};
use leveret::ids::Timestamp;
use leveret::store::{Disk, MemoryDisk, Store, StoreOptions};
use leveret::wire::ShortString;

const NAMES: [&str; 9] =
    ["version", "journal", "snapshots", "queues", "bodies", "transient", "bad", "boot", "clean"];

fn open(disk: &MemoryDisk) -> Result<Broker, String> {
    let (store, recovery) = Store::examine(Arc::new(disk.clone()), StoreOptions::TINY)
        .map_err(|error| error.to_string())?;
    Broker::open(store, recovery, BrokerOptions::default()).map_err(|error| error.to_string())
}

fn users(broker: &Broker) -> Vec<String> {
    broker.access().users.keys().map(ToString::to_string).collect()
}

/// Directories whose administrator is alice: killed at once, and stopped in order so many times.
fn directories() -> Vec<(String, MemoryDisk)> {
    let disk = MemoryDisk::new();
    let mut broker = open(&disk).unwrap();
    let (mut effects, name) = (Effects::default(), ShortString::clipped);
    let (password, tags) = (NewPassword::None, vec![name("administrator")]);
    let changes = vec![
        Change::PutUser { name: name("alice"), password, tags },
        Change::DeleteUser { name: name("guest") },
    ];
    broker.change(changes, &mut effects).unwrap();
    broker.end_turn(Timestamp(1), &mut effects).unwrap().unwrap().run().unwrap();
    let mut all = vec![("killed".to_owned(), disk.killed())];
    for stops in 1..4 {
        broker.close_store().unwrap();
        all.push((format!("stopped {stops} times"), disk.killed()));
        broker = open(&disk).unwrap();
        all.push((format!("stopped {stops} times and killed"), disk.killed()));
    }
    all
}

/// Starts with what is left.
fn check(disk: &MemoryDisk, what: &str) {
    let files = disk.files();
    match open(disk) {
        Ok(broker) => assert_eq!(users(&broker), ["alice"], "{what}"),
        Err(error) => {
            assert!(error.contains("data directory"), "{what}: {error}");
            assert_eq!(error.lines().count(), 1, "{what}: {error}");
            for _ in 0..2 {
                assert_eq!(open(disk).err().as_ref(), Some(&error), "{what}: the next start");
                assert_eq!(disk.files(), files, "{what}: nothing is made or removed");
            }
        }
    }
}

#[test]
fn no_lost_file_brings_the_first_users_back() {
    for (name, left) in directories() {
        let files: BTreeSet<PathBuf> = left.files().into_iter().collect();
        let with = |what: &str, path: &Path, change: &dyn Fn(&MemoryDisk)| {
            let disk = left.killed();
            change(&disk);
            check(&disk, &format!("{name}: {} {what}", path.display()));
        };
        for path in &files {
            with("missing", path, &|disk| disk.remove(path).unwrap());
            with("emptied", path, &|disk| _ = disk.damage(path, Vec::clear));
            with("zeroed", path, &|disk| _ = disk.damage(path, |octets| octets.fill(0)));
            with("a folder", path, &|disk| {
                disk.remove(path).unwrap();
                disk.create_directory(path).unwrap();
            });
        }
    }
}

#[test]
fn nothing_that_is_lost_together_brings_the_first_users_back() {
    for (name, left) in directories() {
        let made: Vec<_> = left.list(Path::new("")).unwrap();
        for set in 0..1_u32 << NAMES.len() {
            let lost: Vec<_> = (0..NAMES.len()).filter(|bit| set >> bit & 1 == 1).collect();
            let lost: Vec<_> = lost.into_iter().map(|place| NAMES[place]).collect();
            // With everything the knowledge is gone that there was something.
            if made.iter().all(|name| lost.contains(&name.as_str())) {
                continue;
            }
            let disk = left.killed();
            lost.iter().for_each(|name| disk.remove(Path::new(name)).unwrap());
            check(&disk, &format!("{name}: without {lost:?}"));
        }
    }
}

/// However early the first start is cut off, the next one is a first start as well.
#[test]
fn a_first_start_that_is_killed_or_cut_off_anywhere_is_begun_again() {
    let calls = {
        let disk = MemoryDisk::new();
        open(&disk).unwrap().settle_start().unwrap();
        disk.changes()
    };
    assert!(calls > 10, "{calls} changes");
    for call in 1..=calls {
        let disk = MemoryDisk::new();
        disk.fail_after(call);
        let begun = open(&disk)
            .and_then(|mut broker| broker.settle_start().map_err(|error| error.to_string()));
        assert!(begun.is_err(), "call {call} fails");
        for seed in 0..20 {
            for left in [disk.killed(), disk.cut(), disk.torn(seed)] {
                let mut broker = open(&left).unwrap_or_else(|error| panic!("{call}: {error}"));
                broker.settle_start().unwrap();
                assert_eq!(users(&broker), ["guest"], "call {call}");
            }
        }
    }
}
