//! A turn of the broker: a batch of publishes in, deliveries out, on a disk in memory.

#![allow(missing_docs, clippy::cast_possible_truncation, reason = "a bench is run, not called")]

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use leveret::broker::{
    Broker, BrokerOptions, Command, Effects, FsyncPolicy, OpenConnection, Publish,
};
use leveret::ids::{ChannelNumber, ConnectionId, Timestamp};
use leveret::message::Message;
use leveret::store::{MemoryDisk, Store, StoreOptions};
use leveret::wire::{Method, ShortString, Table};

const TURN: u64 = 100;
const PUBLISHER: ConnectionId = ConnectionId(1);
const CONSUMER: ConnectionId = ConnectionId(2);

/// A broker after these methods, all on channel 1 of the connection in front.
fn prepared(methods: &[(ConnectionId, &str)]) -> Broker {
    let disk = Arc::new(MemoryDisk::default());
    let (store, recovery) = Store::open(disk, StoreOptions::default()).expect("an empty store");
    let options = BrokerOptions {
        fsync: FsyncPolicy::Never,
        outbox_bytes_max: u64::MAX,
        ..BrokerOptions::default()
    };
    let mut broker = Broker::open(store, recovery, options).expect("an empty broker");
    let mut effects = Effects::default();
    for id in [PUBLISHER, CONSUMER] {
        let open = OpenConnection {
            peer: "bench".to_owned(),
            user: ShortString::clipped("guest"),
            virtual_host: ShortString::clipped("/"),
            client_properties: Table::default(),
            channel_max: 0,
            facts: Default::default(),
        };
        broker.apply(Timestamp(0), id, Command::Open(Box::new(open)), &mut effects);
    }
    let opens = [(PUBLISHER, "channel.open"), (CONSUMER, "channel.open")];
    for (id, line) in opens.iter().chain(methods) {
        let method: Method = line.parse().expect("a method");
        let command = Command::Method(ChannelNumber(1), method);
        broker.apply(Timestamp(0), *id, command, &mut effects);
    }
    turn(&mut broker, &mut effects);
    broker
}

fn turn(broker: &mut Broker, effects: &mut Effects) {
    broker.end_turn(Timestamp(0), effects).expect("memory does not fail");
    effects.take().for_each(drop);
}

fn bench(criterion: &mut Criterion, name: &str, methods: &[(ConnectionId, &str)], mode: u8) {
    let mut broker = prepared(methods);
    let mut effects = Effects::default();
    let properties = if mode == 2 { vec![0x10, 0, 2] } else { vec![0, 0] };
    let message = Message::from_parts("", b"q", &properties, &[b'x'; 16], mode == 2);
    let mut group = criterion.benchmark_group("broker_turn");
    group.throughput(Throughput::Elements(TURN));
    group.bench_function(name, |bencher| {
        bencher.iter_batched(
            || vec![message.clone(); TURN as usize],
            |messages| {
                for message in messages {
                    let publish =
                        Publish { mandatory: false, immediate: false, repeats: false, message };
                    let command = Command::Publish(ChannelNumber(1), publish);
                    broker.apply(Timestamp(0), PUBLISHER, command, &mut effects);
                }
                turn(&mut broker, &mut effects);
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn turns(criterion: &mut Criterion) {
    let consume = (CONSUMER, "basic.consume queue=\"q\" consumer_tag=\"c\" no_ack=true");
    let transient = [(PUBLISHER, "queue.declare queue=\"q\""), consume];
    bench(criterion, "100 transient messages to a consumer", &transient, 1);
    let durable = [(PUBLISHER, "queue.declare queue=\"q\" durable=true"), consume];
    bench(criterion, "100 persistent messages to a consumer", &durable, 2);
}

criterion_group!(benches, turns);
criterion_main!(benches);
