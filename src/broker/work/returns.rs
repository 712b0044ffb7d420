//! Deliveries that go back to their queues, some in each turn.
//!
//! ```text
//!   queue   5 6 7 │ 108 109 ..     1 2 3 4 are back, 8 .. 107 still with the channel that ends
//!                 └── whoever took all that is ready now would get 108 before 8
//! ```
//!
//! So a queue hands nothing out and drops nothing while some of its deliveries are on their way back
//! and others are back already, and a method that names it waits, with what its connection says
//! behind it, until all are back.

use hashbrown::HashMap;

use crate::ids::QueueId;
use crate::wire::{Method, ShortString, basic, queue};

use super::super::effect::Effects;
use super::super::{Broker, Command};

/// The queues that a job brings deliveries back to.
#[derive(Debug, Default)]
pub(in crate::broker) struct Returned(Vec<QueueId>);

/// The queues that get deliveries back, and what waits for that.
#[derive(Debug, Default)]
pub(super) struct Returning {
    /// By how many jobs.
    queues: HashMap<QueueId, usize>,
    /// The places of connections with a method that names such a queue.
    waiting: Vec<(usize, QueueId)>,
}

impl Broker {
    /// A job brings deliveries back to a queue.
    pub(super) fn is_returning_to(&mut self, id: QueueId, returned: &mut Returned) {
        // Mostly it is the queue of the one before.
        if returned.0.last() != Some(&id) && !returned.0.contains(&id) {
            returned.0.push(id);
            *self.work.returning.queues.entry(id).or_default() += 1;
        }
    }

    /// All of a job's deliveries are back.
    pub(super) fn have_returned(&mut self, returned: &mut Returned, effects: &mut Effects) {
        for id in std::mem::take(&mut returned.0) {
            if let Some(jobs) = self.work.returning.queues.get_mut(&id) {
                *jobs -= 1;
                if *jobs == 0 {
                    self.work.returning.queues.remove(&id);
                    self.touch(id);
                }
            }
        }
        if self.work.returning.waiting.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut self.work.returning.waiting);
        for (place, id) in waiting {
            if self.gets_back(id) {
                self.work.returning.waiting.push((place, id));
            } else if let Some(connection) = self.connections.get_mut(place) {
                connection.busy = false;
                self.release_behind(place, effects);
            }
        }
    }

    /// Whether some of a queue's deliveries are on their way back.
    #[inline]
    pub(in crate::broker) fn gets_back(&self, id: QueueId) -> bool {
        !self.work.returning.queues.is_empty() && self.work.returning.queues.contains_key(&id)
    }

    /// Has a command wait that names a queue which gets deliveries back. Says whether it waits.
    #[inline]
    pub(in crate::broker) fn waits_for_returns(&mut self, place: usize, command: &Command) -> bool {
        if self.work.returning.queues.is_empty() {
            return false;
        }
        let Some(id) = self.named_queue(place, command).filter(|id| self.gets_back(*id)) else {
            return false;
        };
        self.connections[place].busy = true;
        self.work.returning.waiting.push((place, id));
        true
    }

    /// The queue that a command names and looks at, or takes from.
    fn named_queue(&self, place: usize, command: &Command) -> Option<QueueId> {
        let connection = self.connections.get(place)?;
        let (number, name) = match command {
            Command::Method(number, method) => (number, looked_at(method)?),
            Command::Move(number, order) => (number, &order.from),
            Command::Open(_) | Command::Publish(..) | Command::Oversized(..) => return None,
            Command::Drained(_) | Command::Gone => return None,
        };
        let last = || connection.channels.get(number).map(|at| &self.channels[*at].last_queue);
        let name = if name.is_empty() { last()? } else { name };
        self.vhosts[connection.vhost].queues.get(name).copied()
    }
}

fn looked_at(method: &Method) -> Option<&ShortString> {
    match method {
        Method::Queue(queue::Method::Declare(method)) => Some(&method.queue),
        Method::Queue(queue::Method::Purge(method)) => Some(&method.queue),
        Method::Queue(queue::Method::Delete(method)) => Some(&method.queue),
        Method::Basic(basic::Method::Get(method)) => Some(&method.queue),
        _ => None,
    }
}
