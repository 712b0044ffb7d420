//! What replay has learned of a queue's messages, and how the queue gets them back.

use std::collections::BTreeMap;

use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;
use crate::store::{LogState, Outstanding, StoreError, Stored};

use super::Broker;
use super::queue::{Budget, Held, Queue};

/// A message that the journal or the snapshot had whole.
pub(super) struct Found {
    pub(super) message: Message,
    pub(super) deliveries: u32,
    pub(super) returns: u32,
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
    /// How many deliveries of messages in the log were given back without having failed.
    returned: BTreeMap<Ordinal, u32>,
    /// The queue and priority that it is a level of, if it is not a queue's first.
    pub(super) level_of: Option<(QueueId, u8)>,
    pub(super) purged_before: Ordinal,
    /// Messages below may have been delivered although nothing says so.
    pub(super) redelivered_before: Ordinal,
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
    /// Gives a level of a queue its messages back.
    pub(super) fn restore_queue(
        &mut self,
        id: QueueId,
        mut replay: Replay,
    ) -> Result<(), StoreError> {
        let (owner, priority) = match replay.level_of {
            Some((queue, priority)) => (queue, Some(priority)),
            None => (id, None),
        };
        let Some(queue) = self.queues.get_mut(&owner) else { return Ok(()) };
        let priority = priority.unwrap_or_else(|| queue.own_priority());
        let Some(level) = queue.level_mut(priority) else { return Ok(()) };
        // One that is younger than the snapshot has an empty log: what it had is in the journal.
        let state = replay.log.take().unwrap_or_default();
        let outstanding = replay.outstanding.values().map(|record| record.location);
        level.set_next_ordinal(replay.next_ordinal);
        let log = self.store.restore_log(id, &state, outstanding)?;
        level.restore_log(log, replay.snapshot_next, replay.redelivered_before);
        if queue.is_stream() {
            return self.restore_stream(owner, replay.found);
        }
        restore_outstanding(queue, priority, &replay, &mut self.budget)?;
        take_again(queue, priority, &replay, &mut self.budget)?;
        let delivered = replay.found.iter().rfind(|(_, found)| found.deliveries > 0);
        let delivered = delivered.map_or(Ordinal(0), |(ordinal, _)| *ordinal);
        for (ordinal, found) in std::mem::take(&mut replay.found) {
            let Found { message, deliveries, returns, published } = found;
            let held = Held::Resident(message.clone());
            let Some(mut item) = queue.known_item(priority, ordinal, held, &message, published)
            else {
                continue;
            };
            item.deliveries = item.deliveries.max(deliveries);
            item.returns = returns;
            // What was in memory when the snapshot was made stood before all that was in the log.
            // So does what was delivered since, and with it what stood before that: the last turn
            // may have been written in part, and not say that it is settled.
            if ordinal <= delivered || ordinal < replay.snapshot_next {
                queue.restore(item, &mut self.budget);
            } else {
                queue.push_restored(item, &mut self.budget);
            }
        }
        if let Err(error) = queue.flush(&mut self.budget) {
            // A full disk does not keep the broker from starting.
            self.store_failed(Some(owner), error);
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

impl Replay {
    /// Deliveries were given back without having failed.
    pub(super) fn give_back(&mut self, first: Ordinal, last: Ordinal, times: u32) {
        for number in first.0..=last.0 {
            let ordinal = Ordinal(number);
            let returns = match self.found.get_mut(&ordinal) {
                Some(found) => &mut found.returns,
                None => self.returned.entry(ordinal).or_default(),
            };
            *returns = returns.saturating_add(times);
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
fn restore_outstanding(
    queue: &mut Queue,
    priority: u8,
    replay: &Replay,
    budget: &mut Budget,
) -> Result<(), StoreError> {
    // As long as a message lies in a segment's mapping, the next one is read through the same.
    let mut before: Option<Message> = None;
    for record in replay.outstanding.values() {
        let Some(level) = queue.level_mut(priority) else { return Ok(()) };
        let Some(stored) = level.log().read(record.location)? else {
            level.log_mut().release(record.location);
            continue;
        };
        let held = Held::Logged(record.location);
        let (message, published) = (&stored.message, stored.published);
        let item = queue.known_item(priority, record.ordinal, held, message, published);
        let Some(mut item) = item else { return Ok(()) };
        item.deliveries = item.deliveries.max(record.deliveries);
        item.returns = replay.returned.get(&record.ordinal).copied().unwrap_or(0);
        queue.restore(item, budget);
        drop(before.replace(stored.message));
    }
    Ok(())
}

/// Takes from the log what had been taken from it after the snapshot: the settled go, the delivered
/// go back to their place.
fn take_again(
    queue: &mut Queue,
    priority: u8,
    replay: &Replay,
    budget: &mut Budget,
) -> Result<(), StoreError> {
    let delivered = replay.delivered.last_key_value().map(|(ordinal, _)| *ordinal);
    let purged = (replay.purged_before > Ordinal(0)).then(|| Ordinal(replay.purged_before.0 - 1));
    let Some(last) = delivered.max(replay.settled.last()).max(purged) else { return Ok(()) };
    while let Some(level) = queue.level_mut(priority)
        && let Some(stored) = level.log_mut().take()?
    {
        let Stored { ordinal, location, message, published } = stored;
        let deliveries = replay.delivered.get(&ordinal).copied().unwrap_or(0);
        let purged = deliveries == 0 && ordinal < replay.purged_before;
        if replay.settled.contains(ordinal) || purged {
            level.log_mut().release(location);
            continue;
        }
        let held = Held::Logged(location);
        let item = queue.known_item(priority, ordinal, held, &message, published);
        let Some(mut item) = item else { return Ok(()) };
        item.deliveries = item.deliveries.max(deliveries);
        item.returns = replay.returned.get(&ordinal).copied().unwrap_or(0);
        queue.restore(item, budget);
        if ordinal > last {
            break; // the first that had not been taken: it is first again, as a returned one
        }
    }
    Ok(())
}
