//! Recovery of a data directory of which a file was overwritten, cut or replaced: it starts or is
//! refused, and never panics.
//!
//! The first byte says which file, the second how, the next two where.
#![no_main]

use std::sync::{Arc, LazyLock};

use leveret::broker::{Broker, BrokerOptions, Command, Effects, OpenConnection};
use leveret::ids::{ChannelNumber, ConnectionId, Timestamp};
use leveret::store::{MemoryDisk, Store, StoreOptions};
use leveret::wire::{Method, ShortString};
use libfuzzer_sys::fuzz_target;

const LINES: [&str; 4] = [
    "channel.open",
    "exchange.declare exchange=\"x\" kind=\"topic\" durable=true",
    "queue.declare queue=\"q\" durable=true arguments={x-max-priority: 3}",
    "queue.bind queue=\"q\" exchange=\"x\" routing_key=\"a.#\" arguments={a: [1, {b: void}]}",
];

/// A directory in which something is defined.
static DISK: LazyLock<MemoryDisk> = LazyLock::new(|| {
    let disk = MemoryDisk::new();
    let mut broker = open(&disk).expect("an empty disk");
    let (now, mut effects) = (Timestamp(1_000), Effects::default());
    let mut apply = |broker: &mut Broker, command| {
        broker.apply(now, ConnectionId(1), command, &mut effects);
        broker.end_turn(now, &mut effects).expect("the disk is well");
    };
    let name = ShortString::clipped;
    apply(
        &mut broker,
        Command::Open(Box::new(OpenConnection {
            peer: String::new(),
            user: name("guest"),
            virtual_host: name("/"),
            client_properties: Default::default(),
            channel_max: 0,
            facts: Default::default(),
        })),
    );
    for line in LINES {
        let method: Method = line.parse().expect("a method");
        apply(&mut broker, Command::Method(ChannelNumber(1), method));
    }
    broker.close_store().expect("the disk is well");
    disk
});

fn open(disk: &MemoryDisk) -> Option<Broker> {
    let (store, recovery) = Store::open(Arc::new(disk.clone()), StoreOptions::TINY).ok()?;
    Broker::open(store, recovery, BrokerOptions::default()).ok()
}

fuzz_target!(|bytes: &[u8]| {
    let [which, how, high, low, rest @ ..] = bytes else { return };
    let disk = DISK.killed();
    let files = disk.files();
    let path = &files[usize::from(*which) % files.len()];
    let at = usize::from(u16::from_be_bytes([*high, *low]));
    disk.damage(path, |octets| match how % 3 {
        0 => *octets = rest.to_vec(),
        1 => octets.truncate(at),
        _ => {
            let end = (at + rest.len()).min(octets.len());
            if at < end {
                octets[at..end].copy_from_slice(&rest[..end - at]);
            }
        }
    });
    if let Some(broker) = open(&disk) {
        drop(broker.close_store());
    }
});
