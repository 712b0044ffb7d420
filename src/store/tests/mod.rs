//! The store's promises, on a disk in memory that can be killed, cut off and damaged.

use std::path::PathBuf;
use std::sync::Arc;

use super::{
    Entry, Location, LogState, MemoryDisk, Outstanding, Place, QueueLog, Recovery, Store,
    StoreError, StoreOptions, StreamOffset,
};
use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;

mod bodies;
mod checkpoints;
mod crashes;
mod cursors;
mod damage;
mod full;
mod journals;
mod logs;
mod matrix;
mod real;

const QUEUE: QueueId = QueueId(7);

/// Small sizes, so that few messages fill a segment or a journal.
const OPTIONS: StoreOptions = StoreOptions {
    segment_bytes_min: 4096,
    segment_bytes_max: 16 << 10,
    journal_bytes_max: 8 << 10,
    journal_bytes_early: 4 << 10,
    journal_bytes_prepared: 4096,
    journal_bytes_spare: 4096,
    shared_bytes_min: 30,
    open_files_max: 64,
};

type Opened = (Store, Recovery);

fn open(disk: &MemoryDisk) -> Opened {
    try_open(disk).expect("the store opens")
}

fn try_open(disk: &MemoryDisk) -> Result<Opened, StoreError> {
    Store::open(Arc::new(disk.clone()), OPTIONS)
}

/// A persistent message; its body says its number and is `length` octets long.
fn message(number: u64, length: usize) -> Message {
    with_mode(number, length, true)
}

fn with_mode(number: u64, length: usize, persistent: bool) -> Message {
    let mut body = format!("message {number} ").into_bytes();
    body.resize(length.max(body.len()), b'.');
    Message::from_parts("", b"work", &[0x10, 0, 2], &body, persistent)
}

fn append(log: &mut QueueLog, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        log.append(Ordinal(number), &message(number, 100), Timestamp(1000 + number));
    }
}

/// Takes everything; the ordinals of what came, each checked to be what was appended.
fn take_all(log: &mut QueueLog) -> Vec<u64> {
    std::iter::from_fn(|| log.take().expect("the log can be read"))
        .map(|stored| {
            let number = stored.ordinal.0;
            let start = format!("message {number} ");
            assert!(stored.message.body().starts_with(start.as_bytes()), "the wrong message");
            assert_eq!(stored.published, Timestamp(1000 + number));
            number
        })
        .collect()
}

/// The log's state, flushed.
fn state(log: &mut QueueLog) -> LogState {
    log.flush().expect("there is room");
    log.state()
}

fn publish(store: &mut Store, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let place = Place { queue: QUEUE, ordinal: Ordinal(number), deliveries: 0 };
        store.journal().publish(&[place], &message(number, 100), Timestamp(1000 + number));
    }
    store.journal().write().expect("the journal can be written");
}

fn sync(store: &mut Store) {
    store.journal().sync_request().run().expect("the journal can be synced");
}

/// What recovery tells, a line for each entry.
fn told(recovery: &mut Recovery) -> Vec<String> {
    recovery.entries().map(|entry| line(&entry.expect("the entry can be read"))).collect()
}

fn line(entry: &Entry) -> String {
    match entry {
        Entry::Sample(sample) => format!("sample {sample:?}"),
        Entry::Define { virtual_host, queue, method } => {
            format!("define {virtual_host} {queue} {}", String::from_utf8_lossy(method))
        }
        Entry::Queue { id, next_ordinal, outstanding, .. } => {
            let outstanding: Vec<_> = outstanding.iter().map(|one| one.ordinal.0).collect();
            format!("queue {id} next {next_ordinal} outstanding {outstanding:?}")
        }
        Entry::Publish { places, message, published } => {
            let places: Vec<_> = places
                .iter()
                .map(|place| format!("{}{}x{}", place.queue, place.ordinal, place.deliveries))
                .collect();
            let body = String::from_utf8_lossy(message.body());
            let body = body.trim_end_matches('.').trim_end();
            format!("publish {} at {} {body}", places.join(" "), published.0)
        }
        Entry::Settle { queue, first, last } => format!("settle {queue} {first}-{last}"),
        Entry::Deliver { queue, first, last } => format!("deliver {queue} {first}-{last}"),
        Entry::Change { table } => format!("change {}", String::from_utf8_lossy(table)),
        Entry::Remember { virtual_host, exchange, until, header } => {
            format!("remember {virtual_host} {exchange} until {until:?} {header:?}")
        }
        Entry::Offset(StreamOffset { queue, consumer_tag, next }) => {
            format!("offset {queue} {consumer_tag} next {next}")
        }
        Entry::Redeliver { queue, before } => format!("redeliver {queue} before {before}"),
        Entry::Transfer { queue, ordinal, places, .. } => {
            format!("transfer {queue} {ordinal} to {places:?}")
        }
        Entry::Level { queue, priority, id } => format!("level {queue} {priority} as {id}"),
        Entry::GiveBack { queue, first, last, times } => {
            format!("give back {queue} {first} to {last}, {times} times")
        }
        Entry::Purge { queue, before } => format!("purge {queue} before {before}"),
    }
}

fn published(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    let line = |number| format!("publish q7#{number}x0 at {} message {number}", 1000 + number);
    numbers.into_iter().map(line).collect()
}

/// The files whose path holds `part`.
fn files(disk: &MemoryDisk, part: &str) -> Vec<PathBuf> {
    let here = |path: &PathBuf| path.to_string_lossy().contains(part);
    disk.files().into_iter().filter(here).collect()
}

/// Makes a checkpoint of one queue with this log and these outstanding messages.
fn checkpoint(store: &mut Store, log: &mut QueueLog, next: u64, outstanding: &[(u64, Location)]) {
    let outstanding: Vec<_> = outstanding
        .iter()
        .map(|(ordinal, location)| Outstanding {
            ordinal: Ordinal(*ordinal),
            location: *location,
            deliveries: 1,
        })
        .collect();
    log.flush().expect("there is room");
    let mut snapshot = store.begin_checkpoint().expect("a checkpoint begins");
    snapshot.define("/", QUEUE, b"declare");
    snapshot.queue(QUEUE, Ordinal(next), &log.state(), &outstanding);
    let job = store.finish_checkpoint(snapshot, log.sync_files());
    job.run().expect("the checkpoint is written");
    store.checkpoint_done().expect("the checkpoint is done");
}

/// The log that the first queue entry of a recovery tells of, with what was outstanding.
fn restore(store: &Store, recovery: &mut Recovery) -> (QueueLog, Vec<Outstanding>) {
    let queue = recovery.entries().find_map(|entry| match entry.expect("it can be read") {
        Entry::Queue { log, outstanding, .. } => Some((log, outstanding)),
        _ => None,
    });
    let (state, outstanding) = queue.expect("the snapshot has a queue");
    let locations = outstanding.iter().map(|one| one.location);
    let log = store.restore_log(QUEUE, &state, locations).expect("the log can be restored");
    (log, outstanding)
}
