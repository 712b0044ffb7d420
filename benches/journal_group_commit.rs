//! The journal: what a turn costs the router, and what a group costs the syncer.
//!
//! `write` is a turn of publishes and one write. `commit` is the same and its fdatasync: divided by
//! the number of messages it is what a confirm costs when so many are under way at a time.
//!
//! `confirms` is the broker with its syncer, without sockets: 100 publishers with 100 unconfirmed
//! messages each. Since there is one journal, it hardly matters to how many queues they publish;
//! how the rates compare is printed at the end.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a bench is run, not called"
)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use leveret::broker::{Broker, BrokerOptions, Command, Effects, OpenConnection, Output, Publish};
use leveret::ids::{ChannelNumber, ConnectionId, Ordinal, QueueId, SyncPoint, Timestamp};
use leveret::message::Message;
use leveret::store::{Place, RealDisk, Store, StoreOptions, SyncRequest};
use leveret::wire::{Method, ShortString, Table, basic};
use tempfile::TempDir;

const PUBLISHERS: u64 = 100;
/// Unconfirmed messages of each publisher.
const WINDOW: u64 = 100;
/// The router ends a turn after so many messages.
const TURN: u64 = 1000;
/// How many confirms are waited for.
const CONFIRMS: u64 = 200_000;

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

/// A broker on a real disk, whose publishers are always as far ahead as their window allows.
struct World {
    broker: Broker,
    effects: Effects,
    requests: Sender<SyncRequest>,
    synced: Receiver<SyncPoint>,
    /// Says in the end how often it synced.
    syncer: JoinHandle<u64>,
    messages: Vec<Message>,
    /// Of each publisher the last confirmed tag.
    confirmed: Vec<u64>,
    /// Publishers that may publish so many messages.
    free: VecDeque<(u64, u64)>,
    _directory: TempDir,
}

impl World {
    /// Publishers with a channel in confirm mode, and durable queues that they publish to in turn.
    fn new(queues: u64) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the bench");
        let disk = Arc::new(RealDisk::new(directory.path()).expect("a directory for the bench"));
        let (store, recovery) = Store::open(disk, StoreOptions::default()).expect("a store");
        let broker = Broker::open(store, recovery, BrokerOptions::default()).expect("a broker");
        let (requests, asked) = mpsc::channel();
        let (done, synced) = mpsc::channel();
        let syncer = thread::spawn(move || sync(&asked, &done));
        let message = |number| {
            let key = format!("q{}", number % queues);
            Message::from_parts("", key.as_bytes(), &[0x10, 0, 2], &[7; 100], true)
        };
        let mut world = Self {
            broker,
            effects: Effects::default(),
            requests,
            synced,
            syncer,
            messages: (0..PUBLISHERS).map(message).collect(),
            confirmed: vec![0; PUBLISHERS as usize],
            free: (0..PUBLISHERS).map(|publisher| (publisher, WINDOW)).collect(),
            _directory: directory,
        };
        for publisher in 0..PUBLISHERS {
            world.connect(publisher, publisher % queues);
        }
        world
    }

    fn connect(&mut self, publisher: u64, queue: u64) {
        let open = OpenConnection {
            peer: "bench".to_owned(),
            user: ShortString::clipped("guest"),
            virtual_host: ShortString::clipped("/"),
            client_properties: Table::default(),
            channel_max: 0,
            facts: Default::default(),
        };
        self.apply(publisher, Command::Open(Box::new(open)));
        let declare = format!("queue.declare queue=\"q{queue}\" durable=true");
        for line in ["channel.open", &declare, "confirm.select"] {
            let method: Method = line.parse().expect("a method");
            self.apply(publisher, Command::Method(ChannelNumber(1), method));
        }
    }

    fn apply(&mut self, publisher: u64, command: Command) {
        self.broker.apply(Timestamp(0), ConnectionId(publisher), command, &mut self.effects);
    }

    /// Runs until so many messages are confirmed; gives the time, and how many syncs that took.
    fn run(mut self, confirms: u64) -> (Duration, u64) {
        let began = Instant::now();
        let mut count = 0;
        while count < confirms {
            self.turn();
            // It waits only when all windows are full.
            let point = match self.free.is_empty() {
                true => self.synced.recv().ok(),
                false => self.synced.try_recv().ok(),
            };
            if let Some(point) = point {
                self.broker.synced(point, &mut self.effects);
                count += self.count_confirms();
            }
        }
        let took = began.elapsed();
        drop(self.requests);
        (took, self.syncer.join().expect("a syncer that ends"))
    }

    fn turn(&mut self) {
        let mut room = TURN;
        while room > 0
            && let Some((publisher, free)) = self.free.pop_front()
        {
            let count = free.min(room);
            for _ in 0..count {
                let message = self.messages[publisher as usize].clone();
                let publish =
                    Publish { mandatory: false, immediate: false, repeats: false, message };
                self.apply(publisher, Command::Publish(ChannelNumber(1), publish));
            }
            room -= count;
            if free > count {
                self.free.push_front((publisher, free - count));
            }
        }
        let request = self.broker.end_turn(Timestamp(0), &mut self.effects);
        let request = request.expect("room for the bench");
        if let Some(request) = request {
            self.requests.send(request).expect("a syncer");
        }
    }

    /// For each message that is confirmed another one may be published.
    fn count_confirms(&mut self) -> u64 {
        let mut sum = 0;
        for (ConnectionId(publisher), outputs) in self.effects.take() {
            for output in outputs {
                let Output::Method(_, Method::Basic(basic::Method::Ack(ack))) = output else {
                    continue;
                };
                let confirmed = &mut self.confirmed[publisher as usize];
                let count = if ack.multiple { ack.delivery_tag - *confirmed } else { 1 };
                *confirmed += count;
                sum += count;
                self.free.push_back((publisher, count));
            }
        }
        sum
    }
}

/// The syncer: of the requests that have gathered, the newest covers the others.
fn sync(asked: &Receiver<SyncRequest>, done: &Sender<SyncPoint>) -> u64 {
    let mut syncs = 0;
    while let Ok(first) = asked.recv() {
        let request = asked.try_iter().last().unwrap_or(first);
        request.run().expect("a disk that syncs");
        syncs += 1;
        // At the end nobody waits for it.
        let _ = done.send(request.point);
    }
    syncs
}

fn confirms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("confirms");
    group.throughput(Throughput::Elements(CONFIRMS)).sample_size(10);
    let mut rates = Vec::new();
    for queues in [1, PUBLISHERS] {
        let (mut confirms, mut syncs, mut time) = (0, 0, Duration::ZERO);
        group.bench_function(BenchmarkId::new("queues", queues), |bench| {
            bench.iter_custom(|iterations| {
                let before = time;
                for _ in 0..iterations {
                    let (took, count) = World::new(queues).run(CONFIRMS);
                    (confirms, syncs, time) = (confirms + CONFIRMS, syncs + count, time + took);
                }
                time - before
            });
        });
        if let Some(group) = confirms.checked_div(syncs) {
            let rate = confirms as f64 / time.as_secs_f64();
            println!("queues: {queues}; {rate:.0} confirms a second, {group} a sync");
            rates.push(rate);
        }
    }
    if let [one, many] = rates[..] {
        println!("{PUBLISHERS} queues reach {:.0} % of what one does", 100.0 * many / one);
    }
    group.finish();
}

criterion_group!(benches, journal, confirms);
criterion_main!(benches);
