//! Crashes at every single change, and errors at every single one.

use super::*;

/// What a run was promised before it ended.
#[derive(Default)]
struct Promised {
    published: u64,
    synced: u64,
    settled: u64,
}

/// Publishes, spills, takes, settles and checkpoints until the disk fails.
fn run(disk: &MemoryDisk, promised: &mut Promised) -> Result<(), StoreError> {
    let (mut store, _) = try_open(disk)?;
    let mut log = store.log(QUEUE, true);
    for turn in 0..12_u64 {
        let numbers = turn * 10..turn * 10 + 10;
        for number in numbers.clone() {
            let place = Place { queue: QUEUE, ordinal: Ordinal(number), deliveries: 0 };
            store.journal().publish(&[place], &message(number, 100), Timestamp(1000 + number));
        }
        append(&mut log, numbers.clone());
        for _ in 0..4 {
            if let Some(stored) = log.take()? {
                store.journal().settle(QUEUE, stored.ordinal);
                log.release(stored.location);
                promised.settled = stored.ordinal.0 + 1;
            }
        }
        log.flush()?;
        store.journal().write()?;
        promised.published = numbers.end;
        store.journal().sync_request().run()?;
        promised.synced = numbers.end;
        if turn % 3 == 2 {
            let mut snapshot = store.begin_checkpoint()?;
            snapshot.define("/", QUEUE, b"declare");
            snapshot.queue(QUEUE, Ordinal(numbers.end), &log.state(), &[]);
            let job = store.finish_checkpoint(snapshot, log.sync_files());
            job.run()?;
            store.checkpoint_done()?;
        }
    }
    store.close()
}

/// What is in the queue after a recovery: the log's messages, then the journal's.
fn recover(disk: &MemoryDisk) -> Vec<u64> {
    let (store, recovery) = open(disk);
    let mut state = None;
    let (mut told, mut settled) = (Vec::new(), 0);
    for entry in recovery.entries() {
        match entry.unwrap() {
            Entry::Queue { log, .. } => state = Some(log),
            Entry::Publish { places, .. } => told.push(places[0].ordinal.0),
            Entry::Settle { last, .. } => settled = last.0 + 1,
            _ => {}
        }
    }
    assert_eq!(recovery.damaged(), 0);
    let mut all = match state {
        Some(state) => take_all(&mut store.restore_log(QUEUE, &state, []).unwrap()),
        None => Vec::new(),
    };
    all.extend(told);
    all.retain(|number| *number >= settled);
    all
}

fn check(disk: &MemoryDisk, promised: u64, promise: &Promised, at: u64) {
    let found = recover(disk);
    let first = found.first().copied().unwrap_or(promised);
    let last = found.last().map_or(first, |last| last + 1);
    assert_eq!(found, (first..last).collect::<Vec<_>>(), "change {at}: no gap, no double");
    assert!(last >= promised, "change {at}: {promised} were promised, {last} are there");
    assert!(first <= promise.settled, "change {at}: {first} was never settled");
    assert_eq!(recover(&disk.killed()), found, "change {at}: a second recovery differs");
}

#[test]
fn nothing_promised_is_lost_whichever_change_is_the_last() {
    let whole = MemoryDisk::new();
    run(&whole, &mut Promised::default()).unwrap();
    for at in 1..=whole.changes() {
        let disk = MemoryDisk::new();
        disk.fail_after(at);
        let mut promised = Promised::default();
        let ended = run(&disk, &mut promised);
        assert!(ended.is_err(), "change {at} failed and nobody noticed");
        check(&disk.killed(), promised.published, &promised, at);
        check(&disk.cut(), promised.synced, &promised, at);
    }
}

#[test]
fn a_crash_while_recovering_is_like_one_crash() {
    let disk = MemoryDisk::new();
    let mut promised = Promised::default();
    run(&disk, &mut promised).unwrap();
    disk.damage("clean", Vec::clear);
    let found = recover(&disk.killed());
    let changes = {
        let disk = disk.killed();
        recover(&disk);
        disk.changes()
    };
    for at in 1..=changes {
        let disk = disk.killed();
        disk.fail_after(at);
        let opened = try_open(&disk).map(|(store, recovery)| {
            let _ = recovery.entries().count();
            drop(store);
        });
        drop(opened);
        assert_eq!(recover(&disk.killed()), found, "after change {at}");
        assert_eq!(recover(&disk.cut()), found, "after change {at} and a power cut");
    }
}
