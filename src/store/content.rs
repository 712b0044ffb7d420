//! A message as a payload, in queue logs and in the journal.
//!
//! ```text
//!   | exchange: text | routing key: text | properties: text | body: the rest |
//! ```
//!
//! Before the exchange of a dead letter stands an octet FF, which no name begins with.
//!
//! A message whose body several queues share is the payload of a record in a segment of bodies. In
//! the queues' logs stands a reference to it:
//!
//! ```text
//!   | flags | size: number | segment: number | octet: number | checksum: 4 octets |
//! ```

use std::ops::Range;
use std::sync::Arc;

use super::codec::{Sink, Source};
use super::record::Gather;
use crate::message::{Backing, BodyPlace, Message, Parts, Span};

/// A reference's flag: the message is persistent in this queue.
const PERSISTENT: u8 = 1;

/// The most bytes that a reference takes.
pub(super) const REFERENCE_BYTES_MAX: u64 = 1 + 10 + 10 + 5 + 4;

/// What stands in a queue's log for a message whose record is among the shared bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// Where the record is.
    pub place: BodyPlace,
    /// Whether the message is persistent in this queue.
    pub persistent: bool,
    /// The message's size in bytes, as [`Message::size`] counts them.
    pub size: u64,
}

impl Reference {
    pub(super) fn put(&self, gather: &mut Gather) {
        let BodyPlace { segment, offset, checksum } = self.place;
        gather.put(&[if self.persistent { PERSISTENT } else { 0 }]);
        gather.put_number(self.size);
        gather.put_number(segment);
        gather.put_number(u64::from(offset));
        gather.put(&checksum.to_le_bytes());
    }

    /// Reads a reference that is all of a payload in `bytes`.
    pub(super) fn take(bytes: &[u8], source: &mut Source<'_>) -> Option<Self> {
        let persistent = source.octet()? & PERSISTENT != 0;
        let size = source.number()?;
        let (segment, offset) = (source.number()?, source.number_u32()?);
        let checksum = u32::from_le_bytes(bytes.get(source.rest())?.try_into().ok()?);
        Some(Self { place: BodyPlace { segment, offset, checksum }, persistent, size })
    }
}

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
