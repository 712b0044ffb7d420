//! The journal: what is told again after a restart.

use super::*;

#[test]
fn everything_journaled_is_told_again_in_order() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    let journal = store.journal();
    journal.define("/", QUEUE, b"queue.declare");
    let two = [
        Place { queue: QUEUE, ordinal: Ordinal(0), deliveries: 2 },
        Place { queue: QueueId(8), ordinal: Ordinal(5), deliveries: 0 },
    ];
    journal.publish(&two, &message(0, 20_000), Timestamp(1000));
    for ordinal in 0..5 {
        journal.deliver(QUEUE, Ordinal(ordinal));
        journal.settle(QUEUE, Ordinal(ordinal));
    }
    journal.settle(QUEUE, Ordinal(9));
    journal.remember("/", "x", Some(Timestamp(5)), b"header");
    journal.purge(QUEUE, Ordinal(20));
    journal.write().unwrap();
    let (_store, mut recovery) = open(&disk.killed());
    assert!(!recovery.clean());
    assert_eq!(recovery.queue_max(), QueueId(0), "only snapshots tell");
    let expected = [
        "define / q7 queue.declare",
        "publish q7#0x2 q8#5x0 at 1000 message 0",
        "deliver q7 #0-#4",
        "settle q7 #0-#4",
        "remember / x until Some(Timestamp(5)) [104, 101, 97, 100, 101, 114]",
        "settle q7 #9-#9",
        "purge q7 before #20",
    ];
    assert_eq!(told(&mut recovery), expected);
    assert_eq!(told(&mut recovery), expected, "it can be asked twice");
    assert_eq!(recovery.damaged(), 0);
}

#[test]
fn what_is_not_written_is_not_there_and_what_is_written_survives_a_kill() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    publish(&mut store, 0..3);
    let place = Place { queue: QUEUE, ordinal: Ordinal(3), deliveries: 0 };
    store.journal().publish(&[place], &message(3, 100), Timestamp(1003));
    let (_, mut recovery) = open(&disk.killed());
    assert_eq!(told(&mut recovery), published(0..3));
}

#[test]
fn what_is_synced_survives_a_power_cut_and_what_is_not_may_not() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    publish(&mut store, 0..3);
    let request = store.journal().sync_request();
    publish(&mut store, 3..5);
    assert_eq!(request.point, crate::ids::SyncPoint(3), "made when three entries were written");
    request.run().unwrap();
    publish(&mut store, 5..7);
    let (_, mut recovery) = open(&disk.cut());
    assert_eq!(told(&mut recovery), published(0..5));
    assert_eq!(recovery.damaged(), 0);
}

#[test]
fn a_sync_is_one_fdatasync_however_much_was_written() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    publish(&mut store, 0..3);
    sync(&mut store);
    publish(&mut store, 3..6);
    let before = disk.changes();
    sync(&mut store);
    assert_eq!(disk.changes() - before, 1);
}

#[test]
fn a_turn_is_one_write() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    publish(&mut store, 0..3);
    let before = disk.changes();
    publish(&mut store, 3..9);
    assert_eq!(disk.changes() - before, 1);
    publish(&mut store, []);
    assert_eq!(disk.changes() - before, 1, "an empty turn writes nothing");
}

#[test]
fn a_failed_sync_is_the_last_one() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    publish(&mut store, 0..3);
    let (first, second) = (store.journal().sync_request(), store.journal().sync_request());
    disk.fail_after(1);
    assert!(matches!(first.run(), Err(StoreError::Io { operation: "sync", .. })));
    let before = disk.changes();
    assert!(matches!(first.run(), Err(StoreError::Stopped { .. })));
    let told = second.run().unwrap_err().to_string();
    assert!(told.starts_with("the store has stopped: cannot sync journal"), "{told}");
    store.journal().settle(QUEUE, Ordinal(0));
    assert!(matches!(store.journal().write(), Err(StoreError::Stopped { .. })));
    let mut log = store.log(QUEUE, true);
    append(&mut log, 0..3);
    assert!(matches!(log.flush(), Err(StoreError::Io { .. } | StoreError::Stopped { .. })));
    assert!(disk.changes() <= before + 1, "nothing was tried again");
}

#[test]
fn a_journal_that_outgrows_its_file_goes_on() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    for number in 0..200 {
        publish(&mut store, [number]);
    }
    assert!(store.wants_checkpoint());
    sync(&mut store);
    let (_, mut recovery) = open(&disk.cut());
    assert_eq!(told(&mut recovery), published(0..200));
}

#[test]
fn an_early_checkpoint_is_worth_it_only_against_a_short_snapshot() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    let fill = |store: &mut Store, least: u64| {
        let before = store.journal().length();
        let mut number = 0;
        while store.journal().length() < before + least {
            publish(store, [number]);
            store.journal().write().unwrap();
            number += 1;
        }
    };
    assert!(!store.gains_by_checkpoint());
    fill(&mut store, OPTIONS.journal_bytes_early);
    assert!(store.gains_by_checkpoint() && !store.wants_checkpoint());
    let mut snapshot = store.begin_checkpoint().unwrap();
    let change = [7; 1200];
    snapshot.change(&change);
    store.finish_checkpoint(snapshot, Vec::new()).run().unwrap();
    store.checkpoint_done().unwrap();
    fill(&mut store, OPTIONS.journal_bytes_early);
    assert!(!store.gains_by_checkpoint(), "the journal is not sixteen times as long");
    fill(&mut store, 40 << 10);
    assert!(store.gains_by_checkpoint());
}
