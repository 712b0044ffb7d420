//! An entry of the journal or of a snapshot, as names and values.

use serde_json::{Value, json};

use crate::broker::access::Change;
use crate::clock::Sample;
use crate::ids::{QueueId, Timestamp};
use crate::message::Message;
use crate::secrets::without_credentials;
use crate::store::{Entry, Place, StreamOffset};
use crate::wire::{Field, Method, Table};

/// A name and its value.
pub(super) type Fact = (&'static str, Value);

/// What an entry tells, and the message in it.
pub(super) fn describe(entry: &Entry) -> (Vec<Fact>, Option<(&Message, Timestamp)>) {
    let mut facts = vec![("record", json!(name(entry)))];
    facts.extend(values(entry));
    let message = match entry {
        Entry::Publish { message, published, .. } | Entry::Transfer { message, published, .. } => {
            Some((message, *published))
        }
        _ => None,
    };
    (facts, message)
}

fn name(entry: &Entry) -> &'static str {
    match entry {
        Entry::Define { .. } => "define",
        Entry::Queue { .. } => "queue",
        Entry::Publish { .. } => "publish",
        Entry::Settle { .. } => "settle",
        Entry::Deliver { .. } => "deliver",
        Entry::Change { .. } => "change",
        Entry::Remember { .. } => "remember",
        Entry::Transfer { .. } => "transfer",
        Entry::Level { .. } => "level",
        Entry::GiveBack { .. } => "give back",
        Entry::Purge { .. } => "purge",
        Entry::Redeliver { .. } => "redeliver",
        Entry::Offset(_) => "offset",
        Entry::Sample(_) => "sample",
    }
}

fn values(entry: &Entry) -> Vec<Fact> {
    match entry {
        Entry::Define { virtual_host, queue, method } => {
            let method = Method::decode(method)
                .map_or_else(|error| error.to_string(), |method| shown(&method));
            vec![("virtual_host", json!(virtual_host)), of(*queue), ("method", json!(method))]
        }
        Entry::Queue { id, next_ordinal, log, outstanding } => vec![
            of(*id),
            ("next_ordinal", json!(next_ordinal.0)),
            ("ready", json!(log.ready())),
            ("outstanding", json!(outstanding.len())),
        ],
        Entry::Publish { places, .. } => vec![list(places)],
        Entry::Transfer { queue, ordinal, places, .. } => {
            vec![of(*queue), ("ordinal", json!(ordinal.0)), list(places)]
        }
        Entry::Settle { queue, first, last } | Entry::Deliver { queue, first, last } => {
            vec![of(*queue), ("first", json!(first.0)), ("last", json!(last.0))]
        }
        Entry::GiveBack { queue, first, last, times } => vec![
            of(*queue),
            ("first", json!(first.0)),
            ("last", json!(last.0)),
            ("times", json!(times)),
        ],
        Entry::Purge { queue, before } | Entry::Redeliver { queue, before } => {
            vec![of(*queue), ("before", json!(before.0))]
        }
        Entry::Level { queue, priority, id } => {
            vec![of(*queue), ("priority", json!(priority)), ("level_id", json!(id.0))]
        }
        Entry::Offset(StreamOffset { queue, consumer_tag, next }) => {
            vec![of(*queue), ("consumer_tag", json!(consumer_tag)), ("next", json!(next.0))]
        }
        Entry::Sample(Sample { time, reading, boot }) => vec![
            ("time", json!(time.0)),
            ("wall_clock", json!(reading.wall)),
            ("uptime", json!(reading.uptime)),
            ("boot", json!(boot)),
        ],
        Entry::Remember { virtual_host, exchange, until, header } => vec![
            ("virtual_host", json!(virtual_host)),
            ("exchange", json!(exchange)),
            ("until", json!(until.map(|moment| moment.0))),
            ("header", json!(String::from_utf8_lossy(header))),
        ],
        Entry::Change { table } => vec![("change", json!(change(table)))],
    }
}

fn of(queue: QueueId) -> Fact {
    ("queue_id", json!(queue.0))
}

fn list(places: &[Place]) -> Fact {
    let place = |place: &Place| {
        json!({
            "queue_id": place.queue.0, "ordinal": place.ordinal.0, "deliveries": place.deliveries,
        })
    };
    ("places", Value::Array(places.iter().map(place).collect()))
}

/// A method, without the credentials in its arguments.
pub(super) fn shown(method: &Method) -> String {
    without_credentials(&method.to_string()).into_owned()
}

/// A change of users, vhosts or policies, without the hashes of passwords, the values of parameters
/// and credentials in URIs: what is printed ends up in places where those do not belong.
pub(super) fn change(octets: &[u8]) -> String {
    // The table's length is known from the record's.
    let table = match Table::decode(octets.get(4..).unwrap_or_default()) {
        Ok(table) => table,
        Err(error) => return error.to_string(),
    };
    let mut shown = Table::default();
    for (name, value) in table.iter() {
        let parameter = name.as_str() == "value" && Change::has_secret_value(&table);
        let secret = name.as_str() == "password" || parameter;
        let value = if secret { Field::LongString(b"...".to_vec()) } else { value.clone() };
        shown.insert(name.clone(), value);
    }
    without_credentials(&shown.to_string()).into_owned()
}
