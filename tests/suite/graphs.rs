//! Routing through graphs of exchanges, compared with a walk that anybody can check.

use std::collections::BTreeSet;
use std::sync::Arc;

use leveret::broker::{Broker, BrokerOptions, Command, Effects, OpenConnection, Output, Publish};
use leveret::ids::{ChannelNumber, ConnectionId, Timestamp};
use leveret::message::Message;
use leveret::store::{MemoryDisk, Store, StoreOptions};
use leveret::wire::{Method, ShortString, Table, queue};
use proptest::prelude::*;

const KINDS: [&str; 3] = ["direct", "fanout", "topic"];
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
                "fanout" => true,
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

/// A broker with one client on one channel.
struct Client {
    broker: Broker,
    effects: Effects,
}

const ID: ConnectionId = ConnectionId(1);
const CHANNEL: ChannelNumber = ChannelNumber(1);

impl Client {
    fn new() -> Self {
        let disk = Arc::new(MemoryDisk::default());
        let (store, recovery) = Store::open(disk, StoreOptions::default()).unwrap();
        let broker = Broker::open(store, recovery, BrokerOptions::default()).unwrap();
        let mut client = Self { broker, effects: Effects::default() };
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
        client
    }

    fn apply(&mut self, command: Command) -> Vec<Output> {
        self.broker.apply(Timestamp(1), ID, command, &mut self.effects);
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
            let bind = match to.checked_sub(EXCHANGES) {
                None => format!("exchange.bind destination=\"x{to}\" source=\"x{from}\""),
                Some(queue) => format!("queue.bind queue=\"q{queue}\" exchange=\"x{from}\""),
            };
            self.say(&format!("{bind} routing_key=\"{key}\""));
        }
    }

    fn publish(&mut self, exchange: usize, key: &str) {
        let exchange = format!("x{exchange}");
        let message = Message::from_parts(&exchange, key.as_bytes(), &[0, 0], b"", false);
        self.apply(Command::Publish(
            CHANNEL,
            Publish { mandatory: false, immediate: false, message },
        ));
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_queue_that_can_be_reached_gets_one_copy(graph in some_graph()) {
        let mut client = Client::new();
        client.build(&graph);
        for exchange in 0..EXCHANGES {
            for key in ["a", "b", "c"] {
                client.publish(exchange, key);
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
}
