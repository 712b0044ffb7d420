//! Dead letters: what becomes of messages that nobody may have any more.
//!
//! ```text
//!   expire, drop_head, reject, requeue ──die──▶ worklist ──▶ route by the dead-letter exchange
//!                                  │                ▲                │
//!                                  ▼                └── a full queue ┤
//!                               a trace                              ▼
//!                          (no such exchange)       one journal record: gone there, come here
//! ```
//!
//! A queue reports, the broker decides: deaths are worked off from a list, never by recursion, and
//! no more than so many in a turn. Moving a message is one record of the journal, so that a crash
//! finds it in one place, never in none and never in both. What it was read from is let go of when
//! that record is synced.

use std::collections::VecDeque;

use crate::ids::{QueueId, SyncPoint};
use crate::message::Message;
use crate::wire::ShortString;

use super::Broker;
use super::deaths::{Death, Reason, Reborn, bury};
use super::drops::Cause;
use super::publish::Source;
use super::queue::{Held, Item};

/// So many deaths are worked off in a turn; the next turn goes on.
const DEATHS_PER_TURN: usize = 2048;

/// So many bytes of a body count for a death more.
const BYTES_PER_DEATH: usize = 4096;

/// A message that has died.
#[derive(Debug)]
pub(super) struct Dead {
    /// The queue it died in.
    pub queue: QueueId,
    /// What it was there; `None` if it was never taken in.
    pub item: Option<Item>,
    /// Its octets, where they are at hand.
    pub message: Option<Message>,
    /// Why it died.
    pub reason: Reason,
}

/// Deaths to be worked off, and what is left of those that were.
#[derive(Debug, Default)]
pub(super) struct Morgue {
    /// The dead, the oldest first.
    pub waiting: VecDeque<Dead>,
    /// Messages that were moved out of a log, to be let go of there when the move is synced up to a
    /// point, which is not known before the turn ends.
    moved: VecDeque<(Option<SyncPoint>, QueueId, Item)>,
    /// How many were worked off in this turn.
    done: usize,
    /// The first could not be read for now: all wait until the store is tried again.
    stalled: bool,
}

impl Morgue {
    /// Whether so many wait that no more should be looked for.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= DEATHS_PER_TURN
    }

    /// From now on as many may be worked off as a turn takes.
    pub(super) fn reopen(&mut self) {
        self.done = 0;
    }

    /// As many again if none waits: one command's dead are no reason to have another's wait.
    pub(super) fn allow_more(&mut self) {
        if self.waiting.is_empty() {
            self.done = 0;
        }
    }

    /// Whether something waits for the next turn.
    pub(super) fn is_behind(&self) -> bool {
        !self.stalled && !self.waiting.is_empty()
    }

    /// Whether all wait until the store is tried again.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// The store is tried again.
    pub(super) fn resume(&mut self) {
        self.stalled = false;
    }

    /// The journal is written up to `point`. Says whether that is to be synced.
    pub(super) fn end_turn(&mut self, point: SyncPoint) -> bool {
        for (at, ..) in self.moved.iter_mut().rev().take_while(|(at, ..)| at.is_none()) {
            *at = Some(point);
        }
        !self.moved.is_empty()
    }
}

impl Broker {
    /// A message has died in a queue. If nobody wants its remains it is gone at once.
    pub(super) fn die(&mut self, dead: Dead) {
        let Some(queue) = self.queues.get_mut(&dead.queue) else { return };
        if let Some(item) = &dead.item {
            queue.forget_header(item);
        }
        if queue.settings.dead_letter_exchange.is_some() {
            self.morgue.waiting.push_back(dead);
        } else {
            let cause = cause(dead.reason);
            self.lose(&dead, cause);
        }
    }

    /// Works deaths off, as many as the turn still takes.
    pub(super) fn bury_dead(&mut self) {
        while self.morgue.done < DEATHS_PER_TURN
            && !self.morgue.stalled
            && let Some(dead) = self.morgue.waiting.pop_front()
        {
            self.morgue.done += 1;
            let bytes = dead.item.as_ref().map_or(0, |item| item.body_length as usize);
            self.scratch.queues.clear();
            self.dead_letter(dead);
            // As many as the queues that they come to, and long ones are fewer.
            self.morgue.done += self.scratch.queues.len() / 4 + bytes / BYTES_PER_DEATH;
        }
    }

    /// Publishes a dead message to where its queue sends them.
    fn dead_letter(&mut self, mut dead: Dead) {
        let Some(queue) = self.queues.get(&dead.queue) else { return };
        if dead.message.is_none()
            && let Some(item) = &dead.item
        {
            dead.message = match queue.message(item) {
                Ok(message) => message,
                Err(error) => {
                    let queue = Some(dead.queue);
                    self.morgue.stalled = true;
                    self.morgue.waiting.push_front(dead);
                    return self.store_failed(queue, error);
                }
            };
        }
        let settings = &queue.settings;
        let vhost = queue.declared.vhost;
        let exchange = settings.dead_letter_exchange.clone().unwrap_or_default();
        let (Some(message), Some(target)) =
            (&dead.message, self.exchange_named(vhost, &exchange).map(|exchange| exchange.id))
        else {
            return self.lose(&dead, Cause::NoDeadLetterExchange);
        };
        let death = Death {
            queue: queue.name(),
            reason: dead.reason,
            seconds: self.wall(self.now) / 1000,
            exchange: &exchange,
            routing_key: settings.dead_letter_routing_key.as_deref(),
        };
        let reborn = bury(message, &death);
        self.route(vhost, target, &reborn.message, &reborn.copies);
        if self.scratch.queues.is_empty() {
            self.drops.unroutable(target, self.now, &reborn.message);
        }
        if dead.reason != Reason::Rejected {
            self.leave_cycles(&reborn, &exchange);
        }
        let source = dead.item.as_ref().filter(|item| item.journaled);
        let source = source.map(|item| Source { queue: item.level, ordinal: item.ordinal });
        self.enqueue(&reborn.message, source);
        if let Some(item) = dead.item {
            self.let_go(dead.queue, item);
        }
    }

    /// Takes the queues out that would send the message round for ever.
    fn leave_cycles(&mut self, reborn: &Reborn, exchange: &ShortString) {
        let mut queues = std::mem::take(&mut self.scratch.queues);
        queues.retain(|id| {
            let Some(queue) = self.queues.get_mut(id) else { return false };
            if !reborn.would_cycle(queue.name()) {
                return true;
            }
            if queue.drops.counts().of(Cause::Cycle) == 0 {
                let name = queue.name();
                log::warn!("dead letters of '{exchange}' for queue '{name}' go round: dropped");
            }
            queue.drops.note(Cause::Cycle, self.now, &reborn.message);
            self.drops.count(Cause::Cycle, 1);
            false
        });
        self.scratch.queues = queues;
    }

    /// A dead message is nowhere any more, and leaves a trace.
    fn lose(&mut self, dead: &Dead, cause: Cause) {
        let Some(queue) = self.queues.get_mut(&dead.queue) else { return };
        let resident = dead.item.as_ref().and_then(|item| match &item.held {
            Held::Resident(message) => Some(message),
            Held::Logged(_) => None,
        });
        match dead.message.as_ref().or(resident) {
            Some(message) => queue.drops.note(cause, self.now, message),
            None => queue.drops.count(cause, 1),
        }
        self.drops.count(cause, 1);
        if let Some(item) = &dead.item {
            self.forget(dead.queue, item);
        }
    }

    /// A moved message is let go of: at once, or when the move is synced if its only copy on disk
    /// may be the one in the log.
    pub(super) fn let_go(&mut self, id: QueueId, item: Item) {
        if item.journaled && matches!(item.held, Held::Logged(_)) {
            self.morgue.moved.push_back((None, id, item));
        } else if let Some(queue) = self.queues.get_mut(&id) {
            queue.settle(&item, &mut self.budget);
        }
    }

    /// Moves are synced up to `point`.
    pub(super) fn moves_synced(&mut self, point: SyncPoint) {
        while self.morgue.moved.front().is_some_and(|(at, ..)| at.is_some_and(|at| at <= point))
            && let Some((_, id, item)) = self.morgue.moved.pop_front()
        {
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.settle(&item, &mut self.budget);
            }
        }
    }
}

/// The trace that a death leaves where there are no dead letters.
fn cause(reason: Reason) -> Cause {
    match reason {
        Reason::Rejected => Cause::Rejected,
        Reason::Expired => Cause::Expired,
        Reason::MaxLength => Cause::MaxLength,
        Reason::DeliveryLimit => Cause::DeliveryLimit,
    }
}
