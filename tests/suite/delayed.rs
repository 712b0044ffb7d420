//! Many delayed messages, that wait in the log of their exchange's hidden queue: over a kill and a
//! checkpoint each comes once, in the order in which they are due.

use std::sync::Arc;

use leveret::broker::{Broker, BrokerOptions, Command, Effects, OpenConnection, Output, Publish};
use leveret::ids::{ChannelNumber, ConnectionId, Timestamp};
use leveret::message::Message;
use leveret::store::{MemoryDisk, Store, StoreOptions};
use leveret::wire::{Field, Properties, ShortString, Table};

const CLIENT: ConnectionId = ConnectionId(1);
const CHANNEL: ChannelNumber = ChannelNumber(1);
const MESSAGES: u64 = 2000;

/// A broker that keeps no message in memory, on a disk that can be killed.
struct World {
    disk: MemoryDisk,
    broker: Broker,
    effects: Effects,
    now: u64,
    got: Vec<u64>,
}

impl World {
    fn open(disk: MemoryDisk, now: u64) -> Self {
        let (store, recovery) =
            Store::open(Arc::new(disk.clone()), StoreOptions::default()).unwrap();
        let options = BrokerOptions { resident_bytes_max: 0, ..BrokerOptions::default() };
        let broker = Broker::open(store, recovery, options).unwrap();
        let mut world = Self { disk, broker, effects: Effects::default(), now, got: Vec::new() };
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

    fn killed(self) -> Self {
        Self::open(self.disk.killed(), self.now)
    }

    fn method(&mut self, text: &str) {
        self.apply(Command::Method(CHANNEL, text.parse().unwrap()));
        self.end_turn();
    }

    fn apply(&mut self, command: Command) {
        self.broker.apply(Timestamp(self.now), CLIENT, command, &mut self.effects);
    }

    fn end_turn(&mut self) {
        if let Some(request) = self.broker.end_turn(Timestamp(self.now), &mut self.effects).unwrap()
        {
            request.run().unwrap();
            self.broker.synced(request.point, &mut self.effects);
        }
        for output in self.effects.take().flat_map(|(_, outputs)| outputs) {
            if let Output::Deliver(run) = output {
                let number = |message: &Message| {
                    std::str::from_utf8(message.body()).unwrap().parse::<u64>().unwrap()
                };
                self.got.extend(run.messages.iter().map(|delivery| number(&delivery.message)));
            }
        }
    }

    fn publish(&mut self, number: u64, delay: i32) {
        let headers = Table::from_iter([(ShortString::clipped("x-delay"), Field::I32(delay))]);
        let properties =
            Properties { headers: Some(headers), delivery_mode: Some(2), ..Default::default() };
        let mut bytes = Vec::new();
        properties.encode(&mut bytes);
        let message = Message::from_parts("x", b"k", &bytes, number.to_string().as_bytes(), true);
        self.apply(Command::Publish(
            CHANNEL,
            Publish { mandatory: false, immediate: false, repeats: false, message },
        ));
    }
}

#[test]
fn delayed_messages_in_a_log_come_once_each_in_order() {
    let mut world = World::open(MemoryDisk::new(), 1_000_000);
    let kind = r#"kind="x-delayed-message" arguments={x-delayed-type: "direct"}"#;
    world.method(&format!(r#"exchange.declare exchange="x" durable=true {kind}"#));
    world.method(r#"queue.declare queue="q" durable=true"#);
    world.method(r#"queue.bind queue="q" exchange="x" routing_key="k""#);
    for number in 0..MESSAGES {
        // The first comes last.
        world.publish(number, 1000 + (MESSAGES - number) as i32);
        if number % 100 == 99 {
            world.end_turn();
        }
    }
    assert_eq!(world.broker.delayed_count("/", "x"), MESSAGES);
    let mut world = world.killed();
    let job = world.broker.checkpoint(Timestamp(world.now)).unwrap().expect("one after a kill");
    job.run().unwrap();
    world.broker.checkpoint_done().unwrap();
    world.end_turn();
    let mut world = world.killed();
    assert_eq!(world.broker.delayed_count("/", "x"), MESSAGES);
    world.method(r#"basic.consume queue="q" consumer_tag="c" no_ack=true"#);
    world.now += 1000 + MESSAGES / 2;
    world.end_turn();
    world.end_turn();
    assert_eq!(world.got, (MESSAGES / 2..MESSAGES).rev().collect::<Vec<_>>());
    world.method(r#"exchange.delete exchange="x""#);
    world.now += MESSAGES;
    world.end_turn();
    assert_eq!(world.got.len() as u64, MESSAGES / 2);
}
