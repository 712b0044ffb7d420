//! One long message to many queues: its body is written once, kept in memory once, found again
//! after a kill, and gone from the disk with the last of its queues' messages.

use std::sync::Arc;

use leveret::broker::{Broker, BrokerOptions, Command, Effects, OpenConnection, Output, Publish};
use leveret::ids::{ChannelNumber, ConnectionId, Timestamp};
use leveret::message::Message;
use leveret::store::{MemoryDisk, Store, StoreOptions};
use leveret::wire::{ShortString, Table};

const CLIENT: ConnectionId = ConnectionId(1);
const CHANNEL: ChannelNumber = ChannelNumber(1);

/// A broker on a disk that can be killed, with one client.
struct World {
    disk: MemoryDisk,
    broker: Broker,
    effects: Effects,
    resident_bytes_max: u64,
}

impl World {
    fn open(disk: MemoryDisk, resident_bytes_max: u64) -> Self {
        let (store, recovery) =
            Store::open(Arc::new(disk.clone()), StoreOptions::default()).unwrap();
        let options = BrokerOptions { resident_bytes_max, ..BrokerOptions::default() };
        let broker = Broker::open(store, recovery, options).unwrap();
        let mut world = Self { disk, broker, effects: Effects::default(), resident_bytes_max };
        world.apply(Command::Open(Box::new(OpenConnection {
            peer: "test".to_owned(),
            user: ShortString::clipped("guest"),
            virtual_host: ShortString::clipped("/"),
            client_properties: Table::default(),
            channel_max: 0,
            facts: Default::default(),
        })));
        world.method("channel.open");
        world
    }

    /// With this many queues, all bound to `amq.fanout`.
    fn with_queues(resident_bytes_max: u64, count: usize, durable: bool) -> Self {
        let mut world = Self::open(MemoryDisk::new(), resident_bytes_max);
        for number in 0..count {
            world.method(&format!("queue.declare queue=\"q{number}\" durable={durable}"));
            world.method(&format!("queue.bind queue=\"q{number}\" exchange=\"amq.fanout\""));
        }
        world
    }

    fn killed(self) -> Self {
        Self::open(self.disk.killed(), self.resident_bytes_max)
    }

    fn apply(&mut self, command: Command) -> Vec<Output> {
        self.broker.apply(Timestamp(1), CLIENT, command, &mut self.effects);
        if let Some(request) = self.broker.end_turn(Timestamp(1), &mut self.effects).unwrap() {
            request.run().unwrap();
            self.broker.synced(request.point, &mut self.effects);
        }
        self.effects.take().flat_map(|(_, outputs)| outputs).collect()
    }

    fn method(&mut self, text: &str) -> Vec<Output> {
        self.apply(Command::Method(CHANNEL, text.parse().unwrap()))
    }

    fn publish(&mut self, number: u64, length: usize, persistent: bool) {
        let properties = [0x10, 0, if persistent { 2 } else { 1 }];
        let body = body(number, length);
        let message = Message::from_parts("amq.fanout", b"", &properties, &body, persistent);
        let publish = Publish { mandatory: false, immediate: false, repeats: false, message };
        self.apply(Command::Publish(CHANNEL, publish));
    }

    /// Takes all there is in a queue and settles it; the numbers of the messages, which are checked
    /// to be whole.
    fn drain(&mut self, queue: usize, length: usize) -> Vec<u64> {
        let get = format!("basic.get queue=\"q{queue}\" no_ack=false");
        let mut numbers = Vec::new();
        while let Some(Output::GetOk { delivery_tag, delivery, .. }) = self.method(&get).pop() {
            let found = delivery.message.body();
            let number = u64::from_le_bytes(found[..8].try_into().unwrap());
            assert!(found == body(number, length), "message {number} is not as it was");
            numbers.push(number);
            self.method(&format!("basic.ack delivery_tag={}", delivery_tag.0));
        }
        numbers
    }

    fn checkpoint(&mut self) {
        // After a restart one is due.
        if let Some(job) = self.broker.checkpoint(Timestamp(1)).unwrap() {
            job.run().unwrap();
            self.broker.checkpoint_done().unwrap();
        }
    }

    fn bodies(&self) -> usize {
        self.disk.files().iter().filter(|path| path.starts_with("bodies")).count()
    }
}

fn body(number: u64, length: usize) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.resize(length, number as u8);
    body
}

#[test]
fn a_long_body_is_written_as_often_for_a_hundred_queues_as_for_one() {
    const LENGTH: usize = 5 << 20; // more than a queue keeps in memory
    let written = |queues: usize| {
        let mut world = World::with_queues(u64::MAX, queues, true);
        let before = world.disk.written();
        world.publish(7, LENGTH, true);
        (world.disk.written() - before, world)
    };
    let (once, _) = written(1);
    let (often, mut world) = written(100);
    assert!(often < once + 100 * 2048, "{often} bytes for 100 queues, {once} for one");
    assert_eq!(world.bodies(), 1);
    for queue in 0..99 {
        assert_eq!(world.drain(queue, LENGTH), [7]);
    }
    assert_eq!(world.bodies(), 1, "one queue still has it");
    assert_eq!(world.drain(99, LENGTH), [7]);
    assert_eq!(world.bodies(), 0);
}

#[test]
fn recovery_writes_what_many_queues_share_once() {
    const QUEUES: usize = 60;
    const COUNT: u64 = 25;
    const LENGTH: usize = 20_000;
    // In memory and in the logs.
    for resident_bytes_max in [0, 100 << 20] {
        let mut world = World::with_queues(resident_bytes_max, QUEUES, true);
        let before = world.disk.written();
        for number in 0..COUNT {
            world.publish(number, LENGTH, true);
        }
        let all = COUNT * LENGTH as u64;
        let allowed = 3 * all; // the journal, the bodies, and some room for the rest
        assert!(world.disk.written() - before < allowed, "{}", world.disk.written() - before);
        for _ in 0..2 {
            world = world.killed();
            world.checkpoint();
            let written = world.disk.written();
            // The first journal file is prepared with 4 MiB of zeros.
            assert!(written < allowed + (10 << 20), "recovery and a checkpoint: {written}");
        }
        for queue in 0..QUEUES {
            assert_eq!(world.drain(queue, LENGTH), (0..COUNT).collect::<Vec<_>>());
        }
        world = world.killed();
        assert!(world.drain(0, LENGTH).is_empty());
        world.checkpoint();
        assert_eq!(world.bodies(), 0);
    }
}

#[test]
fn the_bodies_go_with_a_purge_and_with_a_deletion() {
    const LENGTH: usize = 100_000;
    let mut world = World::with_queues(0, 3, true);
    for number in 0..100 {
        world.publish(number, LENGTH, true);
    }
    let all = world.bodies();
    assert!(all > 3, "{all} segments");
    world.method("queue.purge queue=\"q0\"");
    assert!(world.method("basic.get queue=\"q1\"").len() == 1, "one is out");
    world.method("queue.purge queue=\"q1\"");
    assert_eq!(world.bodies(), all, "q2 has all of them");
    world.method("queue.delete queue=\"q2\"");
    // What is appended to may stay until it is half used, or a checkpoint comes.
    assert!((1..=2).contains(&world.bodies()), "what is out, and {all} before");
    world.method("basic.ack delivery_tag=1");
    assert!(world.bodies() <= 1);
}

#[test]
fn transient_messages_keep_no_body_over_a_restart() {
    for durable in [true, false] {
        let mut world = World::with_queues(0, 3, durable);
        for number in 0..20 {
            world.publish(number, 50_000, false);
        }
        assert!(world.bodies() > 0);
        world = world.killed();
        world.checkpoint();
        assert_eq!(world.bodies(), 0);
    }
}

#[test]
fn what_queues_share_takes_memory_once() {
    const LENGTH: usize = 100_000;
    // Room for ten bodies, and for what each queue keeps of them.
    let mut world = World::with_queues(10 * LENGTH as u64 + 100_000, 50, true);
    for number in 0..10 {
        world.publish(number, LENGTH, true);
    }
    assert_eq!(world.bodies(), 0, "all are in memory");
    for queue in 0..50 {
        assert_eq!(world.drain(queue, LENGTH), (0..10).collect::<Vec<_>>());
    }
    // All of it is given back.
    for number in 0..10 {
        world.publish(number, LENGTH, true);
    }
    assert_eq!(world.bodies(), 0);
}
