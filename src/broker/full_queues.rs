//! Full queues that hold their publishers back (`x-overflow=block`).
//!
//! ```text
//!   connection   publish ──▶ queue, which is full now ──▶ noted
//!                ack, get, .. ──▶ applied                   │
//!                publish ──▶ full still? ──▶ held, and its socket is read no further
//!                     applied, in order ◀── (room again) ──┘     (see alarms)
//! ```
//!
//! Nothing is refused, dropped or taken out of its order: the message that fills the queue is taken
//! and confirmed, and who sent it waits at its next publish, wherever that goes. So a queue has at
//! most one message more than its limit for each connection that publishes to it, or as many as one
//! transaction has. What nobody can be held for is taken beyond the limit: dead letters, delayed
//! messages that are due, deliveries that come back, the messages of operators.
//!
//! A queue has room again when an eighth of its limit is free, so that nobody is stopped for each
//! message. Who was held first goes first.
//!
//! Acknowledgements may stand behind a publish that is held, and the queue may wait for just these.
//! So a connection that owes acknowledgements is slowed down and never stopped: it goes on, by one
//! publish, each [`OWING_PATIENCE`].

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use log::debug;

use crate::ids::{QueueId, Timestamp};
use crate::wire::ShortString;

use super::Broker;
use super::channel::{Channel, Mode};
use super::effect::Effects;

/// How long a connection is held that has not acknowledged all that it got.
const OWING_PATIENCE: Duration = Duration::from_millis(100);

/// The connections that full queues hold back, in the order in which they were stopped.
#[derive(Debug, Default)]
pub(super) struct FullQueues {
    waiting: VecDeque<Waiting>,
    /// The full queues that the message being published went to.
    pub(super) filled: Vec<QueueId>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// The place of the connection.
    place: usize,
    since: Timestamp,
}

impl FullQueues {
    /// A connection is stopped from now on.
    pub(super) fn stop(&mut self, place: usize, since: Timestamp) {
        self.waiting.push_back(Waiting { place, since });
    }

    /// A connection goes on, or is gone. Says whether it was stopped.
    pub(super) fn forget(&mut self, place: usize) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.place != place);
        self.waiting.len() < before
    }
}

impl Broker {
    /// The message that a connection has just published has filled queues: its next one waits for
    /// them. The broker's own connections never wait: nobody reads their sockets.
    pub(super) fn note_filled(&mut self, place: usize) {
        let connection = &mut self.connections[place];
        let filled = self.full_queues.filled.drain(..);
        if !connection.facts.internal {
            connection.held.full.extend(filled);
        }
    }

    /// Whether a publish of a connection has to wait for a queue. Consumers may make room first.
    pub(super) fn waits_for_queue(&mut self, place: usize) -> bool {
        let full = std::mem::take(&mut self.connections[place].held.full);
        let full: BTreeSet<_> = full.into_iter().filter(|id| self.stays_full(*id)).collect();
        let waits = !full.is_empty();
        self.connections[place].held.full = full;
        waits
    }

    /// Whether a queue is full even when its consumers have taken what they can.
    fn stays_full(&mut self, id: QueueId) -> bool {
        let Some(queue) = self.queues.get(&id).filter(|queue| queue.blocks()) else { return false };
        let waited_for = queue.consumers.first().is_some();
        self.expire(id);
        if waited_for {
            self.deliver(id);
        }
        self.queues.get(&id).is_some_and(|queue| queue.blocks())
    }

    /// What the client of a connection is told that waits for queues; `None` if it waits for none.
    pub(super) fn full_reason(&self, place: usize) -> Option<ShortString> {
        let first = self.connections[place].held.full.first()?;
        let queue = self.queues.get(first)?;
        let vhost = &self.vhosts[queue.declared.vhost].name;
        Some(ShortString::clipped(&format!("queue '{}' in vhost '{vhost}' is full", queue.name())))
    }

    /// When the next connection may go on, as far as that is known now.
    pub(super) fn next_release(&self) -> Option<Timestamp> {
        if self.alarms.up() {
            return None;
        }
        let due = |waiting: &Waiting| {
            if self.may_go_on(waiting.place) {
                return Some(self.now);
            }
            self.owes(waiting.place).then(|| waiting.since.after(OWING_PATIENCE))
        };
        self.full_queues.waiting.iter().filter_map(due).min()
    }

    /// Lets those go on whose queues have room again, and those that were held long enough. Each
    /// sees the room that those before it have left. Says whether any does.
    pub(super) fn release_held(&mut self, now: Timestamp, effects: &mut Effects) -> bool {
        let mut released = false;
        let waiting: Vec<Waiting> = self.full_queues.waiting.iter().copied().collect();
        for Waiting { place, since } in waiting {
            let patience_over = since.after(OWING_PATIENCE) <= now && self.owes(place);
            if !patience_over && !self.may_go_on(place) {
                continue;
            }
            let id = self.connections[place].id;
            debug!("{id} goes on: {}", if patience_over { "it owes acks" } else { "room again" });
            self.connections[place].held.full.clear();
            self.release_commands(now, place, effects);
            released = true;
        }
        released
    }

    /// Whether all queues that a connection waits for have room again.
    fn may_go_on(&self, place: usize) -> bool {
        let full = &self.connections[place].held.full;
        full.iter().all(|id| self.queues.get(id).is_none_or(|queue| queue.has_eased()))
    }

    /// Whether a connection has deliveries that are not acknowledged for good.
    fn owes(&self, place: usize) -> bool {
        let channels = self.connections[place].channels.values();
        channels.filter_map(|channel| self.channels.get(*channel)).any(owes)
    }
}

fn owes(channel: &Channel) -> bool {
    let in_transaction = match &channel.mode {
        Mode::Transaction(transaction) => !transaction.settlements.is_empty(),
        Mode::Plain | Mode::Confirm(_) => false,
    };
    in_transaction || channel.unacked.len() > 0
}
