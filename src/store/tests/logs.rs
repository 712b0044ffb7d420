//! Queue logs: messages in, messages out, files gone.

use super::*;

#[test]
fn messages_come_out_in_order_whether_flushed_or_not() {
    let (store, _) = open(&MemoryDisk::new());
    let mut log = store.log(QUEUE, true);
    append(&mut log, 0..3);
    log.flush().unwrap();
    append(&mut log, 3..5);
    assert_eq!((log.ready(), log.is_empty()), (5, false));
    assert_eq!(take_all(&mut log), [0, 1, 2, 3, 4]);
    assert_eq!((log.ready(), log.ready_bytes(), log.is_empty()), (0, 0, true));
    append(&mut log, [9]);
    assert_eq!(take_all(&mut log), [9]);
}

#[test]
fn a_message_comes_back_as_it_was() {
    let (store, _) = open(&MemoryDisk::new());
    let mut log = store.log(QUEUE, true);
    for (number, length) in [0_usize, 1, 100, 8 << 10, 100_000].into_iter().enumerate() {
        let message = Message::from_parts("x", &[0xff; 255], b"properties", &vec![7; length], true);
        log.append(Ordinal(number as u64), &message, Timestamp(5_000_000_000_000));
        let stored = log.take().unwrap().unwrap();
        assert_eq!(stored.message.exchange(), "x");
        assert_eq!(stored.message.routing_key(), &[0xff; 255]);
        assert_eq!(stored.message.properties(), b"properties");
        assert_eq!(stored.message.body(), vec![7; length]);
        assert!(stored.message.persistent());
        assert_eq!(stored.published, Timestamp(5_000_000_000_000));
        let again = log.read(stored.location).unwrap().unwrap();
        assert_eq!(again.message.body(), vec![7; length]);
    }
}

#[test]
fn a_small_message_costs_little_more_than_its_octets() {
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    append(&mut log, 0..2);
    let end = state(&mut log).end.octet();
    assert!(end - 1024 <= 2 * 130, "{} octets for two messages", end - 1024);
}

#[test]
fn an_empty_log_makes_no_file() {
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    log.flush().unwrap();
    assert!(log.take().unwrap().is_none());
    assert_eq!(files(&disk, "queues/"), Vec::<PathBuf>::new());
}

#[test]
fn segments_vanish_when_all_in_them_is_settled() {
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    append(&mut log, 0..400);
    log.flush().unwrap();
    let all = files(&disk, "queues/").len();
    assert!(all > 3, "{all} segments");
    let mut taken: Vec<_> = std::iter::from_fn(|| log.take().unwrap()).collect();
    assert_eq!(files(&disk, "queues/").len(), all, "nothing is settled yet");
    // All but one, which keeps its segment.
    let kept = taken.remove(200);
    taken.iter().for_each(|stored| log.release(stored.location));
    assert_eq!(files(&disk, "queues/").len(), 1);
    assert_eq!(log.read(kept.location).unwrap().unwrap().ordinal, Ordinal(200));
    log.release(kept.location);
    assert_eq!(files(&disk, "queues/"), Vec::<PathBuf>::new());
    assert_eq!(kept.message.body().len(), 100, "a message in use stays readable");
}

#[test]
fn a_purge_drops_what_is_ready_and_keeps_what_is_outstanding() {
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    append(&mut log, 0..300);
    let first = log.take().unwrap().unwrap();
    append(&mut log, 300..400); // not flushed
    log.purge();
    assert!(log.is_empty());
    assert!(log.take().unwrap().is_none());
    assert_eq!(log.read(first.location).unwrap().unwrap().ordinal, Ordinal(0));
    append(&mut log, 400..600);
    assert_eq!(log.ready(), 200);
    assert_eq!(take_all(&mut log), (400..600).collect::<Vec<_>>());
    log.release(first.location);
    log.delete();
    assert_eq!(files(&disk, "queues/"), Vec::<PathBuf>::new());
}

#[test]
fn a_queue_that_is_nearly_empty_uses_one_file_for_many_messages() {
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    append(&mut log, [0]);
    let before = disk.changes();
    for number in 1..11 {
        append(&mut log, [number]);
        let stored = log.take().unwrap().unwrap();
        log.release(stored.location);
    }
    // One for the directory, the file and its room each; then one write a turn.
    assert_eq!(disk.changes() - before, 3 + 10);
}

#[test]
fn a_full_disk_loses_nothing_and_what_is_on_it_can_be_taken() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    append(&mut log, 0..3);
    log.flush().unwrap();
    disk.fill(true);
    append(&mut log, 3..100);
    assert!(log.flush().is_err_and(|error| error.is_full()));
    for ordinal in [0, 1, 2] {
        assert_eq!(log.take().unwrap().unwrap().ordinal, Ordinal(ordinal));
    }
    store.journal().define("/", QUEUE, &[0; 10_000]);
    assert!(store.journal().write().is_err_and(|error| error.is_full()));
    disk.fill(false);
    assert_eq!(take_all(&mut log), (3..100).collect::<Vec<_>>());
    store.journal().write().unwrap();
    let (_, mut recovery) = open(&disk.killed());
    assert_eq!(told(&mut recovery).len(), 1);
}

#[test]
fn times_and_ordinals_far_apart_begin_a_new_segment() {
    let (store, _) = open(&MemoryDisk::new());
    let mut log = store.log(QUEUE, true);
    let places = [(1, 1 << 41), (2, 0), (1 << 40, u64::MAX), (1 << 63, 3)];
    for (ordinal, published) in places {
        log.append(Ordinal(ordinal), &message(0, 10), Timestamp(published));
    }
    let taken = std::iter::from_fn(|| log.take().unwrap());
    let taken: Vec<_> = taken.map(|stored| (stored.ordinal.0, stored.published.0)).collect();
    assert_eq!(taken, places);
}

#[test]
fn the_log_of_a_transient_queue_is_wiped_at_the_next_start() {
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk);
    let mut log = store.log(QUEUE, false);
    append(&mut log, 0..3);
    log.flush().unwrap();
    assert!(log.sync_files().is_empty(), "it need not survive");
    assert_eq!(files(&disk, "transient").len(), 1);
    let disk = disk.killed();
    drop(open(&disk));
    assert_eq!(files(&disk, "transient"), Vec::<PathBuf>::new());
}
