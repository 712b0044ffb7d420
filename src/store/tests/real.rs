//! The same on a directory of the operating system.

use std::os::unix::fs::PermissionsExt;

use super::super::RealDisk;
use super::*;

#[test]
fn a_real_directory_works_like_the_one_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("data");
    {
        let disk = Arc::new(RealDisk::new(&root).unwrap());
        let (mut store, _) = Store::open(disk, OPTIONS).unwrap();
        let mut log = store.log(QUEUE, true);
        append(&mut log, 0..50);
        let first = log.take().unwrap().unwrap();
        append(&mut log, 50..500);
        log.append(Ordinal(500), &message(500, 1 << 20), Timestamp(1500));
        assert_eq!(take_all(&mut log), (1..501).collect::<Vec<_>>());
        append(&mut log, 501..600);
        checkpoint(&mut store, &mut log, 600, &[(0, first.location)]);
        publish(&mut store, 600..610);
        sync(&mut store);
        let Err(error) = Store::open(Arc::new(RealDisk::new(&root).unwrap()), OPTIONS) else {
            panic!("two have it open")
        };
        assert!(error.to_string().ends_with("is in use by another process"), "{error}");
    }
    let (store, mut recovery) =
        Store::open(Arc::new(RealDisk::new(&root).unwrap()), OPTIONS).unwrap();
    assert_eq!(told(&mut recovery)[2..], published(600..610));
    let (mut log, outstanding) = restore(&store, &mut recovery);
    assert_eq!(log.read(outstanding[0].location).unwrap().unwrap().ordinal, Ordinal(0));
    assert_eq!(take_all(&mut log), (501..600).collect::<Vec<_>>());
}

#[test]
fn nobody_else_may_look_into_the_data_directory() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("data");
    let disk = Arc::new(RealDisk::new(&root).unwrap());
    let (store, _) = Store::open(disk, OPTIONS).unwrap();
    let mut log = store.log(QUEUE, true);
    append(&mut log, 0..3);
    log.flush().unwrap();
    let mut unseen = vec![root];
    while let Some(path) = unseen.pop() {
        let found = std::fs::metadata(&path).unwrap();
        let mode = found.permissions().mode() & 0o777;
        assert_eq!(mode, if found.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        if found.is_dir() {
            unseen.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}
