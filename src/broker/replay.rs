//! What replay has learned of a queue's messages, and how the queue gets them back.

use std::collections::BTreeMap;

use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;
use crate::store::{LogState, Outstanding, StoreError};

use super::Broker;
use super::queue::{Budget, Held, Item, Queue};

/// A message that the journal or the snapshot had whole.
pub(super) struct Found {
    pub(super) message: Message,
    pub(super) deliveries: u32,
    pub(super) published: Timestamp,
}

/// What replay has learned of one queue.
#[derive(Default)]
pub(super) struct Replay {
    pub(super) next_ordinal: Ordinal,
    /// The next ordinal when the snapshot was made.
    pub(super) snapshot_next: Ordinal,
    pub(super) log: Option<LogState>,
    pub(super) outstanding: BTreeMap<Ordinal, Outstanding>,
    pub(super) found: BTreeMap<Ordinal, Found>,
    /// Ordinals of log records that were taken after the snapshot: settled, or delivered so often.
    settled: Runs,
    pub(super) delivered: BTreeMap<Ordinal, u32>,
    pub(super) purged_before: Ordinal,
}

/// Ordinals as runs, by their first.
#[derive(Default)]
struct Runs(BTreeMap<Ordinal, Ordinal>);

impl Runs {
    fn insert(&mut self, first: Ordinal, last: Ordinal) {
        let longest = self.0.entry(first).or_insert(last);
        *longest = (*longest).max(last);
    }

    fn contains(&self, ordinal: Ordinal) -> bool {
        // Runs are settled once, so they do not overlap: the nearest below decides.
        self.0.range(..=ordinal).next_back().is_some_and(|(_, last)| ordinal <= *last)
    }

    fn last(&self) -> Option<Ordinal> {
        self.0.values().max().copied()
    }
}

impl Broker {
    /// Gives a queue its messages back.
    pub(super) fn restore_queue(
        &mut self,
        id: QueueId,
        mut replay: Replay,
    ) -> Result<(), StoreError> {
        let Some(queue) = self.queues.get_mut(&id) else { return Ok(()) };
        // A queue that is younger than the snapshot has an empty log: what it had is in the journal.
        let state = replay.log.take().unwrap_or_default();
        let outstanding = replay.outstanding.values().map(|record| record.location);
        queue.set_next_ordinal(replay.next_ordinal);
        let log = self.store.restore_log(id, &state, outstanding)?;
        queue.restore_log(log, replay.snapshot_next);
        restore_outstanding(queue, &replay, &mut self.budget);
        take_again(queue, &replay, &mut self.budget)?;
        for (ordinal, found) in std::mem::take(&mut replay.found) {
            let Found { message, deliveries, published } = found;
            let body_length = message.body_length();
            let held = Held::Resident(message);
            let item = Item { ordinal, held, deliveries, journaled: true, published, body_length };
            // What was in memory when the snapshot was made stood before all that was in the log.
            if deliveries > 0 || ordinal < replay.snapshot_next {
                queue.restore(item, &mut self.budget);
            } else {
                queue.push(item, &mut self.budget);
            }
        }
        if let Err(error) = queue.flush(&mut self.budget) {
            // A full disk does not keep the broker from starting.
            self.store_failed(Some(id), error);
        }
        self.failure.take().map_or(Ok(()), Err)
    }
}

impl Replay {
    pub(super) fn settle(&mut self, first: Ordinal, last: Ordinal) {
        self.next_ordinal = self.next_ordinal.max(last.next());
        remove_range(&mut self.found, first, last);
        remove_range(&mut self.outstanding, first, last);
        self.settled.insert(first, last);
    }

    pub(super) fn deliver(&mut self, first: Ordinal, last: Ordinal) {
        self.next_ordinal = self.next_ordinal.max(last.next());
        for number in first.0..=last.0 {
            let ordinal = Ordinal(number);
            if let Some(found) = self.found.get_mut(&ordinal) {
                found.deliveries = found.deliveries.saturating_add(1);
            } else if let Some(record) = self.outstanding.get_mut(&ordinal) {
                record.deliveries = record.deliveries.saturating_add(1);
            } else {
                *self.delivered.entry(ordinal).or_default() += 1;
            }
        }
    }
}

/// Takes the entries from `first` through `last` out, at a cost of those alone.
fn remove_range<T>(map: &mut BTreeMap<Ordinal, T>, first: Ordinal, last: Ordinal) {
    while let Some((ordinal, _)) = map.range(first..=last).next() {
        let ordinal = *ordinal;
        map.remove(&ordinal);
    }
}

/// The records that were taken from the log when the snapshot was made and are not settled since.
fn restore_outstanding(queue: &mut Queue, replay: &Replay, budget: &mut Budget) {
    for record in replay.outstanding.values() {
        let item = Item {
            ordinal: record.ordinal,
            held: Held::Logged(record.location),
            deliveries: record.deliveries,
            journaled: true,
            published: Timestamp::default(),
            body_length: 0,
        };
        queue.restore(item, budget);
    }
}

/// Takes from the log what had been taken from it after the snapshot: the settled go, the delivered
/// go back to their place.
fn take_again(queue: &mut Queue, replay: &Replay, budget: &mut Budget) -> Result<(), StoreError> {
    let delivered = replay.delivered.last_key_value().map(|(ordinal, _)| *ordinal);
    let purged = (replay.purged_before > Ordinal(0)).then(|| Ordinal(replay.purged_before.0 - 1));
    let Some(last) = delivered.max(replay.settled.last()).max(purged) else { return Ok(()) };
    while let Some(stored) = queue.log_mut().take()? {
        let deliveries = replay.delivered.get(&stored.ordinal).copied().unwrap_or(0);
        let purged = deliveries == 0 && stored.ordinal < replay.purged_before;
        if replay.settled.contains(stored.ordinal) || purged {
            queue.log_mut().release(stored.location);
            continue;
        }
        let item = Item {
            ordinal: stored.ordinal,
            held: Held::Logged(stored.location),
            deliveries,
            journaled: true,
            published: stored.published,
            body_length: stored.message.body_length(),
        };
        queue.restore(item, budget);
        if stored.ordinal > last {
            break; // the first that had not been taken: it is first again, as a returned one
        }
    }
    Ok(())
}
