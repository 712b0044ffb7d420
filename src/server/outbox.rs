//! What the router has for a connection, until its thread takes it.
//!
//! The router never waits here. What may pile up is bounded elsewhere: deliveries by the broker,
//! which sends no more than the connection has reported drained, and answers by the connection,
//! which stops to read from a client that does not.

use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::broker::Output;

use super::bell::Bell;

/// Outputs on their way from the router to a connection.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    bell: Arc<Bell>,
}

#[derive(Debug, Default)]
struct State {
    outputs: Vec<Output>,
    stopping: bool,
    /// The connection knows that the broker stops.
    told: bool,
    /// The connection's thread sleeps, or is about to: it has to be woken.
    asleep: bool,
    /// There is something to look at that is not here.
    nudged: bool,
    /// It is being woken: a ring of the bell is for it.
    rung: bool,
}

impl Outbox {
    /// An empty outbox, whose reader is woken by this bell. Others may have the same.
    pub(super) fn new(bell: Arc<Bell>) -> Self {
        Self { state: Mutex::default(), bell }
    }

    /// Adds outputs, and wakes the connection if it sleeps.
    pub(super) fn push(&self, mut outputs: Vec<Output>) {
        self.change(|state| {
            if state.outputs.is_empty() {
                state.outputs = outputs;
            } else {
                state.outputs.append(&mut outputs);
            }
        });
    }

    /// Tells the connection that the broker stops.
    pub(super) fn stop(&self) {
        self.change(|state| state.stopping = true);
    }

    /// Has the connection look at what it waits for besides.
    pub(super) fn nudge(&self) {
        self.change(|state| state.nudged = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let wake = mem::take(&mut state.asleep);
        state.rung |= wake;
        drop(state);
        if wake {
            self.bell.ring();
        }
    }

    /// Moves all outputs into `outputs`, which is empty. Returns whether the broker stops.
    pub(super) fn take(&self, outputs: &mut Vec<Output>) -> bool {
        let mut state = self.state.lock();
        mem::swap(&mut state.outputs, outputs);
        state.told = state.stopping;
        state.stopping
    }

    /// Says that the thread is about to sleep. Returns whether it may: not if there is something
    /// to take.
    pub(super) fn fall_asleep(&self) -> bool {
        let mut state = self.state.lock();
        let news = !state.outputs.is_empty() || state.told != state.stopping;
        state.asleep = !news && !state.nudged;
        state.asleep
    }

    /// Says that the thread is awake, whatever has woken it. Returns whether the bell rang for it.
    pub(super) fn wake_up(&self) -> bool {
        let mut state = self.state.lock();
        state.asleep = false;
        state.nudged = false;
        let rung = mem::take(&mut state.rung);
        drop(state);
        if rung {
            self.bell.take_back();
        }
        rung
    }
}

impl Drop for Outbox {
    /// A ring that nobody has taken back would keep those awake who have the same bell.
    fn drop(&mut self) {
        if self.state.get_mut().rung {
            self.bell.take_back();
        }
    }
}

impl AsFd for Outbox {
    /// What the thread polls while it sleeps.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    #[test]
    fn nobody_falls_asleep_over_news_that_came_since_it_looked() {
        let outbox = Outbox::new(Arc::new(Bell::new().unwrap()));
        let mut outputs = Vec::new();
        assert!(!outbox.take(&mut outputs));
        outbox.stop();
        assert!(!outbox.fall_asleep(), "the stop came after the look");
        assert!(outbox.take(&mut outputs));
        assert!(outbox.fall_asleep());
    }

    #[test]
    fn a_nudge_before_the_sleep_keeps_awake_and_one_in_it_wakes() {
        let outbox = Outbox::new(Arc::new(Bell::new().unwrap()));
        outbox.nudge();
        assert!(!outbox.take(&mut Vec::new()));
        assert!(!outbox.fall_asleep());
        assert!(!outbox.wake_up(), "nothing rang");
        assert!(outbox.fall_asleep());
        outbox.nudge();
        assert!(outbox.wake_up());
        assert!(outbox.fall_asleep());
    }

    #[test]
    fn a_ring_is_for_one_of_those_who_share_a_bell() {
        let bell = Arc::new(Bell::new().unwrap());
        let rings = || {
            let mut polled = [PollFd::new(&bell, PollFlags::IN)];
            poll(&mut polled, Some(&Timespec::default())).unwrap() > 0
        };
        let [one, two, gone] = [(); 3].map(|()| Outbox::new(Arc::clone(&bell)));
        for outbox in [&one, &two, &gone] {
            assert!(outbox.fall_asleep());
        }
        one.push(Vec::new());
        gone.stop();
        assert!(!two.wake_up());
        assert!(rings(), "two takes nothing that is not its own");
        assert!(one.wake_up());
        assert!(rings());
        drop(gone);
        assert!(!rings());
        assert!(!one.wake_up());
    }
}
