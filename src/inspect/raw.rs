//! Every record of every file, a line each.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::{Value, json};

use super::InspectError;
use super::lines::Lines;
use crate::ids::Timestamp;
use crate::message::Message;
use crate::store::{Disk, Entry, Place, RawRecord, raw_records};
use crate::wire::Method;

type Fact = (&'static str, Value);

pub(super) fn print(disk: Arc<dyn Disk>, lines: &mut Lines<'_>) -> Result<(), InspectError> {
    let mut failed: Option<io::Error> = None;
    raw_records(disk, &mut |path, octet, record| {
        let mut facts = vec![("file", json!(path.to_string_lossy())), ("octet", json!(octet))];
        let (more, message) = describe(&record);
        facts.extend(more);
        match lines.print(&facts, message) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

fn describe(record: &RawRecord) -> (Vec<Fact>, Option<(&Message, Timestamp)>) {
    match record {
        RawRecord::Entry(entry) => describe_entry(entry),
        RawRecord::End => (vec![("record", json!("end"))], None),
        RawRecord::Unknown => (vec![("record", json!("unknown"))], None),
        RawRecord::Damaged(octets) => {
            (vec![("record", json!("damaged")), ("octets", json!(octets))], None)
        }
        RawRecord::Message(queue, stored) => {
            let ordinal = ("ordinal", json!(stored.ordinal.0));
            let facts = vec![("record", json!("message")), ("queue_id", json!(queue.0)), ordinal];
            (facts, Some((&stored.message, stored.published)))
        }
    }
}

fn describe_entry(entry: &Entry) -> (Vec<Fact>, Option<(&Message, Timestamp)>) {
    let run = |record: &str, queue: u64, first: u64, last: u64| {
        let (first, last) = (("first", json!(first)), ("last", json!(last)));
        (vec![("record", json!(record)), ("queue_id", json!(queue)), first, last], None)
    };
    match entry {
        Entry::Define { virtual_host, queue, method } => {
            let method = Method::decode(method)
                .map_or_else(|error| error.to_string(), |method| method.to_string());
            let facts = vec![
                ("record", json!("define")),
                ("virtual_host", json!(virtual_host)),
                ("queue_id", json!(queue.0)),
                ("method", json!(method)),
            ];
            (facts, None)
        }
        Entry::Queue { id, next_ordinal, log, outstanding } => {
            let facts = vec![
                ("record", json!("queue")),
                ("queue_id", json!(id.0)),
                ("next_ordinal", json!(next_ordinal.0)),
                ("ready", json!(log.ready())),
                ("outstanding", json!(outstanding.len())),
            ];
            (facts, None)
        }
        Entry::Publish { places, message, published } => {
            let places: Vec<_> = places.iter().map(place).collect();
            let facts = vec![("record", json!("publish")), ("places", json!(places))];
            (facts, Some((message, *published)))
        }
        Entry::Settle { queue, first, last } => run("settle", queue.0, first.0, last.0),
        Entry::Deliver { queue, first, last } => run("deliver", queue.0, first.0, last.0),
        Entry::Purge { queue, before } => {
            let (queue, before) = (("queue_id", json!(queue.0)), ("before", json!(before.0)));
            (vec![("record", json!("purge")), queue, before], None)
        }
    }
}

fn place(place: &Place) -> Value {
    json!({"queue_id": place.queue.0, "ordinal": place.ordinal.0, "deliveries": place.deliveries})
}
