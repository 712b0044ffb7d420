//! Which queue has to be looked at when, though nobody asks it anything.
//!
//! Each queue has at most one timer: for its next message that expires, or for itself (x-expires).
//! A timer that goes off too early is set again, so a queue whose next moment moves back need not
//! be told. A queue that has nothing to wait for is not here.

mod clocks;

pub(super) use clocks::Clocks;

use std::collections::BTreeSet;

use crate::ids::{QueueId, Timestamp};
use crate::mutants::mutant;

use super::Broker;
use super::effect::Effects;
use super::settings::NEVER;

/// What a timer costs, and a queue that is deleted.
const TIMER_UNITS: u64 = 2;
const QUEUE_UNITS: u64 = 32;

/// The timers, the next one first.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Timestamp, QueueId)>);

impl Timers {
    /// When the next one goes off.
    pub(super) fn next(&self) -> Option<Timestamp> {
        if mutant("a_timer_is_due_for_ever") {
            return Some(Timestamp(0));
        }
        self.0.first().map(|(due, _)| *due)
    }

    /// Takes the next one if it is due.
    fn take(&mut self, now: Timestamp) -> Option<QueueId> {
        let (due, id) = *self.0.first()?;
        if due > now {
            return None;
        }
        self.0.pop_first();
        Some(id)
    }

    /// A queue is no more.
    pub(super) fn forget(&mut self, due: Timestamp, id: QueueId) {
        self.0.remove(&(due, id));
    }
}

impl Broker {
    /// Touches the queues whose timers have gone off, and deletes those that were unused too long.
    pub(super) fn ring(&mut self, now: Timestamp, effects: &mut Effects) {
        while self.work.has_left()
            && let Some(id) = self.timers.take(now)
        {
            self.work.pay(TIMER_UNITS);
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            queue.timer = NEVER;
            if queue.lapses().is_some_and(|due| due <= now) {
                let vhost = &self.vhosts[queue.declared.vhost].name;
                log::info!("queue '{}' in vhost '{vhost}' was not used: deleted", queue.name());
                self.work.pay(QUEUE_UNITS);
                self.delete_queue(id, effects);
            } else {
                self.touch(id);
            }
        }
    }

    /// A queue is used: by basic.get or queue.declare, or by a consumer up to now.
    pub(super) fn use_queue(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.used = Some(self.now);
        }
    }

    /// Sets a queue's timer when the turn has done what there was to do.
    pub(super) fn set_timer(&mut self, id: QueueId, now: Timestamp) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        queue.used.get_or_insert(now);
        let expiry = match queue.next_expiry() {
            Ok(expiry) => expiry,
            Err(error) => {
                return self.store_failed(Some(id), error);
            }
        };
        let due = expiry.min(queue.next_wake()).min(queue.lapses().unwrap_or(NEVER));
        if due < queue.timer {
            self.timers.0.remove(&(queue.timer, id));
            self.timers.0.insert((due, id));
            queue.timer = due;
        }
    }
}
