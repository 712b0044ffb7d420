//! What a journal tells, and what a snapshot begins with.
//!
//! ```text
//!   define    | 1 | virtual host: text | queue | method: the rest |
//!   queue     | 2 | queue | next ordinal | state of its log | count | count x outstanding |
//!   queue     | 20 | the same, and what its log refers to among the shared bodies |
//!   publish   | 3 | flags | published | count | count x (queue, ordinal, deliveries) | message |
//!   settle    | 4 | queue | first | last - first |
//!   deliver   | 5 | queue | first | last - first |
//!   purge     | 6 | queue | before |               redeliver | 15 | the same |
//!   remember  | 14 | virtual host: text | exchange: text | until | header: the rest |
//!   end       | 7 | highest queue id | next segment of bodies |  the last entry of a snapshot
//!   change    | 10 | what users, vhosts, policies became: a field table, the rest |
//!   transfer  | 8 | queue | ordinal | what follows the 3 of a publish |
//!   level     | 9 | queue | priority | its own queue id |
//!   give back | 17 | queue | first | last - first | times |
//!   sample    | 19 | broker's time | wall clock | uptime | boot: the rest |
//!   offset    | 18 | queue | ordinal | consumer tag: the rest |
//! ```
//!
//! The first octet says which it is; numbers are as [`super::codec`] has them.

mod put;

pub(super) use put::*;

use super::codec::Source;
use super::content;
use super::log_state::{LogState, References};
use super::offset::{self, StreamOffset};
use super::sample;
use super::segment::Location;
use crate::clock::Sample;
use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;

/// The first octet of a queue entry, without and with references to shared bodies.
const QUEUE: u8 = 2;
const QUEUE_WITH_REFERENCES: u8 = 20;

/// A publish entry's flag: the message is persistent.
const PERSISTENT: u8 = 1;

/// Where a message went: a queue and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The queue.
    pub queue: QueueId,
    /// Its place in the queue.
    pub ordinal: Ordinal,
    /// How often it was delivered so far.
    pub deliveries: u32,
}

/// A message that was taken out of a queue's log and is not settled yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// Its place in the queue.
    pub ordinal: Ordinal,
    /// Where it is in the log.
    pub location: Location,
    /// How often it was delivered so far.
    pub deliveries: u32,
}

/// One thing that happened, in the order in which it did.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A definition was made or changed, by an AMQP method as it would be encoded in a frame.
    Define {
        /// The vhost.
        virtual_host: String,
        /// The id of the queue it is about; 0 if it is about none.
        queue: QueueId,
        /// Class id, method id and arguments.
        method: Vec<u8>,
    },
    /// How a queue stood at the checkpoint. Comes after its definition, before its messages.
    Queue {
        /// The queue.
        id: QueueId,
        /// The ordinal its next message would have got.
        next_ordinal: Ordinal,
        /// Its log.
        log: LogState,
        /// Messages out of the log that were not settled.
        outstanding: Vec<Outstanding>,
    },
    /// A message was published to queues, or (in a snapshot) was in them.
    Publish {
        /// The queues it went to.
        places: Vec<Place>,
        /// The message, with octets of its own.
        message: Message,
        /// When.
        published: Timestamp,
    },
    /// Messages were acknowledged, expired or dropped.
    Settle {
        /// The queue.
        queue: QueueId,
        /// The first of them.
        first: Ordinal,
        /// The last of them.
        last: Ordinal,
    },
    /// Messages were delivered to a consumer.
    Deliver {
        /// The queue.
        queue: QueueId,
        /// The first of them.
        first: Ordinal,
        /// The last of them.
        last: Ordinal,
    },
    /// Users, permissions, vhosts, parameters, policies or limits were changed.
    Change {
        /// What was: a field table as on the wire, with its length.
        table: Vec<u8>,
    },
    /// An exchange has seen a deduplication header.
    Remember {
        /// The vhost.
        virtual_host: String,
        /// The exchange.
        exchange: String,
        /// Until when the header counts; `None` is without end.
        until: Option<Timestamp>,
        /// The header, as the broker compares it.
        header: Vec<u8>,
    },
    /// A message left one queue and went to others: both, or neither.
    Transfer {
        /// The queue it left.
        queue: QueueId,
        /// Its place there.
        ordinal: Ordinal,
        /// The queues it went to.
        places: Vec<Place>,
        /// The message as it is there, with octets of its own.
        message: Message,
        /// When.
        published: Timestamp,
    },
    /// A queue began to keep messages of another priority, under a number of their own.
    Level {
        /// The queue.
        queue: QueueId,
        /// The priority.
        priority: u8,
        /// What stands for the queue in entries about messages of this priority.
        id: QueueId,
    },
    /// Deliveries of messages were given back without having failed.
    GiveBack {
        /// The queue.
        queue: QueueId,
        /// The first of them.
        first: Ordinal,
        /// The last of them.
        last: Ordinal,
        /// How many deliveries of each.
        times: u32,
    },
    /// All ready messages below an ordinal were dropped; outstanding ones were not.
    Purge {
        /// The queue.
        queue: QueueId,
        /// The ordinal.
        before: Ordinal,
    },
    /// A consumer of a stream has got on.
    Offset(StreamOffset),
    /// What the clocks showed.
    Sample(Sample),
    /// All messages below an ordinal may have been delivered: a power cut took what would tell.
    Redeliver {
        /// The queue.
        queue: QueueId,
        /// The ordinal.
        before: Ordinal,
    },
}

/// An entry, or the end of a snapshot.
pub(super) enum Decoded {
    Entry(Entry),
    End {
        queue_max: QueueId,
        /// The number of the next segment of bodies: 0 in format 1.
        next_body: u64,
    },
}

/// Reads an entry's payload, which is in `bytes`. None if this version does not know what it says.
pub(super) fn decode(bytes: &[u8], mut source: Source<'_>) -> Option<Decoded> {
    let source = &mut source;
    let entry = match source.octet()? {
        1 => decode_define(bytes, source)?,
        QUEUE => decode_queue(source, false)?,
        QUEUE_WITH_REFERENCES => decode_queue(source, true)?,
        3 => {
            let (places, message, published) = decode_published(bytes, source)?;
            Entry::Publish { places, message, published }
        }
        4 => {
            let (queue, first, last) = decode_run(source)?;
            Entry::Settle { queue, first, last }
        }
        5 => {
            let (queue, first, last) = decode_run(source)?;
            Entry::Deliver { queue, first, last }
        }
        6 => Entry::Purge { queue: QueueId(source.number()?), before: Ordinal(source.number()?) },
        7 => {
            let queue_max = QueueId(source.number()?);
            return Some(Decoded::End {
                queue_max,
                next_body: source.number().unwrap_or_default(),
            });
        }
        10 => Entry::Change { table: bytes[source.rest()].to_vec() },
        14 => decode_remember(bytes, source)?,
        15 => {
            Entry::Redeliver { queue: QueueId(source.number()?), before: Ordinal(source.number()?) }
        }
        8 => {
            let (queue, ordinal) = (QueueId(source.number()?), Ordinal(source.number()?));
            let (places, message, published) = decode_published(bytes, source)?;
            Entry::Transfer { queue, ordinal, places, message, published }
        }
        9 => {
            let (queue, priority) = (QueueId(source.number()?), source.octet()?);
            Entry::Level { queue, priority, id: QueueId(source.number()?) }
        }
        17 => {
            let (queue, first, last) = decode_run(source)?;
            Entry::GiveBack { queue, first, last, times: source.number_u32()? }
        }
        sample::KIND => Entry::Sample(sample::take(bytes, source)?),
        offset::KIND => Entry::Offset(offset::take(bytes, source)?),
        _ => return None,
    };
    source.is_empty().then_some(Decoded::Entry(entry))
}

fn decode_define(bytes: &[u8], source: &mut Source<'_>) -> Option<Entry> {
    let virtual_host = std::str::from_utf8(&bytes[source.text()?]).ok()?.to_owned();
    let queue = QueueId(source.number()?);
    Some(Entry::Define { virtual_host, queue, method: bytes[source.rest()].to_vec() })
}

fn decode_remember(bytes: &[u8], source: &mut Source<'_>) -> Option<Entry> {
    let virtual_host = std::str::from_utf8(&bytes[source.text()?]).ok()?.to_owned();
    let exchange = std::str::from_utf8(&bytes[source.text()?]).ok()?.to_owned();
    let until = Some(source.number()?).filter(|until| *until > 0).map(Timestamp);
    Some(Entry::Remember { virtual_host, exchange, until, header: bytes[source.rest()].to_vec() })
}

fn decode_queue(source: &mut Source<'_>, refers: bool) -> Option<Entry> {
    let id = QueueId(source.number()?);
    let next_ordinal = Ordinal(source.number()?);
    let mut log = LogState::take(source)?;
    let mut outstanding = Vec::new();
    for _ in 0..source.number()? {
        outstanding.push(Outstanding {
            ordinal: Ordinal(source.number()?),
            location: Location::take(source)?,
            deliveries: source.number_u32()?,
        });
    }
    if refers {
        log.references = References::take(source)?;
    }
    Some(Entry::Queue { id, next_ordinal, log, outstanding })
}

fn decode_published(
    bytes: &[u8],
    source: &mut Source<'_>,
) -> Option<(Vec<Place>, Message, Timestamp)> {
    let persistent = source.octet()? & PERSISTENT != 0;
    let published = Timestamp(source.number()?);
    let mut places = Vec::new();
    for _ in 0..source.number()? {
        places.push(Place {
            queue: QueueId(source.number()?),
            ordinal: Ordinal(source.number()?),
            deliveries: source.number_u32()?,
        });
    }
    let message = content::copied(bytes, content::parts(source)?, persistent);
    Some((places, message, published))
}

fn decode_run(source: &mut Source<'_>) -> Option<(QueueId, Ordinal, Ordinal)> {
    let queue = QueueId(source.number()?);
    let first = source.number()?;
    let last = first.checked_add(source.number()?)?;
    Some((queue, Ordinal(first), Ordinal(last)))
}
