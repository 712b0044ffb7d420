//! What the clients of the test do.

use proptest::prelude::*;

use super::stage::{Command, Known, Stage};

/// Connections at a time, and channels of each.
pub(super) const CLIENTS: u64 = 3;
const CHANNELS: u16 = 2;

/// Queues and their arguments.
const QUEUES: [(&str, &str); 14] = [
    ("plain", ""),
    ("other", ""),
    ("levels", "x-max-priority: 4"),
    ("short", "x-max-length: 2"),
    (
        "octets",
        "x-max-length-bytes: 60, x-dead-letter-exchange: \"\", x-dead-letter-routing-key: \"plain\"",
    ),
    ("refusing", "x-max-length: 2, x-overflow: \"reject-publish\""),
    (
        "returning",
        "x-max-length: 1, x-overflow: \"reject-publish-dlx\", x-dead-letter-exchange: \"\", x-dead-letter-routing-key: \"other\"",
    ),
    ("blocking", "x-max-length: 3, x-overflow: \"block\""),
    ("lowest", "x-max-length: 2, x-overflow: \"drop-lowest-priority\", x-max-priority: 3"),
    ("never", "x-message-ttl: 0, x-dead-letter-exchange: \"all\""),
    (
        "brief",
        "x-message-ttl: 20, x-expires: 500, x-dead-letter-exchange: \"\", x-dead-letter-routing-key: \"levels\"",
    ),
    ("single", "x-single-active-consumer: true, x-consumer-timeout: 30"),
    (
        "counting",
        "x-delivery-limit: 2, x-dead-letter-exchange: \"\", x-dead-letter-routing-key: \"short\"",
    ),
    ("once", "x-message-deduplication: true"),
];

/// What is bound to the fanout exchange `all`.
const BOUND: [&str; 3] = ["plain", "levels", "short"];

/// Something that a client does, or wants to.
#[derive(Clone, Debug)]
pub(super) struct Step {
    client: u64,
    channel: u16,
    act: Act,
}

#[derive(Clone, Debug)]
enum Act {
    /// So many publishes of one kind, one after the other.
    Publish {
        to: usize,
        times: usize,
        rest: Rest,
    },
    Get {
        queue: usize,
        no_ack: bool,
    },
    Consume {
        queue: usize,
        no_ack: bool,
        priority: Option<i8>,
    },
    Cancel(usize),
    /// ack, nack or reject of the nth of what is unacknowledged, or of what was never delivered.
    Settle {
        how: usize,
        nth: usize,
        times: usize,
        multiple: bool,
        requeue: bool,
    },
    Recover,
    Qos {
        count: u16,
        global: bool,
    },
    Purge(usize),
    Delete {
        queue: usize,
        if_unused: bool,
        if_empty: bool,
    },
    Declare {
        queue: usize,
        passive: bool,
    },
    Mode(usize),
    End {
        commit: bool,
    },
    Flow(bool),
    Close,
    Leave,
    Disconnect,
    Drained(u64),
    Move {
        from: usize,
        to: usize,
        most: u32,
    },
    Policy(usize),
    Look(usize),
    Wait(u64),
}

#[derive(Clone, Debug)]
struct Rest {
    priority: Option<u8>,
    expiration: Option<u64>,
    persistent: bool,
    mandatory: bool,
    header: Option<u8>,
    length: usize,
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..CLIENTS, 1..=CHANNELS, act());
    let step = step.prop_map(|(client, channel, act)| Step { client, channel, act });
    prop::collection::vec(step, 1..60)
}

fn act() -> impl Strategy<Value = Act> {
    let queue = || 0..QUEUES.len();
    let settle = (0..6_usize, any::<usize>(), 1..5_usize, any::<bool>(), any::<bool>());
    prop_oneof![
        14 => publish(),
        4 => (queue(), any::<bool>()).prop_map(|(queue, no_ack)| Act::Get { queue, no_ack }),
        8 => (queue(), any::<bool>(), prop::option::weighted(0.2, -1..2_i8)).prop_map(
            |(queue, no_ack, priority)| Act::Consume { queue, no_ack, priority }),
        2 => any::<usize>().prop_map(Act::Cancel),
        10 => settle.prop_map(|(how, nth, times, multiple, requeue)| {
            Act::Settle { how, nth, times, multiple, requeue }
        }),
        1 => Just(Act::Recover),
        4 => (0..4_u16, any::<bool>()).prop_map(|(count, global)| Act::Qos { count, global }),
        2 => queue().prop_map(Act::Purge),
        1 => (queue(), any::<bool>(), any::<bool>()).prop_map(|(queue, if_unused, if_empty)| {
            Act::Delete { queue, if_unused, if_empty }
        }),
        3 => (queue(), any::<bool>()).prop_map(|(queue, passive)| Act::Declare { queue, passive }),
        2 => (0..2_usize).prop_map(Act::Mode),
        2 => any::<bool>().prop_map(|commit| Act::End { commit }),
        1 => any::<bool>().prop_map(Act::Flow),
        1 => Just(Act::Close),
        1 => Just(Act::Leave),
        1 => prop::bool::weighted(0.3).prop_map(|yes| if yes { Act::Disconnect } else { Act::Leave }),
        4 => (0..300_u64).prop_map(Act::Drained),
        1 => (queue(), queue(), 0..4_u32).prop_map(|(from, to, most)| Act::Move { from, to, most }),
        1 => (0..5_usize).prop_map(Act::Policy),
        3 => queue().prop_map(Act::Look),
        2 => (0..40_u64).prop_map(Act::Wait),
    ]
}

fn publish() -> impl Strategy<Value = Act> {
    let rest = (
        prop::option::weighted(0.3, 0..6_u8),
        prop::option::weighted(0.2, prop_oneof![Just(0), Just(10)]),
        any::<bool>(),
        any::<bool>(),
        prop::option::weighted(0.3, 0..3_u8),
        0..50_usize,
    );
    let rest = rest.prop_map(|(priority, expiration, persistent, mandatory, header, length)| {
        Rest { priority, expiration, persistent, mandatory, header, length }
    });
    // Two more than there are queues: the fanout exchange, and nowhere.
    (0..QUEUES.len() + 2, 1..5_usize, rest).prop_map(|(to, times, rest)| Act::Publish {
        to,
        times,
        rest,
    })
}

/// What makes the queues.
pub(super) fn prepare(durable: bool) -> Vec<Command> {
    let mut commands: Vec<_> = (0..CLIENTS).flat_map(begin).collect();
    commands.push(say(
        0,
        1,
        format!("exchange.declare exchange=\"all\" kind=\"fanout\" durable={durable}"),
    ));
    for queue in 0..QUEUES.len() {
        commands.push(say(0, 1, declare(queue, durable)));
    }
    for queue in BOUND {
        commands.push(say(0, 1, format!("queue.bind queue=\"{queue}\" exchange=\"all\"")));
    }
    commands.push(Command::Await);
    commands
}

fn begin(id: u64) -> Vec<Command> {
    let mut commands = vec![Command::Open(id)];
    commands.extend((1..=CHANNELS).map(|channel| say(id, channel, "channel.open")));
    commands
}

fn declare(queue: usize, durable: bool) -> String {
    let (name, arguments) = QUEUES[queue];
    format!("queue.declare queue=\"{name}\" durable={durable} arguments={{{arguments}}}")
}

fn say(id: u64, channel: u16, text: impl Into<String>) -> Command {
    Command::Say(id, channel, text.into())
}

/// The commands of a step, as they make sense after what the clients have seen.
pub(super) fn commands(step: &Step, stage: &Stage) -> Vec<Command> {
    // The client of this place, which is a new connection if the one before is gone.
    let id = stage.client(step.client);
    let channel = step.channel;
    let mut commands = Vec::new();
    if !stage.open.contains(&id) {
        commands.push(Command::Gone(id));
        commands.extend(begin(id + CLIENTS));
        return commands;
    }
    let known = stage.known.get(&(id, channel)).cloned().unwrap_or_default();
    if known.closed {
        commands.push(Command::Await);
        if known.closed_by_broker {
            commands.push(say(id, channel, "channel.close-ok"));
        }
        commands.push(say(id, channel, "channel.open"));
        return commands;
    }
    let durable = stage.durable;
    let texts = match &step.act {
        Act::Publish { to, times, rest } => {
            let text = publish_text(*to, rest);
            vec![text; *times]
        }
        Act::Settle { how, nth, times, multiple, requeue } => (0..*times
            .min(&known.unacked.len().max(1)))
            .map(|turn| settle_text(&known, (*how, nth.wrapping_add(turn)), *multiple, *requeue))
            .collect(),
        Act::Leave => return vec![Command::Gone(id)],
        Act::Disconnect => return vec![Command::Disconnect(id)],
        Act::Drained(bytes) => return vec![Command::Drained(id, *bytes)],
        Act::Move { from, to, most } => {
            let name = |queue: &usize| QUEUES[*queue].0.to_owned();
            return vec![Command::Move(id, *most, name(from), name(to))];
        }
        Act::Policy(which) => return vec![Command::Change(policy(*which))],
        Act::Look(queue) => return vec![Command::Look(QUEUES[*queue].0.to_owned())],
        Act::Wait(milliseconds) => return vec![Command::Wait(*milliseconds)],
        other => vec![text(other, &known, durable)],
    };
    texts.into_iter().map(|text| say(id, channel, text)).collect()
}

fn publish_text(to: usize, rest: &Rest) -> String {
    let to = match QUEUES.get(to) {
        Some((queue, _)) => format!("routing_key=\"{queue}\""),
        None if to == QUEUES.len() => "exchange=\"all\"".to_owned(),
        None => "routing_key=\"nowhere\"".to_owned(),
    };
    let mut properties = vec![format!("delivery_mode: {}", if rest.persistent { 2 } else { 1 })];
    properties.extend(rest.priority.map(|priority| format!("priority: {priority}")));
    properties.extend(rest.expiration.map(|after| format!("expiration: \"{after}\"")));
    let header = rest.header.map(|it| format!("headers: {{x-deduplication-header: \"{it}\"}}"));
    properties.extend(header);
    let (mandatory, length) = (rest.mandatory, rest.length);
    let properties = properties.join(", ");
    format!("basic.publish {to} mandatory={mandatory} properties={{{properties}}} body=*{length}")
}

fn settle_text(known: &Known, (how, nth): (usize, usize), multiple: bool, requeue: bool) -> String {
    let place = nth.checked_rem(known.unacked.len());
    let tag = place.map_or(99_999, |place| known.unacked[place]);
    match how {
        0 => format!("basic.reject delivery_tag={tag} requeue={requeue}"),
        1 => format!("basic.nack delivery_tag={tag} multiple={multiple} requeue={requeue}"),
        _ => format!("basic.ack delivery_tag={tag} multiple={}", multiple && how == 2),
    }
}

fn text(act: &Act, known: &Known, durable: bool) -> String {
    let name = |queue: &usize| QUEUES[*queue].0;
    match act {
        Act::Get { queue, no_ack } => {
            format!("basic.get queue=\"{}\" no_ack={no_ack}", name(queue))
        }
        Act::Consume { queue, no_ack, priority } => {
            let arguments = priority.map_or(String::new(), |it| format!("x-priority: {it}"));
            let queue = name(queue);
            format!(
                "basic.consume queue=\"{queue}\" consumer_tag=\"{queue} {no_ack}\" \
                 no_ack={no_ack} arguments={{{arguments}}}"
            )
        }
        Act::Cancel(nth) => {
            let tag = nth.checked_rem(known.consumers.len());
            let tag = tag.and_then(|place| known.consumers.iter().nth(place));
            format!("basic.cancel consumer_tag=\"{}\"", tag.map_or("none", String::as_str))
        }
        Act::Recover => "basic.recover requeue=true".to_owned(),
        Act::Qos { count, global } => format!("basic.qos prefetch_count={count} global={global}"),
        Act::Purge(queue) => format!("queue.purge queue=\"{}\"", name(queue)),
        Act::Delete { queue, if_unused, if_empty } => format!(
            "queue.delete queue=\"{}\" if_unused={if_unused} if_empty={if_empty}",
            name(queue)
        ),
        Act::Declare { queue, passive: true } => {
            format!("queue.declare queue=\"{}\" passive=true", name(queue))
        }
        Act::Declare { queue, passive: false } => declare(*queue, durable),
        Act::Mode(0) => "tx.select".to_owned(),
        Act::Mode(_) => "confirm.select".to_owned(),
        Act::End { commit: true } => "tx.commit".to_owned(),
        Act::End { commit: false } => "tx.rollback".to_owned(),
        Act::Flow(active) => format!("channel.flow active={active}"),
        _ => "channel.close".to_owned(),
    }
}

/// A policy that changes limits under way, or its end.
fn policy(which: usize) -> String {
    let definition = match which {
        0 => return "{change: \"delete-policy\", vhost: \"/\", name: \"p\"}".to_owned(),
        1 => "max-length: 1",
        2 => "message-ttl: 0",
        3 => "max-length: 1, overflow: \"reject-publish\"",
        _ => "dead-letter-exchange: \"all\"",
    };
    format!(
        "{{change: \"put-policy\", vhost: \"/\", name: \"p\", pattern: \"plain|other\", \
         apply-to: \"queues\", priority: 0, definition: {{{definition}}}}}"
    )
}
