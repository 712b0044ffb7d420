//! The way in for other parts of this process: questions, and conversations without a socket.
//!
//! ```text
//!   ask        ── Query ────▶ inbox ──▶ router ──▶ Report
//!   Line::send ── Command ──▶ inbox ──▶ router ──▶ outbox ──▶ Line::receive
//! ```
//!
//! A [`Line`] is a connection like any other but that nobody encodes anything: what it asks for is
//! allowed or refused as over AMQP.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::broker::access::{Change, ChangeRefused};
use crate::broker::report::{Query, Report};
use crate::broker::{Command, Output};
use crate::connection::Logins;
use crate::ids::{ConnectionId, Timestamp};
use crate::wire::ShortString;

use super::bell::Bell;
use super::clock;
use super::inbox::Input;
use super::outbox::Outbox;
use super::rim::Rim;
use super::vitals::Vitals;

/// How long an answer may take: the router is there, or the process is about to end.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The broker has stopped, or does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker does not answer")]
pub struct Closed;

/// See the module. Cloning gives another way to the same broker.
#[derive(Clone, Debug)]
pub struct Door {
    rim: Arc<Rim>,
}

impl Door {
    pub(super) fn new(rim: Arc<Rim>) -> Self {
        Self { rim }
    }

    /// Who may log in.
    pub fn logins(&self) -> Arc<Logins> {
        Arc::clone(&self.rim.options.logins)
    }

    /// Asks the broker and waits for the answer.
    ///
    /// # Errors
    ///
    /// When it has stopped.
    pub fn ask(&self, query: Query) -> Result<Report, Closed> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.rim.inbox.send(Input::Query(query, reply)).map_err(|_| Closed)?;
        answer.recv_timeout(ANSWER_MAX).map_err(|_| Closed)
    }

    /// Changes users, permissions, vhosts, policies and so on: all that is asked for, or nothing.
    /// Returns when the change is durable.
    ///
    /// # Errors
    ///
    /// When the broker has stopped; within that, why the change was refused.
    pub fn change(&self, changes: Vec<Change>) -> Result<Result<(), ChangeRefused>, Closed> {
        let (sender, answer) = crossbeam_channel::bounded(1);
        self.rim.inbox.send(Input::Change(changes, sender)).map_err(|_| Closed)?;
        answer.recv().map_err(|_| Closed)
    }

    /// Turns the firehose of a vhost on or off, until the next start. Returns whether there is such
    /// a vhost.
    ///
    /// # Errors
    ///
    /// When the broker has stopped.
    pub fn trace(&self, vhost: &ShortString, on: bool) -> Result<bool, Closed> {
        let (sender, answer) = crossbeam_channel::bounded(1);
        self.rim.inbox.send(Input::Trace(vhost.clone(), on, sender)).map_err(|_| Closed)?;
        answer.recv_timeout(ANSWER_MAX).map_err(|_| Closed)
    }

    /// Closes a connection (320 CONNECTION_FORCED); nothing happens if there is none.
    ///
    /// # Errors
    ///
    /// When the broker has stopped.
    pub fn disconnect(&self, id: ConnectionId, reason: &str) -> Result<(), Closed> {
        self.rim.inbox.send(Input::Disconnect(id, reason.to_owned())).map_err(|_| Closed)
    }

    /// Begins a conversation; [`Command::Open`] is to be its first command.
    ///
    /// # Errors
    ///
    /// When there are no file descriptors left, or the broker has stopped.
    pub fn line(&self) -> io::Result<Line> {
        let (id, bell) = (self.rim.next_id(), Arc::new(Bell::new()?));
        let outbox = Arc::new(Outbox::new(bell));
        let connected = Input::Connected(id, Arc::clone(&outbox));
        self.rim.inbox.send(connected).map_err(|_| io::Error::other(Closed))?;
        Ok(Line { rim: Arc::clone(&self.rim), id, outbox })
    }

    /// The wall clock: milliseconds since the Unix epoch.
    pub fn wall(&self) -> u64 {
        clock::wall()
    }

    /// The time that this process has measured, whatever becomes of the wall clock.
    pub fn now(&self) -> Timestamp {
        self.rim.clock.now()
    }

    /// What this process knows of itself.
    pub fn vitals(&self) -> Arc<Vitals> {
        Arc::clone(&self.rim.vitals)
    }

    /// How many sockets are connected, and how many may be.
    pub fn seats(&self) -> (usize, usize) {
        self.rim.seats.counted()
    }
}

/// A conversation with the broker; it ends when this is dropped.
#[derive(Debug)]
pub struct Line {
    rim: Arc<Rim>,
    id: ConnectionId,
    outbox: Arc<Outbox>,
}

impl Line {
    /// Asks for something.
    ///
    /// # Errors
    ///
    /// When the broker has stopped.
    pub fn send(&self, command: Command) -> Result<(), Closed> {
        self.rim.inbox.send(Input::Batch(self.id, vec![command])).map_err(|_| Closed)
    }

    /// Waits for something to come and takes all of it.
    ///
    /// # Errors
    ///
    /// When nothing comes in time, or the broker stops.
    pub fn receive(&self) -> Result<Vec<Output>, Closed> {
        let deadline = Instant::now() + ANSWER_MAX;
        let mut outputs = Vec::new();
        loop {
            if self.outbox.take(&mut outputs) && outputs.is_empty() {
                return Err(Closed);
            }
            if !outputs.is_empty() {
                return Ok(outputs);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Closed);
            }
            if !self.outbox.fall_asleep() {
                continue;
            }
            let timeout = Timespec::try_from(left).map_err(|_| Closed)?;
            let mut polled = [PollFd::new(&self.outbox, PollFlags::IN)];
            // Interrupted or not: the loop looks again.
            let _ = poll(&mut polled, Some(&timeout));
            // It may be for nothing: the loop looks.
            let _ = self.outbox.wake_up();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // It fails only when the broker has stopped.
        let _ = self.rim.inbox.send(Input::Batch(self.id, vec![Command::Gone]));
    }
}
