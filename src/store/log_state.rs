//! What a snapshot says of a queue's log: everything that its files do not say themselves.

use std::collections::BTreeMap;

use super::codec::{Sink, Source};
use super::header::{Counts, Tally};
use super::segment::Location;

/// No log gets so many segments that it could not count on.
const SEGMENTS_MAX: u64 = 1 << 48;

/// How a queue's log stands: everything that its files do not say themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// The next message to be taken.
    pub(super) head: Location,
    /// Behind the last message.
    pub(super) end: Location,
    /// What was ever appended.
    pub(super) appended: Counts,
    /// What of it is persistent and not yet taken.
    pub(super) ready: Tally,
    /// What it refers to among the shared bodies.
    pub(super) references: References,
}

/// What a queue's log refers to among the shared bodies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct References {
    /// By segments of the log and of the bodies: persistent messages that are not taken.
    pub ready: BTreeMap<(u64, u64), u64>,
    /// Where taken messages are in the log, and the segments their bodies are in.
    pub taken: BTreeMap<Location, u64>,
}

impl References {
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.taken.is_empty()
    }

    pub(super) fn put(&self, sink: &mut impl Sink) {
        sink.put_number(self.ready.len() as u64);
        for ((segment, of_bodies), messages) in &self.ready {
            sink.put_number(*segment);
            sink.put_number(*of_bodies);
            sink.put_number(*messages);
        }
        sink.put_number(self.taken.len() as u64);
        for (location, of_bodies) in &self.taken {
            location.put(sink);
            sink.put_number(*of_bodies);
        }
    }

    pub(super) fn take(source: &mut Source<'_>) -> Option<Self> {
        let mut references = Self::default();
        for _ in 0..source.number()? {
            let key = (source.number()?, source.number()?);
            references.ready.insert(key, source.number()?);
        }
        for _ in 0..source.number()? {
            let location = Location::take(source)?;
            references.taken.insert(location, source.number()?);
        }
        Some(references)
    }
}

impl LogState {
    /// How many messages are to be taken out of the log after a restart.
    pub fn ready(&self) -> u64 {
        self.ready.records
    }

    pub(super) fn put(&self, sink: &mut impl Sink) {
        self.head.put(sink);
        self.end.put(sink);
        for Tally { records, octets } in [self.appended.all, self.appended.persistent, self.ready] {
            sink.put_number(records);
            sink.put_number(octets);
        }
    }

    pub(super) fn take(source: &mut Source<'_>) -> Option<Self> {
        let (head, end) = (Location::take(source)?, Location::take(source)?);
        let mut tally = || Some(Tally { records: source.number()?, octets: source.number()? });
        let appended = Counts { all: tally()?, persistent: tally()? };
        let ready = tally()?;
        let plausible = head <= end && end.segment <= SEGMENTS_MAX;
        let references = References::default();
        plausible.then_some(Self { head, end, appended, ready, references })
    }
}
