//! Checkpoints and restarts.

use super::*;

#[test]
fn a_clean_restart_brings_the_backlog_back_without_the_transient_messages() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    for number in 0..100 {
        let message = with_mode(number, 100, number % 2 == 0);
        log.append(Ordinal(number), &message, Timestamp(1000 + number));
    }
    let taken: Vec<_> = (0..5).map(|_| log.take().unwrap().unwrap()).collect();
    let outstanding = [(2, taken[2].location), (4, taken[4].location)];
    for settled in [0, 1, 3] {
        log.release(taken[settled].location);
    }
    checkpoint(&mut store, &mut log, 100, &outstanding);
    store.close().unwrap();
    drop(log);

    let (store, mut recovery) = open(&disk.cut());
    assert!(recovery.clean());
    assert_eq!(recovery.queue_max(), QUEUE);
    let lines = ["define / q7 declare", "queue q7 next #100 outstanding [2, 4]"];
    assert_eq!(told(&mut recovery), lines);
    let (mut log, outstanding) = restore(&store, &mut recovery);
    assert_eq!(log.ready(), 47, "of 95 the transient ones are gone");
    let again = log.read(outstanding[1].location).unwrap().unwrap();
    assert_eq!(again.message.body(), message(4, 100).body());
    append(&mut log, 100..103);
    assert_eq!(log.ready(), 50);
    let expected: Vec<_> = (5..100).filter(|number| number % 2 == 0).chain(100..103).collect();
    assert_eq!(take_all(&mut log), expected);
}

#[test]
fn a_second_process_is_refused_until_the_first_is_gone() {
    let disk = MemoryDisk::new();
    let first = open(&disk);
    let Err(error) = try_open(&disk) else { panic!("two processes have it open") };
    assert_eq!(error.to_string(), "data directory (in memory) is in use by another process");
    drop(first);
    open(&disk);
}

#[test]
fn a_newer_format_is_refused_in_one_line() {
    let disk = MemoryDisk::new();
    drop(open(&disk));
    assert!(disk.damage("version", |octets| *octets = b"leveret 3\nwhatever\n".to_vec()));
    let Err(error) = try_open(&disk) else { panic!("it opens") };
    let line = "data directory (in memory) has format 3, \
                but this version of Leveret knows only formats up to 2";
    assert_eq!(error.to_string(), line);
    assert!(disk.damage("version", |octets| octets.clear()));
    assert!(matches!(try_open(&disk), Err(StoreError::Unreadable { .. })));
}

#[test]
fn a_kill_after_a_checkpoint_costs_nothing() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    append(&mut log, 0..50);
    checkpoint(&mut store, &mut log, 50, &[]);
    publish(&mut store, 50..60);
    append(&mut log, 50..60); // in the log too, but that was not promised
    log.flush().unwrap();
    sync(&mut store);
    for disk in [disk.killed(), disk.cut()] {
        let (store, mut recovery) = open(&disk);
        let (mut log, _) = restore(&store, &mut recovery);
        assert_eq!(told(&mut recovery)[2..], published(50..60));
        assert_eq!(take_all(&mut log), (0..50).collect::<Vec<_>>());
        append(&mut log, 50..60); // as the broker does with what the journal told
        assert_eq!(take_all(&mut log), (50..60).collect::<Vec<_>>());
    }
}

#[test]
fn what_was_settled_after_the_checkpoint_may_be_gone_from_the_log() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    append(&mut log, 0..400);
    checkpoint(&mut store, &mut log, 400, &[]);
    for _ in 0..200 {
        let stored = log.take().unwrap().unwrap();
        log.release(stored.location);
    }
    let (store, mut recovery) = open(&disk.killed());
    let (mut log, _) = restore(&store, &mut recovery);
    let ready = log.ready();
    assert!((200..400).contains(&ready), "{ready} are left");
    assert_eq!(take_all(&mut log), (400 - ready..400).collect::<Vec<_>>());
    assert_eq!(log.take_damaged(), 0);
}

#[test]
fn two_snapshots_and_their_journals_are_kept_and_files_go_round() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    for round in 0..10 {
        publish(&mut store, round * 10..round * 10 + 10);
        checkpoint(&mut store, &mut log, round * 10, &[]);
    }
    assert_eq!(files(&disk, "snapshots/").len(), 2);
    assert_eq!(files(&disk, "journal/").len(), 3, "two that are needed and the next");
    publish(&mut store, 200..203);
    let (_, mut recovery) = open(&disk.killed());
    assert_eq!(told(&mut recovery)[2..], published(200..203), "nothing older shows");
}

#[test]
fn a_damaged_snapshot_falls_back_on_the_one_before() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    for first in [0, 10, 20] {
        publish(&mut store, first..first + 10);
        checkpoint(&mut store, &mut log, first + 10, &[]);
    }
    publish(&mut store, 30..40);
    let disk = disk.killed();
    let newest = files(&disk, "snapshots/").pop().unwrap();
    disk.damage(&newest, |octets| octets[1050] ^= 4);
    for _ in 0..2 {
        let (_store, mut recovery) = open(&disk);
        let told = told(&mut recovery);
        assert_eq!(told[1], "queue q7 next #20 outstanding []");
        assert_eq!(told[2..], published(20..40));
        assert_eq!(files(&disk, ".bad").len(), 1, "the damaged one is kept");
    }
    let previous = files(&disk, "snapshots/").remove(0);
    disk.damage(&previous, |octets| octets.truncate(1060));
    let Err(error) = try_open(&disk) else { panic!("it begins with nothing") };
    assert!(error.to_string().contains("all of its snapshots are damaged"), "{error}");
}

#[test]
fn the_first_snapshot_falls_back_on_the_beginning() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    publish(&mut store, 0..10);
    let mut log = store.log(QUEUE, true);
    checkpoint(&mut store, &mut log, 10, &[]);
    publish(&mut store, 10..12);
    let disk = disk.killed();
    let first = files(&disk, "snapshots/").pop().unwrap();
    disk.damage(first, |octets| octets[1050] ^= 4);
    let (_, mut recovery) = open(&disk);
    assert_eq!(told(&mut recovery), published(0..12));
}

#[test]
fn logs_of_queues_that_are_gone_go_too() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    let mut orphan = store.log(QueueId(8), true);
    append(&mut orphan, 0..3);
    orphan.flush().unwrap();
    let mut log = store.log(QUEUE, true);
    append(&mut log, 0..3);
    checkpoint(&mut store, &mut log, 3, &[]);
    assert_eq!(files(&disk, "queues/8").len(), 1);
    let disk = disk.killed();
    let (mut store, mut recovery) = open(&disk);
    let (mut log, _) = restore(&store, &mut recovery);
    checkpoint(&mut store, &mut log, 3, &[]);
    assert_eq!(files(&disk, "queues/").len(), 1);
    assert_eq!(take_all(&mut log), [0, 1, 2]);
}

#[test]
fn a_settled_outstanding_message_lets_its_segment_go_after_a_restart() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    append(&mut log, 0..300);
    let first = log.take().unwrap().unwrap();
    while log.take().unwrap().is_some_and(|stored| {
        log.release(stored.location);
        stored.ordinal < Ordinal(290)
    }) {}
    checkpoint(&mut store, &mut log, 300, &[(0, first.location)]);
    let before = files(&disk, "queues/").len();
    let disk = disk.killed();
    let (store, mut recovery) = open(&disk);
    let (log, outstanding) = restore(&store, &mut recovery);
    assert_eq!(log.read(outstanding[0].location).unwrap().unwrap().ordinal, Ordinal(0));
    let state = log.state();
    drop(log);
    assert_eq!(files(&disk, "queues/").len(), before);
    // The journal said that it was acknowledged: it is not among the outstanding ones any more.
    let _log = store.restore_log(QUEUE, &state, []).unwrap();
    assert!(files(&disk, "queues/").len() < before);
}
