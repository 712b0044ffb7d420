//! A broker on a disk in memory, and what its clients get.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use leveret::broker::access::Change;
use leveret::broker::report::{Query, Report};
use leveret::broker::{Broker, BrokerOptions, Effects, Move, OpenConnection, Output};
use leveret::ids::{ChannelNumber, ConnectionId, SyncPoint, Timestamp};
use leveret::store::{MemoryDisk, Store, StoreOptions};
use leveret::wire::{Field, Method, ShortString, Table, basic, channel, connection, queue};

use super::clients::CLIENTS;
use crate::print::print_output;
use crate::scripts::parse_publish;

/// When a test begins.
const BEGIN: u64 = 1_000_000;

/// One thing that happens to the broker.
#[derive(Clone, Debug)]
pub(super) enum Command {
    Open(u64),
    Gone(u64),
    Drained(u64, u64),
    /// A method as the text of a script, on a channel of a connection.
    Say(u64, u16, String),
    /// Up to so many messages go from one queue to another.
    Move(u64, u32, String, String),
    /// An operator changes something: the arguments of the change.
    Change(String),
    /// An operator closes a connection.
    Disconnect(u64),
    /// Management looks at a queue.
    Look(String),
    /// So many milliseconds pass.
    Wait(u64),
    /// A client waits for all that there is for it: what follows answers that.
    Await,
}

/// What all of it has come to, by connection and channel.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    frames: BTreeMap<(u64, u16), Vec<String>>,
    /// What was confirmed, and whether it was taken.
    confirms: BTreeMap<(u64, u16), BTreeSet<(u64, bool)>>,
    /// Channels that were closed: what was not confirmed by then never is.
    closed: BTreeSet<(u64, u16)>,
    looks: Vec<String>,
    /// Connections that ended: what waited for the disk or the turn's end they have not got.
    cut_off: BTreeSet<u64>,
}

impl Outcome {
    /// Where it is not what it should be.
    pub(super) fn difference(&self, expected: &Self, durable: bool) -> Option<String> {
        if self.looks != expected.looks || self.cut_off != expected.cut_off {
            return Some(format!("{:?}\n{:?}", self.looks, expected.looks));
        }
        let none = (Vec::new(), BTreeSet::new());
        let channels: BTreeSet<_> = expected.frames.keys().chain(self.frames.keys()).collect();
        for channel in channels {
            let (frames, other) = (self.frames.get(channel), expected.frames.get(channel));
            let (frames, other) = (frames.unwrap_or(&none.0), other.unwrap_or(&none.0));
            let told = self.confirms.get(channel).unwrap_or(&none.1);
            let confirms = expected.confirms.get(channel).unwrap_or(&none.1);
            let same = if self.cut_off.contains(&channel.0) && channel.1 != 0 {
                let begins = if durable { other.starts_with(frames) } else { other == frames };
                begins && told.is_subset(confirms)
            } else {
                let closed = self.closed.contains(channel);
                let confirmed = told == confirms || (closed && told.is_subset(confirms));
                frames == other && confirmed
            };
            if !same {
                return Some(format!(
                    "{channel:?}\n{}\n{told:?}\nexpected:\n{}\n{confirms:?}",
                    frames.join("\n"),
                    other.join("\n")
                ));
            }
        }
        None
    }
}

/// What a client knows of one of its channels.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// It was closed, and by whom.
    pub closed: bool,
    pub closed_by_broker: bool,
    /// Deliveries that may be acknowledged.
    pub unacked: Vec<u64>,
    /// The tags of its consumers: of those that do not acknowledge they end with "true".
    pub consumers: BTreeSet<String>,
}

pub(super) struct Stage {
    broker: Broker,
    effects: Effects,
    now: Timestamp,
    pending: Option<SyncPoint>,
    outcome: Outcome,
    /// The publish before, if it was the last command.
    before: Option<(u64, u16, String)>,
    confirmed: BTreeMap<(u64, u16), u64>,
    /// What clients know, for choosing what they do.
    pub known: BTreeMap<(u64, u16), Known>,
    pub open: BTreeSet<u64>,
    /// The last connection of each client.
    last: BTreeMap<u64, u64>,
    pub durable: bool,
}

impl Stage {
    pub(super) fn new(durable: bool) -> Self {
        let disk = Arc::new(MemoryDisk::default());
        let (store, recovery) = Store::open(disk, StoreOptions::default()).unwrap();
        let options = BrokerOptions { outbox_bytes_max: 400, ..BrokerOptions::default() };
        Self {
            broker: Broker::open(store, recovery, options).unwrap(),
            effects: Effects::default(),
            now: Timestamp(BEGIN),
            pending: None,
            outcome: Outcome::default(),
            before: None,
            confirmed: BTreeMap::new(),
            known: BTreeMap::new(),
            open: BTreeSet::new(),
            last: BTreeMap::new(),
            durable,
        }
    }

    /// The connection of a client, which may be gone.
    pub(super) fn client(&self, client: u64) -> u64 {
        self.last[&client]
    }

    /// One command in a turn of its own.
    pub(super) fn turn(&mut self, command: &Command) {
        self.command(command);
        self.end_turn();
        self.sync();
    }

    pub(super) fn command(&mut self, command: &Command) {
        let before = self.before.take();
        match command {
            Command::Open(id) => {
                self.open.insert(*id);
                self.last.insert(*id % CLIENTS, *id);
                self.apply(*id, open());
            }
            Command::Gone(id) => {
                self.ends(*id);
                self.known.retain(|(known, _), _| known != id);
                self.apply(*id, leveret::broker::Command::Gone);
            }
            Command::Drained(id, bytes) => {
                self.apply(*id, leveret::broker::Command::Drained(*bytes));
            }
            Command::Say(id, number, text) => {
                let command = self.said(*id, *number, text, before.as_ref());
                self.apply(*id, command);
            }
            Command::Move(id, most, from, to) => {
                let (from, to) = (ShortString::clipped(from), ShortString::clipped(to));
                let order = Move { from, to, most: *most };
                self.apply(*id, leveret::broker::Command::Move(ChannelNumber(1), order));
            }
            Command::Change(table) => {
                let change = Change::from_table(&arguments(table)).unwrap();
                let done = self.broker.change(vec![change], &mut self.effects);
                self.outcome.looks.push(format!("{done:?}"));
            }
            Command::Disconnect(id) => {
                self.broker.disconnect(ConnectionId(*id), "the operator", &mut self.effects);
            }
            Command::Look(queue) => self.look(queue),
            Command::Await => {
                self.end_turn();
                self.sync();
            }
            Command::Wait(milliseconds) => {
                self.end_turn();
                self.now = Timestamp(self.now.0 + milliseconds);
                self.end_turn();
            }
        }
    }

    /// A method, or a publish, which repeats the one before if that was the last command.
    fn said(
        &mut self,
        id: u64,
        number: u16,
        text: &str,
        before: Option<&(u64, u16, String)>,
    ) -> leveret::broker::Command {
        let number_of = ChannelNumber(number);
        if !text.starts_with("basic.publish") {
            let method = text.parse().unwrap();
            self.settles((id, number), &method);
            return leveret::broker::Command::Method(number_of, method);
        }
        let mut publish = parse_publish(text).unwrap();
        let message = &publish.message;
        let to = format!("{} {:?}", message.exchange(), message.routing_key());
        let this = (id, number, to);
        publish.repeats = before == Some(&this);
        self.before = Some(this);
        leveret::broker::Command::Publish(number_of, publish)
    }

    fn apply(&mut self, id: u64, command: leveret::broker::Command) {
        self.broker.apply(self.now, ConnectionId(id), command, &mut self.effects);
    }

    fn look(&mut self, queue: &str) {
        self.broker.catch_up(self.now, &mut self.effects);
        let (virtual_host, name) = (ShortString::clipped("/"), ShortString::clipped(queue));
        let Report::Queues(rows) = self.broker.answer(&Query::Queue { virtual_host, name }) else {
            unreachable!("a queue was asked for")
        };
        let row =
            rows.rows.first().map(|row| (row.ready, row.unacknowledged, row.consumers, row.stats));
        self.outcome.looks.push(format!("{queue}: {row:?}"));
    }

    pub(super) fn end_turn(&mut self) {
        self.before = None;
        let request = self.broker.end_turn(self.now, &mut self.effects).unwrap();
        if let Some(request) = request {
            request.run().unwrap();
            self.pending = Some(request.point);
        }
        self.effects.take_urgent().for_each(drop);
        let mut effects = std::mem::take(&mut self.effects);
        for (id, outputs) in effects.take() {
            for output in &outputs {
                self.got(id, output);
            }
        }
        self.effects = effects;
    }

    pub(super) fn sync(&mut self) {
        if let Some(point) = self.pending.take() {
            self.broker.synced(point, &mut self.effects);
            self.end_turn();
        }
    }

    /// Ends the last turn. Whatever the broker wants to do in turns of its own, it does.
    pub(super) fn end(mut self) -> Outcome {
        for _ in 0..100 {
            self.end_turn();
            self.sync();
            if self.broker.next_deadline().is_none_or(|due| due > self.now) {
                return self.outcome;
            }
        }
        unreachable!("the broker does not come to rest")
    }

    fn got(&mut self, id: ConnectionId, output: &Output) {
        let mut lines = String::new();
        print_output(&mut lines, id, output);
        let number = match output {
            Output::Method(number, method) => {
                if self.confirms((id.0, number.0), method) {
                    return;
                }
                self.notes((id.0, number.0), method);
                number
            }
            Output::Deliver(run) => {
                let known = self.known.entry((id.0, run.channel.0)).or_default();
                if run.consumer_tag.ends_with("false") {
                    let tags = run.first_tag.0..run.first_tag.0 + run.messages.len() as u64;
                    known.unacked.extend(tags);
                }
                &run.channel
            }
            Output::GetOk { channel, delivery_tag, .. } => {
                let known = self.known.entry((id.0, channel.0)).or_default();
                known.unacked.push(delivery_tag.0);
                channel
            }
            Output::Return { channel, .. } => channel,
            Output::Pause | Output::Resume => return,
        };
        let frames = self.outcome.frames.entry((id.0, number.0)).or_default();
        frames.extend(lines.lines().map(str::to_owned));
    }

    /// Notes a confirm. `multiple` goes back to what was confirmed before.
    fn confirms(&mut self, channel: (u64, u16), method: &Method) -> bool {
        let (tag, multiple, taken) = match method {
            Method::Basic(basic::Method::Ack(ack)) => (ack.delivery_tag, ack.multiple, true),
            Method::Basic(basic::Method::Nack(nack)) => (nack.delivery_tag, nack.multiple, false),
            _ => return false,
        };
        let confirms = self.outcome.confirms.entry(channel).or_default();
        let told = self.confirmed.entry(channel).or_default();
        let first = if multiple { *told + 1 } else { tag };
        for tag in first..=tag {
            if !confirms.contains(&(tag, true)) && !confirms.contains(&(tag, false)) {
                confirms.insert((tag, taken));
            }
        }
        if multiple {
            *told = tag;
        }
        true
    }

    /// Notes what the client itself settles.
    fn settles(&mut self, channel: (u64, u16), method: &Method) {
        let (last, multiple) = match method {
            Method::Basic(basic::Method::Ack(ack)) => (ack.delivery_tag, ack.multiple),
            Method::Basic(basic::Method::Nack(nack)) => (nack.delivery_tag, nack.multiple),
            Method::Basic(basic::Method::Reject(reject)) => (reject.delivery_tag, false),
            Method::Basic(basic::Method::Recover(_)) => (u64::MAX, true),
            _ => return,
        };
        let known = self.known.entry(channel).or_default();
        known.unacked.retain(|tag| *tag != last && !(multiple && *tag < last));
    }

    fn ends(&mut self, id: u64) {
        self.open.remove(&id);
        self.outcome.cut_off.insert(id);
    }

    /// Notes what changes what a client may do.
    fn notes(&mut self, (id, number): (u64, u16), method: &Method) {
        if matches!(method, Method::Connection(connection::Method::Close(_))) {
            return self.ends(id);
        }
        if matches!(
            method,
            Method::Channel(channel::Method::Close(_) | channel::Method::CloseOk(_))
        ) {
            self.outcome.closed.insert((id, number));
            self.confirmed.remove(&(id, number));
        }
        let known = self.known.entry((id, number)).or_default();
        match method {
            Method::Channel(channel::Method::Close(_)) => {
                *known = Known { closed: true, closed_by_broker: true, ..Known::default() };
            }
            Method::Channel(channel::Method::CloseOk(_)) => {
                *known = Known { closed: true, ..Known::default() };
            }
            Method::Basic(basic::Method::ConsumeOk(ok)) => {
                known.consumers.insert(ok.consumer_tag.to_string());
            }
            Method::Basic(basic::Method::CancelOk(ok)) => {
                known.consumers.remove(&*ok.consumer_tag);
            }
            Method::Channel(channel::Method::OpenOk(_)) => *known = Known::default(),
            Method::Basic(basic::Method::Cancel(cancel)) => {
                known.consumers.remove(&*cancel.consumer_tag);
            }
            _ => {}
        }
    }
}

fn open() -> leveret::broker::Command {
    let capabilities =
        [(ShortString::clipped("consumer_cancel_notify"), Field::Boolean(true))].into_iter();
    let capabilities = Field::Table(capabilities.collect());
    leveret::broker::Command::Open(Box::new(OpenConnection {
        peer: "client".to_owned(),
        user: ShortString::clipped("guest"),
        virtual_host: ShortString::clipped("/"),
        client_properties: [(ShortString::clipped("capabilities"), capabilities)]
            .into_iter()
            .collect(),
        channel_max: 8,
        facts: Default::default(),
    }))
}

/// A table, which by itself has no text form, but as an argument it has.
fn arguments(text: &str) -> Table {
    let method: Method = format!("queue.declare arguments={text}").parse().unwrap();
    let Method::Queue(queue::Method::Declare(declare)) = method else {
        unreachable!("a declaration")
    };
    declare.arguments
}
