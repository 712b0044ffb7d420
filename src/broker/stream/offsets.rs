//! Where consumers go on that asked the broker to remember it
//! (`x-stream-automatic-offset-tracking`).
//!
//! ```text
//!   delivered   17  18  19  20  21        acknowledged: 17 18 20
//!                       ▲
//!                       └ goes on here: the first that is not done with
//! ```
//!
//! So what was delivered and not acknowledged comes again to the next consumer of the same tag, be
//! it after a restart. What a turn has changed is journaled once, when it ends.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Ordinal, QueueId};
use crate::wire::ShortString;

use super::super::Broker;
use super::super::channel::Delivered;

/// The most consumer tags that a stream remembers.
pub(super) const TAGS_MAX: usize = 10_000;

/// The offsets of a stream's consumers, by their tags.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    next: BTreeMap<ShortString, Ordinal>,
    changed: BTreeSet<ShortString>,
}

impl Offsets {
    /// Where the consumer of this tag goes on.
    pub(super) fn get(&self, tag: &str) -> Option<Ordinal> {
        self.next.get(tag).copied()
    }

    /// Whether one more tag can be remembered.
    pub(super) fn takes(&self, tag: &str) -> bool {
        self.next.contains_key(tag) || self.next.len() < TAGS_MAX
    }

    /// Remembers where the consumer of this tag goes on.
    pub(super) fn set(&mut self, tag: &ShortString, next: Ordinal) {
        if self.takes(tag) {
            self.next.insert(tag.clone(), next);
        }
    }

    /// All tags and where their consumers go on.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ShortString, Ordinal)> {
        self.next.iter().map(|(tag, next)| (tag, *next))
    }
}

/// What a consumer has got and not done with, of one that is remembered.
#[derive(Debug)]
pub(super) struct Progress {
    open: BTreeSet<Ordinal>,
    /// The first that was given back: it is to come again.
    returned: Option<Ordinal>,
    /// Behind the last message that was delivered.
    next: Ordinal,
}

impl Progress {
    /// Of a consumer that begins at `next`.
    pub(super) fn from(next: Ordinal) -> Self {
        Self { open: BTreeSet::new(), returned: None, next }
    }

    /// A message was delivered; those before it that were not are none of this consumer's.
    pub(super) fn delivered(&mut self, ordinal: Ordinal) {
        self.open.insert(ordinal);
        self.next = ordinal.next();
    }

    /// Where the consumer goes on if it ends now.
    fn goes_on(&self) -> Ordinal {
        let open = self.open.first().copied().unwrap_or(self.next);
        self.returned.map_or(open, |returned| open.min(returned))
    }
}

impl Broker {
    /// A consumer is done with a delivery from a stream, or has given it back.
    pub(in crate::broker) fn advance(&mut self, delivered: &Delivered, done: bool) {
        let Some((key, number)) = delivered.consumer else { return };
        let consumer = self.consumers.get_mut(key.0).filter(|one| one.number == number);
        let Some(consumer) = consumer else { return };
        let progress = consumer.subscription.as_mut().and_then(|one| one.progress.as_mut());
        let Some(progress) = progress else { return };
        let ordinal = delivered.item.ordinal;
        progress.open.remove(&ordinal);
        if !done {
            let first = progress.returned.map_or(ordinal, |returned| returned.min(ordinal));
            progress.returned = Some(first);
        }
        let (goes_on, id) = (progress.goes_on(), delivered.queue);
        if let Some(stream) = self.queues.get_mut(&id).and_then(|queue| queue.stream.as_mut())
            && stream.offsets.get(&consumer.tag) != Some(goes_on)
        {
            stream.offsets.set(&consumer.tag, goes_on);
            stream.offsets.changed.insert(consumer.tag.clone());
            self.touch(id);
        }
    }

    /// Journals where consumers of a stream go on, as far as that has changed.
    pub(super) fn keep_offsets(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        let policy = queue.fsync(self.options.fsync);
        let Some(stream) = &mut queue.stream else { return };
        for tag in std::mem::take(&mut stream.offsets.changed) {
            if let Some(next) = stream.offsets.get(&tag) {
                self.turn.sync_within(policy);
                self.store.journal().remember_offset(id, &tag, next);
            }
        }
    }
}
