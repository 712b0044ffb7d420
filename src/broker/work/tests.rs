//! No command takes a long turn: for every kind of long work, what a turn does is counted.

use std::sync::Arc;

use super::super::channel::Mode;
use super::super::{BrokerOptions, Command, OpenConnection, Publish};
use super::*;
use crate::ids::{ChannelNumber, ConnectionId, Timestamp};
use crate::message::Message;
use crate::store::{MemoryDisk, Store, StoreOptions};
use crate::wire::{Method, ShortString, Table, basic, channel, queue, tx};

/// Units of a turn in these tests, and messages of the long work.
const PER_TURN: u64 = 256;
const MANY: u64 = 2_000;
/// What a turn may spend: its commands all of it, its end half of it, and one step beyond each.
const SPENT_MAX: u64 = PER_TURN + PER_TURN / 2 + 128;

const LONG: ConnectionId = ConnectionId(1);
const OTHER: ConnectionId = ConnectionId(2);
const NUMBER: ChannelNumber = ChannelNumber(1);

struct Stage {
    broker: Broker,
    effects: Effects,
    declared: u64,
}

/// A kind of long work: what has to be there, what makes it, and what its client hears at last.
struct Row {
    prepare: fn(&mut Stage),
    begin: fn(&mut Stage),
    answer: &'static str,
    /// What is in the broker when it is done: ready messages, unacknowledged ones, queues.
    left: [u64; 3],
}

/// The row of a job, so that a kind without one is no program.
fn row(job: &Job) -> usize {
    match job {
        Job::Commit(_) => 0,
        Job::Rollback(_) => 1,
        Job::Settle(_) => 2,
        Job::Release(_) => 3,
    }
}

const ROWS: [(usize, &str, Row); 8] = [
    (
        0,
        "commit",
        Row {
            prepare: |stage| stage.publish_in_transaction(),
            begin: |stage| stage.method(tx::Commit::default()),
            answer: "CommitOk",
            left: [MANY, 0, 1],
        },
    ),
    (
        1,
        "rollback",
        Row {
            prepare: |stage| stage.publish_in_transaction(),
            begin: |stage| stage.method(tx::Rollback::default()),
            answer: "RollbackOk",
            left: [0, 0, 1],
        },
    ),
    (
        2,
        "ack multiple",
        Row {
            prepare: |stage| stage.consume(),
            begin: |stage| {
                stage.method(basic::Ack { delivery_tag: 0, multiple: true });
                stage.method(basic::Qos::default());
            },
            answer: "QosOk",
            left: [0, 0, 1],
        },
    ),
    (
        2,
        "recover",
        Row {
            prepare: |stage| stage.get_all(),
            begin: |stage| stage.method(basic::Recover { requeue: true }),
            answer: "RecoverOk",
            left: [MANY, 0, 1],
        },
    ),
    (
        2,
        "reject multiple",
        Row {
            prepare: |stage| stage.get_all(),
            begin: |stage| {
                stage.method(basic::Nack { delivery_tag: 0, multiple: true, requeue: false });
                stage.method(basic::Qos::default());
            },
            answer: "QosOk",
            left: [0, 0, 1],
        },
    ),
    (
        3,
        "channel close",
        Row {
            prepare: |stage| stage.get_all(),
            begin: |stage| stage.method(channel::Close::default()),
            answer: "CloseOk",
            left: [MANY, 0, 1],
        },
    ),
    (
        3,
        "connection lost",
        Row {
            prepare: |stage| stage.get_all(),
            begin: |stage| stage.apply(LONG, Command::Gone),
            answer: "",
            left: [MANY, 0, 1],
        },
    ),
    (
        3,
        "exclusive queues",
        Row {
            prepare: |stage| {
                for number in 0..MANY {
                    let queue = name(&format!("e{number}"));
                    stage.method(queue::Declare { queue, exclusive: true, ..Default::default() });
                }
            },
            begin: |stage| stage.apply(LONG, Command::Gone),
            answer: "",
            left: [0, 0, 1],
        },
    ),
];

impl Stage {
    fn new() -> Self {
        let disk = Arc::new(MemoryDisk::default());
        let (store, recovery) = Store::open(disk, StoreOptions::default()).unwrap();
        let options = BrokerOptions { work_per_turn: PER_TURN, ..BrokerOptions::default() };
        let broker = Broker::open(store, recovery, options).unwrap();
        let mut stage = Self { broker, effects: Effects::default(), declared: 0 };
        for id in [LONG, OTHER] {
            let open = OpenConnection {
                peer: "10.0.0.1:5000".to_owned(),
                user: name("guest"),
                virtual_host: name("/"),
                client_properties: Table::default(),
                channel_max: 0,
                facts: Default::default(),
            };
            stage.apply(id, Command::Open(Box::new(open)));
            stage.apply(id, Command::Method(NUMBER, channel::Open {}.into()));
        }
        stage.method(queue::Declare { queue: name("q"), durable: true, ..Default::default() });
        stage
    }

    fn apply(&mut self, id: ConnectionId, command: Command) {
        self.broker.apply(Timestamp(1), id, command, &mut self.effects);
    }

    fn method(&mut self, method: impl Into<Method>) {
        self.apply(LONG, Command::Method(NUMBER, method.into()));
    }

    fn publish(&mut self) {
        for _ in 0..MANY {
            let message = Message::from_parts("", b"q", &[0, 0], b"hello", true);
            let publish = Publish { mandatory: false, immediate: false, repeats: false, message };
            self.apply(LONG, Command::Publish(NUMBER, publish));
        }
    }

    fn publish_in_transaction(&mut self) {
        self.method(tx::Select::default());
        self.publish();
    }

    fn get_all(&mut self) {
        self.publish();
        for _ in 0..MANY {
            self.method(basic::Get { queue: name("q"), no_ack: false });
        }
    }

    fn consume(&mut self) {
        self.publish();
        self.method(basic::Consume { queue: name("q"), ..Default::default() });
        while self.left()[1] < MANY {
            self.apply(LONG, Command::Drained(1 << 20));
            self.turn();
        }
    }

    /// A turn. Returns what each client hears, as text.
    fn turn(&mut self) -> Vec<(ConnectionId, String)> {
        let request = self.broker.end_turn(Timestamp(1), &mut self.effects).unwrap();
        if let Some(request) = request {
            request.run().unwrap();
            self.broker.synced(request.point, &mut self.effects);
        }
        let outputs = self.effects.take();
        let each = outputs.flat_map(|(id, outputs)| outputs.into_iter().map(move |one| (id, one)));
        each.map(|(id, output)| (id, format!("{output:?}"))).collect()
    }

    /// Whether the next turn has something to do already.
    fn is_busy(&self) -> bool {
        self.broker.next_deadline().is_some_and(|deadline| deadline <= Timestamp(1))
    }

    /// Another client declares a queue of its own.
    fn declare(&mut self) {
        self.declared += 1;
        let queue = name(&format!("other{}", self.declared));
        let declare = queue::Declare { queue, auto_delete: true, ..Default::default() };
        self.apply(OTHER, Command::Method(NUMBER, declare.into()));
    }

    /// Ready messages, unacknowledged ones, and queues but for those that the other one declared.
    fn left(&self) -> [u64; 3] {
        let ready = self.broker.queues.values().map(|queue| queue.ready()).sum();
        let transactions = self.broker.channels.iter().map(|(_, channel)| match &channel.mode {
            Mode::Transaction(transaction) => transaction.settlements.len() as u64,
            Mode::Plain | Mode::Confirm(_) => 0,
        });
        let unacked = self.broker.channels.iter().map(|(_, channel)| channel.unacked.len() as u64);
        let unacked = unacked.sum::<u64>() + transactions.sum::<u64>();
        [ready, unacked, self.broker.queues.len() as u64 - self.declared]
    }
}

fn name(text: &str) -> ShortString {
    ShortString::clipped(text)
}

#[test]
fn others_are_served_while_any_long_work_is_under_way_and_no_turn_is_long() {
    let mut rows = 0;
    for (kind, what, Row { prepare, begin, answer, left }) in ROWS {
        let mut stage = Stage::new();
        prepare(&mut stage);
        stage.turn();
        assert!(!stage.broker.work.is_behind(), "{what}: nothing is under way yet");
        stage.broker.work.most = 0;

        begin(&mut stage);
        let (mut turns, mut heard) = (0, false);
        let mut before = stage.left();
        while !heard || stage.is_busy() {
            if stage.broker.work.is_behind() {
                let under_way = stage.broker.work.jobs.iter().any(|(job, _)| row(job) == kind);
                assert!(under_way, "{what} is work of another kind");
            }
            stage.declare();
            let outputs = stage.turn();
            let served =
                outputs.iter().any(|(id, text)| *id == OTHER && text.contains("DeclareOk"));
            assert!(served, "{what}, turn {turns}: another client is not answered");
            heard |= answer.is_empty()
                || outputs.iter().any(|(id, text)| *id == LONG && text.contains(answer));
            let after = stage.left();
            let changed: u64 = before.iter().zip(after).map(|(one, two)| one.abs_diff(two)).sum();
            assert!(changed <= 2 * SPENT_MAX, "{what}: a turn has changed {changed}");
            before = after;
            turns += 1;
            assert!(turns < 1_000, "{what} does not end");
        }
        assert!(stage.broker.work.most <= SPENT_MAX, "{what}: {} units", stage.broker.work.most);
        assert!(turns > 5, "{what} was no long work: {turns} turns");
        assert_eq!(stage.left(), left, "{what}");
        rows |= 1 << kind;
    }
    assert_eq!(rows, (1 << 4) - 1, "a kind of work has no row");
}

#[test]
fn what_a_client_says_behind_long_work_is_done_in_its_order() {
    let mut stage = Stage::new();
    stage.publish_in_transaction();
    stage.method(tx::Commit::default());
    stage.method(basic::Get { queue: name("q"), no_ack: true });
    stage.method(queue::Purge { queue: name("q"), no_wait: false });
    let mut heard = Vec::new();
    while stage.broker.work.is_behind() {
        heard.extend(stage.turn().into_iter().filter(|(id, _)| *id == LONG).map(|(_, text)| text));
    }
    let purged = format!("message_count: {}", MANY - 1);
    let [.., commit, get, purge] = heard.as_slice() else { panic!("{heard:?}") };
    assert!(commit.contains("CommitOk") && get.contains("GetOk"), "{heard:?}");
    assert!(purge.contains(&purged), "{purge}");
}

#[test]
fn a_queue_hands_nothing_out_while_deliveries_come_back_to_it() {
    let mut stage = Stage::new();
    stage.get_all();
    stage.publish();
    let consume = basic::Consume { queue: name("q"), no_ack: true, ..Default::default() };
    stage.method(channel::Close::default());
    stage.apply(OTHER, Command::Method(NUMBER, consume.into()));
    let get = basic::Get { queue: name("q"), no_ack: true };
    let third = ConnectionId(3);
    let open = OpenConnection {
        peer: "10.0.0.1:5000".to_owned(),
        user: name("guest"),
        virtual_host: name("/"),
        client_properties: Table::default(),
        channel_max: 0,
        facts: Default::default(),
    };
    stage.apply(third, Command::Open(Box::new(open)));
    stage.apply(third, Command::Method(NUMBER, channel::Open {}.into()));
    stage.apply(third, Command::Method(NUMBER, get.into()));
    stage.turn();
    assert!(stage.broker.work.is_behind());
    while stage.broker.work.is_behind() {
        let outputs = stage.turn();
        let handed =
            outputs.iter().any(|(_, text)| text.contains("Deliver") || text.contains("GetOk"));
        let all_back = stage.left()[1] == 0;
        assert!(all_back || !handed, "{outputs:?}");
    }
}

#[test]
fn a_connection_that_an_operator_closes_ends_its_work_first() {
    let mut stage = Stage::new();
    stage.publish_in_transaction();
    stage.method(tx::Commit::default());
    stage.broker.disconnect(LONG, "enough", &mut stage.effects);
    let mut heard = Vec::new();
    while stage.broker.work.is_behind() {
        heard.extend(stage.turn().into_iter().filter(|(id, _)| *id == LONG).map(|(_, text)| text));
    }
    heard.extend(stage.turn().into_iter().map(|(_, text)| text));
    let text = heard.join("\n");
    assert!(text.contains("enough"), "{text}");
    assert_eq!(stage.left(), [MANY, 0, 1]);
}

#[test]
fn a_stop_ends_all_work_first() {
    let mut stage = Stage::new();
    stage.publish_in_transaction();
    stage.method(tx::Commit::default());
    assert!(stage.broker.work.is_behind());
    stage.broker.shut_down(&mut stage.effects);
    assert!(!stage.broker.work.is_behind());
    assert_eq!(stage.left(), [MANY, 0, 1]);
}
