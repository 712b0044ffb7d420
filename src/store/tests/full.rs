//! A full disk, and few descriptors.

use super::*;

#[test]
fn a_journal_lives_on_its_spare_room_and_says_so() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    publish(&mut store, 0..1);
    assert!(!store.journal().is_low());
    disk.fill(true);
    let mut written = 1;
    while !store.journal().is_low() {
        publish(&mut store, written..written + 1);
        written += 1;
    }
    publish(&mut store, written..written + 1);
    assert!(!store.journal().replenish().unwrap());
    disk.fill(false);
    assert!(store.journal().replenish().unwrap());
    let (_, mut recovery) = open(&disk.killed());
    assert_eq!(told(&mut recovery), published(0..written + 1));
}

#[test]
fn a_store_opens_on_a_full_disk_and_goes_on_when_there_is_room() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    publish(&mut store, 0..3);
    let disk = disk.killed();
    disk.fill(true);
    let (mut store, mut recovery) = open(&disk);
    assert_eq!(told(&mut recovery), published(0..3));
    let place = Place { queue: QUEUE, ordinal: Ordinal(3), deliveries: 0 };
    store.journal().publish(&[place], &message(3, 100), Timestamp(1003));
    assert!(store.journal().write().is_err_and(|error| error.is_full()));
    disk.fill(false);
    store.journal().write().unwrap();
    let (_, mut recovery) = open(&disk.killed());
    assert_eq!(told(&mut recovery), published(0..4));
}

#[test]
fn a_checkpoint_without_room_leaves_everything_as_it_was() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    append(&mut log, 0..10);
    publish(&mut store, 10..12);
    log.flush().unwrap();
    disk.fill(true);
    let begun = store.begin_checkpoint().map(|mut snapshot| {
        snapshot.queue(QUEUE, Ordinal(10), &log.state(), &[]);
        store.finish_checkpoint(snapshot, log.sync_files()).run()
    });
    let result = begun.and_then(|run| run);
    assert!(result.is_err_and(|error| error.is_passing()));
    store.checkpoint_failed();
    log.sync_again();
    disk.fill(false);
    checkpoint(&mut store, &mut log, 12, &[]);
    let (store, mut recovery) = open(&disk.cut());
    let (mut log, _) = restore(&store, &mut recovery);
    assert_eq!(take_all(&mut log), (0..10).collect::<Vec<_>>());
}

#[test]
fn many_logs_need_few_open_files() {
    let folder = tempfile::tempdir().unwrap();
    let disk = super::super::RealDisk::new(folder.path().join("data")).unwrap();
    let options = StoreOptions { open_files_max: 3, ..OPTIONS };
    let (store, _) = Store::open(Arc::new(disk), options).unwrap();
    let mut logs: Vec<_> = (1..=50).map(|id| store.log(QueueId(id), true)).collect();
    for round in 0..3 {
        for log in &mut logs {
            append(log, round * 10..round * 10 + 10);
            log.flush().unwrap();
        }
    }
    let root = folder.path().canonicalize().unwrap();
    let open = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
    let open = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let segments = open.filter(|path| {
        path.starts_with(&root) && path.extension().is_some_and(|extension| extension == "segment")
    });
    assert_eq!(segments.count(), 3);
    for log in &mut logs {
        assert_eq!(take_all(log), (0..30).collect::<Vec<_>>());
    }
}
