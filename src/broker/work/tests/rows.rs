//! The kinds of long work: each has a row.

use super::super::Job;
use super::super::leftovers::Leftover;
use super::stage::{Stage, name};
use super::{FEW, LONG, MANY, NUMBER};
use crate::broker::access::{ApplyTo, Change, PolicyKind};
use crate::broker::{Command, Publish};
use crate::ids::Timestamp;
use crate::message::Message;
use crate::wire::Field;
use crate::wire::{basic, channel, exchange, queue, tx};

/// A kind of long work: what has to be there, what makes it, and what its client hears at last.
pub(super) struct Row {
    pub what: &'static str,
    /// The number of its kind of job; none where it is no job but what happens by itself.
    pub kind: Option<usize>,
    pub prepare: fn(&mut Stage),
    pub begin: fn(&mut Stage),
    pub answer: &'static str,
    /// What is in the broker when it is done: ready messages, unacknowledged ones, queues, bindings
    /// and consumers.
    pub left: [u64; 5],
}

/// The number of a kind, so that one without a row is no program.
pub(super) const fn kind(job: &Job) -> usize {
    match job {
        Job::Commit(_) => 0,
        Job::Rollback(_) => 1,
        Job::Settle(_) => 2,
        Job::Release(_) => 3,
        Job::Change(_) => 4,
        Job::Purge(_) => 5,
        Job::Wait { .. } => 11,
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
pub(super) const KINDS: usize = 12;

pub(super) const ROWS: [Row; 25] = [
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
        what: "many messages to many queues",
        kind: Some(11),
        prepare: |stage| {
            for number in 0..FEW {
                let queue = name(&format!("f{number}"));
                stage.method(queue::Declare { queue, ..Default::default() });
                let (queue, exchange) = (name(&format!("f{number}")), name("amq.fanout"));
                stage.method(queue::Bind { queue, exchange, ..Default::default() });
            }
        },
        begin: |stage| {
            for _ in 0..MANY / FEW {
                let message = Message::from_parts("amq.fanout", b"", &[0, 0], b"hello", false);
                let publish =
                    Publish { mandatory: false, immediate: false, repeats: false, message };
                stage.apply(LONG, Command::Publish(NUMBER, publish));
            }
            stage.method(basic::Qos::default());
        },
        answer: "QosOk",
        left: [MANY, 0, 1 + FEW, FEW, 0],
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
pub(super) fn declarations() -> Vec<Change> {
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
pub(super) fn policy(vhost: &str, pattern: &str, definition: &[(&str, Field)]) -> Vec<Change> {
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

pub(super) fn text(value: &str) -> Field {
    Field::LongString(value.as_bytes().to_vec())
}
