//! One queue against a naive model: whatever is done to it, both say the same.
//!
//! A few dozen cases run by default, 500 with `LEVERET_FULL=1`. Limits, priorities, times to live,
//! delivery limits, deduplication and dead letters meet acknowledgements out of order, purges and restarts, in
//! order and by killing the broker.

use std::sync::Arc;

use leveret::broker::{
    Broker, BrokerOptions, Command, Delivery, Effects, OpenConnection, Output, Publish,
};
use leveret::ids::{ChannelNumber, ConnectionId, Timestamp};
use leveret::message::Message;
use leveret::store::{MemoryDisk, Store, StoreOptions};
use leveret::wire::{Field, Method, Properties, ShortBytes, ShortString, Table, basic, queue};
use proptest::prelude::*;

use crate::naive_queue::{Letter, NaiveQueue, Overflow, Rules, Seen};

const CLIENT: ConnectionId = ConnectionId(1);
const CHANNEL: ChannelNumber = ChannelNumber(1);
const BEGIN: u64 = 1_000_000;

/// Something that is done to the queue.
#[derive(Clone, Debug)]
enum Step {
    Publish { priority: u8, expiration: Option<u64>, persistent: bool, header: Option<u8> },
    Get { no_ack: bool },
    Ack(usize),
    Discard(usize),
    Requeue(usize, bool),
    Consume(usize),
    Cancel,
    Purge,
    Wait(u64),
    Restart,
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let expiration = prop_oneof![3 => Just(None), 1 => (1_u64..60).prop_map(Some)];
    let header = prop::option::weighted(0.3, 0_u8..6);
    let publish = (0_u8..6, expiration, prop::bool::weighted(0.8), header).prop_map(
        |(priority, expiration, persistent, header)| Step::Publish {
            priority,
            expiration,
            persistent,
            header,
        },
    );
    let step = prop_oneof![
        12 => publish,
        4 => any::<bool>().prop_map(|no_ack| Step::Get { no_ack }),
        3 => any::<usize>().prop_map(Step::Ack),
        1 => any::<usize>().prop_map(Step::Discard),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(nth, failed)| Step::Requeue(nth, failed)),
        1 => (1_usize..4).prop_map(Step::Consume),
        1 => Just(Step::Cancel),
        1 => prop::bool::weighted(0.2).prop_map(|yes| if yes { Step::Purge } else { Step::Cancel }),
        3 => (0_u64..40).prop_map(Step::Wait),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..120)
}

fn rules() -> impl Strategy<Value = Rules> {
    let overflow = prop_oneof![
        Just(Overflow::DropHead),
        Just(Overflow::DropLowest),
        Just(Overflow::Reject),
        Just(Overflow::RejectDeadLetter)
    ];
    let limit = prop::option::of((0_usize..12, overflow));
    let priorities = prop::option::of(1_u8..5);
    let failures = prop::option::of(0_u32..3);
    let ttl = prop::option::of(5_u64..100);
    (ttl, limit, priorities, failures, any::<bool>(), any::<bool>()).prop_map(
        |(ttl, limit, priorities, failures, deduplicates, spill)| Rules {
            ttl,
            limit,
            priorities,
            failures,
            deduplicates,
            spill,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("LEVERET_FULL").is_some() { 500 } else { 48 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_queue_does_what_a_naive_one_does(rules in rules(), steps in steps()) {
        let mut pair = Pair::new(rules);
        for (number, step) in steps.iter().enumerate() {
            pair.step(step);
            pair.compare(number, step);
        }
        pair.compare_dead();
    }
}

/// Ordinals that only a purge tells of are not given to others.
#[test]
fn what_comes_after_a_purge_of_transient_messages_survives_two_kills() {
    let rules = Rules {
        ttl: None,
        limit: None,
        priorities: None,
        failures: None,
        deduplicates: false,
        spill: true,
    };
    let mut pair = Pair::new(rules);
    let publish =
        |persistent| Step::Publish { priority: 0, expiration: None, persistent, header: None };
    let mut steps = vec![publish(false); 20];
    steps.extend([Step::Purge, Step::Kill, publish(true), Step::Kill]);
    for (number, step) in steps.iter().enumerate() {
        pair.step(step);
        pair.compare(number, step);
    }
}

/// The broker's queue and the naive one, and what came out of the first.
struct Pair {
    naive: NaiveQueue,
    disk: MemoryDisk,
    broker: Option<Broker>,
    effects: Effects,
    next_id: u32,
    delivered: Vec<Seen>,
    got: Option<Seen>,
    count: u32,
    dead: Vec<(u32, String)>,
}

impl Pair {
    fn new(rules: Rules) -> Self {
        let mut pair = Self {
            naive: NaiveQueue::new(rules, BEGIN),
            disk: MemoryDisk::new(),
            broker: None,
            effects: Effects::default(),
            next_id: 1,
            delivered: Vec::new(),
            got: None,
            count: 0,
            dead: Vec::new(),
        };
        pair.open();
        pair.method(queue::Declare {
            queue: ShortString::clipped("dead"),
            durable: true,
            ..Default::default()
        });
        let declare = pair.declare();
        pair.method(declare);
        pair
    }

    fn open(&mut self) {
        let disk = Arc::new(self.disk.clone());
        let store = StoreOptions { journal_bytes_prepared: 16 << 10, ..StoreOptions::default() };
        let (store, recovery) = Store::open(disk, store).expect("it opens");
        let spill = self.naive.rules.spill;
        let options = BrokerOptions {
            resident_bytes_max: if spill { 1_500 } else { 64 << 20 },
            ..BrokerOptions::default()
        };
        self.broker = Some(Broker::open(store, recovery, options).expect("it recovers"));
        let open = OpenConnection {
            peer: "test".to_owned(),
            user: ShortString::clipped("guest"),
            virtual_host: ShortString::clipped("/"),
            client_properties: Table::default(),
            channel_max: 0,
            facts: Default::default(),
        };
        self.apply(Command::Open(Box::new(open)));
        self.apply(Command::Method(CHANNEL, "channel.open".parse().expect("a method")));
        self.end_turn();
    }

    fn declare(&self) -> queue::Declare {
        let Rules { ttl, limit, priorities, failures, deduplicates, .. } = self.naive.rules;
        let number = |name, value: u64| (name, Field::I64(value.cast_signed()));
        let text = |name, value: &str| (name, Field::LongString(value.as_bytes().to_vec()));
        let mut arguments =
            vec![text("x-dead-letter-exchange", ""), text("x-dead-letter-routing-key", "dead")];
        arguments.extend(ttl.map(|ttl| number("x-message-ttl", ttl)));
        arguments.extend(priorities.map(|most| number("x-max-priority", most.into())));
        arguments.extend(failures.map(|most| number("x-delivery-limit", most.into())));
        if deduplicates {
            arguments.push(("x-message-deduplication", Field::Boolean(true)));
        }
        if let Some((most, overflow)) = limit {
            arguments.push(number("x-max-length", most as u64));
            arguments.push(text("x-overflow", overflow.name()));
        }
        let named = arguments.into_iter().map(|(name, value)| (ShortString::clipped(name), value));
        let queue = ShortString::clipped("q");
        queue::Declare { queue, durable: true, arguments: named.collect(), ..Default::default() }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Publish { priority, expiration, persistent, header } => {
                // Where most waits in a log, those with times of their own expire late.
                let own = expiration.filter(|_| !self.naive.rules.spill);
                let id = self.next_id;
                let letter = Letter { id, priority, persistent, header, ..Letter::default() };
                self.publish(&letter, own);
                self.naive.publish(&letter, own);
                self.next_id += 1;
            }
            Step::Get { no_ack } => {
                let expected = self.naive.get(no_ack);
                self.got = None;
                self.method(basic::Get { queue: ShortString::clipped("q"), no_ack });
                assert_eq!(self.got, expected);
            }
            Step::Ack(nth) => {
                if let Some((delivery_tag, _)) = self.naive.settle(nth) {
                    self.method(basic::Ack { delivery_tag, multiple: false });
                }
            }
            Step::Discard(nth) => {
                if let Some((delivery_tag, letter)) = self.naive.settle(nth) {
                    self.naive.dead.push((letter.id, "rejected"));
                    self.method(basic::Reject { delivery_tag, requeue: false });
                }
            }
            Step::Requeue(nth, failed) => {
                if let Some((delivery_tag, letter)) = self.naive.settle(nth) {
                    self.naive.requeue(letter, failed);
                    if failed {
                        self.method(basic::Reject { delivery_tag, requeue: true });
                    } else {
                        self.method(basic::Nack { delivery_tag, multiple: false, requeue: true });
                    }
                }
            }
            Step::Consume(prefetch) => self.consume(prefetch),
            Step::Cancel => {
                if self.naive.consumer.take().is_some() {
                    let consumer_tag = ShortString::clipped("c");
                    self.method(basic::Cancel { consumer_tag, no_wait: true });
                }
            }
            Step::Purge => {
                self.naive.ready.clear();
                self.method(queue::Purge { queue: ShortString::clipped("q"), no_wait: true });
            }
            Step::Wait(milliseconds) => self.wait(milliseconds),
            Step::Restart => {
                self.compare_dead();
                let broker = self.broker.take().expect("a broker");
                broker.close_store().expect("the disk works");
                self.naive.restart();
                self.open();
            }
            Step::Kill => {
                self.compare_dead();
                self.disk = self.disk.killed();
                self.broker = None;
                self.naive.restart();
                self.open();
            }
        }
        self.naive.end_turn();
    }

    fn publish(&mut self, letter: &Letter, own: Option<u64>) {
        let name = ShortString::clipped("x-deduplication-header");
        let header = letter.header.map(|header| Table::from_iter([(name, Field::U8(header))]));
        let properties = Properties {
            headers: header,
            priority: Some(letter.priority),
            delivery_mode: Some(if letter.persistent { 2 } else { 1 }),
            expiration: own.map(|own| ShortBytes::clipped(own.to_string().as_bytes())),
            ..Properties::default()
        };
        let mut bytes = Vec::new();
        properties.encode(&mut bytes);
        let body = letter.id.to_string();
        let message = Message::from_parts("", b"q", &bytes, body.as_bytes(), letter.persistent);
        let publish = Publish { mandatory: false, immediate: false, repeats: false, message };
        self.apply(Command::Publish(CHANNEL, publish));
        self.end_turn();
    }

    fn consume(&mut self, prefetch: usize) {
        if self.naive.consumer.is_some() {
            return;
        }
        self.naive.consumer = Some(prefetch);
        // Deliveries of an earlier consumer do not count for this one.
        self.naive.unacked.iter_mut().for_each(|(_, _, consumed)| *consumed = false);
        let prefetch_count = u16::try_from(prefetch).expect("a few");
        self.method(basic::Qos { prefetch_count, ..Default::default() });
        self.method(basic::Consume {
            queue: ShortString::clipped("q"),
            consumer_tag: ShortString::clipped("c"),
            ..Default::default()
        });
    }

    fn wait(&mut self, milliseconds: u64) {
        let end = self.naive.now + milliseconds;
        let mut turns = 0;
        while let Some(next) = self.broker.as_ref().and_then(Broker::next_deadline)
            && next.0 <= end
        {
            self.naive.now = self.naive.now.max(next.0);
            turns += 1;
            assert!(turns < 10_000, "the broker asks for ever more turns");
            self.end_turn();
        }
        self.naive.now = end;
        self.end_turn();
    }

    /// What must be the same after every step.
    fn compare(&mut self, number: usize, step: &Step) {
        self.method(queue::Declare {
            queue: ShortString::clipped("q"),
            passive: true,
            ..Default::default()
        });
        let expected = std::mem::take(&mut self.naive.delivered);
        assert_eq!(std::mem::take(&mut self.delivered), expected, "after {number} {step:?}");
        assert_eq!(self.count as usize, self.naive.ready.len(), "after {number} {step:?}");
    }

    /// Empties the queue of dead letters: what is in it, whatever the order.
    fn compare_dead(&mut self) {
        self.dead.clear();
        loop {
            self.got = None;
            self.method(basic::Get { queue: ShortString::clipped("dead"), no_ack: true });
            self.naive.next_tag += u64::from(self.got.is_some());
            if self.got.is_none() {
                break;
            }
        }
        let mut expected = std::mem::take(&mut self.naive.dead);
        expected.sort_unstable();
        self.dead.sort_unstable();
        let dead: Vec<_> = self.dead.iter().map(|(id, reason)| (*id, reason.as_str())).collect();
        assert_eq!(dead, expected);
    }

    fn method(&mut self, method: impl Into<Method>) {
        self.apply(Command::Method(CHANNEL, method.into()));
        self.end_turn();
    }

    fn apply(&mut self, command: Command) {
        let now = Timestamp(self.naive.now);
        let broker = self.broker.as_mut().expect("a broker");
        broker.apply(now, CLIENT, command, &mut self.effects);
    }

    fn end_turn(&mut self) {
        let now = Timestamp(self.naive.now);
        let broker = self.broker.as_mut().expect("a broker");
        if let Some(request) = broker.end_turn(now, &mut self.effects).expect("the disk works") {
            request.run().expect("the disk works");
            broker.synced(request.point, &mut self.effects);
        }
        let outputs: Vec<_> = self.effects.take().flat_map(|(_, outputs)| outputs).collect();
        for output in outputs {
            self.see(output);
        }
    }

    fn see(&mut self, output: Output) {
        match output {
            Output::Deliver(run) => self.delivered.extend(run.messages.iter().map(seen)),
            Output::GetOk { delivery, .. } => {
                let seen = seen(&delivery);
                self.dead.extend(reason(&delivery.message).map(|reason| (seen.0, reason)));
                self.got = Some(seen);
            }
            Output::Method(_, Method::Queue(queue::Method::DeclareOk(ok))) => {
                self.count = ok.message_count;
            }
            Output::Method(_, method) => {
                assert!(!method.to_string().contains("close "), "{method}");
            }
            other => panic!("{other:?}"),
        }
    }
}

fn seen(delivery: &Delivery) -> Seen {
    let body = std::str::from_utf8(delivery.message.body()).expect("digits");
    (body.parse().expect("digits"), delivery.redelivered)
}

/// Why a message died last.
fn reason(message: &Message) -> Option<String> {
    let headers = Properties::decode(message.properties()).expect("properties").headers?;
    match headers.get("x-last-death-reason")? {
        Field::LongString(reason) => Some(String::from_utf8_lossy(reason).into_owned()),
        _ => None,
    }
}
