//! A queue's log: messages in, messages out, through the real disk.
//!
//! A turn of the router appends a number of messages and flushes once; another takes and releases as
//! many. 1 KiB and 128 octets are the sizes that other brokers are measured with.

#![expect(missing_docs, reason = "criterion_group! makes a public function")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use leveret::ids::{Ordinal, QueueId, Timestamp};
use leveret::message::Message;
use leveret::store::{QueueLog, RealDisk, Store, StoreOptions};

/// Messages in one turn.
const TURN: u64 = 64;

fn open(root: &std::path::Path) -> Store {
    let disk = RealDisk::new(root).expect("a directory for the bench");
    Store::open(Arc::new(disk), StoreOptions::default()).expect("an empty store").0
}

fn append(log: &mut QueueLog, next: &mut u64, message: &Message) {
    for _ in 0..TURN {
        log.append(Ordinal(*next), message, Timestamp(1_700_000_000_000));
        *next += 1;
    }
    log.flush().expect("room for the bench");
}

fn take(log: &mut QueueLog) {
    for _ in 0..TURN {
        let stored = log.take().expect("a readable log").expect("a message");
        log.release(black_box(stored).location);
    }
}

fn queue_log(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue_log");
    group.throughput(Throughput::Elements(TURN));
    for size in [128, 1024, 16 << 10] {
        let message = Message::from_parts("", b"bench", &[0x10, 0, 2], &vec![7; size], true);
        let directory = tempfile::tempdir().expect("a directory for the bench");
        let store = open(directory.path());
        let mut log = store.log(QueueId(1), true);
        let mut next = 0;
        group.bench_function(BenchmarkId::new("append_and_take", size), |bench| {
            bench.iter(|| {
                append(&mut log, &mut next, &message);
                take(&mut log);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, queue_log);
criterion_main!(benches);
