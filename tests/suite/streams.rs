//! One stream and its readers, compared with a list that nothing is ever taken from.
//!
//! A few dozen cases run by default, 500 with `LEVERET_FULL=1`. Segments and journals are tiny, so that
//! readers cross many of them, and kills come between many checkpoints.

use std::sync::Arc;

use leveret::broker::{Broker, BrokerOptions, Command, Effects, OpenConnection, Output, Publish};
use leveret::ids::{ChannelNumber, ConnectionId, Timestamp};
use leveret::message::Message;
use leveret::store::{MemoryDisk, Store, StoreOptions};
use leveret::wire::{Field, Method, Properties, ShortString, Table};
use proptest::prelude::*;

const CHANNEL: ChannelNumber = ChannelNumber(1);
const VALUES: [&str; 3] = ["", "a", "b"];

#[derive(Clone, Debug)]
enum Step {
    /// Messages of this length, with this filter value; the first is none.
    Publish { count: u8, length: u16, value: usize },
    /// A new reader, from the first message or an offset, with or without a filter.
    Read { from: Option<u8>, filter: Option<(usize, bool)>, prefetch: u16 },
    /// A reader acknowledges all that it has.
    Acknowledge(usize),
    /// So many milliseconds go by.
    Wait(u16),
    /// The broker ends and is begun again.
    Again(End),
}

/// How a broker ends. What was published is synced by then, so nothing of it may be missing.
#[derive(Clone, Copy, Debug)]
enum End {
    Stopped,
    Killed,
    /// The power goes.
    Cut,
}

fn some_step() -> impl Strategy<Value = Step> {
    let filter = proptest::option::of((1..VALUES.len(), any::<bool>()));
    prop_oneof![
        6 => (1..60_u8, 0..900_u16, 0..VALUES.len())
            .prop_map(|(count, length, value)| Step::Publish { count, length, value }),
        3 => (proptest::option::of(any::<u8>()), filter, 1..50_u16)
            .prop_map(|(from, filter, prefetch)| Step::Read { from, filter, prefetch }),
        6 => (0..9_usize).prop_map(Step::Acknowledge),
        1 => (1..2000_u16).prop_map(Step::Wait),
        1 => prop_oneof![Just(End::Stopped), Just(End::Killed), Just(End::Cut)].prop_map(Step::Again),
    ]
}

/// A reader: what it may still get, and what it has not acknowledged.
struct Reader {
    connection: ConnectionId,
    next: usize,
    filter: Option<(usize, bool)>,
    prefetch: usize,
    last_tag: u64,
    open: usize,
}

struct World {
    disk: MemoryDisk,
    broker: Broker,
    effects: Effects,
    now: Timestamp,
    /// Every message that was ever published: its filter value.
    messages: Vec<usize>,
    readers: Vec<Reader>,
    connections: u64,
}

impl World {
    fn new() -> Self {
        let disk = MemoryDisk::default();
        let broker = open(&disk);
        let mut world = Self {
            disk,
            broker,
            effects: Effects::default(),
            now: Timestamp(1_000_000),
            messages: Vec::new(),
            readers: Vec::new(),
            connections: 0,
        };
        let id = world.connect();
        world
            .say(id, "queue.declare queue=\"s\" durable=true arguments={x-queue-type: \"stream\"}");
        world
    }

    fn connect(&mut self) -> ConnectionId {
        self.connections += 1;
        let id = ConnectionId(self.connections);
        let open = OpenConnection {
            peer: "test".to_owned(),
            user: ShortString::clipped("guest"),
            virtual_host: ShortString::clipped("/"),
            client_properties: Table::default(),
            channel_max: 0,
            facts: Default::default(),
        };
        self.apply(id, Command::Open(Box::new(open)));
        self.say(id, "channel.open");
        id
    }

    fn say(&mut self, id: ConnectionId, method: &str) {
        self.apply(id, Command::Method(CHANNEL, method.parse::<Method>().unwrap()));
    }

    fn apply(&mut self, id: ConnectionId, command: Command) {
        self.broker.apply(self.now, id, command, &mut self.effects);
    }

    /// Turns until nothing is left to do; every delivery is what its reader has to get.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        for turn in 0.. {
            prop_assert!(turn < 100_000, "the broker asks for ever more turns");
            let request = self.broker.end_turn(self.now, &mut self.effects).unwrap();
            if let Some(request) = request {
                request.run().unwrap();
                self.broker.synced(request.point, &mut self.effects);
            }
            if let Some(job) = self.broker.checkpoint(self.now).unwrap() {
                job.run().unwrap();
                self.broker.checkpoint_done().unwrap();
            }
            let bundles: Vec<_> = self.effects.take().collect();
            for (id, outputs) in bundles {
                for output in outputs {
                    self.check(id, output)?;
                }
            }
            if self.broker.next_deadline().is_none_or(|deadline| deadline > self.now) {
                break;
            }
        }
        Ok(())
    }

    fn check(&mut self, id: ConnectionId, output: Output) -> Result<(), TestCaseError> {
        let Output::Deliver(run) = output else { return Ok(()) };
        let size: u64 = run.messages.iter().map(|one| one.message.size()).sum();
        let reader = self.readers.iter_mut().find(|reader| reader.connection == id).unwrap();
        for delivery in run.messages {
            reader.skip_unwanted(&self.messages);
            let body = delivery.message.body();
            prop_assert_eq!(&body[..8], (reader.next as u64).to_be_bytes());
            let properties = Properties::decode(delivery.message.properties()).unwrap();
            let headers = properties.headers.unwrap();
            let offset = Field::I64(i64::try_from(reader.next).unwrap());
            prop_assert_eq!(headers.get("x-stream-offset"), Some(&offset));
            reader.next += 1;
            reader.open += 1;
            reader.last_tag += 1;
        }
        self.apply(id, Command::Drained(size));
        Ok(())
    }

    /// Whether every reader has got what it can take.
    fn complete(&mut self) -> Result<(), TestCaseError> {
        for reader in &mut self.readers {
            reader.skip_unwanted(&self.messages);
            prop_assert!(
                reader.open == reader.prefetch || reader.next == self.messages.len(),
                "a reader waits at {} of {}",
                reader.next,
                self.messages.len()
            );
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Publish { count, length, value } => self.publish(count, length, value),
            Step::Read { from, filter, prefetch } => self.read(from, filter, prefetch),
            Step::Acknowledge(which) => {
                let count = self.readers.len().max(1);
                if let Some(reader) = self.readers.get_mut(which % count).filter(|one| one.open > 0)
                {
                    reader.open = 0;
                    let (id, tag) = (reader.connection, reader.last_tag);
                    self.say(id, &format!("basic.ack delivery_tag={tag} multiple=true"));
                }
            }
            Step::Wait(milliseconds) => self.now.0 += u64::from(milliseconds),
            Step::Again(end) => self.begin_again(end),
        }
        self.settle()?;
        self.complete()
    }

    fn publish(&mut self, count: u8, length: u16, value: usize) {
        let id = self.connect();
        for _ in 0..count {
            let mut body = (self.messages.len() as u64).to_be_bytes().to_vec();
            body.resize(8 + usize::from(length), b'.');
            let mut properties = Properties::default();
            if value > 0 {
                let field = Field::LongString(VALUES[value].as_bytes().to_vec());
                let name = ShortString::clipped("x-stream-filter-value");
                properties.headers = Some(Table::from_iter([(name, field)]));
            }
            let mut octets = Vec::new();
            properties.encode(&mut octets);
            let message = Message::from_parts("", b"s", &octets, &body, false);
            let publish = Publish { mandatory: false, immediate: false, repeats: false, message };
            self.apply(id, Command::Publish(CHANNEL, publish));
            self.messages.push(value);
        }
        self.apply(id, Command::Gone);
    }

    fn read(&mut self, from: Option<u8>, filter: Option<(usize, bool)>, prefetch: u16) {
        let id = self.connect();
        self.say(id, &format!("basic.qos prefetch_count={prefetch}"));
        let next = from.map_or(0, |offset| usize::from(offset).min(self.messages.len()));
        let from = from.map_or_else(|| "\"first\"".to_owned(), |offset| offset.to_string());
        let mut arguments = format!("x-stream-offset: {from}");
        if let Some((value, unfiltered)) = filter {
            arguments += &format!(
                ", x-stream-filter: \"{}\", x-stream-match-unfiltered: {unfiltered}",
                VALUES[value]
            );
        }
        self.say(id, &format!("basic.consume queue=\"s\" arguments={{{arguments}}}"));
        let (prefetch, last_tag, open) = (usize::from(prefetch), 0, 0);
        self.readers.push(Reader { connection: id, next, filter, prefetch, last_tag, open });
    }

    fn begin_again(&mut self, end: End) {
        self.readers.clear();
        let next = match end {
            End::Killed => self.disk.killed(),
            End::Cut => self.disk.cut(),
            End::Stopped => {
                let broker = std::mem::replace(&mut self.broker, open(&MemoryDisk::default()));
                broker.close_store().unwrap();
                self.disk.clone()
            }
        };
        self.broker = open(&next);
        self.disk = next;
    }
}

impl Reader {
    fn skip_unwanted(&mut self, messages: &[usize]) {
        while let Some((value, unfiltered)) = self.filter
            && let Some(own) = messages.get(self.next)
            && !(*own == value || (*own == 0 && unfiltered))
        {
            self.next += 1;
        }
    }
}

fn open(disk: &MemoryDisk) -> Broker {
    let (store, recovery) = Store::open(Arc::new(disk.clone()), StoreOptions::TINY).unwrap();
    Broker::open(store, recovery, BrokerOptions::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("LEVERET_FULL").is_some() { 500 } else { 48 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_reader_gets_what_is_there(steps in proptest::collection::vec(some_step(), 1..40)) {
        let mut world = World::new();
        world.settle()?;
        for step in &steps {
            world.step(step)?;
        }
    }
}
