//! What the router has for a connection, until its thread takes it.
//!
//! The router never waits here. What may pile up is bounded elsewhere: deliveries by the broker,
//! which sends no more than the connection has reported drained, and answers by the connection,
//! which stops to read from a client that does not.

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};

use parking_lot::Mutex;

use crate::broker::Output;

use super::bell::Bell;

/// Outputs on their way from the router to a connection.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    bell: Bell,
}

#[derive(Debug, Default)]
struct State {
    outputs: Vec<Output>,
    stopping: bool,
    /// The connection knows that the broker stops.
    told: bool,
    /// The connection's thread sleeps, or is about to: it has to be woken.
    asleep: bool,
}

impl Outbox {
    /// An empty outbox. Fails when there are no file descriptors left.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { state: Mutex::default(), bell: Bell::new()? })
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

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let wake = mem::take(&mut state.asleep);
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
        state.asleep = state.outputs.is_empty() && state.told == state.stopping;
        state.asleep
    }

    /// Says that the thread is awake; `rung` if the bell has woken it.
    pub(super) fn wake_up(&self, rung: bool) {
        self.state.lock().asleep = false;
        if rung {
            self.bell.silence();
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
    use super::*;

    #[test]
    fn nobody_falls_asleep_over_news_that_came_since_it_looked() {
        let outbox = Outbox::new().unwrap();
        let mut outputs = Vec::new();
        assert!(!outbox.take(&mut outputs));
        outbox.stop();
        assert!(!outbox.fall_asleep(), "the stop came after the look");
        assert!(outbox.take(&mut outputs));
        assert!(outbox.fall_asleep());
    }
}
