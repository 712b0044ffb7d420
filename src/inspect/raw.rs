//! Every record of every file, a line each.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::json;

use super::InspectError;
use super::entries::{self, Fact};
use super::lines::Lines;
use crate::ids::Timestamp;
use crate::message::Message;
use crate::store::{Disk, RawRecord, raw_records};

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
        RawRecord::Entry(entry) => entries::describe(entry),
        RawRecord::End => (vec![("record", json!("end"))], None),
        RawRecord::Unknown => (vec![("record", json!("unknown"))], None),
        RawRecord::Damaged(octets) => {
            (vec![("record", json!("damaged")), ("octets", json!(octets))], None)
        }
        RawRecord::Lost(queue, ordinal) => {
            let ordinal = ("ordinal", json!(ordinal.0));
            (vec![("record", json!("lost")), ("queue_id", json!(queue.0)), ordinal], None)
        }
        RawRecord::Body(stored) => {
            (vec![("record", json!("body"))], Some((&stored.message, stored.published)))
        }
        RawRecord::Message(queue, stored) => {
            let ordinal = ("ordinal", json!(stored.ordinal.0));
            let facts = vec![("record", json!("message")), ("queue_id", json!(queue.0)), ordinal];
            (facts, Some((&stored.message, stored.published)))
        }
    }
}
