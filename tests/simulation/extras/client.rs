//! The clients of the other queues, and what they do at random.

use std::collections::BTreeMap;

use leveret::broker::{Command, OpenConnection, Output, Publish};
use leveret::ids::ConnectionId;
use leveret::message::Message;
use leveret::wire::{Field, Method, Properties, ShortString, Table, basic};

use super::super::model::Model;
use super::super::world::{CHANNEL, World};
use super::{HEADERS, Kind, Sent, TTL, number, offset};

/// Publishes to all but `narrow`.
const PUBLISHER: ConnectionId = ConnectionId(1_000_001);
/// Publishes to `narrow`, and may be held.
pub(crate) const HELD: ConnectionId = ConnectionId(1_000_002);
/// Takes from `narrow`, and reads the stream.
const TAKER: ConnectionId = ConnectionId(1_000_003);

/// What the publishers wait for and the taker has to say.
#[derive(Debug, Default)]
pub(crate) struct Side {
    unconfirmed: BTreeMap<(ConnectionId, u64), u64>,
    tags: BTreeMap<ConnectionId, u64>,
    drained: u64,
    /// Questions for a message of `narrow` that are not answered.
    pub gets: usize,
    /// The stream's deliveries that are to be acknowledged.
    read: Option<u64>,
}

/// The declarations, which are repeated whenever a broker has begun.
pub(crate) const DECLARATIONS: [&str; 10] = [
    r#"queue.declare queue="over" durable=true"#,
    r#"queue.declare queue="ttl" durable=true arguments={x-message-ttl: 200, x-dead-letter-exchange: "", x-dead-letter-routing-key: "over"}"#,
    r#"exchange.declare exchange="later" kind="x-delayed-message" durable=true arguments={x-delayed-type: "fanout"}"#,
    r#"queue.bind queue="over" exchange="later""#,
    r#"queue.declare queue="stream" durable=true arguments={x-queue-type: "stream"}"#,
    r#"queue.declare queue="unique" durable=true arguments={x-message-deduplication: true}"#,
    r#"queue.declare queue="kept" durable=true"#,
    r#"exchange.declare exchange="once" kind="x-message-deduplication" durable=true arguments={x-cache-size: 1000}"#,
    r#"queue.bind queue="kept" exchange="once""#,
    r#"queue.declare queue="narrow" durable=true arguments={x-max-length: 4, x-overflow: "block"}"#,
];

/// Whether a connection is one of these.
pub(crate) fn is_beside(id: ConnectionId) -> bool {
    [PUBLISHER, HELD, TAKER].contains(&id)
}

/// The clients come.
pub(crate) fn begin(world: &mut World<'_>) {
    world.model.extras.publishers += 1;
    for id in [PUBLISHER, HELD, TAKER] {
        let open = OpenConnection {
            peer: "beside".to_owned(),
            user: ShortString::clipped("guest"),
            virtual_host: ShortString::clipped("/"),
            client_properties: Table::default(),
            channel_max: 8,
            facts: Default::default(),
        };
        world.apply_from(id, Command::Open(Box::new(open)));
        say(world, id, "channel.open");
    }
    for declaration in DECLARATIONS {
        say(world, PUBLISHER, declaration);
    }
    say(world, PUBLISHER, r#"queue.declare queue="ruled" durable=true"#);
    say(world, PUBLISHER, "confirm.select");
    say(world, HELD, "confirm.select");
    say(world, TAKER, "basic.qos prefetch_count=20");
    let from = r#"consumer_tag="reader" arguments={x-stream-offset: "first"}"#;
    say(world, TAKER, &format!(r#"basic.consume queue="stream" {from}"#));
}

fn say(world: &mut World<'_>, id: ConnectionId, method: &str) {
    let method = method.parse::<Method>().expect("a method");
    world.apply_from(id, Command::Method(CHANNEL, method));
}

/// One command of one of the clients.
pub(crate) fn command(world: &mut World<'_>) {
    let header = world.random.below(HEADERS);
    match world.random.below(20) {
        0..5 => publish(world, Kind::Expiring),
        5..9 => publish(world, Kind::Delayed),
        9..13 => publish(world, Kind::Streamed),
        13 => publish(world, Kind::Unique(header)),
        14 => publish(world, Kind::Once(header)),
        15..18 => publish(world, Kind::Blocking),
        _ => {
            world.side.gets += 1;
            say(world, TAKER, r#"basic.get queue="narrow" no_ack=true"#);
        }
    }
}

fn publish(world: &mut World<'_>, kind: Kind) {
    let extras = &mut world.model.extras;
    extras.published += 1;
    let id = extras.published;
    let (exchange, key) = match kind {
        Kind::Expiring => ("", "ttl"),
        Kind::Delayed => ("later", ""),
        Kind::Streamed => ("", "stream"),
        Kind::Unique(_) => ("", "unique"),
        Kind::Once(_) => ("once", ""),
        Kind::Blocking => ("", "narrow"),
    };
    let delay = if kind == Kind::Delayed { 1 + world.random.below(400) } else { TTL };
    let header = match kind {
        Kind::Delayed => Some(("x-delay", Field::I64(delay.try_into().expect("it is short")))),
        Kind::Unique(header) | Kind::Once(header) => {
            let text = format!("header {header}").into_bytes();
            Some(("x-deduplication-header", Field::LongString(text)))
        }
        _ => None,
    };
    let headers =
        header.map(|(name, field)| Table::from_iter([(ShortString::clipped(name), field)]));
    let properties = Properties { headers, delivery_mode: Some(2), ..Default::default() };
    let mut octets = Vec::new();
    properties.encode(&mut octets);
    let length = match world.random.below(50) {
        0 => world.random.below(9_000),
        _ => world.random.below(200),
    };
    let body = format!("side {id} {}", ".".repeat(usize::try_from(length).expect("it is short")));
    let message = Message::from_parts(exchange, key.as_bytes(), &octets, body.as_bytes(), true);
    let held = kind == Kind::Blocking;
    let clock = &world.model.clock;
    let sent = Sent {
        kind,
        turn: (!held).then_some(world.model.turn),
        confirmed: false,
        due: (clock.real + delay, clock.unknown),
        taken: None,
    };
    world.model.extras.sent.insert(id, sent);
    let from = if held { HELD } else { PUBLISHER };
    let tag = world.side.tags.entry(from).or_default();
    *tag += 1;
    world.side.unconfirmed.insert((from, *tag), id);
    let publish = Publish { mandatory: false, immediate: false, repeats: false, message };
    world.apply_from(from, Command::Publish(CHANNEL, publish));
}

/// What the taker has to say before a turn: what it has got has left its outbox.
pub(crate) fn begin_turn(world: &mut World<'_>) {
    let drained = std::mem::take(&mut world.side.drained);
    if drained > 0 {
        world.apply_from(TAKER, Command::Drained(drained));
    }
    if let Some(delivery_tag) = world.side.read.take() {
        let ack = basic::Ack { delivery_tag, multiple: true };
        world.apply_from(TAKER, Command::Method(CHANNEL, ack.into()));
    }
}

impl Side {
    /// Something has come for one of the clients. With `durable`, it promises that.
    pub(crate) fn receive(
        &mut self,
        from: ConnectionId,
        model: &mut Model,
        output: &Output,
        durable: bool,
    ) -> Result<(), String> {
        match output {
            Output::Method(_, Method::Basic(basic::Method::Ack(ack))) => {
                let first = if ack.multiple { 0 } else { ack.delivery_tag };
                let range = (from, first)..=(from, ack.delivery_tag);
                let keys: Vec<_> = self.unconfirmed.range(range).map(|(key, _)| *key).collect();
                if keys.last().is_none_or(|(_, last)| *last != ack.delivery_tag) {
                    return Err(format!(
                        "{from}: {ack:?} confirms twice, or what waits is {:?}",
                        self.unconfirmed
                    ));
                }
                for id in keys.iter().filter_map(|key| self.unconfirmed.remove(key)) {
                    model.counts.confirmed += 1;
                    if let Some(sent) = model.extras.sent.get_mut(&id) {
                        sent.confirmed |= durable;
                    }
                }
                Ok(())
            }
            Output::Method(_, Method::Basic(basic::Method::Nack(_))) => {
                Err("a publish is refused".to_owned())
            }
            Output::Method(_, Method::Channel(leveret::wire::channel::Method::Close(close))) => {
                Err(format!("a channel beside is closed: {}", close.reply_text))
            }
            Output::GetOk { delivery, .. } => {
                let turn = model.turn;
                self.gets -= 1;
                self.drained += delivery.message.size();
                let id = number(&delivery.message)?;
                let sent = model.extras.sent.get_mut(&id).ok_or("a message that nobody sent")?;
                if sent.taken.replace(turn).is_some() {
                    return Err(format!("message {id} was taken before"));
                }
                Ok(())
            }
            Output::Deliver(run) => {
                for (place, delivery) in run.messages.iter().enumerate() {
                    self.drained += delivery.message.size();
                    self.read = Some(run.first_tag.0 + place as u64);
                    let (at, id) = (offset(&delivery.message)?, number(&delivery.message)?);
                    if !durable {
                        continue; // a power cut may take what a reader has seen
                    }
                    let known = *model.extras.offsets.entry(at).or_insert(id);
                    if known != id {
                        return Err(format!("offset {at} was message {known} and is {id}"));
                    }
                }
                Ok(())
            }
            Output::Method(_, Method::Basic(basic::Method::GetEmpty(_))) => {
                self.gets -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
