//! What a log refers to among the shared bodies, so that these can go when nothing does any more.
//!
//! ```text
//!   segment   3                     4
//!            | o . o . . r r r r r | r r r r r r |        ready   (3, 11): 2   (3, 12): 3   (4, 12): 6
//!              │   │                                      taken   3/o: 11   3/o: 11
//!   bodies    11  11     11 11 12     12                  11 and 12: segments of bodies
//! ```
//!
//! Ready ones are counted by the segment that they are in and the one that their bodies are in;
//! what of them damage keeps from being taken is given back when the head leaves their segment.

use std::collections::{BTreeMap, BTreeSet};

use super::super::bodies::Bodies;
use super::super::content::Reference;
use super::super::error::StoreError;
use super::super::log_state::References;
use super::super::reader::{Content, Found, Stored};
use super::super::segment::{Appended, Location};
use super::QueueLog;
use crate::ids::Timestamp;
use crate::message::Message;

/// The references of one log.
pub(super) struct Referring {
    bodies: Bodies,
    ready: BTreeMap<(u64, u64), Count>,
    taken: BTreeMap<Location, u64>,
    /// Whether references are appended that may not be written.
    pub(super) unflushed: bool,
}

/// Ready messages.
#[derive(Clone, Copy, Default)]
struct Count {
    all: u64,
    persistent: u64,
}

impl Referring {
    pub(super) fn new(bodies: Bodies) -> Self {
        Self { bodies, ready: BTreeMap::new(), taken: BTreeMap::new(), unflushed: false }
    }

    /// What is to be appended for a message: itself, or a reference to its shared body.
    pub(super) fn what<'a>(&mut self, message: &'a Message, published: Timestamp) -> Appended<'a> {
        match self.bodies.refer(message, published) {
            None => Appended::Message(message),
            Some(reference) => Appended::Reference(reference),
        }
    }

    /// What was appended stands in this segment of the log.
    pub(super) fn appended(&mut self, segment: u64, what: &Appended<'_>) {
        let Appended::Reference(Reference { place, persistent, .. }) = what else { return };
        let count = self.ready.entry((segment, place.segment)).or_default();
        count.all += 1;
        count.persistent += u64::from(*persistent);
        self.unflushed = true;
    }

    /// The bodies that are referred to are written before the references.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        if self.unflushed {
            self.bodies.flush()?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// A message with its body. None if that is damaged or gone.
    pub(super) fn resolve(&self, found: &Found) -> Result<Option<Stored>, StoreError> {
        let message = match &found.content {
            Content::Message(message) => Some(message.clone()),
            Content::Reference(reference) => self.bodies.read(reference)?,
        };
        let Found { ordinal, location, published, .. } = *found;
        Ok(message.map(|message| Stored { ordinal, location, message, published }))
    }

    /// A ready message is taken: its body is needed until [`Referring::release`].
    pub(super) fn take(&mut self, location: Location, reference: &Reference) {
        let segment = reference.place.segment;
        if self.unready(location.segment, reference) {
            self.taken.insert(location, segment);
        }
    }

    /// A ready message is passed over.
    pub(super) fn pass(&mut self, location: Location, reference: &Reference) {
        if self.unready(location.segment, reference) {
            self.bodies.release(reference.place.segment, 1);
        }
    }

    /// A message is ready no more. Says whether it was counted.
    fn unready(&mut self, segment: u64, reference: &Reference) -> bool {
        let key = (segment, reference.place.segment);
        let Some(count) = self.ready.get_mut(&key) else { return false };
        count.all -= 1;
        count.persistent -= u64::from(reference.persistent).min(count.persistent);
        if count.all == 0 {
            self.ready.remove(&key);
        }
        true
    }

    /// A message that was taken is settled.
    pub(super) fn release(&mut self, location: Location) {
        if self.taken.is_empty() {
            return;
        }
        if let Some(segment) = self.taken.remove(&location) {
            self.bodies.release(segment, 1);
        }
    }

    /// Nothing is ready in the log's segments before this one.
    pub(super) fn pass_before(&mut self, segment: u64) {
        while let Some(first) = self.ready.first_entry()
            && first.key().0 < segment
        {
            let ((_, of_bodies), count) = first.remove_entry();
            self.bodies.release(of_bodies, count.all);
        }
    }

    /// Nothing is ready.
    pub(super) fn pass_all(&mut self) {
        self.pass_before(u64::MAX);
        self.unflushed = false;
    }

    /// The log is deleted.
    pub(super) fn release_all(&mut self) {
        self.pass_all();
        while let Some((_, segment)) = self.taken.pop_first() {
            self.bodies.release(segment, 1);
        }
    }

    /// What survives a restart.
    pub(super) fn state(&self) -> References {
        let ready = self.ready.iter().filter(|(_, count)| count.persistent > 0);
        References {
            ready: ready.map(|(key, count)| (*key, count.persistent)).collect(),
            taken: self.taken.clone(),
        }
    }

    /// Counts what an earlier process has left, of segments that are there.
    pub(super) fn restore(
        &mut self,
        references: &References,
        found: &BTreeSet<u64>,
        outstanding: &BTreeSet<Location>,
    ) {
        for ((segment, of_bodies), messages) in &references.ready {
            if found.contains(segment) && *messages > 0 {
                let count = Count { all: *messages, persistent: *messages };
                self.ready.insert((*segment, *of_bodies), count);
                self.bodies.count(*of_bodies, *messages);
            }
        }
        for (location, of_bodies) in &references.taken {
            if found.contains(&location.segment) && outstanding.contains(location) {
                self.taken.insert(*location, *of_bodies);
                self.bodies.count(*of_bodies, 1);
            }
        }
    }
}

impl QueueLog {
    /// A message is lost with its body.
    pub(super) fn lose(&self, found: &Found) {
        let Some(Reference { place, .. }) = found.reference() else { return };
        log::error!(
            "queue {}: message {} is lost: its body in segment {} of the shared bodies, at octet \
             {}, cannot be read",
            self.shelf.queue,
            found.ordinal,
            place.segment,
            place.offset
        );
        self.damaged.set(self.damaged.get() + 1);
    }
}
