//! The permissions of every method as a table: what is listed is enough, and each of it is needed.

use std::sync::Arc;

use leveret::broker::access::{Change, NewPassword, Operation};
use leveret::broker::{
    Broker, BrokerOptions, Command, Effects, FsyncPolicy, OpenConnection, Output, Publish,
};
use leveret::ids::{ChannelNumber, ConnectionId, Timestamp};
use leveret::message::Message;
use leveret::store::{MemoryDisk, Store, StoreOptions};
use leveret::wire::{Method, Properties, ShortString, Table, basic, channel, connection};

use Kind::{Exchange, Queue};
use Operation::{Configure, Read, Write};

/// What a permission is on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Exchange,
    Queue,
}

/// A method, and what it needs in the order in which it is looked at.
type Row = (&'static str, &'static [(Operation, Kind, &'static str)]);

/// The table of `docs/reference/access.md`. The exchange `x` and the queue `q` are there.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("exchange.declare exchange=\"new\" kind=\"direct\"", &[(Configure, Exchange, "new")]),
    ("exchange.declare exchange=\"x\" kind=\"topic\"", &[(Configure, Exchange, "x")]),
    ("exchange.declare exchange=\"new\" kind=\"direct\" arguments={alternate-exchange: \"other\"}",
        &[(Configure, Exchange, "new"), (Read, Exchange, "new"), (Write, Exchange, "other")]),
    ("exchange.declare exchange=\"new\" kind=\"direct\" arguments={alternate-exchange: \"\"}",
        &[(Configure, Exchange, "new"), (Read, Exchange, "new"), (Write, Exchange, "amq.default")]),
    ("exchange.delete exchange=\"x\"", &[(Configure, Exchange, "x")]),
    ("exchange.bind destination=\"amq.fanout\" source=\"x\"",
        &[(Write, Exchange, "amq.fanout"), (Read, Exchange, "x")]),
    ("exchange.unbind destination=\"amq.fanout\" source=\"x\"",
        &[(Write, Exchange, "amq.fanout"), (Read, Exchange, "x")]),
    ("queue.declare queue=\"new\"", &[(Configure, Queue, "new")]),
    ("queue.declare queue=\"q\"", &[(Configure, Queue, "q")]),
    ("queue.declare queue=\"new\" exclusive=true", &[(Configure, Queue, "new")]),
    ("queue.declare queue=\"new\" arguments={x-dead-letter-exchange: \"other\"}",
        &[(Configure, Queue, "new"), (Read, Queue, "new"), (Write, Exchange, "other")]),
    ("queue.declare queue=\"new\" arguments={x-dead-letter-exchange: \"\"}",
        &[(Configure, Queue, "new"), (Read, Queue, "new"), (Write, Exchange, "amq.default")]),
    ("queue.delete queue=\"q\"", &[(Configure, Queue, "q")]),
    ("queue.bind queue=\"q\" exchange=\"x\"", &[(Write, Queue, "q"), (Read, Exchange, "x")]),
    ("queue.unbind queue=\"q\" exchange=\"x\"", &[(Write, Queue, "q"), (Read, Exchange, "x")]),
    ("queue.purge queue=\"q\"", &[(Read, Queue, "q")]),
    ("basic.get queue=\"q\"", &[(Read, Queue, "q")]),
    ("basic.consume queue=\"q\"", &[(Read, Queue, "q")]),
    ("basic.publish exchange=\"x\" routing_key=\"k\"", &[(Write, Exchange, "x")]),
    ("basic.publish routing_key=\"q\"", &[(Write, Exchange, "amq.default")]),
    // These need nothing.
    ("basic.qos prefetch_count=1", &[]),
    ("basic.recover requeue=true", &[]),
    ("basic.cancel consumer_tag=\"t\"", &[]),
    ("basic.consume queue=\"amq.rabbitmq.reply-to\" no_ack=true", &[]),
    ("confirm.select", &[]),
    ("tx.select", &[]),
    ("channel.flow active=true", &[]),
    ("access.request", &[]),
];

#[test]
fn what_the_table_lists_is_enough() {
    for (method, needs) in TABLE {
        assert_eq!(refusal(method, needs), None, "{method}");
    }
}

#[test]
fn each_permission_that_the_table_lists_is_needed() {
    for (method, needs) in TABLE {
        for (number, (operation, kind, name)) in needs.iter().enumerate() {
            let others = [&needs[..number], &needs[number + 1..]].concat();
            let kind = if *kind == Exchange { "exchange" } else { "queue" };
            let text = format!(
                "ACCESS_REFUSED - {} access to {kind} '{name}' in vhost '/' refused for user \
                 'alice'",
                operation.name()
            );
            assert_eq!(refusal(method, &others), Some(text), "{method}");
        }
    }
}

#[test]
fn any_permission_is_enough_to_ask_whether_something_is_there() {
    for (method, kind, name) in [
        ("queue.declare queue=\"q\" passive=true", Queue, "q"),
        ("exchange.declare exchange=\"x\" passive=true", Exchange, "x"),
    ] {
        for operation in [Configure, Write, Read] {
            assert_eq!(refusal(method, &[(operation, kind, name)]), None, "{method}");
        }
        assert!(refusal(method, &[]).is_some_and(|text| text.starts_with("ACCESS_REFUSED")));
    }
}

/// What a user with these permissions alone is told, if it is a refusal.
fn refusal(method: &str, permissions: &[(Operation, Kind, &str)]) -> Option<String> {
    let pattern = |wanted| {
        let names = permissions.iter().filter(|(operation, ..)| *operation == wanted);
        let names: Vec<_> = names.map(|(_, _, name)| name.replace('.', "\\.")).collect();
        if names.is_empty() { String::new() } else { format!("^({})$", names.join("|")) }
    };
    let (alice, vhost) = (ShortString::clipped("alice"), ShortString::clipped("/"));
    let mut stage = Stage::new();
    stage.change(Change::PutUser {
        name: alice.clone(),
        password: NewPassword::None,
        tags: Vec::new(),
    });
    stage.change(Change::SetPermissions {
        user: alice,
        vhost,
        configure: pattern(Configure),
        write: pattern(Write),
        read: pattern(Read),
    });
    stage.open(1, "guest");
    assert_eq!(stage.say(1, "exchange.declare exchange=\"x\" kind=\"topic\""), None);
    assert_eq!(stage.say(1, "queue.declare queue=\"q\""), None);
    stage.open(2, "alice");
    stage.say(2, method)
}

/// A broker in memory, and its clients by number.
pub(super) struct Stage {
    pub(super) broker: Broker,
    effects: Effects,
}

const NOW: Timestamp = Timestamp(1_000);

impl Stage {
    pub(super) fn new() -> Self {
        let disk = Arc::new(MemoryDisk::default());
        let options = StoreOptions { journal_bytes_prepared: 64 << 10, ..StoreOptions::default() };
        let (store, recovery) = Store::open(disk, options).unwrap();
        // Nothing waits for a sync, which nobody makes here.
        let options = BrokerOptions { fsync: FsyncPolicy::Never, ..BrokerOptions::default() };
        let broker = Broker::open(store, recovery, options).unwrap();
        Self { broker, effects: Effects::default() }
    }

    pub(super) fn change(&mut self, change: Change) {
        self.broker.change(vec![change], &mut self.effects).unwrap();
    }

    pub(super) fn open(&mut self, id: u64, user: &str) {
        let open = OpenConnection {
            peer: "table".to_owned(),
            user: ShortString::clipped(user),
            virtual_host: ShortString::clipped("/"),
            client_properties: Table::default(),
            channel_max: 8,
            facts: Default::default(),
        };
        self.apply(id, Command::Open(Box::new(open)));
        self.apply(id, Command::Method(ChannelNumber(1), "channel.open".parse().unwrap()));
    }

    pub(super) fn say(&mut self, id: u64, text: &str) -> Option<String> {
        let method: Method = text.parse().unwrap();
        let Method::Basic(basic::Method::Publish(publish)) = method else {
            return self.apply(id, Command::Method(ChannelNumber(1), method));
        };
        let mut properties = Vec::new();
        Properties::default().encode(&mut properties);
        let (exchange, key) = (&publish.exchange, &publish.routing_key);
        let message = Message::from_parts(exchange, key, &properties, b"body", false);
        let publish = Publish { mandatory: false, immediate: false, repeats: false, message };
        self.apply(id, Command::Publish(ChannelNumber(1), publish))
    }

    /// Applies a command in a turn of its own; returns the text of a close, if there is one.
    fn apply(&mut self, id: u64, command: Command) -> Option<String> {
        let id = ConnectionId(id);
        self.broker.apply(NOW, id, command, &mut self.effects);
        self.broker.end_turn(NOW, &mut self.effects).unwrap();
        let outputs: Vec<_> = self.effects.take().flat_map(|(_, outputs)| outputs).collect();
        outputs.into_iter().find_map(|output| match output {
            Output::Method(_, Method::Channel(channel::Method::Close(close))) => {
                Some(close.reply_text.to_string())
            }
            Output::Method(_, Method::Connection(connection::Method::Close(close))) => {
                Some(close.reply_text.to_string())
            }
            _ => None,
        })
    }
}
