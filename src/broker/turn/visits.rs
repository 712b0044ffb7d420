//! Visits: what is done with a queue that something has happened to.
//!
//! ```text
//!   touched   q1 q2 q3 ──▶ visit q1: some messages to consumers ── more, and they can take it ──┐
//!               ▲                                                                               │
//!               └───────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Queues share what their consumers share, the credit of a channel and the room of an outbox: none
//! goes on before the others had their share of it.

use crate::ids::{QueueId, Timestamp};

use super::super::Broker;
use super::super::effect::Effects;
use super::super::pacing::Patience;

/// What a visit costs.
const VISIT_UNITS: u64 = 2;

impl Broker {
    /// Visits the queues that were touched, buries the dead, and publishes the notices that come
    /// of it, until nothing is left to do.
    pub(super) fn deliver_touched(&mut self) {
        loop {
            for (exchange, message) in std::mem::take(&mut self.turn.notices) {
                self.publish_from(exchange, &message);
            }
            while let Some(id) = self.turn.touched.pop_front() {
                self.work.pay(VISIT_UNITS);
                self.visit(id);
                if !self.work.has_left() {
                    break;
                }
            }
            // The dead come to other queues, which are looked at then.
            self.bury_dead();
            let done = self.turn.touched.is_empty() && self.turn.notices.is_empty();
            // The next turn goes on with what this one has no time for.
            if done || !self.work.has_left() {
                break;
            }
        }
        self.morgue.allow_more();
    }

    /// As [`Self::catch_up`], within a command: what it has done so far is done before it goes on.
    pub(in super::super) fn catch_up_within(&mut self, effects: &mut Effects) {
        self.turn.run = None;
        self.deliver_touched();
        self.flush_deliveries(effects);
    }

    /// Does what a queue has to do before anything looks at it. The rest waits for the turn's end:
    /// what a stream has is shown by a sync, and a delayed message is in no queue yet.
    fn visit(&mut self, id: QueueId) {
        let now = self.now;
        let Some(queue) = self.queues.get_mut(&id) else { return };
        queue.touched = false;
        if !queue.visited {
            queue.visited = true;
            self.turn.visited.push(id);
        }
        if queue.is_stream() || self.delayed.is_queue(id) {
            return;
        }
        queue.wake(now);
        if self.deliver_some(id) {
            return self.touch(id);
        }
        self.expire(id);
        self.drop_excess(id);
    }

    /// Ends the turn for the queues that were visited in it.
    pub(super) fn end_visits(&mut self, now: Timestamp) {
        for id in std::mem::take(&mut self.turn.visited) {
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            queue.visited = false;
            if queue.is_stream() {
                self.visit_stream(id);
                continue;
            }
            if self.delayed.is_queue(id) {
                self.index_delayed(id);
            } else {
                self.set_timer(id, now);
            }
            if let Some(queue) = self.queues.get_mut(&id).filter(|queue| !queue.has_ready()) {
                queue.patience = Patience::default();
            }
            if let Err(error) = self.flush_queue(id) {
                self.store_failed(Some(id), error);
                self.deliver(id); // what was taken back
            }
        }
    }
}
