//! What reports say, slice by slice.

use std::sync::Arc;

use super::*;
use crate::broker::drops::Cause;
use crate::broker::{BrokerOptions, Command, Effects, Measures, OpenConnection, Publish};
use crate::ids::{ChannelNumber, ConnectionId, Timestamp};
use crate::message::Message;
use crate::store::{MemoryDisk, Store, StoreOptions};
use crate::wire::{Field, Method, basic, channel, exchange, queue};

struct Stage(Broker, Effects);

impl Stage {
    fn new() -> Self {
        let disk = Arc::new(MemoryDisk::default());
        let (store, recovery) = Store::open(disk, StoreOptions::default()).unwrap();
        let broker = Broker::open(store, recovery, BrokerOptions::default()).unwrap();
        let mut stage = Self(broker, Effects::default());
        stage.apply(Command::Open(Box::new(OpenConnection {
            peer: "10.0.0.1:5000".to_owned(),
            user: name("guest"),
            virtual_host: name("/"),
            client_properties: Table::default(),
            channel_max: 0,
            facts: Default::default(),
        })));
        stage.method(channel::Open {});
        stage
    }

    fn apply(&mut self, command: Command) {
        self.0.apply(Timestamp(1), ConnectionId(1), command, &mut self.1);
        self.0.end_turn(Timestamp(1), &mut self.1).unwrap();
    }

    fn method(&mut self, method: impl Into<Method>) {
        self.apply(Command::Method(ChannelNumber(1), method.into()));
    }

    fn declare(&mut self, queue: &str) {
        self.method(queue::Declare { queue: name(queue), ..Default::default() });
    }

    fn publish(&mut self, exchange: &str, key: &str) {
        let message = Message::from_parts(exchange, key.as_bytes(), &[0, 0], b"hello", false);
        let publish = Publish { mandatory: false, immediate: false, repeats: false, message };
        self.apply(Command::Publish(ChannelNumber(1), publish));
    }

    fn queue(&mut self, queue: &str) -> QueueRow {
        let query = Query::Queue { virtual_host: name("/"), name: name(queue) };
        let Report::Queues(mut slice) = self.0.answer(&query) else { unreachable!() };
        slice.rows.remove(0)
    }
}

fn name(text: &str) -> ShortString {
    ShortString::clipped(text)
}

#[test]
fn a_listing_of_many_comes_in_slices_and_in_order() {
    let mut stage = Stage::new();
    let mut expected: Vec<_> = (0..2 * ROWS_MAX + 7).map(|number| format!("q{number}")).collect();
    expected.iter().for_each(|queue| stage.declare(queue));
    expected.sort();
    let (mut found, mut slices, mut after) = (Vec::new(), 0, None);
    loop {
        let query = Query::Queues { virtual_host: name("/"), after };
        let Report::Queues(slice) = stage.0.answer(&query) else { unreachable!() };
        assert!(slice.rows.len() <= ROWS_MAX);
        slices += 1;
        found.extend(slice.rows.iter().map(|row| row.name.to_string()));
        after = slice.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((found, slices), (expected.clone(), 3));

    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let (virtual_host, exchange) = (name("/"), name(""));
        let query = Query::BindingsFrom { virtual_host, exchange, after };
        let Report::Bindings(slice) = stage.0.answer(&query) else { unreachable!() };
        found.extend(slice.rows.iter().map(|row| row.destination.to_string()));
        after = slice.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, expected);
}

#[test]
fn messages_are_counted_where_they_are_and_where_they_went() {
    let mut stage = Stage::new();
    stage.declare("a");
    (0..3).for_each(|_| stage.publish("", "a"));
    stage.publish("", "nowhere");
    stage.method(basic::Get { queue: name("a"), no_ack: false });
    let row = stage.queue("a");
    assert_eq!((row.ready, row.unacknowledged), (2, 1));
    assert_eq!((row.ready_octets, row.unacknowledged_octets), (10, 5));
    assert_eq!((row.stats.publish, row.stats.get, row.stats.ack), (3, 1, 0));
    stage.method(basic::Ack { delivery_tag: 1, multiple: false });
    stage.method(basic::Get { queue: name("a"), no_ack: false });
    stage.method(basic::Reject { delivery_tag: 2, requeue: true });
    stage.method(basic::Get { queue: name("a"), no_ack: true });
    let row = stage.queue("a");
    assert_eq!((row.ready, row.unacknowledged, row.unacknowledged_octets), (1, 0, 0));
    assert_eq!((row.stats.ack, row.stats.redeliver, row.stats.get_no_ack), (1, 1, 1));
    let Report::Overview(report) = stage.0.answer(&Query::Overview) else { unreachable!() };
    let total = report.statistics;
    assert_eq!((total.messages.publish, total.messages.drop_unroutable), (4, 1));
    assert_eq!((total.drops.of(Cause::Unroutable), report.ready), (1, 1));
    let (virtual_host, of) = (name("/"), DestinationKind::Exchange);
    let query = Query::Dropped { virtual_host, of, name: name("") };
    let Report::Dropped(Some(found)) = stage.0.answer(&query) else { unreachable!() };
    assert_eq!(found.counts.of(Cause::Unroutable), 1);
    assert_eq!(found.last.len(), 1);
    assert_eq!(found.last[0].1.routing_key, b"nowhere");
    let (virtual_host, of) = (name("/"), DestinationKind::Queue);
    let query = Query::Dropped { virtual_host, of, name: name("none") };
    assert!(matches!(stage.0.answer(&query), Report::Dropped(None)));
    stage.method(queue::Delete { queue: name("a"), ..Default::default() });
    let Report::Overview(report) = stage.0.answer(&Query::Overview) else { unreachable!() };
    assert_eq!((report.statistics.drops.of(Cause::QueueDeleted), report.ready), (1, 0));
}

#[test]
fn a_peek_changes_nothing() {
    let mut stage = Stage::new();
    stage.declare("a");
    (0..3).for_each(|_| stage.publish("", "a"));
    let before = stage.queue("a");
    let query = Query::Peek { virtual_host: name("/"), queue: name("a"), count: 2 };
    for _ in 0..2 {
        let Report::Messages(Some(seen)) = stage.0.answer(&query) else { unreachable!() };
        assert_eq!(seen.len(), 2);
        assert!(seen.iter().all(|it| it.message.body() == b"hello" && !it.redelivered));
    }
    let after = stage.queue("a");
    assert_eq!((after.ready, after.unacknowledged), (3, 0));
    assert_eq!(after.stats, before.stats);
    assert_eq!(after.ready_octets, before.ready_octets);
}

#[test]
fn an_explanation_names_exchanges_bindings_and_queues() {
    let mut stage = Stage::new();
    stage.declare("a");
    stage.declare("b");
    let alternate =
        Table::from_iter([(name("alternate-exchange"), Field::LongString(b"amq.fanout".to_vec()))]);
    stage.method(exchange::Declare {
        exchange: name("in"),
        kind: name("topic"),
        arguments: alternate,
        ..Default::default()
    });
    for (queue, exchange, key) in [("a", "in", "x.*"), ("a", "in", "y"), ("b", "amq.fanout", "")] {
        stage.method(queue::Bind {
            queue: name(queue),
            exchange: name(exchange),
            routing_key: name(key),
            ..Default::default()
        });
    }
    let mut explain = |key: &str| {
        let query = Query::Explain {
            virtual_host: name("/"),
            exchange: name("in"),
            routing_key: key.as_bytes().to_vec(),
            headers: Table::default(),
        };
        let Report::Explanation(Some(found)) = stage.0.answer(&query) else { unreachable!() };
        found
    };
    let found = explain("x.1");
    assert_eq!(found.queues, [name("a")]);
    assert_eq!(found.hops.len(), 1);
    assert_eq!(found.hops[0].bindings.len(), 1);
    assert_eq!(found.hops[0].bindings[0].routing_key, name("x.*"));
    let found = explain("z");
    assert_eq!(found.queues, [name("b")]);
    assert_eq!(found.hops[0].alternate, Some(name("amq.fanout")));
    assert_eq!(found.hops[1].bindings[0].destination, name("b"));
}

#[test]
fn a_connection_that_waits_for_the_end_of_an_alarm_says_so() {
    let mut stage = Stage::new();
    let blocked = |stage: &mut Stage| {
        let report = stage.0.answer(&Query::Connections { from: 0 });
        let Report::Connections(slice) = report else { unreachable!() };
        slice.rows[0].blocked
    };
    stage.0.measured(&Measures { disk_free: 1, disk_limit: 2, ..Default::default() });
    assert!(!blocked(&mut stage), "it has published nothing");
    stage.publish("", "a");
    assert!(blocked(&mut stage));
    stage.0.measured(&Measures { disk_free: 3, disk_limit: 2, ..Default::default() });
    stage.0.end_turn(Timestamp(1), &mut stage.1).unwrap();
    assert!(!blocked(&mut stage));
}
