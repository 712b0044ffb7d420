//! No command takes a long turn: for every kind of long work, what a turn does is counted.

use std::sync::Arc;

use super::super::access::{ApplyTo, Change, NewPassword, PolicyKind};
use super::super::channel::Mode;
use super::super::{BrokerOptions, Command, OpenConnection, Publish};
use super::*;
use crate::ids::{ChannelNumber, ConnectionId, Timestamp};
use crate::message::Message;
use crate::store::{MemoryDisk, Store, StoreOptions};
use crate::wire::{Field, Method, Properties, ShortString, Table};
use crate::wire::{basic, channel, exchange, queue, tx};

/// Units of a turn in these tests, and messages of the long work.
const PER_TURN: u64 = 256;
const MANY: u64 = 2_000;
/// What a turn may spend: its commands all of it, work and what happens by itself half of it each,
/// and one step beyond each. What work brings into queues may go out again.
const SPENT_MAX: u64 = 3 * PER_TURN;

const LONG: ConnectionId = ConnectionId(1);
const OTHER: ConnectionId = ConnectionId(2);
const NUMBER: ChannelNumber = ChannelNumber(1);

struct Stage {
    broker: Broker,
    effects: Effects,
    declared: u64,
    now: Timestamp,
}

/// A kind of long work: what has to be there, what makes it, and what its client hears at last.
struct Row {
    what: &'static str,
    /// The number of its kind of job; none where it is no job but what happens by itself.
    kind: Option<usize>,
    prepare: fn(&mut Stage),
    begin: fn(&mut Stage),
    answer: &'static str,
    /// What is in the broker when it is done: ready messages, unacknowledged ones, queues, bindings
    /// and consumers.
    left: [u64; 5],
}

/// The number of a kind, so that one without a row is no program.
const fn kind(job: &Job) -> usize {
    match job {
        Job::Commit(_) => 0,
        Job::Rollback(_) => 1,
        Job::Settle(_) => 2,
        Job::Release(_) => 3,
        Job::Change(_) => 4,
        Job::Purge(_) => 5,
        Job::Leftover(leftover) => match leftover {
            Leftover::Messages(_) => 6,
            Leftover::Consumers(..) => 7,
            Leftover::To(..) => 8,
            Leftover::From(..) => 9,
            Leftover::Delayed(..) => 10,
        },
    }
}

/// How many kinds there are.
const KINDS: usize = 11;

const ROWS: [Row; 24] = [
    Row {
        what: "commit",
        kind: Some(0),
        prepare: Stage::publish_in_transaction,
        begin: |stage| stage.method(tx::Commit::default()),
        answer: "CommitOk",
        left: [MANY, 0, 1, 0, 0],
    },
    Row {
        what: "rollback",
        kind: Some(1),
        prepare: Stage::publish_in_transaction,
        begin: |stage| stage.method(tx::Rollback::default()),
        answer: "RollbackOk",
        left: [0, 0, 1, 0, 0],
    },
    Row {
        what: "ack multiple",
        kind: Some(2),
        prepare: Stage::get_all,
        begin: |stage| {
            stage.method(basic::Ack { delivery_tag: 0, multiple: true });
            stage.method(basic::Qos::default());
        },
        answer: "QosOk",
        left: [0, 0, 1, 0, 0],
    },
    Row {
        what: "recover",
        kind: Some(2),
        prepare: Stage::get_all,
        begin: |stage| stage.method(basic::Recover { requeue: true }),
        answer: "RecoverOk",
        left: [MANY, 0, 1, 0, 0],
    },
    Row {
        what: "reject multiple",
        kind: Some(2),
        prepare: Stage::get_all,
        begin: |stage| {
            stage.method(basic::Nack { delivery_tag: 0, multiple: true, requeue: false });
            stage.method(basic::Qos::default());
        },
        answer: "QosOk",
        left: [0, 0, 1, 0, 0],
    },
    Row {
        what: "reject multiple to a dead-letter exchange",
        kind: Some(2),
        prepare: |stage| {
            stage.dead_letters();
            stage.get_all();
        },
        begin: |stage| {
            stage.method(basic::Nack { delivery_tag: 0, multiple: true, requeue: false });
            stage.method(basic::Qos::default());
        },
        answer: "QosOk",
        left: [MANY, 0, 2, 0, 0],
    },
    Row {
        what: "channel close",
        kind: Some(3),
        prepare: Stage::get_all,
        begin: |stage| stage.method(channel::Close::default()),
        answer: "CloseOk",
        left: [MANY, 0, 1, 0, 0],
    },
    Row {
        what: "connection lost",
        kind: Some(3),
        prepare: Stage::get_all,
        begin: |stage| stage.apply(LONG, Command::Gone),
        answer: "",
        left: [MANY, 0, 1, 0, 0],
    },
    Row {
        what: "exclusive queues",
        kind: Some(3),
        prepare: |stage| {
            for number in 0..MANY {
                let queue = name(&format!("e{number}"));
                stage.method(queue::Declare { queue, exclusive: true, ..Default::default() });
            }
        },
        begin: |stage| stage.apply(LONG, Command::Gone),
        answer: "",
        left: [0, 0, 1, 0, 0],
    },
    Row {
        what: "import",
        kind: Some(4),
        prepare: |_| {},
        begin: |stage| stage.change(declarations()),
        answer: "",
        left: [0, 0, 1 + MANY, 0, 0],
    },
    Row {
        what: "vhost deleted",
        kind: Some(4),
        prepare: Stage::import,
        begin: |stage| stage.change(vec![Change::DeleteVhost { name: name("v") }]),
        answer: "",
        left: [0, 0, 1, 0, 0],
    },
    Row {
        what: "policy for many queues",
        kind: Some(4),
        prepare: Stage::import,
        begin: |stage| stage.change(policy("v", "", &[("max-length", Field::I64(1))])),
        answer: "",
        left: [0, 0, 1 + MANY, 0, 0],
    },
    Row {
        what: "user with many connections deleted",
        kind: Some(4),
        prepare: Stage::crowd,
        begin: |stage| stage.change(vec![Change::DeleteUser { name: name("alice") }]),
        answer: "",
        left: [0, 0, 1, 0, 0],
    },
    Row {
        what: "purge of what came back",
        kind: Some(5),
        prepare: |stage| {
            stage.get_all();
            stage.method(basic::Recover { requeue: true });
        },
        begin: |stage| stage.method(queue::Purge { queue: name("q"), no_wait: false }),
        answer: "PurgeOk",
        left: [0, 0, 1, 0, 0],
    },
    Row {
        what: "queue with messages deleted",
        kind: Some(6),
        prepare: Stage::publish,
        begin: |stage| stage.method(queue::Delete { queue: name("q"), ..Default::default() }),
        answer: "DeleteOk",
        left: [0, 0, 0, 0, 0],
    },
    Row {
        what: "queue with consumers deleted",
        kind: Some(7),
        prepare: |stage| {
            for _ in 0..MANY {
                stage.method(basic::Consume { queue: name("q"), ..Default::default() });
            }
        },
        begin: |stage| stage.method(queue::Delete { queue: name("q"), ..Default::default() }),
        answer: "DeleteOk",
        left: [0, 0, 0, 0, 0],
    },
    Row {
        what: "queue with bindings deleted",
        kind: Some(8),
        prepare: Stage::bind,
        begin: |stage| stage.method(queue::Delete { queue: name("q"), ..Default::default() }),
        answer: "DeleteOk",
        left: [0, 0, 0, 0, 0],
    },
    Row {
        what: "exchange with bindings deleted",
        kind: Some(9),
        prepare: Stage::bind,
        begin: |stage| {
            let exchange = name("x");
            stage.method(exchange::Delete { exchange, ..Default::default() });
        },
        answer: "DeleteOk",
        left: [0, 0, 1, 0, 0],
    },
    Row {
        what: "delayed exchange deleted",
        kind: Some(10),
        prepare: |stage| stage.delay(100_000),
        begin: |stage| {
            let exchange = name("d");
            stage.method(exchange::Delete { exchange, ..Default::default() });
        },
        answer: "DeleteOk",
        left: [0, 0, 1, 0, 0],
    },
    Row {
        what: "delayed messages due",
        kind: None,
        prepare: |stage| stage.delay(1_000),
        begin: |stage| stage.now = Timestamp(stage.now.0 + 1_000),
        answer: "",
        left: [MANY, 0, 2, 1, 0],
    },
    Row {
        what: "a limit on a backlog",
        kind: None,
        prepare: Stage::publish,
        begin: |stage| stage.change(policy("/", "", &[("max-length", Field::I64(1))])),
        answer: "",
        left: [1, 0, 1, 0, 0],
    },
    Row {
        what: "a limit on a backlog, with dead letters",
        kind: None,
        prepare: |stage| {
            stage.dead_letters();
            stage.publish();
        },
        begin: |stage| {
            let letters = ("dead-letter-exchange", text(""));
            let key = ("dead-letter-routing-key", text("dead"));
            let limit = ("max-length", Field::I64(1));
            stage.change(policy("/", "^q$", &[letters, key, limit]));
        },
        answer: "",
        left: [MANY, 0, 2, 0, 0],
    },
    Row {
        what: "messages that expire",
        kind: None,
        prepare: |stage| {
            stage.put_policy("/", "", &[("message-ttl", Field::I64(1_000))]);
            stage.publish();
        },
        begin: |stage| stage.now = Timestamp(stage.now.0 + 1_000),
        answer: "",
        left: [0, 0, 1, 0, 0],
    },
    Row {
        what: "queues that expire",
        kind: None,
        prepare: |stage| {
            stage.import();
            stage.put_policy("v", "", &[("expires", Field::I64(1_000))]);
            stage.settle();
        },
        begin: |stage| stage.now = Timestamp(stage.now.0 + 2_000),
        answer: "",
        left: [0, 0, 1, 0, 0],
    },
];

/// A vhost with many queues.
fn declarations() -> Vec<Change> {
    let vhost = || name("v");
    let queue = |number| {
        let declare = queue::Declare {
            queue: name(&format!("i{number}")),
            durable: true,
            ..Default::default()
        };
        Change::DeclareQueue { vhost: vhost(), declare }
    };
    let begin = Change::PutVhost { name: vhost(), settings: Default::default() };
    std::iter::once(begin).chain((0..MANY).map(queue)).collect()
}

/// A policy for all queues of a vhost whose names match.
fn policy(vhost: &str, pattern: &str, definition: &[(&str, Field)]) -> Vec<Change> {
    let definition = definition.iter().map(|(key, value)| (name(key), value.clone()));
    vec![Change::PutPolicy {
        kind: PolicyKind::User,
        vhost: name(vhost),
        name: name("policy"),
        pattern: pattern.to_owned(),
        apply_to: ApplyTo::Queues,
        priority: 0,
        definition: definition.collect(),
    }]
}

fn text(value: &str) -> Field {
    Field::LongString(value.as_bytes().to_vec())
}

impl Stage {
    fn new() -> Self {
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

    fn apply(&mut self, id: ConnectionId, command: Command) {
        self.broker.apply(self.now, id, command, &mut self.effects);
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

    /// Many keys bind `q` to the exchange `x`.
    fn bind(&mut self) {
        let (exchange, kind) = (name("x"), name("topic"));
        self.method(exchange::Declare { exchange, kind, durable: true, ..Default::default() });
        for number in 0..MANY {
            let (queue, exchange) = (name("q"), name("x"));
            let routing_key = name(&format!("key.{number}"));
            self.method(queue::Bind { queue, exchange, routing_key, ..Default::default() });
        }
    }

    /// What dies in `q` goes to another queue.
    fn dead_letters(&mut self) {
        self.method(queue::Declare { queue: name("dead"), durable: true, ..Default::default() });
        let letters =
            [("dead-letter-exchange", text("")), ("dead-letter-routing-key", text("dead"))];
        self.put_policy("/", "^q$", &letters);
    }

    /// Many messages wait in the delayed exchange `d`, which is bound to `q`.
    fn delay(&mut self, milliseconds: i64) {
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
    fn crowd(&mut self) {
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

    fn open(&mut self, id: ConnectionId, user: &str) {
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

    fn change(&mut self, changes: Vec<Change>) {
        self.broker.begin_change(changes, &mut self.effects);
    }

    fn import(&mut self) {
        self.broker.change(declarations(), &mut Effects::default()).unwrap();
    }

    fn put_policy(&mut self, vhost: &str, pattern: &str, definition: &[(&str, Field)]) {
        let policy = policy(vhost, pattern, definition);
        self.broker.change(policy, &mut Effects::default()).unwrap();
    }

    /// Turns until nothing is to be done.
    fn settle(&mut self) {
        self.turn();
        while self.is_busy() {
            self.turn();
        }
    }

    /// A turn. Returns what each client hears, as text.
    fn turn(&mut self) -> Vec<(ConnectionId, String)> {
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
    fn is_busy(&self) -> bool {
        self.broker.next_deadline().is_some_and(|deadline| deadline <= self.now)
    }

    /// Another client declares a queue of its own.
    fn declare(&mut self) {
        self.declared += 1;
        let queue = name(&format!("other{}", self.declared));
        let declare = queue::Declare { queue, auto_delete: true, ..Default::default() };
        self.apply(OTHER, Command::Method(NUMBER, declare.into()));
    }

    /// Ready messages, unacknowledged ones, queues but for those that the other one declared,
    /// bindings, and consumers.
    fn left(&self) -> [u64; 5] {
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

fn name(text: &str) -> ShortString {
    ShortString::clipped(text)
}

#[test]
fn others_are_served_while_any_long_work_is_under_way_and_no_turn_is_long() {
    let mut kinds = [false; KINDS];
    for row in ROWS {
        let what = row.what;
        let mut stage = Stage::new();
        (row.prepare)(&mut stage);
        stage.settle();
        stage.broker.work.most = 0;

        (row.begin)(&mut stage);
        let (mut turns, mut heard, mut seen) = (0, row.answer.is_empty(), false);
        let before = stage.left();
        while !heard || stage.is_busy() {
            for (job, _) in &stage.broker.work.jobs {
                seen |= Some(kind(job)) == row.kind;
            }
            stage.declare();
            let outputs = stage.turn();
            let answers =
                |of, text| outputs.iter().any(|(id, one)| *id == of && one.contains(text));
            assert!(answers(OTHER, "DeclareOk"), "{what}, turn {turns}: nobody else is answered");
            heard |= answers(LONG, row.answer);
            turns += 1;
            assert!(turns < 2_000, "{what} does not end");
        }
        assert!(stage.broker.work.most <= SPENT_MAX, "{what}: {} units", stage.broker.work.most);
        assert!(turns > 5, "{what} was no long work: {turns} turns, {before:?}");
        assert!(seen || row.kind.is_none(), "{what} is work of another kind");
        assert!(row.kind.is_none_or(|kind| kind < KINDS), "{what}: more kinds than are counted");
        assert_eq!(stage.left(), row.left, "{what}");
        row.kind.inspect(|kind| kinds[*kind] = true);
    }
    assert_eq!(kinds, [true; KINDS], "a kind of work has no row");
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
    stage.open(third, "guest");
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
    assert_eq!(stage.left(), [MANY, 0, 1, 0, 0]);
}

#[test]
fn a_stop_ends_all_work_first() {
    let mut stage = Stage::new();
    stage.publish_in_transaction();
    stage.method(tx::Commit::default());
    assert!(stage.broker.work.is_behind());
    stage.broker.shut_down(&mut stage.effects);
    assert!(!stage.broker.work.is_behind());
    assert_eq!(stage.left(), [MANY, 0, 1, 0, 0]);
}
