//! The journal: what a turn costs the router, and what a group costs the syncer.
//!
//! `write` is a turn of publishes and one write. `commit` is the same and its fdatasync: divided by
//! the number of messages it is what a confirm costs when so many are under way at a time.

#![expect(missing_docs, reason = "criterion_group! makes a public function")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use leveret::ids::{Ordinal, QueueId, Timestamp};
use leveret::message::Message;
use leveret::store::{Place, RealDisk, Store, StoreOptions};

fn open(root: &std::path::Path) -> Store {
    let disk = RealDisk::new(root).expect("a directory for the bench");
    Store::open(Arc::new(disk), StoreOptions::default()).expect("an empty store").0
}

/// Publishes `count` messages to 16 queues in turn, as one turn of the router does.
fn turn(store: &mut Store, next: &AtomicU64, count: u64, message: &Message) {
    for _ in 0..count {
        let ordinal = next.fetch_add(1, Ordering::Relaxed);
        let queue = QueueId(1 + ordinal % 16);
        let place = Place { queue, ordinal: Ordinal(ordinal), deliveries: 0 };
        store.journal().publish(&[place], message, Timestamp(1_700_000_000_000));
    }
    store.journal().write().expect("room for the bench");
    if store.wants_checkpoint() {
        let snapshot = store.begin_checkpoint().expect("a checkpoint");
        store.finish_checkpoint(snapshot, Vec::new()).run().expect("room for the bench");
        store.checkpoint_done().expect("a checkpoint");
    }
}

fn journal(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory for the bench");
    let mut store = open(directory.path());
    let next = AtomicU64::new(0);
    let message = Message::from_parts("", b"bench", &[0x10, 0, 2], &[7; 1024], true);
    let mut group = criterion.benchmark_group("journal_group_commit");
    for count in [1, 100, 1000] {
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::new("write", count), |bench| {
            bench.iter(|| turn(&mut store, &next, count, &message));
        });
        group.bench_function(BenchmarkId::new("commit", count), |bench| {
            bench.iter(|| {
                turn(&mut store, &next, count, &message);
                store.journal().sync_request().run().expect("a disk that syncs");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);
