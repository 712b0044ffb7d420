//! Where a consumer of a stream goes on, as an entry of a journal or a snapshot.
//!
//! ```text
//!   | 18 | queue | ordinal | consumer tag: the rest |
//! ```

use super::codec::{Sink, Source};
use super::record::Gather;
use crate::ids::{Ordinal, QueueId};

/// The kind of the entry: its first octet.
pub(super) const KIND: u8 = 18;

/// Where a consumer of a stream goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOffset {
    /// The stream.
    pub queue: QueueId,
    /// The consumer's tag.
    pub consumer_tag: String,
    /// The first message that it is not done with.
    pub next: Ordinal,
}

pub(super) fn put(gather: &mut Gather, queue: QueueId, consumer_tag: &str, next: Ordinal) {
    gather.put(&[KIND]);
    gather.put_number(queue.0);
    gather.put_number(next.0);
    gather.put(consumer_tag.as_bytes());
}

/// Reads the entry behind its first octet.
pub(super) fn take(bytes: &[u8], source: &mut Source<'_>) -> Option<StreamOffset> {
    let (queue, next) = (QueueId(source.number()?), Ordinal(source.number()?));
    let consumer_tag = std::str::from_utf8(&bytes[source.rest()]).ok()?.to_owned();
    Some(StreamOffset { queue, consumer_tag, next })
}
