//! Bodies that several logs share: written once, freed with the last reference, damaged for those
//! that refer to them and for no others.

use super::super::Disk;
use super::*;

const OTHER: QueueId = QueueId(9);

/// A message for several queues, longer than a copy costs less.
fn shared(number: u64, length: usize) -> Message {
    message(number, length).for_several()
}

/// Appends messages to both logs, once each.
fn append_to(logs: [&mut QueueLog; 2], numbers: impl IntoIterator<Item = u64>) {
    let [one, two] = logs;
    for number in numbers {
        let message = shared(number, 100);
        for log in [&mut *one, &mut *two] {
            log.append(Ordinal(number), &message, Timestamp(1000 + number));
        }
    }
    one.flush().expect("there is room");
    two.flush().expect("there is room");
}

/// A checkpoint of both queues, of whose messages those taken at these places are outstanding.
fn checkpoint_of(store: &mut Store, logs: [&mut QueueLog; 2], next: u64, out: &[(u64, Location)]) {
    let mut snapshot = store.begin_checkpoint().expect("a checkpoint begins");
    let outstanding = |(ordinal, location): &(u64, Location)| Outstanding {
        ordinal: Ordinal(*ordinal),
        location: *location,
        deliveries: 1,
    };
    let out: Vec<_> = out.iter().map(outstanding).collect();
    let [one, two] = logs;
    snapshot.queue(QUEUE, Ordinal(next), &one.state(), &out);
    snapshot.queue(OTHER, Ordinal(next), &two.state(), &[]);
    let files = one.sync_files().into_iter().chain(two.sync_files()).collect();
    store.finish_checkpoint(snapshot, files).run().expect("the checkpoint is written");
    store.checkpoint_done().expect("the checkpoint is done");
}

/// Both logs as the snapshot has them, and what was out of the first.
fn restored(store: &Store, recovery: &mut Recovery) -> (QueueLog, QueueLog, Vec<Outstanding>) {
    let mut found = Vec::new();
    for entry in recovery.entries() {
        if let Entry::Queue { id, log, outstanding, .. } = entry.expect("it can be read") {
            let locations = outstanding.iter().map(|one| one.location);
            let log = store.restore_log(id, &log, locations).expect("it can be restored");
            found.push((log, outstanding));
        }
    }
    let [(one, out), (two, _)] = found.try_into().ok().expect("two queues");
    (one, two, out)
}

fn bodies(disk: &MemoryDisk) -> usize {
    files(disk, "bodies/").len()
}

/// Takes all of a log and settles it.
fn drain(log: &mut QueueLog) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some(stored) = log.take().expect("it can be read") {
        let start = format!("message {} ", stored.ordinal.0);
        assert!(stored.message.body().starts_with(start.as_bytes()), "the wrong message");
        numbers.push(stored.ordinal.0);
        log.release(stored.location);
    }
    numbers
}

#[test]
fn a_body_is_written_once_however_many_logs_refer_to_it() {
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk);
    let mut logs: Vec<_> = (1..=50).map(|id| store.log(QueueId(id), true)).collect();
    let before = disk.written();
    let message = shared(1, 40_000);
    for log in &mut logs {
        log.append(Ordinal(1), &message, Timestamp(1001));
    }
    logs.iter_mut().for_each(|log| log.flush().unwrap());
    let written = disk.written() - before;
    assert!((40_000..40_000 + 51 * 1200).contains(&written), "{written} bytes");
    for log in &mut logs {
        assert_eq!(log.ready_bytes(), message.size(), "each queue counts its own");
        assert_eq!(take_all(log), [1]);
    }
}

#[test]
fn a_body_goes_with_the_last_reference_however_that_goes() {
    let disk = MemoryDisk::new();
    let (store, recovery) = open(&disk);
    drop(recovery);
    let (mut one, mut two) = (store.log(QUEUE, true), store.log(OTHER, true));
    append_to([&mut one, &mut two], 0..500);
    let all = bodies(&disk);
    assert!(all > 2, "{all} segments");
    assert_eq!(drain(&mut one), (0..500).collect::<Vec<_>>());
    assert_eq!(bodies(&disk), all, "the other log still needs them");
    for number in 0..100 {
        assert_eq!(two.take().unwrap().map(|stored| stored.ordinal), Some(Ordinal(number)));
    }
    two.purge();
    let out = bodies(&disk);
    assert!((1..all).contains(&out), "{out} of {all} are needed by what is out");
    two.delete();
    assert!(bodies(&disk) <= 1, "{:?}", files(&disk, "bodies/"));
    // What is appended to stays until it is half used, or a checkpoint comes.
    append_to([&mut one, &mut store.log(QueueId(10), true)], 500..510);
    assert!(bodies(&disk) > 0);
}

#[test]
fn a_restart_keeps_what_is_referred_to_and_no_more() {
    let disk = MemoryDisk::new();
    let (mut store, recovery) = open(&disk);
    drop(recovery);
    let (mut one, mut two) = (store.log(QUEUE, true), store.log(OTHER, true));
    append_to([&mut one, &mut two], 0..100);
    let out: Vec<_> = (0..3).map(|_| one.take().unwrap().unwrap()).collect();
    let out: Vec<_> = out.iter().map(|stored| (stored.ordinal.0, stored.location)).collect();
    checkpoint_of(&mut store, [&mut one, &mut two], 100, &out);
    append_to([&mut one, &mut two], 100..200);
    for disk in [disk.killed(), disk.cut()] {
        let (mut store, mut recovery) = open(&disk);
        let (mut one, mut two, out) = restored(&store, &mut recovery);
        drop(recovery);
        for (number, one_out) in out.iter().enumerate() {
            let stored = one.read(one_out.location).unwrap().expect("it was out");
            assert_eq!(stored.ordinal, Ordinal(number as u64));
        }
        assert_eq!(drain(&mut one), (3..100).collect::<Vec<_>>());
        assert_eq!(drain(&mut two), (0..100).collect::<Vec<_>>());
        let left = bodies(&disk);
        assert!(left > 0, "three messages are out");
        out.iter().for_each(|one_out| one.release(one_out.location));
        checkpoint_of(&mut store, [&mut one, &mut two], 200, &[]);
        assert_eq!((bodies(&disk), one.take_damaged(), two.take_damaged()), (0, 0, 0));
    }
}

/// The bodies went with the last settlement, the snapshot knows nothing of it.
#[test]
fn a_body_that_was_freed_is_not_missed_by_what_is_settled() {
    let disk = MemoryDisk::new();
    let (mut store, recovery) = open(&disk);
    drop(recovery);
    let (mut one, mut two) = (store.log(QUEUE, true), store.log(OTHER, true));
    append_to([&mut one, &mut two], 0..100);
    checkpoint_of(&mut store, [&mut one, &mut two], 100, &[]);
    let before = bodies(&disk);
    drain(&mut one);
    for _ in 0..90 {
        let stored = two.take().unwrap().unwrap();
        two.release(stored.location);
    }
    assert!(bodies(&disk) < before);
    let disk = disk.killed();
    let (store, mut recovery) = open(&disk);
    let (mut one, mut two, _) = restored(&store, &mut recovery);
    assert!(one.take_unless(|_| true).unwrap().is_none());
    let first = two.take_unless(|ordinal| ordinal < Ordinal(90)).unwrap();
    assert_eq!(first.map(|stored| stored.ordinal), Some(Ordinal(90)));
    assert_eq!(take_all(&mut two), (91..100).collect::<Vec<_>>());
    assert_eq!((one.take_damaged(), two.take_damaged()), (0, 0));
}

#[test]
fn a_lost_segment_of_bodies_costs_those_who_refer_to_it_and_is_counted() {
    let disk = MemoryDisk::new();
    let (mut store, recovery) = open(&disk);
    drop(recovery);
    let (mut one, mut two) = (store.log(QUEUE, true), store.log(OTHER, true));
    append_to([&mut one, &mut two], 0..100);
    append(&mut one, 100..120); // with their bodies
    one.flush().unwrap();
    checkpoint_of(&mut store, [&mut one, &mut two], 120, &[]);
    let disk = disk.killed();
    let path = files(&disk, "bodies/").remove(1);
    Disk::remove(&disk, &path).unwrap();
    let (store, mut recovery) = open(&disk);
    let (mut one, mut two, _) = restored(&store, &mut recovery);
    drop(recovery);
    let taken = drain(&mut one);
    assert_eq!(drain(&mut two), taken[..taken.len() - 20]);
    assert!(taken.len() < 120 && taken.starts_with(&[0]) && taken.ends_with(&[118, 119]));
    let lost = 120 - taken.len() as u64;
    assert_eq!((one.take_damaged(), two.take_damaged()), (lost, lost));
    assert!(bodies(&disk) <= 1, "nothing keeps the others");
}

#[test]
fn a_full_disk_keeps_references_from_being_written_without_their_bodies() {
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk);
    let (mut one, mut two) = (store.log(QUEUE, true), store.log(OTHER, true));
    disk.fill(true);
    let message = shared(0, 100);
    for log in [&mut one, &mut two] {
        log.append(Ordinal(0), &message, Timestamp(1000));
        assert!(log.flush().unwrap_err().is_full());
    }
    one.purge();
    disk.fill(false);
    assert_eq!(take_all(&mut two), [0]);
    assert!(take_all(&mut one).is_empty());
}

#[test]
fn a_stream_keeps_its_length_though_its_bodies_are_elsewhere() {
    let disk = MemoryDisk::new();
    let (store, recovery) = open(&disk);
    drop(recovery);
    let (mut one, mut two) = (store.log(QUEUE, true), store.log(OTHER, true));
    one.limit_segments(4096);
    append_to([&mut one, &mut two], 0..500);
    assert!(one.segments().count() > 10, "a segment has 4 KiB of messages");
    let before = bodies(&disk);
    two.delete();
    assert_eq!(bodies(&disk), before);
    while one.ready_bytes() > 20_000 && one.drop_first_segment().unwrap() {}
    assert!(one.ready_bytes() > 15_000, "{}", one.ready_bytes());
    assert!(bodies(&disk) < before / 2, "{} of {before}", bodies(&disk));
}

/// Publishes to two logs, settles and checkpoints until the disk fails. Returns how many messages
/// were put down by the last checkpoint that was done, and how many were settled by then.
fn run(disk: &MemoryDisk, done: &mut (u64, u64)) -> Result<(), StoreError> {
    let (mut store, recovery) = try_open(disk)?;
    drop(recovery);
    let (mut one, mut two) = (store.log(QUEUE, true), store.log(OTHER, true));
    let mut settled = 0;
    for turn in 0..6_u64 {
        for number in turn * 10..turn * 10 + 10 {
            let message = shared(number, 300);
            one.append(Ordinal(number), &message, Timestamp(1000 + number));
            two.append(Ordinal(number), &message, Timestamp(1000 + number));
        }
        one.flush()?;
        two.flush()?;
        let mut snapshot = store.begin_checkpoint()?;
        snapshot.queue(QUEUE, Ordinal(100), &one.state(), &[]);
        snapshot.queue(OTHER, Ordinal(100), &two.state(), &[]);
        let files = one.sync_files().into_iter().chain(two.sync_files()).collect();
        store.finish_checkpoint(snapshot, files).run()?;
        *done = (turn * 10 + 10, settled);
        store.checkpoint_done()?;
        for log in [&mut one, &mut two] {
            for _ in 0..8 {
                if let Some(stored) = log.take()? {
                    log.release(stored.location);
                }
            }
        }
        settled += 8;
    }
    Ok(())
}

#[test]
fn no_reference_that_a_checkpoint_relies_on_is_without_its_body_whichever_change_is_the_last() {
    let whole = MemoryDisk::new();
    run(&whole, &mut (0, 0)).unwrap();
    for at in 1..=whole.changes() {
        let disk = MemoryDisk::new();
        disk.fail_after(at);
        let mut done = (0, 0);
        // It ends well only where what fails is the removal of what nobody needs.
        let _ = run(&disk, &mut done);
        for disk in [disk.killed(), disk.cut(), disk.torn(at)] {
            let (store, mut recovery) = open(&disk);
            if done.0 == 0 && recovery.entries().count() == 0 {
                continue;
            }
            let (mut one, mut two, _) = restored(&store, &mut recovery);
            for log in [&mut one, &mut two] {
                // What was settled since the checkpoint is not needed, in this run or the one cut.
                let settled = |ordinal: Ordinal| ordinal.0 < done.1 + 8;
                let mut next = done.1 + 8;
                while let Some(stored) = log.take_unless(settled).unwrap() {
                    assert_eq!(stored.ordinal, Ordinal(next), "change {at}");
                    let start = format!("message {next} ");
                    assert!(stored.message.body().starts_with(start.as_bytes()));
                    next += 1;
                }
                assert!(next >= done.0, "change {at}: {next} of {}", done.0);
                assert_eq!(log.take_damaged(), 0, "change {at}");
            }
        }
    }
}
