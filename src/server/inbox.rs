//! What reaches the router, in two lanes.
//!
//! ```text
//!   consumers, syncer, watchdog ──▶ first  ──┐
//!                                            ├──▶ router
//!   connections that publish ─────▶ behind ──┘   (which waits here for nobody else)
//! ```
//!
//! A publisher fills its lane as fast as the router empties it. What a consumer has to say (there is
//! room for more, this is acknowledged) and what the disk has to say would come late in the same
//! line: the consumer would idle, and the queue would grow although it could be empty. So they have
//! a lane of their own, which is looked at first.
//!
//! A connection changes lanes once at most, with its first publish, and never back. Nothing
//! overtakes within a connection: when the router takes something from `behind`, it first takes what
//! lies in `first` at that moment, and with it everything that the same connection has said before.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, SendError, Sender, select};

use crate::broker::access::{Change, ChangeRefused};
use crate::broker::report::{Query, Report};
use crate::broker::{Command, Measures};
use crate::ids::{ConnectionId, SyncPoint};
use crate::logging::LogLine;
use crate::store::StoreError;
use crate::wire::ShortString;

use super::outbox::Outbox;

/// Inputs that may wait for the router in the first lane; who has another one waits.
const FIRST_MAX: usize = 128;

/// Inputs that may wait in the lane behind, each a read of up to 64 KiB.
const BEHIND_MAX: usize = 32;

/// Inputs of the first lane that may pass one from behind.
const PASSING_MAX: usize = 64;

/// So many octets of a body count for a command more: a turn takes about 8 MiB.
const BODY_OCTETS_PER_COMMAND: usize = 2048;

/// How many commands a question counts for: few of them fit into a turn.
const QUERY_COMMANDS: usize = 1024;

/// Something for the router to do.
#[derive(Debug)]
pub(super) enum Input {
    /// A connection begins; what the broker has for it goes to this outbox.
    Connected(ConnectionId, Arc<Outbox>),
    /// What one read of a connection has brought. The last batch of every connection ends with
    /// [`Command::Gone`].
    Batch(ConnectionId, Vec<Command>),
    /// A question, and where the answer goes: a channel with room for it.
    Query(Query, Sender<Report>),
    /// A connection is to be closed, for this reason.
    Disconnect(ConnectionId, String),
    /// The syncer is done up to there.
    Synced(SyncPoint),
    /// The checkpoint that was under way is done.
    CheckpointDone,
    /// An operator changes something: all of it or nothing. Answered when it is durable.
    Change(Vec<Change>, Sender<Result<(), ChangeRefused>>),
    /// An operator turns the firehose of a vhost on or off; answered with whether there is such a
    /// vhost.
    Trace(ShortString, bool, Sender<bool>),
    /// There was no room for it.
    CheckpointFailed(StoreError),
    /// The watchdog has found something low, or no longer.
    Measured(Measures),
    /// Lines of the log, to be published.
    Logged(Vec<LogLine>),
    /// The broker is to stop: close all connections.
    Stop,
    /// They are closed, or have had their time: close the store.
    Finish,
}

impl Input {
    /// How many commands it stands for, to bound a turn. A long body counts for several: it may
    /// have to be written to a log.
    pub(super) fn commands(&self) -> usize {
        match self {
            Self::Batch(_, commands) => commands.iter().map(weight).sum(),
            Self::Change(changes, _) => changes.len(),
            Self::Logged(lines) => lines.len(),
            Self::Query(..) => QUERY_COMMANDS,
            Self::Connected(..) | Self::Disconnect(..) => 1,
            Self::Synced(_) | Self::CheckpointDone | Self::Trace(..) => 1,
            Self::CheckpointFailed(_) | Self::Measured(_) | Self::Stop | Self::Finish => 1,
        }
    }
}

/// How many commands a command counts for.
fn weight(command: &Command) -> usize {
    match command {
        Command::Publish(_, publish) => {
            1 + publish.message.body_length() as usize / BODY_OCTETS_PER_COMMAND
        }
        _ => 1,
    }
}

/// Where to put inputs.
#[derive(Clone, Debug)]
pub(super) struct Inlet {
    first: Sender<Input>,
    behind: Sender<Input>,
}

impl Inlet {
    /// Puts an input into the first lane. Waits while that is full.
    pub(super) fn send(&self, input: Input) -> Result<(), SendError<Input>> {
        self.first.send(input)
    }

    /// Puts an input into the lane of those who publish. Waits while that is full.
    pub(super) fn send_behind(&self, input: Input) -> Result<(), SendError<Input>> {
        self.behind.send(input)
    }
}

/// Where the router takes inputs.
#[derive(Debug)]
pub(super) struct Inbox {
    first: Receiver<Input>,
    behind: Receiver<Input>,
    /// One from behind that waits for those before it.
    held: Option<Input>,
    /// How many in the first lane came before it, at most.
    before: usize,
    /// How many of the first lane have passed since one from behind was taken.
    passed: usize,
}

/// A new inbox and the way into it.
pub(super) fn inbox() -> (Inlet, Inbox) {
    let (first_inlet, first) = crossbeam_channel::bounded(FIRST_MAX);
    let (behind_inlet, behind) = crossbeam_channel::bounded(BEHIND_MAX);
    let inlet = Inlet { first: first_inlet, behind: behind_inlet };
    (inlet, Inbox { first, behind, held: None, before: 0, passed: 0 })
}

impl Inbox {
    /// The next input, if there is one.
    pub(super) fn next(&mut self) -> Option<Input> {
        if self.held.is_none() && self.passed >= PASSING_MAX {
            self.passed = 0;
            self.hold();
        }
        if self.held.is_some() {
            return self.next_held();
        }
        if let Ok(input) = self.first.try_recv() {
            self.passed += 1;
            return Some(input);
        }
        self.passed = 0;
        self.hold();
        self.next_held()
    }

    /// Waits for the next input: at most so long, if a time is given. `None` also when nobody is
    /// left to send any.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> Option<Input> {
        if let Some(input) = self.next() {
            return Some(input);
        }
        match timeout {
            Some(timeout) => select! {
                recv(self.first) -> input => input.ok(),
                recv(self.behind) -> input => self.take_behind(input.ok()),
                default(timeout) => None,
            },
            None => select! {
                recv(self.first) -> input => input.ok(),
                recv(self.behind) -> input => self.take_behind(input.ok()),
            },
        }
    }

    fn take_behind(&mut self, input: Option<Input>) -> Option<Input> {
        self.held = input;
        self.before = self.first.len();
        self.next_held()
    }

    /// Takes one from behind, and sees what has to come before it.
    fn hold(&mut self) {
        self.held = self.behind.try_recv().ok();
        self.before = self.first.len();
    }

    fn next_held(&mut self) -> Option<Input> {
        if self.before > 0 {
            self.before -= 1;
            if let Ok(input) = self.first.try_recv() {
                return Some(input);
            }
        }
        self.held.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(input: Option<Input>) -> Option<u64> {
        match input? {
            Input::Synced(SyncPoint(point)) => Some(point),
            other => unreachable!("{other:?}"),
        }
    }

    fn input(point: u64) -> Input {
        Input::Synced(SyncPoint(point))
    }

    #[test]
    fn the_first_lane_goes_first_and_nothing_overtakes_what_was_there() {
        let (inlet, mut inbox) = inbox();
        inlet.send_behind(input(3)).unwrap();
        inlet.send(input(1)).unwrap();
        inlet.send(input(2)).unwrap();
        assert_eq!(point(inbox.next()), Some(1));
        assert_eq!(point(inbox.wait(None)), Some(2));
        assert_eq!(point(inbox.wait(None)), Some(3));
        assert_eq!(point(inbox.wait(Some(Duration::ZERO))), None);
        // Taken from behind by a router that slept: the same holds.
        inlet.send(input(4)).unwrap();
        inlet.send_behind(input(5)).unwrap();
        let taken = inbox.behind.try_recv().ok();
        assert_eq!(point(inbox.take_behind(taken)), Some(4));
        assert_eq!(point(inbox.next()), Some(5));
    }

    #[test]
    fn a_flood_in_the_first_lane_does_not_starve_the_other() {
        let (inlet, mut inbox) = inbox();
        inlet.send_behind(input(0)).unwrap();
        let mut passed = 0;
        loop {
            while inlet.first.try_send(input(1)).is_ok() {}
            match point(inbox.next()) {
                Some(0) => break,
                _ => passed += 1,
            }
            assert!(passed <= PASSING_MAX + FIRST_MAX);
        }
    }
}
