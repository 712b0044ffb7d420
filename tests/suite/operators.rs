//! Operators change users, permissions and policies while clients work, in any order: each change
//! is in force for the next command of whoever is connected, and nothing outlives it. And messages
//! that failed come back when their delay is over, at no other time.
//!
//! ```text
//!   alice ── publishes to x, y ──▶ q (limited by a policy, or not)
//!   operator ── permissions of alice, alice herself, policies p1 and p2 of q
//!   guest ── looks at q
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use leveret::broker::access::Change;
use leveret::broker::{Broker, BrokerOptions, Command, Effects, OpenConnection, Output, Publish};
use leveret::ids::{ChannelNumber, ConnectionId, Timestamp};
use leveret::message::Message;
use leveret::store::{MemoryDisk, Store, StoreOptions};
use leveret::wire::{Method, Properties, ShortString, Table, basic, channel, connection, queue};
use proptest::prelude::*;

const GUEST: ConnectionId = ConnectionId(1);
const CHANNEL: ChannelNumber = ChannelNumber(1);
/// What alice may write to.
const PATTERNS: [&str; 4] = ["", "^x$", "^[xy]$", ".*"];
const EXCHANGES: [&str; 2] = ["x", "y"];
/// No moment takes so many turns.
const TURNS_MAX: usize = 20;

#[derive(Clone, Debug)]
enum Step {
    /// Alice may write to what matches a pattern, or may not enter.
    Permit(Option<usize>),
    DeleteUser,
    /// A policy limits the queue; the higher priority wins.
    Policy {
        name: usize,
        limit: u64,
    },
    DeletePolicy(usize),
    /// Alice publishes to an exchange, after connecting if she is not.
    Publish(usize),
    Purge,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => proptest::option::weighted(0.8, 0..PATTERNS.len()).prop_map(Step::Permit),
        1 => Just(Step::DeleteUser),
        3 => (0..2_usize, 1..4_u64).prop_map(|(name, limit)| Step::Policy { name, limit }),
        2 => (0..2_usize).prop_map(Step::DeletePolicy),
        12 => (0..2_usize).prop_map(Step::Publish),
        1 => Just(Step::Purge),
    ]
}

struct Stage {
    broker: Broker,
    effects: Effects,
    now: u64,
    /// Alice's connection, and her next one's number.
    alice: Option<ConnectionId>,
    connections: u64,
    /// What the broker should know.
    user: bool,
    pattern: Option<usize>,
    policies: BTreeMap<usize, u64>,
    ready: u64,
}

impl Stage {
    fn new() -> Self {
        let disk = Arc::new(MemoryDisk::new());
        let (store, recovery) = Store::open(disk, StoreOptions::TINY).unwrap();
        let broker = Broker::open(store, recovery, BrokerOptions::default()).unwrap();
        let mut stage = Self {
            broker,
            effects: Effects::default(),
            now: 1_000_000,
            alice: None,
            connections: 1,
            user: false,
            pattern: None,
            policies: BTreeMap::new(),
            ready: 0,
        };
        stage.open(GUEST, "guest");
        for exchange in EXCHANGES {
            let declare = format!(r#"exchange.declare exchange="{exchange}" kind="fanout""#);
            stage.say(GUEST, &declare);
        }
        stage.say(GUEST, r#"queue.declare queue="q""#);
        for exchange in EXCHANGES {
            stage.say(GUEST, &format!(r#"queue.bind queue="q" exchange="{exchange}""#));
        }
        stage
    }

    fn open(&mut self, id: ConnectionId, user: &str) -> Vec<Output> {
        let open = OpenConnection {
            peer: "test".to_owned(),
            user: ShortString::clipped(user),
            virtual_host: ShortString::clipped("/"),
            client_properties: Table::default(),
            channel_max: 0,
            facts: Default::default(),
        };
        let mut outputs = self.apply(id, Command::Open(Box::new(open)));
        outputs.extend(self.say(id, "channel.open"));
        outputs
    }

    fn say(&mut self, id: ConnectionId, method: &str) -> Vec<Output> {
        self.apply(id, Command::Method(CHANNEL, method.parse().unwrap()))
    }

    fn apply(&mut self, id: ConnectionId, command: Command) -> Vec<Output> {
        self.broker.apply(Timestamp(self.now), id, command, &mut self.effects);
        self.settle().remove(&id).unwrap_or_default()
    }

    /// Turns until there is nothing left to do at this moment.
    fn settle(&mut self) -> BTreeMap<ConnectionId, Vec<Output>> {
        let mut all = BTreeMap::<_, Vec<_>>::new();
        for turn in 0.. {
            assert!(turn < TURNS_MAX, "the broker asks for ever more turns");
            let now = Timestamp(self.now);
            if let Some(request) = self.broker.end_turn(now, &mut self.effects).unwrap() {
                request.run().unwrap();
                self.broker.synced(request.point, &mut self.effects);
            }
            for (id, outputs) in self.effects.take() {
                all.entry(id).or_default().extend(outputs);
            }
            if self.broker.next_deadline().is_none_or(|next| next > now) {
                break;
            }
        }
        all
    }

    fn change(&mut self, text: &str) -> BTreeMap<ConnectionId, Vec<Output>> {
        let method = format!("queue.declare arguments={text}").parse::<Method>().unwrap();
        let Method::Queue(queue::Method::Declare(declare)) = method else { unreachable!() };
        let change = Change::from_table(&declare.arguments).unwrap();
        self.broker.change(vec![change], &mut self.effects).unwrap();
        self.settle()
    }

    /// The limit that is in force: that of the second policy, which has the higher priority.
    fn limit(&self) -> Option<u64> {
        self.policies.last_key_value().map(|(_, limit)| *limit)
    }

    fn limit_ready(&mut self) {
        self.ready = self.ready.min(self.limit().unwrap_or(u64::MAX));
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Permit(pattern) => {
                if !self.user {
                    self.change(r#"{change: "put-user", name: "alice", password: ""}"#);
                    self.user = true;
                    self.pattern = None;
                }
                match pattern.map(|pattern| PATTERNS[pattern]) {
                    Some(write) => self.change(&format!(
                        r#"{{change: "set-permissions", user: "alice", vhost: "/", configure: "", write: "{write}", read: ""}}"#
                    )),
                    None if self.pattern.is_some() => self.change(
                        r#"{change: "clear-permissions", user: "alice", vhost: "/"}"#,
                    ),
                    None => BTreeMap::new(),
                };
                self.pattern = pattern;
            }
            Step::DeleteUser if self.user => {
                let told = self.change(r#"{change: "delete-user", name: "alice"}"#);
                self.user = false;
                self.pattern = None;
                if let Some(alice) = self.alice.take() {
                    let closed = told.get(&alice).is_some_and(|outputs| closes(outputs, 320));
                    prop_assert!(closed, "a deleted user's connection stays: {told:?}");
                }
            }
            Step::Policy { name, limit } => {
                self.change(&format!(
                    r#"{{change: "put-policy", vhost: "/", name: "p{name}", pattern: "^q$", apply-to: "queues", priority: {name}, definition: {{max-length: {limit}}}}}"#
                ));
                self.policies.insert(name, limit);
            }
            Step::DeletePolicy(name) if self.policies.remove(&name).is_some() => {
                self.change(&format!(
                    r#"{{change: "delete-policy", vhost: "/", name: "p{name}"}}"#
                ));
            }
            Step::Publish(exchange) => self.publish(EXCHANGES[exchange])?,
            Step::Purge => {
                self.say(GUEST, r#"queue.purge queue="q""#);
                self.ready = 0;
            }
            Step::DeleteUser | Step::DeletePolicy(_) => {}
        }
        self.limit_ready();
        let found = self.say(GUEST, r#"queue.declare queue="q" passive=true"#);
        let Some(Output::Method(_, Method::Queue(queue::Method::DeclareOk(ok)))) = found.last()
        else {
            return Err(TestCaseError::fail(format!("{found:?}")));
        };
        prop_assert_eq!(
            u64::from(ok.message_count),
            self.ready,
            "messages, by {:?}",
            self.policies
        );
        Ok(())
    }

    /// Alice publishes, and gets what she may have.
    fn publish(&mut self, exchange: &str) -> Result<(), TestCaseError> {
        let alice = match self.alice {
            Some(alice) => alice,
            None if !self.user => return Ok(()), // nobody lets her in
            None => {
                self.connections += 1;
                let id = ConnectionId(self.connections);
                let opened = self.open(id, "alice");
                let refused = closes(&opened, 530);
                prop_assert_eq!(refused, self.pattern.is_none(), "she enters: {:?}", opened);
                if refused {
                    return Ok(());
                }
                self.alice = Some(id);
                id
            }
        };
        let pattern = self.pattern.map_or("", |pattern| PATTERNS[pattern]);
        let allowed = match pattern {
            "" => false,
            "^x$" => exchange == "x",
            _ => true,
        };
        let mut octets = Vec::new();
        Properties::default().encode(&mut octets);
        let message = Message::from_parts(exchange, b"", &octets, b"from alice", false);
        let publish = Publish { mandatory: false, immediate: false, repeats: false, message };
        let outputs = self.apply(alice, Command::Publish(CHANNEL, publish));
        let refused = outputs.iter().any(|output| {
            matches!(output, Output::Method(_, Method::Channel(channel::Method::Close(close)))
                if close.reply_code == 403)
        });
        prop_assert_eq!(refused, !allowed, "to {} with '{}': {:?}", exchange, pattern, outputs);
        if refused {
            self.say(alice, "channel.close-ok");
            self.say(alice, "channel.open");
        } else {
            self.ready += 1;
        }
        Ok(())
    }
}

/// Whether a connection is closed for this reason.
fn closes(outputs: &[Output], code: u16) -> bool {
    outputs.iter().any(|output| {
        matches!(output, Output::Method(_, Method::Connection(connection::Method::Close(close)))
            if close.reply_code == code)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_operators_change_is_in_force_for_the_next_command(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let mut stage = Stage::new();
        for step in &steps {
            stage.step(step)?;
        }
    }

    #[test]
    fn a_message_that_failed_comes_back_when_its_delay_is_over_and_not_before(
        least in 1..5_000_u64, most in 1..20_000_u64, failures in 1..8_u64
    ) {
        let mut stage = Stage::new();
        stage.say(GUEST, &format!(
            r#"queue.declare queue="r" arguments={{x-delayed-retry-type: "failed", x-delayed-retry-min: {least}, x-delayed-retry-max: {most}}}"#
        ));
        let mut octets = Vec::new();
        Properties::default().encode(&mut octets);
        let message = Message::from_parts("", b"r", &octets, b"fails", false);
        let publish = Publish { mandatory: false, immediate: false, repeats: false, message };
        stage.apply(GUEST, Command::Publish(CHANNEL, publish));
        let consumed = stage.say(GUEST, r#"basic.consume queue="r" consumer_tag="c""#);
        let mut tag = delivered(&consumed).expect("the message comes");
        for failure in 1..=failures {
            let reject = basic::Reject { delivery_tag: tag, requeue: true };
            let back = stage.apply(GUEST, Command::Method(CHANNEL, reject.into()));
            prop_assert_eq!(delivered(&back), None, "it waits");
            let delay = (least * failure).min(most);
            stage.now += delay - 1;
            let early = stage.settle().remove(&GUEST).unwrap_or_default();
            prop_assert_eq!(delivered(&early), None, "a millisecond early");
            stage.now += 1;
            let due = stage.settle().remove(&GUEST).unwrap_or_default();
            prop_assert!(delivered(&due).is_some(), "after {} ms", delay);
            tag = delivered(&due).unwrap_or_default();
        }
    }
}

/// The tag of what was delivered.
fn delivered(outputs: &[Output]) -> Option<u64> {
    outputs.iter().find_map(|output| match output {
        Output::Deliver(run) => Some(run.first_tag.0),
        _ => None,
    })
}
