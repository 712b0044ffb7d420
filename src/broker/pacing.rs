//! Publishers that outrun their consumers wait a moment, so that queues stay short.
//!
//! ```text
//!   publish ──▶ queue, which has consumers and a backlog of PRESSED ──▶ its socket is read no further
//!                                                                          │
//!   read on ◀── backlog is a quarter of it ◀── consumers go on ◀───────────┤
//!   read on ◀── WAIT is over: nobody waits for this queue for a while ◀────┘
//!               as long again    if the consumers are working off a long backlog fast
//!               1 s, 2 s, 4 s .. if they are slow, each time twice as long until it was empty
//! ```
//!
//! On a machine that is busy, whoever publishes takes the processor from whoever consumes, and from
//! the broker, which then has to write the backlog to its logs: all lose. TCP can hold a publisher
//! back for nothing. What was read already is handled all the same, so nothing is out of order, and
//! a queue may come to have a few reads more than [`PRESSED`].
//!
//! A wait is short, and its end does not depend on anybody: a queue whose consumers are slow grows
//! as it always did, but for a wait of [`WAIT`] now and then, which finds out whether they still are.
//! Without that, fast consumers that were held up once would never get to the end of the backlog:
//! writing it is more work for the broker than handing it out. A connection that has consumers itself
//! never waits: its acknowledgements may be what its queue waits for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::{QueueId, Timestamp};

use super::Broker;
use super::call::Call;
use super::effect::{Effects, Output};

/// The longest that a connection waits for a queue at a time: consumers that take less than 60,000
/// messages and 7 MiB in a second make it wait in vain.
const WAIT: Duration = Duration::from_millis(100);

/// How many times [`PRESSED`] consumers must take off a longer backlog during a wait to be fast.
const FAST: u64 = 4;

/// For how long nobody waits again for slow consumers: first, and at last.
const RESPITE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(64));

/// Ready messages, and octets of their bodies, from which a queue has its publishers wait. Less than
/// what a queue keeps in memory, so that what is on its way finds room there.
pub(super) const PRESSED: (u64, u64) = (8192, 1024 * 1024);

/// The connections that wait.
#[derive(Debug, Default)]
pub(super) struct Pacing {
    /// By the place of the connection.
    waiting: BTreeMap<usize, Wait>,
    /// Queues that the message being published has found under pressure.
    pressed: Vec<QueueId>,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    queue: QueueId,
    since: Timestamp,
    /// Ready messages at its beginning, and octets of their bodies.
    ready: (u64, u64),
}

/// Whether publishers wait for a queue's consumers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    /// Nobody waits before.
    again: Timestamp,
    /// For how long nobody will after the next wait for slow consumers; 0 is the shortest time.
    respite: Duration,
}

impl Patience {
    /// Whether nobody waits now.
    pub(super) fn is_over(self, now: Timestamp) -> bool {
        now < self.again
    }

    /// A wait was over before the backlog was short.
    fn end(&mut self, now: Timestamp, fast: bool) {
        if fast {
            *self = Self { again: now.after(WAIT), ..Self::default() };
        } else {
            let respite = self.respite.max(RESPITE.0);
            *self = Self { again: now.after(respite), respite: RESPITE.1.min(respite * 2) };
        }
    }
}

impl Pacing {
    /// A connection is gone.
    pub(super) fn forget(&mut self, place: usize) {
        self.waiting.remove(&place);
    }

    /// When the first has waited for long enough.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.waiting.values().map(|wait| wait.since.after(WAIT)).min()
    }
}

impl Broker {
    /// A message comes to a queue that is under pressure although its consumers took what they can.
    pub(super) fn note_pressed(&mut self, id: QueueId) {
        if self.queues.get(&id).is_some_and(|queue| queue.is_pressed(self.now)) {
            self.pacing.pressed.push(id);
        }
    }

    /// Has a connection wait if the message that it has just published came to a queue under
    /// pressure.
    pub(super) fn pace(&mut self, call: &mut Call<'_>) {
        let Some(queue) = self.pacing.pressed.pop() else { return };
        self.pacing.pressed.clear();
        let connection = &self.connections[call.connection];
        let consumes = || {
            let mut channels = connection.channels.values();
            channels.any(|channel| !self.channels[*channel].consumers.is_empty())
        };
        let waits = self.pacing.waiting.contains_key(&call.connection);
        if !waits && !connection.facts.internal && !consumes() {
            let ready = self.queues.get(&queue).map(|queue| (queue.ready(), queue.ready_octets()));
            let wait = Wait { queue, since: call.now, ready: ready.unwrap_or_default() };
            self.pacing.waiting.insert(call.connection, wait);
            call.effects.send_urgent(connection.id, Output::Pause);
        }
    }

    /// Lets those go on whose queues have become short, and those that have waited for long enough.
    pub(super) fn release_paced(&mut self, now: Timestamp, effects: &mut Effects) {
        let waiting: Vec<_> = self.pacing.waiting.iter().map(|(at, wait)| (*at, *wait)).collect();
        for (place, Wait { queue, since, ready: (messages, octets) }) in waiting {
            if let Some(queue) = self.queues.get_mut(&queue)
                && !queue.patience.is_over(now)
                && !queue.consumers.is_empty()
                && !queue.is_relieved()
            {
                if now < since.after(WAIT) {
                    continue;
                }
                let fast = messages.saturating_sub(queue.ready()) >= FAST * PRESSED.0
                    || octets.saturating_sub(queue.ready_octets()) >= FAST * PRESSED.1;
                queue.patience.end(now, fast);
            }
            self.pacing.forget(place);
            let connection = &self.connections[place];
            // Whom an alarm or a full queue holds waits for that.
            let held = &connection.held;
            if held.commands.is_empty() || (connection.busy && !held.paused) {
                effects.send_urgent(connection.id, Output::Resume);
            }
        }
    }
}
