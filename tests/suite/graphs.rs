//! Routing through graphs of exchanges, compared with a walk that anybody can check.

use std::collections::BTreeSet;
use std::sync::Arc;

use leveret::broker::{Broker, BrokerOptions, Command, Effects, OpenConnection, Output, Publish};
use leveret::ids::{ChannelNumber, ConnectionId, Timestamp};
use leveret::message::Message;
use leveret::store::{MemoryDisk, Store, StoreOptions};
use leveret::wire::{Method, ShortString, Table, queue};
use proptest::prelude::*;

/// A headers exchange takes what is bound without conditions for bound to everything.
const KINDS: [&str; 4] = ["direct", "fanout", "topic", "headers"];
const EXCHANGES: usize = 5;
const QUEUES: usize = 4;

/// Exchanges by number, each with its kind and perhaps an alternate; bindings from an exchange with
/// a key to an exchange or (from `EXCHANGES` on) to a queue.
#[derive(Clone, Debug)]
struct Graph {
    exchanges: Vec<(usize, Option<usize>)>,
    bindings: Vec<(usize, usize, &'static str)>,
}

fn some_graph() -> impl Strategy<Value = Graph> {
    let exchange = (0..KINDS.len(), proptest::option::of(0..EXCHANGES));
    let key = prop_oneof![Just("a"), Just("b"), Just("#"), Just("*")];
    let binding = (0..EXCHANGES, 0..EXCHANGES + QUEUES, key);
    let exchanges = proptest::collection::vec(exchange, EXCHANGES);
    let bindings = proptest::collection::vec(binding, 0..16);
    (exchanges, bindings).prop_map(|(exchanges, bindings)| Graph { exchanges, bindings })
}

impl Graph {
    /// The queues that a message reaches: each exchange is asked once, and its alternate if nothing
    /// that is bound to it matches.
    fn reached(&self, exchange: usize, key: &str) -> BTreeSet<usize> {
        let (mut asked, mut open) = (BTreeSet::new(), vec![exchange]);
        let mut reached = BTreeSet::new();
        while let Some(exchange) = open.pop() {
            if !asked.insert(exchange) {
                continue;
            }
            let (kind, alternate) = self.exchanges[exchange];
            let matches = |bound: &str| match KINDS[kind] {
                "fanout" | "headers" => true,
                "topic" => bound == key || bound == "#" || bound == "*",
                _ => bound == key,
            };
            let mut found = false;
            for (_, to, _) in
                self.bindings.iter().filter(|(from, _, bound)| *from == exchange && matches(bound))
            {
                found = true;
                if *to < EXCHANGES {
                    open.push(*to);
                } else {
                    reached.insert(*to - EXCHANGES);
                }
            }
            open.extend(alternate.filter(|_| !found));
        }
        reached
    }
}

/// What a client does in one go.
#[derive(Clone, Debug)]
enum Step {
    /// A message on a channel, to an exchange, by a key, so many times.
    Publish(u16, usize, &'static str, u32),
    Bind(usize, usize, &'static str),
    Unbind(usize, usize, &'static str),
}

fn some_steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || prop_oneof![Just("a"), Just("b"), Just("#")];
    let to = 0..EXCHANGES + QUEUES;
    let step = prop_oneof![
        4 => (1..=2u16, 0..EXCHANGES, key(), 1..4u32)
            .prop_map(|(channel, exchange, key, times)| Step::Publish(channel, exchange, key, times)),
        1 => (0..EXCHANGES, to.clone(), key()).prop_map(|(from, to, key)| Step::Bind(from, to, key)),
        1 => (0..EXCHANGES, to, key()).prop_map(|(from, to, key)| Step::Unbind(from, to, key)),
    ];
    proptest::collection::vec(step, 0..24)
}

/// A broker with one client on two channels.
struct Client {
    broker: Broker,
    effects: Effects,
    /// Channel, exchange and key of the command before, if that was a publish.
    before: Option<(ChannelNumber, usize, &'static str)>,
}

const ID: ConnectionId = ConnectionId(1);
const CHANNEL: ChannelNumber = ChannelNumber(1);
const OTHER: ChannelNumber = ChannelNumber(2);

impl Client {
    fn new() -> Self {
        let disk = Arc::new(MemoryDisk::default());
        let (store, recovery) = Store::open(disk, StoreOptions::default()).unwrap();
        let broker = Broker::open(store, recovery, BrokerOptions::default()).unwrap();
        let mut client = Self { broker, effects: Effects::default(), before: None };
        let open = OpenConnection {
            peer: "test".to_owned(),
            user: ShortString::clipped("guest"),
            virtual_host: ShortString::clipped("/"),
            client_properties: Table::default(),
            channel_max: 0,
            facts: Default::default(),
        };
        client.apply(Command::Open(Box::new(open)));
        client.say("channel.open");
        client.apply(Command::Method(OTHER, "channel.open".parse().unwrap()));
        client
    }

    /// Does something in a turn of its own.
    fn apply(&mut self, command: Command) -> Vec<Output> {
        self.broker.apply(Timestamp(1), ID, command, &mut self.effects);
        self.end_turn()
    }

    fn end_turn(&mut self) -> Vec<Output> {
        self.broker.end_turn(Timestamp(1), &mut self.effects).unwrap();
        self.effects.take().flat_map(|(_, outputs)| outputs).collect()
    }

    fn say(&mut self, method: &str) -> Vec<Output> {
        self.apply(Command::Method(CHANNEL, method.parse().unwrap()))
    }

    fn build(&mut self, graph: &Graph) {
        for (number, (kind, alternate)) in graph.exchanges.iter().enumerate() {
            let alternate =
                alternate.map(|to| format!("alternate-exchange: \"x{to}\"")).unwrap_or_default();
            let kind = KINDS[*kind];
            self.say(&format!(
                "exchange.declare exchange=\"x{number}\" kind=\"{kind}\" arguments={{{alternate}}}"
            ));
        }
        for number in 0..QUEUES {
            self.say(&format!("queue.declare queue=\"q{number}\""));
        }
        for (from, to, key) in &graph.bindings {
            self.say(&binding("bind", *from, *to, key));
        }
    }

    /// Publishes within a turn, and says as a connection does whether that repeats what was before.
    fn publish(&mut self, channel: ChannelNumber, exchange: usize, key: &'static str) {
        let this = Some((channel, exchange, key));
        let repeats = std::mem::replace(&mut self.before, this) == this;
        let exchange = format!("x{exchange}");
        let message = Message::from_parts(&exchange, key.as_bytes(), &[0, 0], b"", false);
        let publish = Publish { mandatory: false, immediate: false, repeats, message };
        let command = Command::Publish(channel, publish);
        self.broker.apply(Timestamp(1), ID, command, &mut self.effects);
    }

    /// Does something else within a turn.
    fn method(&mut self, method: &str) {
        self.before = None;
        let command = Command::Method(CHANNEL, method.parse().unwrap());
        self.broker.apply(Timestamp(1), ID, command, &mut self.effects);
    }

    /// How many messages were in a queue; it has none afterwards.
    fn purge(&mut self, number: usize) -> u32 {
        let outputs = self.say(&format!("queue.purge queue=\"q{number}\""));
        match outputs.as_slice() {
            [Output::Method(_, Method::Queue(queue::Method::PurgeOk(purged)))] => {
                purged.message_count
            }
            other => panic!("no purge-ok: {other:?}"),
        }
    }
}

fn binding(verb: &str, from: usize, to: usize, key: &str) -> String {
    let ends = match to.checked_sub(EXCHANGES) {
        None => format!("exchange.{verb} destination=\"x{to}\" source=\"x{from}\""),
        Some(queue) => format!("queue.{verb} queue=\"q{queue}\" exchange=\"x{from}\""),
    };
    format!("{ends} routing_key=\"{key}\"")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_queue_that_can_be_reached_gets_one_copy(graph in some_graph()) {
        let mut client = Client::new();
        client.build(&graph);
        for exchange in 0..EXCHANGES {
            for key in ["a", "b", "c"] {
                client.publish(CHANNEL, exchange, key);
                client.end_turn();
                let got: BTreeSet<_> = (0..QUEUES)
                    .filter(|number| {
                        let count = client.purge(*number);
                        assert!(count <= 1, "queue {number} got {count} copies");
                        count == 1
                    })
                    .collect();
                prop_assert_eq!(got, graph.reached(exchange, key), "x{} {}", exchange, key);
            }
        }
    }

    #[test]
    fn a_publish_that_repeats_the_one_before_goes_where_bindings_lead_now(
        mut graph in some_graph(),
        steps in some_steps(),
    ) {
        let mut client = Client::new();
        client.build(&graph);
        let mut expected = [0; QUEUES];
        for step in steps {
            match step {
                Step::Publish(channel, exchange, key, times) => {
                    for _ in 0..times {
                        client.publish(ChannelNumber(channel), exchange, key);
                    }
                    for queue in graph.reached(exchange, key) {
                        expected[queue] += times;
                    }
                }
                Step::Bind(from, to, key) => {
                    client.method(&binding("bind", from, to, key));
                    graph.bindings.push((from, to, key));
                }
                Step::Unbind(from, to, key) => {
                    client.method(&binding("unbind", from, to, key));
                    graph.bindings.retain(|bound| *bound != (from, to, key));
                }
            }
        }
        client.end_turn();
        let got = [0, 1, 2, 3].map(|number| client.purge(number));
        prop_assert_eq!(got, expected);
    }
}
