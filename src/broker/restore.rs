//! The second reading: each queue gets its messages back, in order.
//!
//! ```text
//!   log, as at the snapshot ──▶ what was taken since: settled ones go, others to their place
//!   publish entries ─▶ batch ─▶ queue by queue: memory while there is room, else ─▶ its log
//! ```
//!
//! A message that went to a thousand queues lies in memory once. Messages of many entries are
//! gathered and then given to one queue after the other, so that a queue's log is written with one
//! call for each batch, and what a batch takes in memory is bounded.
//!
//! What is written to the logs lies behind what the snapshot knows of them: after a crash it is cut
//! off and written once more.

use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;
use crate::store::{Place, StoreError, Stored};

use super::Broker;
use super::queue::{Budget, Held, Queue};
use super::replay::{Replay, Replays};

/// The most places that messages of one batch go to.
const BATCH_PLACES_MAX: usize = 256 * 1024;
/// Octets of messages that make a batch full.
const BATCH_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A message that is to go to its place in a queue.
pub(super) struct Arrived {
    ordinal: Ordinal,
    /// Its place in the batch.
    index: usize,
}

/// Messages of consecutive entries, and the queues that they are for.
#[derive(Default)]
pub(super) struct Batch {
    messages: Vec<(Message, Timestamp)>,
    octets: u64,
    places: usize,
    queues: Vec<QueueId>,
}

impl Batch {
    /// Adds a message for those of its queues that still have it.
    pub(super) fn add(
        &mut self,
        places: &[Place],
        message: Message,
        published: Timestamp,
        replays: &mut Replays,
    ) {
        let (index, before) = (self.messages.len(), self.places);
        for Place { queue, ordinal, .. } in places {
            // A queue that is gone by now has no replay: its messages went with it.
            let Some(replay) = replays.get_mut(queue) else { continue };
            if replay.is_gone(*ordinal) {
                continue;
            }
            if replay.arrived.is_empty() {
                self.queues.push(*queue);
            }
            replay.arrived.push(Arrived { ordinal: *ordinal, index });
            self.places += 1;
        }
        if self.places > before {
            self.octets += message.size();
            self.messages.push((message, published));
        }
    }

    /// Whether it is to be given to its queues before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.places >= BATCH_PLACES_MAX || self.octets >= BATCH_BYTES_MAX
    }
}

impl Broker {
    /// Gives a queue, or a level of it, its log as it was at the snapshot and what was taken out of
    /// it since.
    pub(super) fn restore_log(
        &mut self,
        id: QueueId,
        replay: &mut Replay,
    ) -> Result<(), StoreError> {
        let Some((owner, priority)) = self.restored_queue(id, replay) else { return Ok(()) };
        // One that is younger than the snapshot has an empty log: what it had is in the journal.
        let state = replay.log.take().unwrap_or_default();
        let outstanding = replay.outstanding.values().copied();
        let log = self.store.restore_log(id, &state, outstanding)?;
        let Some(queue) = self.queues.get_mut(&owner) else { return Ok(()) };
        let Some(level) = queue.level_mut(priority) else { return Ok(()) };
        level.set_next_ordinal(replay.next_ordinal);
        level.restore_log(log, replay.snapshot_next, replay.redelivered_before);
        replay.in_order_from = replay.snapshot_next;
        restore_outstanding(queue, priority, replay, &mut self.budget)?;
        take_again(queue, priority, replay, &mut self.budget)
    }

    /// Gives the messages of a batch to their queues.
    pub(super) fn restore_batch(
        &mut self,
        batch: Batch,
        replays: &mut Replays,
    ) -> Result<(), StoreError> {
        let Batch { messages, mut queues, .. } = batch;
        queues.sort_unstable();
        for id in queues {
            let Some(replay) = replays.get_mut(&id) else { continue };
            let arrived = std::mem::take(&mut replay.arrived);
            let Some((owner, priority)) = self.restored_queue(id, replay) else { continue };
            let Some(queue) = self.queues.get_mut(&owner) else { continue };
            for Arrived { ordinal, index } in arrived {
                if let Some((message, published)) = messages.get(index) {
                    let budget = &mut self.budget;
                    restore_message(queue, priority, replay, ordinal, message, *published, budget);
                }
            }
            if let Err(error) = queue.flush_restored(&mut self.budget) {
                // A full disk does not keep the broker from starting.
                self.store_failed(Some(owner), error);
            }
        }
        self.failure.take().map_or(Ok(()), Err)
    }

    /// The queue that a number stands for, and the priority of its level there.
    fn restored_queue(&self, id: QueueId, replay: &Replay) -> Option<(QueueId, u8)> {
        let (owner, priority) = replay.level_of.map_or((id, None), |(id, own)| (id, Some(own)));
        let queue = self.queues.get(&owner)?;
        Some((owner, priority.unwrap_or_else(|| queue.own_priority())))
    }
}

fn restore_message(
    queue: &mut Queue,
    priority: u8,
    replay: &mut Replay,
    ordinal: Ordinal,
    message: &Message,
    published: Timestamp,
    budget: &mut Budget,
) {
    let held = Held::Resident(message.clone());
    let Some(mut item) = queue.known_item(priority, ordinal, held, message, published) else {
        return;
    };
    let (deliveries, returns) = replay.deliveries(ordinal);
    item.deliveries = item.deliveries.max(deliveries);
    item.returns = returns;
    // What was in memory when the snapshot was made stood before all that was in the log. So does
    // what was delivered since, and with it what stood before that: the last turn may have been
    // written in part, and not say that it is settled.
    if ordinal < replay.in_order_from || ordinal <= replay.last_delivered() {
        queue.restore(item, budget);
    } else {
        replay.in_order_from = ordinal.next();
        queue.push_restored(item, budget);
    }
}

/// The records that were taken from the log when the snapshot was made and are not settled since.
fn restore_outstanding(
    queue: &mut Queue,
    priority: u8,
    replay: &mut Replay,
    budget: &mut Budget,
) -> Result<(), StoreError> {
    // As long as a message lies in a segment's mapping, the next one is read through the same.
    let mut before: Option<Message> = None;
    for (ordinal, location) in std::mem::take(&mut replay.outstanding) {
        let Some(level) = queue.level_mut(priority) else { return Ok(()) };
        let Some(stored) = level.log().read(location)? else {
            level.log_mut().release(location);
            continue;
        };
        let message = stored.message.clone();
        restore_logged(queue, priority, replay, Stored { ordinal, ..stored }, budget);
        drop(before.replace(message));
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
    let Some(last) = replay.last_touched() else { return Ok(()) };
    while let Some(level) = queue.level_mut(priority)
        && let Some(stored) = level.log_mut().take()?
    {
        if replay.is_gone(stored.ordinal) {
            level.log_mut().release(stored.location);
            continue;
        }
        let untouched = stored.ordinal > last;
        restore_logged(queue, priority, replay, stored, budget);
        if untouched {
            break; // the first that had not been taken: it is first again, as a returned one
        }
    }
    Ok(())
}

/// Puts a message that is in the log to its place.
fn restore_logged(
    queue: &mut Queue,
    priority: u8,
    replay: &Replay,
    stored: Stored,
    budget: &mut Budget,
) {
    let Stored { ordinal, location, message, published } = stored;
    let held = Held::Logged(location);
    let Some(mut item) = queue.known_item(priority, ordinal, held, &message, published) else {
        return;
    };
    let (deliveries, returns) = replay.deliveries(ordinal);
    item.deliveries = item.deliveries.max(deliveries);
    item.returns = returns;
    queue.restore(item, budget);
}
