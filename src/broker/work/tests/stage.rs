//! A broker with a client that asks for long work, and another one.

use std::sync::Arc;

use super::rows::{declarations, policy, text};
use super::{LONG, MANY, NUMBER, OTHER, PER_TURN};
use crate::broker::access::{Change, NewPassword};
use crate::broker::channel::Mode;
use crate::broker::effect::Effects;
use crate::broker::{Broker, BrokerOptions, Command, OpenConnection, Publish};
use crate::ids::{ConnectionId, Timestamp};
use crate::message::Message;
use crate::store::{MemoryDisk, Store, StoreOptions};
use crate::wire::{Field, Method, Properties, ShortString, Table};
use crate::wire::{basic, channel, exchange, queue, tx};

pub(super) struct Stage {
    pub broker: Broker,
    pub effects: Effects,
    declared: u64,
    pub now: Timestamp,
}

impl Stage {
    pub(super) fn new() -> Self {
        let disk = Arc::new(MemoryDisk::default());
        let (store, recovery) = Store::open(disk, StoreOptions::default()).unwrap();
        let options = BrokerOptions { work_per_turn: PER_TURN, ..BrokerOptions::default() };
        let broker = Broker::open(store, recovery, options).unwrap();
        let mut stage =
            Self { broker, effects: Effects::default(), declared: 0, now: Timestamp(1) };
        for id in [LONG, OTHER] {
            stage.open(id, "guest");
        }
        stage.method(queue::Declare { queue: name("q"), durable: true, ..Default::default() });
        stage
    }

    pub(super) fn apply(&mut self, id: ConnectionId, command: Command) {
        self.broker.apply(self.now, id, command, &mut self.effects);
    }

    pub(super) fn method(&mut self, method: impl Into<Method>) {
        self.apply(LONG, Command::Method(NUMBER, method.into()));
    }

    pub(super) fn publish(&mut self) {
        for _ in 0..MANY {
            let message = Message::from_parts("", b"q", &[0, 0], b"hello", true);
            let publish = Publish { mandatory: false, immediate: false, repeats: false, message };
            self.apply(LONG, Command::Publish(NUMBER, publish));
        }
    }

    pub(super) fn publish_in_transaction(&mut self) {
        self.method(tx::Select::default());
        self.publish();
    }

    pub(super) fn get_all(&mut self) {
        self.publish();
        for _ in 0..MANY {
            self.method(basic::Get { queue: name("q"), no_ack: false });
        }
    }

    /// Many keys bind `q` to the exchange `x`.
    pub(super) fn bind(&mut self) {
        let (exchange, kind) = (name("x"), name("topic"));
        self.method(exchange::Declare { exchange, kind, durable: true, ..Default::default() });
        for number in 0..MANY {
            let (queue, exchange) = (name("q"), name("x"));
            let routing_key = name(&format!("key.{number}"));
            self.method(queue::Bind { queue, exchange, routing_key, ..Default::default() });
        }
    }

    /// What dies in `q` goes to another queue.
    pub(super) fn dead_letters(&mut self) {
        self.method(queue::Declare { queue: name("dead"), durable: true, ..Default::default() });
        let letters =
            [("dead-letter-exchange", text("")), ("dead-letter-routing-key", text("dead"))];
        self.put_policy("/", "^q$", &letters);
    }

    /// Many messages wait in the delayed exchange `d`, which is bound to `q`.
    pub(super) fn delay(&mut self, milliseconds: i64) {
        let arguments = Table::from_iter([(name("x-delayed-type"), text("fanout"))]);
        let (exchange, kind) = (name("d"), name("x-delayed-message"));
        self.method(exchange::Declare { exchange, kind, arguments, ..Default::default() });
        let (queue, exchange) = (name("q"), name("d"));
        self.method(queue::Bind { queue, exchange, ..Default::default() });
        let headers = Table::from_iter([(name("x-delay"), Field::I64(milliseconds))]);
        let properties = Properties { headers: Some(headers), ..Properties::default() };
        let mut encoded = Vec::new();
        properties.encode(&mut encoded);
        for _ in 0..MANY {
            let message = Message::from_parts("d", b"", &encoded, b"hello", false);
            let publish = Publish { mandatory: false, immediate: false, repeats: false, message };
            self.apply(LONG, Command::Publish(NUMBER, publish));
        }
    }

    /// Another user has many connections.
    pub(super) fn crowd(&mut self) {
        let everything = || ".*".to_owned();
        let alice = [
            Change::PutUser { name: name("alice"), password: NewPassword::None, tags: Vec::new() },
            Change::SetPermissions {
                user: name("alice"),
                vhost: name("/"),
                configure: everything(),
                write: everything(),
                read: everything(),
            },
        ];
        self.broker.change(alice.into(), &mut Effects::default()).unwrap();
        for id in 0..MANY {
            self.open(ConnectionId(100 + id), "alice");
        }
    }

    pub(super) fn open(&mut self, id: ConnectionId, user: &str) {
        let open = OpenConnection {
            peer: "10.0.0.1:5000".to_owned(),
            user: name(user),
            virtual_host: name("/"),
            client_properties: Table::default(),
            channel_max: 0,
            facts: Default::default(),
        };
        self.apply(id, Command::Open(Box::new(open)));
        self.apply(id, Command::Method(NUMBER, channel::Open {}.into()));
    }

    pub(super) fn change(&mut self, changes: Vec<Change>) {
        self.broker.begin_change(changes, &mut self.effects);
    }

    pub(super) fn import(&mut self) {
        self.broker.change(declarations(), &mut Effects::default()).unwrap();
    }

    pub(super) fn put_policy(&mut self, vhost: &str, pattern: &str, definition: &[(&str, Field)]) {
        let policy = policy(vhost, pattern, definition);
        self.broker.change(policy, &mut Effects::default()).unwrap();
    }

    /// Turns until nothing is to be done.
    pub(super) fn settle(&mut self) {
        self.turn();
        while self.is_busy() {
            self.turn();
        }
    }

    /// A turn. Returns what each client hears, as text.
    pub(super) fn turn(&mut self) -> Vec<(ConnectionId, String)> {
        let request = self.broker.end_turn(self.now, &mut self.effects).unwrap();
        if let Some(request) = request {
            request.run().unwrap();
            self.broker.synced(request.point, &mut self.effects);
        }
        let outputs = self.effects.take();
        let each = outputs.flat_map(|(id, outputs)| outputs.into_iter().map(move |one| (id, one)));
        each.map(|(id, output)| (id, format!("{output:?}"))).collect()
    }

    /// Whether the next turn has something to do already.
    pub(super) fn is_busy(&self) -> bool {
        self.broker.next_deadline().is_some_and(|deadline| deadline <= self.now)
    }

    /// Another client declares a queue of its own.
    pub(super) fn declare(&mut self) {
        self.declared += 1;
        let queue = name(&format!("other{}", self.declared));
        let declare = queue::Declare { queue, auto_delete: true, ..Default::default() };
        self.apply(OTHER, Command::Method(NUMBER, declare.into()));
    }

    /// Ready messages, unacknowledged ones, queues but for those that the other one declared,
    /// bindings, and consumers.
    pub(super) fn left(&self) -> [u64; 5] {
        let ready = self.broker.queues.values().map(|queue| queue.ready()).sum();
        let transactions = self.broker.channels.iter().map(|(_, channel)| match &channel.mode {
            Mode::Transaction(transaction) => transaction.settlements.len() as u64,
            Mode::Plain | Mode::Confirm(_) => 0,
        });
        let unacked = self.broker.channels.iter().map(|(_, channel)| channel.unacked.len() as u64);
        let unacked = unacked.sum::<u64>() + transactions.sum::<u64>();
        let queues = self.broker.queues.len() as u64 - self.declared;
        let bindings = self.broker.sources.values().flat_map(|sources| sources.values());
        let bindings = bindings.sum::<usize>() as u64;
        [ready, unacked, queues, bindings, self.broker.consumers.len() as u64]
    }
}

pub(super) fn name(text: &str) -> ShortString {
    ShortString::clipped(text)
}
