//! A message as a payload, in queue logs and in the journal.
//!
//! ```text
//!   | exchange: text | routing key: text | properties: text | body: the rest |
//! ```
//!
//! Before the exchange of a dead letter stands an octet FF, which no name begins with.

use std::ops::Range;
use std::sync::Arc;

use super::codec::{Sink, Source};
use super::record::Gather;
use crate::message::{Backing, Message, Parts, Span};

/// Puts a message as the rest of a payload.
pub(super) fn put(gather: &mut Gather, message: &Message) {
    gather.put_text(message.exchange_octets());
    gather.put_text(message.routing_key());
    gather.put_text(message.properties());
    gather.put_body(message);
}

/// At most so many octets are needed for a message with these parts.
pub(super) fn encoded_bytes_max(message: &Message) -> u64 {
    message.size() + 30
}

/// Where the parts of the message are that is the rest of a payload.
pub(super) fn parts(source: &mut Source<'_>) -> Option<Parts> {
    Some(Parts {
        exchange: span(source.text()?)?,
        routing_key: span(source.text()?)?,
        properties: span(source.text()?)?,
        body: span(source.rest())?,
    })
}

/// The message with octets of its own, for when the file is going to be used anew.
pub(super) fn copied(bytes: &[u8], parts: Parts, persistent: bool) -> Message {
    let (start, end) = (parts.exchange.start, parts.body.start + parts.body.length);
    let copy = bytes[start as usize..end as usize].to_vec();
    let moved = |span: Span| Span { start: span.start - start, ..span };
    let parts = Parts {
        exchange: moved(parts.exchange),
        routing_key: moved(parts.routing_key),
        properties: moved(parts.properties),
        body: moved(parts.body),
    };
    let backing: Arc<dyn Backing> = Arc::new(copy);
    Message::new(backing, parts, persistent)
}

fn span(range: Range<usize>) -> Option<Span> {
    let start = u32::try_from(range.start).ok()?;
    let end = u32::try_from(range.end).ok()?;
    Some(Span { start, length: end.checked_sub(start)? })
}
