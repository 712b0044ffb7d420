//! Recovery reads whatever octets are in its files: it refuses or serves, and never panics, hangs or
//! takes memory by a declared length. `recover` is also what a fuzzer calls.

use std::path::Path;
use std::sync::Arc;

use leveret::broker::{Broker, BrokerOptions};
use leveret::store::{Disk, MemoryDisk, Store, StoreOptions};
use proptest::collection::vec;
use proptest::prelude::*;

/// The files that recovery reads, as a fuzzer numbers them.
const FILES: [&str; 5] = [
    "journal/0001.journal",
    "journal/0002.journal",
    "snapshots/0000000000000002.snapshot",
    "queues/1/00000001.segment",
    "version",
];

/// Puts octets into a file and lets a broker begin with that, twice.
fn recover(disk: &MemoryDisk, file: usize, octets: &[u8]) {
    let path = Path::new(FILES[file % FILES.len()]);
    for folder in path.ancestors().skip(1).collect::<Vec<_>>().into_iter().rev() {
        if !folder.as_os_str().is_empty() {
            disk.create_directory(folder).unwrap();
        }
    }
    disk.remove(path).unwrap();
    disk.create(path).unwrap().write_all_at(octets, 0).unwrap();
    for _ in 0..2 {
        let Ok((store, recovery)) = Store::examine(Arc::new(disk.clone()), StoreOptions::TINY)
        else {
            continue;
        };
        if let Ok(broker) = Broker::open(store, recovery, BrokerOptions::default()) {
            broker.close_store().unwrap();
        }
    }
}

/// A directory of format 1 with a snapshot, journals and a log.
fn whole() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-1");
    for path in FILES {
        for folder in Path::new(path).ancestors().skip(1).collect::<Vec<_>>().into_iter().rev() {
            if !folder.as_os_str().is_empty() {
                disk.create_directory(folder).unwrap();
            }
        }
        let mut octets = std::fs::read(golden.join(path)).unwrap();
        // The room behind the last entry tells nothing.
        octets.truncate(octets.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 40));
        disk.create(Path::new(path)).unwrap().write_all_at(&octets, 0).unwrap();
    }
    disk
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn recovery_takes_any_octets_for_a_file(
        file in 0..FILES.len(),
        octets in vec(any::<u8>(), 0..4000),
    ) {
        recover(&whole().killed(), file, &octets);
        recover(&MemoryDisk::new(), file, &octets);
    }

    #[test]
    fn recovery_takes_any_change_of_a_file(
        file in 0..FILES.len(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let disk = whole();
        let mut octets = Vec::new();
        disk.damage(FILES[file], |found| octets.clone_from(found));
        let length = octets.len();
        for (place, octet) in changes {
            octets[place.index(length)] ^= octet;
        }
        if cuts {
            octets.truncate(cut.index(length));
        }
        recover(&disk, file, &octets);
    }
}
