//! Entries on their way into the journal or a snapshot, as the drawing in [`super`] has them.

use super::super::codec::Sink;
use super::super::content;
use super::super::log_state::LogState;
use super::super::record::Gather;
use super::{Outstanding, PERSISTENT, Place, QUEUE, QUEUE_WITH_REFERENCES};
use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;

pub(in crate::store) fn put_define(
    gather: &mut Gather,
    virtual_host: &str,
    queue: QueueId,
    method: &[u8],
) {
    gather.put(&[1]);
    gather.put_text(virtual_host.as_bytes());
    gather.put_number(queue.0);
    gather.put(method);
}

pub(in crate::store) fn put_queue(
    gather: &mut Gather,
    queue: QueueId,
    next_ordinal: Ordinal,
    log: &LogState,
    outstanding: &[Outstanding],
) {
    let refers = !log.references.is_empty();
    gather.put(&[if refers { QUEUE_WITH_REFERENCES } else { QUEUE }]);
    gather.put_number(queue.0);
    gather.put_number(next_ordinal.0);
    log.put(gather);
    gather.put_number(outstanding.len() as u64);
    for Outstanding { ordinal, location, deliveries } in outstanding {
        gather.put_number(ordinal.0);
        location.put(gather);
        gather.put_number(u64::from(*deliveries));
    }
    if refers {
        log.references.put(gather);
    }
}

pub(in crate::store) fn put_publish(
    gather: &mut Gather,
    places: &[Place],
    message: &Message,
    published: Timestamp,
) {
    gather.put(&[3]);
    put_published(gather, places, message, published);
}

pub(in crate::store) fn put_transfer(
    gather: &mut Gather,
    (queue, ordinal): (QueueId, Ordinal),
    places: &[Place],
    message: &Message,
    published: Timestamp,
) {
    gather.put(&[8]);
    gather.put_number(queue.0);
    gather.put_number(ordinal.0);
    put_published(gather, places, message, published);
}

fn put_published(gather: &mut Gather, places: &[Place], message: &Message, published: Timestamp) {
    gather.put(&[if message.persistent() { PERSISTENT } else { 0 }]);
    gather.put_number(published.0);
    gather.put_number(places.len() as u64);
    for Place { queue, ordinal, deliveries } in places {
        gather.put_number(queue.0);
        gather.put_number(ordinal.0);
        gather.put_number(u64::from(*deliveries));
    }
    content::put(gather, message);
}

pub(in crate::store) fn put_settle(
    gather: &mut Gather,
    queue: QueueId,
    first: Ordinal,
    last: Ordinal,
) {
    put_run(gather, 4, queue, first, last);
}

pub(in crate::store) fn put_deliver(
    gather: &mut Gather,
    queue: QueueId,
    first: Ordinal,
    last: Ordinal,
) {
    put_run(gather, 5, queue, first, last);
}

pub(in crate::store) fn put_purge(gather: &mut Gather, queue: QueueId, before: Ordinal) {
    gather.put(&[6]);
    gather.put_number(queue.0);
    gather.put_number(before.0);
}

pub(in crate::store) fn put_change(gather: &mut Gather, table: &[u8]) {
    gather.put(&[10]);
    gather.put(table);
}

/// `until` is 0 for a header that counts without end.
pub(in crate::store) fn put_remember(
    gather: &mut Gather,
    (virtual_host, exchange): (&str, &str),
    until: Option<Timestamp>,
    header: &[u8],
) {
    gather.put(&[14]);
    gather.put_text(virtual_host.as_bytes());
    gather.put_text(exchange.as_bytes());
    gather.put_number(until.map_or(0, |until| until.0));
    gather.put(header);
}

pub(in crate::store) fn put_end(gather: &mut Gather, queue_max: QueueId, next_body: u64) {
    gather.put(&[7]);
    gather.put_number(queue_max.0);
    gather.put_number(next_body);
}

pub(in crate::store) fn put_redeliver(gather: &mut Gather, queue: QueueId, before: Ordinal) {
    gather.put(&[15]);
    gather.put_number(queue.0);
    gather.put_number(before.0);
}

pub(in crate::store) fn put_level(gather: &mut Gather, queue: QueueId, priority: u8, id: QueueId) {
    gather.put(&[9]);
    gather.put_number(queue.0);
    gather.put(&[priority]);
    gather.put_number(id.0);
}

pub(in crate::store) fn put_give_back(
    gather: &mut Gather,
    queue: QueueId,
    (first, last): (Ordinal, Ordinal),
    times: u32,
) {
    put_run(gather, 17, queue, first, last);
    gather.put_number(u64::from(times));
}

fn put_run(gather: &mut Gather, which: u8, queue: QueueId, first: Ordinal, last: Ordinal) {
    gather.put(&[which]);
    gather.put_number(queue.0);
    gather.put_number(first.0);
    gather.put_number(last.0.saturating_sub(first.0));
}
