//! What a start takes after a kill: time until clients can connect, and memory.
//!
//! ```text
//!   cargo bench --bench recovery                              small, by criterion
//!   cargo bench --bench recovery -- report QUEUES MESSAGES    one start, with its memory
//! ```
//!
//! `report 1000 7000` is a fanout to 1,000 queues, `report 1 10000000` a long backlog. The broker
//! that writes them is dropped without a word; checkpoints run as they do in the server. The one
//! that starts does so in a process of its own, whose memory is then that of a broker.

#![allow(
    missing_docs,
    clippy::print_stdout,
    reason = "a bench is run, not called, and its report is printed"
)]

use std::path::Path;
use std::process::Command as Process;
use std::sync::Arc;
use std::time::Instant;

use criterion::{BatchSize, Criterion};
use leveret::broker::{
    Broker, BrokerOptions, Command, Effects, FsyncPolicy, OpenConnection, Publish,
};
use leveret::ids::{ChannelNumber, ConnectionId, Timestamp};
use leveret::message::Message;
use leveret::store::{RealDisk, Store, StoreOptions};
use leveret::wire::{Method, ShortString, Table};

const CLIENT: ConnectionId = ConnectionId(1);
const CHANNEL: ChannelNumber = ChannelNumber(1);
/// Publishes of a turn.
const TURN: usize = 64;

fn open(root: &Path) -> Broker {
    let disk = RealDisk::new(root).expect("a directory for the bench");
    let (store, recovery) =
        Store::open(Arc::new(disk), StoreOptions::default()).expect("a store that can be read");
    let options = BrokerOptions { fsync: FsyncPolicy::Never, ..BrokerOptions::default() };
    Broker::open(store, recovery, options).expect("a broker that can be restored")
}

/// Leaves so many messages of 100 octets in each of so many durable queues, as a kill would.
fn leave(root: &Path, queues: usize, messages: usize) {
    let mut broker = open(root);
    let mut effects = Effects::default();
    let open = OpenConnection {
        peer: "bench".to_owned(),
        user: ShortString::clipped("guest"),
        virtual_host: ShortString::clipped("/"),
        client_properties: Table::default(),
        channel_max: 0,
        facts: Default::default(),
    };
    broker.apply(Timestamp(0), CLIENT, Command::Open(Box::new(open)), &mut effects);
    let mut call = |broker: &mut Broker, line: &str| {
        let method: Method = line.parse().expect("a method");
        broker.apply(Timestamp(0), CLIENT, Command::Method(CHANNEL, method), &mut effects);
    };
    call(&mut broker, "channel.open");
    for queue in 0..queues {
        call(&mut broker, &format!("queue.declare queue=\"q{queue}\" durable=true"));
        call(&mut broker, &format!("queue.bind queue=\"q{queue}\" exchange=\"amq.fanout\""));
    }
    let message = Message::from_parts("amq.fanout", b"", &[0x10, 0, 2], &[b'x'; 100], true);
    for number in 0..messages {
        let message = message.clone();
        let publish = Publish { mandatory: false, immediate: false, repeats: false, message };
        broker.apply(Timestamp(0), CLIENT, Command::Publish(CHANNEL, publish), &mut effects);
        if number % TURN == TURN - 1 || number == messages - 1 {
            broker.end_turn(Timestamp(0), &mut effects).expect("room for the bench");
            effects.take().for_each(drop);
            if let Some(job) = broker.checkpoint(Timestamp(0)).expect("a checkpoint") {
                job.run().expect("room for the bench");
                broker.checkpoint_done().expect("a checkpoint");
            }
        }
    }
}

fn recovery(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recovery");
    group.sample_size(10);
    for (queues, messages) in [(1, 20_000), (100, 200)] {
        let directory = tempfile::tempdir().expect("a directory for the bench");
        leave(directory.path(), queues, messages);
        group.bench_function(format!("{queues} queues, {messages} messages each"), |bench| {
            // Nothing is written but what the next start cuts off again.
            bench.iter_batched(|| (), |()| open(directory.path()), BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// A line of /proc/self/status, in MiB.
fn mebibytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse::<u64>().unwrap_or(0) / 1024
}

fn report(queues: usize, messages: usize) {
    let directory = tempfile::tempdir().expect("a directory for the bench");
    leave(directory.path(), queues, messages);
    let this = std::env::current_exe().expect("a program that can be found");
    let start = Process::new(this).arg("start").arg(directory.path()).status();
    assert!(start.expect("the program can be run").success());
}

fn start(root: &Path) {
    let begun = Instant::now();
    let broker = open(root);
    println!(
        "{} ms; {} MiB of memory, {} MiB at most with mapped files",
        begun.elapsed().as_millis(),
        mebibytes("RssAnon:"),
        mebibytes("VmHWM:"),
    );
    drop(broker);
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|text| text != "--bench").collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().expect("a number");
    match words.as_slice() {
        ["report", queues, messages] => report(number(queues), number(messages)),
        ["start", root] => start(Path::new(root)),
        _ => {
            let mut criterion = Criterion::default().configure_from_args();
            recovery(&mut criterion);
            criterion.final_summary();
        }
    }
}
