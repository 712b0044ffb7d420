//! The wall clock is set, the machine is suspended, started anew, the process is killed or the power
//! goes, in any order: messages expire and delays end when that much time has passed, neither
//! earlier nor later by more than nobody can know.
//!
//! ```text
//!   real time      what the test knows
//!   uptime         real time since the boot
//!   wall clock     real time, and what it was set by
//! ```
//!
//! What nobody can know: by how much the wall clock was set while the machine was off.

use std::collections::BTreeMap;
use std::sync::Arc;

use leveret::broker::{Broker, BrokerOptions, Command, Effects, OpenConnection, Output, Publish};
use leveret::clock::Reading;
use leveret::ids::{ChannelNumber, ConnectionId, Timestamp};
use leveret::message::Message;
use leveret::store::{MemoryDisk, Store, StoreOptions};
use leveret::wire::{Field, Properties, ShortString, Table};
use proptest::prelude::*;

const CLIENT: ConnectionId = ConnectionId(1);
const CHANNEL: ChannelNumber = ChannelNumber(1);
const HOUR: u64 = 3_600_000;
/// What the wall clock shows when the machine is made.
const BEGIN: u64 = 1_700_000_000_000;
/// The times to live, each of a queue.
const TIMES: [u64; 3] = [1_000, 60_000, HOUR];
/// No moment takes so many turns.
const TURNS_MAX: usize = 20;

#[derive(Clone, Debug)]
enum Event {
    /// So much time passes; the broker has a turn whenever it asks for one.
    Pass(u64),
    /// So much time passes and nothing runs.
    Suspend(u64),
    /// The wall clock is set by so much.
    Step(i64),
    /// A message that expires.
    Expiring(usize),
    /// A message that is delayed by so much.
    Delayed(u64),
    /// The process is killed and begun again.
    Kill,
    /// The broker is stopped for so long.
    Stop(u64),
    /// The power goes for so long, and meanwhile the wall clock is set.
    PowerCut(u64, i64),
    /// A checkpoint.
    Checkpoint,
}

fn event() -> impl Strategy<Value = Event> {
    let span = || prop_oneof![0..10_u64, 0..20_000_u64, 0..3 * HOUR];
    let step = || {
        prop_oneof![
            -(BEGIN as i64)..0_i64, // as a machine without a battery begins
            -3 * HOUR as i64..3 * HOUR as i64,
            0..20 * 365 * 24 * HOUR as i64,
        ]
    };
    prop_oneof![
        4 => span().prop_map(Event::Pass),
        1 => span().prop_map(Event::Suspend),
        2 => step().prop_map(Event::Step),
        4 => (0..TIMES.len()).prop_map(Event::Expiring),
        3 => span().prop_map(Event::Delayed),
        1 => Just(Event::Kill),
        1 => span().prop_map(Event::Stop),
        2 => (span(), prop_oneof![3 => Just(0), 1 => step()])
            .prop_map(|(off, step)| Event::PowerCut(off, step)),
        1 => Just(Event::Checkpoint),
    ]
}

struct Machine {
    disk: MemoryDisk,
    broker: Option<Broker>,
    effects: Effects,
    real: u64,
    booted: u64,
    /// The wall clock is ahead of real time by so much.
    ahead: i64,
    /// The broker's time, and the uptime at that moment.
    began: (Timestamp, u64),
    /// When each message is due, and what nobody could know up to its publish.
    due: BTreeMap<u64, (u64, u64)>,
    /// What nobody can know so far.
    unknown: u64,
    published: u64,
}

impl Machine {
    fn new() -> Self {
        let mut machine = Self {
            disk: MemoryDisk::new(),
            broker: None,
            effects: Effects::default(),
            real: BEGIN,
            booted: BEGIN - 1234,
            ahead: 0,
            began: Default::default(),
            due: BTreeMap::new(),
            unknown: 0,
            published: 0,
        };
        machine.open();
        for (place, time) in TIMES.iter().enumerate() {
            machine.method(&format!(
                r#"queue.declare queue="ttl {place}" durable=true arguments={{x-message-ttl: {time}, x-dead-letter-exchange: "", x-dead-letter-routing-key: "over"}}"#
            ));
        }
        let kind = r#"kind="x-delayed-message" arguments={x-delayed-type: "direct"}"#;
        machine.method(&format!(r#"exchange.declare exchange="x" durable=true {kind}"#));
        machine.method(r#"queue.declare queue="over" durable=true"#);
        machine.method(r#"queue.bind queue="over" exchange="x" routing_key="over""#);
        machine.consume();
        machine
    }

    fn reading(&self) -> Reading {
        let wall = self.real.saturating_add_signed(self.ahead);
        Reading { wall, uptime: self.real - self.booted }
    }

    fn now(&self) -> Timestamp {
        let (began, uptime) = self.began;
        Timestamp(began.0 + self.reading().uptime - uptime)
    }

    fn open(&mut self) {
        let (store, recovery) =
            Store::open(Arc::new(self.disk.clone()), StoreOptions::TINY).unwrap();
        let reading = self.reading();
        let options = BrokerOptions { reading: Some(reading), ..BrokerOptions::default() };
        let broker = Broker::open(store, recovery, options).unwrap();
        self.began = (broker.now(), reading.uptime);
        self.effects = Effects::default();
        self.broker = Some(broker);
        self.apply(Command::Open(Box::new(OpenConnection {
            peer: "test".to_owned(),
            user: ShortString::clipped("guest"),
            virtual_host: ShortString::clipped("/"),
            client_properties: Table::default(),
            channel_max: 0,
            facts: Default::default(),
        })));
        self.apply(Command::Method(CHANNEL, "channel.open".parse().unwrap()));
    }

    fn begin_again(&mut self) {
        self.open();
        self.consume();
    }

    fn consume(&mut self) {
        self.method(r#"basic.consume queue="over" consumer_tag="c" no_ack=true"#);
    }

    fn method(&mut self, text: &str) {
        self.apply(Command::Method(CHANNEL, text.parse().unwrap()));
        self.turns();
    }

    fn apply(&mut self, command: Command) {
        let (now, reading) = (self.now(), self.reading());
        let broker = self.broker.as_mut().unwrap();
        broker.read_clocks(now, reading);
        broker.apply(now, CLIENT, command, &mut self.effects);
    }

    /// Turns until there is nothing more to do at this moment. Then all that is due has come, and
    /// nothing else.
    fn turns(&mut self) {
        for turn in 0.. {
            assert!(turn < TURNS_MAX, "the broker asks for ever more turns");
            self.turn();
            let next = self.broker.as_ref().unwrap().next_deadline();
            if next.is_none_or(|next| next > self.now()) {
                break;
            }
        }
        for (number, (due, unknown)) in &self.due {
            let late = self.real.saturating_sub(*due + (self.unknown - unknown));
            assert!(late == 0, "message {number} is late by {late} ms");
        }
    }

    fn turn(&mut self) {
        let (now, reading) = (self.now(), self.reading());
        let broker = self.broker.as_mut().unwrap();
        broker.read_clocks(now, reading);
        if let Some(request) = broker.end_turn(now, &mut self.effects).unwrap() {
            request.run().unwrap();
            broker.synced(request.point, &mut self.effects);
        }
        for output in self.effects.take().flat_map(|(_, outputs)| outputs) {
            let Output::Deliver(run) = output else { continue };
            for delivery in &run.messages {
                let number = std::str::from_utf8(delivery.message.body()).unwrap().parse().unwrap();
                // After a power cut it may come once more.
                let Some((due, unknown)) = self.due.remove(&number) else { continue };
                let early = due.saturating_sub(self.real + (self.unknown - unknown));
                assert!(early == 0, "message {number} is early by {early} ms");
            }
        }
    }

    fn publish(&mut self, exchange: &str, key: &str, delay: Option<u64>, after: u64) {
        self.published += 1;
        let number = self.published;
        let headers = delay.map(|delay| {
            let delay = Field::I64(delay.try_into().unwrap());
            Table::from_iter([(ShortString::clipped("x-delay"), delay)])
        });
        let properties = Properties { headers, delivery_mode: Some(2), ..Default::default() };
        let mut bytes = Vec::new();
        properties.encode(&mut bytes);
        let body = number.to_string();
        let message = Message::from_parts(exchange, key.as_bytes(), &bytes, body.as_bytes(), true);
        self.due.insert(number, (self.real + after, self.unknown));
        let publish = Publish { mandatory: false, immediate: false, repeats: false, message };
        self.apply(Command::Publish(CHANNEL, publish));
        self.turns();
    }

    fn pass(&mut self, span: u64) {
        let end = self.real + span;
        for turn in 0.. {
            assert!(turn < 1000 * TURNS_MAX, "the broker asks for ever more turns");
            let Some(next) = self.broker.as_ref().unwrap().next_deadline() else { break };
            let wait = next.0.saturating_sub(self.now().0);
            if wait > end - self.real {
                break;
            }
            self.real += wait;
            self.turns();
        }
        self.real = end;
        self.turns();
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Pass(span) => self.pass(span),
            Event::Suspend(span) => {
                self.real += span;
                self.turns();
            }
            Event::Step(step) => {
                self.ahead = self.ahead.saturating_add(step).max(-(self.real as i64));
                self.turns();
                // As the watchdog has it: somebody sees to it that what was written is synced.
                self.pass(250);
            }
            Event::Expiring(place) => {
                self.publish("", &format!("ttl {place}"), None, TIMES[place]);
            }
            Event::Delayed(delay) => self.publish("x", "over", Some(delay), delay),
            Event::Kill => {
                self.broker = None;
                self.disk = self.disk.killed();
                self.begin_again();
            }
            Event::Stop(span) => {
                self.broker.take().unwrap().close_store().unwrap();
                self.real += span;
                self.begin_again();
            }
            Event::PowerCut(off, step) => {
                // Whatever waits for no promise is synced by then.
                self.pass(250);
                self.broker = None;
                self.disk = self.disk.cut();
                let before = self.ahead;
                self.real += off;
                self.booted = self.real - off.min(5);
                self.ahead = self.ahead.saturating_add(step).max(-(self.real as i64));
                self.unknown += before.abs_diff(self.ahead);
                self.begin_again();
            }
            Event::Checkpoint => {
                let now = self.now();
                let broker = self.broker.as_mut().unwrap();
                if let Some(job) = broker.checkpoint(now).unwrap() {
                    job.run().unwrap();
                    broker.checkpoint_done().unwrap();
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn time_passes_as_it_does_whatever_becomes_of_the_clocks(
        events in proptest::collection::vec(event(), 1..60)
    ) {
        let mut machine = Machine::new();
        for event in &events {
            machine.happen(event);
        }
        machine.pass(4 * HOUR);
        prop_assert!(machine.due.is_empty() || machine.unknown > 0);
    }
}

/// NTP after a boot, a battery that is empty: the clock is wrong when the broker starts.
#[test]
fn a_clock_that_is_set_right_after_the_start_expires_nothing_at_the_next_one() {
    for restart in [Event::Kill, Event::Stop(0), Event::PowerCut(0, 0)] {
        for step in [-5 * HOUR as i64, 5 * HOUR as i64] {
            let mut machine = Machine::new();
            machine.happen(&Event::Expiring(2));
            machine.happen(&Event::Delayed(HOUR));
            machine.happen(&Event::Step(step));
            machine.happen(&restart);
            machine.pass(HOUR / 2);
            assert_eq!(machine.due.len(), 2, "half an hour later both wait");
            machine.pass(HOUR / 2);
            assert_eq!(machine.due.len(), 0, "after an hour both have come");
        }
    }
}
