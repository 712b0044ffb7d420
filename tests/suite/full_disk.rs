//! A disk without room, a process without descriptors or maps: whatever a queue has to do meanwhile
//! (expire, dead-letter, drop, delete itself, show itself), the broker goes on, and nothing that
//! was confirmed is lost when there is room again.

use std::sync::Arc;

use leveret::broker::report::Query;
use leveret::broker::{Broker, BrokerOptions, Command, Effects, OpenConnection, Output, Publish};
use leveret::ids::{ChannelNumber, ConnectionId, Timestamp};
use leveret::message::Message;
use leveret::store::{Fault, MemoryDisk, Store, StoreOptions};
use leveret::wire::{Method, Properties, ShortString, Table, basic, queue};

const CLIENT: ConnectionId = ConnectionId(1);
const CHANNEL: ChannelNumber = ChannelNumber(1);

/// The queues, all in their logs: what each does is done while nothing can be written or opened.
const QUEUES: [&str; 6] = [
    "queue.declare queue=\"ttl\" durable=true arguments={x-message-ttl: 300, x-dead-letter-exchange: \
     \"\", x-dead-letter-routing-key: \"dead\"}",
    "queue.declare queue=\"short\" durable=true arguments={x-max-length: 20, x-overflow: \"drop-head\", \
     x-dead-letter-exchange: \"\", x-dead-letter-routing-key: \"dead\"}",
    "queue.declare queue=\"levels\" durable=true arguments={x-max-priority: 3, x-message-ttl: 300, \
     x-dead-letter-exchange: \"\", x-dead-letter-routing-key: \"dead\"}",
    "queue.declare queue=\"unused\" durable=true arguments={x-expires: 300}",
    "queue.declare queue=\"plain\" durable=true",
    "queue.declare queue=\"dead\" durable=true",
];

struct World {
    disk: MemoryDisk,
    broker: Broker,
    effects: Effects,
    now: u64,
    /// Confirms that have come.
    confirmed: u64,
    published: u64,
    /// What the last passive declaration has said.
    counted: Option<u32>,
}

impl World {
    fn new() -> Self {
        let mut world = Self::begin(MemoryDisk::new(), 1000);
        world.method("confirm.select");
        QUEUES.iter().for_each(|declare| world.method(declare));
        world
    }

    fn begin(disk: MemoryDisk, now: u64) -> Self {
        let (store, recovery) = Store::examine(Arc::new(disk.clone()), StoreOptions::TINY).unwrap();
        let options = BrokerOptions { resident_bytes_max: 0, ..BrokerOptions::default() };
        let mut broker = Broker::open(store, recovery, options).unwrap();
        broker.settle_start().unwrap();
        let effects = Effects::default();
        let (confirmed, published, counted) = (0, 0, None);
        let mut world = Self { disk, broker, effects, now, confirmed, published, counted };
        world.open();
        world
    }

    fn open(&mut self) {
        let open = Command::Open(Box::new(OpenConnection {
            peer: "test".to_owned(),
            user: ShortString::clipped("guest"),
            virtual_host: ShortString::clipped("/"),
            client_properties: Table::default(),
            channel_max: 0,
            facts: Default::default(),
        }));
        self.broker.apply(Timestamp(self.now), CLIENT, open, &mut self.effects);
        let open = Command::Method(CHANNEL, "channel.open".parse().unwrap());
        self.broker.apply(Timestamp(self.now), CLIENT, open, &mut self.effects);
    }

    fn method(&mut self, text: &str) {
        let method = text.parse().unwrap_or_else(|_| panic!("{text}"));
        self.broker.apply(
            Timestamp(self.now),
            CLIENT,
            Command::Method(CHANNEL, method),
            &mut self.effects,
        );
        self.end_turn();
    }

    fn publish(&mut self, queue: &str) {
        let body = format!("{} for {queue} {}", self.published, ".".repeat(200));
        self.published += 1;
        let properties = Properties { delivery_mode: Some(2), ..Properties::default() };
        let mut encoded = Vec::new();
        properties.encode(&mut encoded);
        let message = Message::from_parts("", queue.as_bytes(), &encoded, body.as_bytes(), true);
        let (mandatory, immediate, repeats) = (false, false, false);
        let publish = Publish { mandatory, immediate, repeats, message };
        self.broker.apply(
            Timestamp(self.now),
            CLIENT,
            Command::Publish(CHANNEL, publish),
            &mut self.effects,
        );
    }

    /// Ends a turn, which must not fail, and does what it asks for as far as that can be done.
    fn end_turn(&mut self) {
        let now = Timestamp(self.now);
        let request = self.broker.end_turn(now, &mut self.effects).expect("the broker goes on");
        if let Some(request) = request
            && request.run().is_ok()
        {
            self.broker.synced(request.point, &mut self.effects);
        }
        if let Some(job) = self.broker.checkpoint(now).expect("the broker goes on") {
            match job.run() {
                Ok(()) => self.broker.checkpoint_done().expect("the broker goes on"),
                Err(error) => {
                    assert!(error.is_passing(), "{error}");
                    self.broker.checkpoint_failed(now, &error);
                }
            }
        }
        self.effects.take_urgent().for_each(drop);
        if self.broker.holds_outputs() {
            return;
        }
        for output in self.effects.take().flat_map(|(_, outputs)| outputs) {
            match output {
                Output::Method(_, Method::Basic(basic::Method::Ack(ack))) if ack.multiple => {
                    self.confirmed = self.confirmed.max(ack.delivery_tag);
                }
                Output::Method(_, Method::Basic(basic::Method::Ack(_))) => self.confirmed += 1,
                Output::Method(_, Method::Queue(queue::Method::DeclareOk(ok))) => {
                    self.counted = Some(ok.message_count);
                }
                _ => {}
            }
        }
    }

    /// Lets time pass, as the router does: until the next deadline, again and again.
    fn pass(&mut self, milliseconds: u64) {
        let (end, mut turns) = (self.now + milliseconds, 0);
        while let Some(due) = self.broker.next_deadline().filter(|due| due.0 <= end) {
            self.now = self.now.max(due.0);
            self.end_turn();
            turns += 1;
            assert!(turns < 1000, "the broker spins");
        }
        self.now = end;
        self.end_turn();
    }

    /// How many messages are ready in a queue; `None` if there is no such queue.
    fn ready(&mut self, queue: &str) -> Option<u32> {
        let declare = format!("queue.declare queue=\"{queue}\" passive=true");
        let command = Command::Method(CHANNEL, declare.parse().unwrap());
        self.broker.apply(Timestamp(self.now), CLIENT, command, &mut self.effects);
        self.end_turn();
        self.counted.take()
    }

    fn peek(&mut self, queue: &str) {
        let (virtual_host, queue) = (ShortString::clipped("/"), ShortString::clipped(queue));
        self.broker.answer(&Query::Peek { virtual_host, queue, count: 10 });
        self.end_turn();
    }

    /// What each queue holds when all that was due has happened.
    fn check(&mut self, what: &str) {
        let expected = [("ttl", 0), ("short", 20), ("levels", 0), ("plain", 30), ("dead", 70)];
        for (queue, count) in expected {
            assert_eq!(self.ready(queue), Some(count), "{what}: {queue}");
        }
        assert_eq!(self.ready("unused"), None, "{what}: unused");
    }
}

#[test]
fn whatever_runs_out_while_queues_expire_drop_and_show_nothing_ends() {
    for fault in [Fault::NoRoom, Fault::NoDescriptors, Fault::NoMemory] {
        // What is behind the first few is published when it has run out already.
        for before in [30, 7, 0] {
            let what = format!("{fault:?} after {before}");
            let mut world = World::new();
            let queues = ["ttl", "short", "levels", "plain"];
            for number in 0..30 {
                if number == before {
                    world.disk.fail_all(Some(fault));
                }
                queues.iter().for_each(|queue| world.publish(queue));
                world.end_turn();
            }
            world.disk.fail_all(Some(fault));
            for _ in 0..4 {
                world.pass(400);
                queues.iter().for_each(|queue| world.peek(queue));
            }
            world.disk.fail_all(None);
            world.pass(10_000);
            assert_eq!(world.confirmed, 120, "{what}");
            world.check(&what);
            let mut killed = World::begin(world.disk.killed(), world.now);
            killed.pass(10_000);
            killed.check(&format!("{what}, killed"));
        }
    }
}
