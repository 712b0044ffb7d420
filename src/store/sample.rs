//! What the clocks showed at one moment, as an entry of a journal or a snapshot.
//!
//! ```text
//!   | 19 | broker's time | wall clock | uptime | boot: the rest |
//! ```

use super::codec::{Sink, Source};
use super::record::Gather;
use crate::clock::{Reading, Sample};
use crate::ids::Timestamp;

/// The kind of the entry: its first octet.
pub(super) const KIND: u8 = 19;

pub(super) fn put(gather: &mut Gather, sample: &Sample) {
    gather.put(&[KIND]);
    gather.put_number(sample.time.0);
    gather.put_number(sample.reading.wall);
    gather.put_number(sample.reading.uptime);
    gather.put(sample.boot.as_bytes());
}

/// Reads the entry behind its first octet.
pub(super) fn take(bytes: &[u8], source: &mut Source<'_>) -> Option<Sample> {
    let time = Timestamp(source.number()?);
    let reading = Reading { wall: source.number()?, uptime: source.number()? };
    let boot = std::str::from_utf8(&bytes[source.rest()]).ok()?.to_owned();
    Some(Sample { time, reading, boot })
}
