//! Long work in slices: no command takes a long turn, however much it asks for.
//!
//! ```text
//!   command ── begin(job) ──▶ a slice at once ── done ──▶ answer, in the same turn: the usual case
//!                                   │ more
//!                                   ▼
//!      work list  [ job  job  job ] ◀──┐       the connection's further commands are held
//!                    └─ end of turn: a slice of each, one after the other
//!                                   └── done ──▶ answer, then what was held, in order
//! ```
//!
//! All that a client or an operator can make long goes through here: a [`Job`] keeps how far it has
//! come, and each turn spends a bounded number of units on all jobs together, so that everybody else
//! is served in between. A unit is about a quarter of a microsecond.
//!
//! What others see in between is what they would see if the client had asked for the same with
//! several commands: a commit publishes one message after the other, an acknowledgement of many
//! frees one after the other. Where that would show messages out of their order (deliveries that go
//! back to a queue) the queue hands nothing out, and answers no method that names it, until all are
//! back.

mod changing;
mod commit;
mod leftovers;
mod release;
mod returns;
mod settle;
#[cfg(test)]
mod tests;

pub(super) use commit::{Commit, Rollback};
pub(super) use leftovers::Purge;
pub(super) use release::After;
pub(super) use settle::{Many, Settle};

use std::collections::VecDeque;

use crate::wire::MethodId;

use super::Broker;
use super::call::Call;
use super::channel::ChannelState;
use super::effect::{Effects, Output};
use super::exception::Exception;
use super::fsync::Promise;
use changing::{Changes, Changing};
use leftovers::Leftover;
use release::Release;
use returns::Returning;

/// Commands that may be held behind a job before the client's socket is read no further.
const HELD_MAX: usize = 2048;

/// What a command may always spend.
const COMMAND_UNITS: u64 = 16;

/// Long work, and how far it has come. Each kind has a row in the tests.
#[derive(Debug)]
pub(super) enum Job {
    /// tx.commit.
    Commit(Commit),
    /// tx.rollback.
    Rollback(Rollback),
    /// basic.ack and basic.nack of many deliveries, basic.recover.
    Settle(Settle),
    /// What a channel or a connection had ends.
    Release(Release),
    /// Changes of an operator.
    Change(Box<Changing>),
    /// queue.purge.
    Purge(Box<Purge>),
    /// What is left of what is gone.
    Leftover(Leftover),
    /// A connection's commands were more than a turn takes: the others come in the next one.
    Wait {
        /// The place of the connection.
        connection: usize,
    },
}

impl Job {
    /// The place of the connection whose further commands wait until it is done.
    fn connection(&self) -> Option<usize> {
        match self {
            Self::Commit(job) => Some(job.connection),
            Self::Rollback(job) => Some(job.connection),
            Self::Settle(job) => Some(job.connection),
            Self::Release(job) => Some(job.connection),
            Self::Purge(job) => Some(job.connection),
            Self::Wait { connection } => Some(*connection),
            Self::Change(_) | Self::Leftover(_) => None,
        }
    }

    /// The method that it answers, for a refusal, and the place of the channel.
    fn method(&self) -> Option<(MethodId, usize)> {
        match self {
            Self::Commit(job) => Some((crate::wire::tx::Commit::ID, job.channel)),
            Self::Rollback(_) | Self::Settle(_) | Self::Release(_) => None,
            Self::Change(_) | Self::Purge(_) | Self::Leftover(_) | Self::Wait { .. } => None,
        }
    }
}

/// What a slice of a job has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// There is more to do.
    More,
    /// It is done and answered.
    Done,
}

/// The jobs that are under way, and what a turn may still spend on them.
#[derive(Debug)]
pub(super) struct Work {
    /// With what the answer of each has to promise for what was done so far.
    jobs: VecDeque<(Job, Promise)>,
    /// Units that a turn spends on long work.
    per_turn: u64,
    /// Units that are left in this turn.
    left: u64,
    /// Units that what happens by itself may spend beside these: for what came in.
    allowed: u64,
    /// Units that are left to the job that is being worked on.
    slice: u64,
    /// Units that were spent in this turn, and the most of any.
    spent: u64,
    most: u64,
    returning: Returning,
    changes: Changes,
}

impl Work {
    /// No work, for turns that spend so many units on it.
    pub(super) fn new(per_turn: u64) -> Self {
        let per_turn = per_turn.max(1);
        Self {
            jobs: VecDeque::new(),
            per_turn,
            left: per_turn,
            allowed: 0,
            slice: per_turn,
            spent: 0,
            most: 0,
            returning: Returning::default(),
            changes: Changes::default(),
        }
    }

    /// Whether the next turn has work to go on with.
    pub(super) fn is_behind(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// So many units were spent on a job, or on a command.
    pub(super) fn spend(&mut self, units: u64) {
        self.slice = self.slice.saturating_sub(units);
        self.left = self.left.saturating_sub(units);
        self.spent += units;
    }

    /// Whether what happens by itself may go on in this turn: deliveries, expiry, limits.
    #[inline]
    pub(super) fn has_left(&self) -> bool {
        self.left > 0 || self.allowed > 0
    }

    /// So many units were spent on what happens by itself.
    #[inline]
    pub(super) fn pay(&mut self, units: u64) {
        self.left = self.left.saturating_sub(units.saturating_sub(self.allowed));
        self.slice = self.slice.saturating_sub(units);
        self.allowed = self.allowed.saturating_sub(units);
        self.spent += units;
    }

    /// Units that were spent in this turn.
    #[inline]
    pub(super) fn spent(&self) -> u64 {
        self.spent
    }

    /// At least half of what a turn may spend is there again.
    fn replenish(&mut self) {
        self.left = self.left.max(self.per_turn.div_ceil(2));
    }

    /// The turn is over: the next one may spend all anew.
    pub(super) fn end_turn(&mut self) {
        self.most = self.most.max(self.spent);
        (self.left, self.allowed, self.spent) = (self.per_turn, 0, 0);
    }

    /// What happens by itself may spend so many more: what came in may go out again.
    #[inline]
    pub(super) fn allow(&mut self, units: u64) {
        self.allowed += units;
    }

    /// What happens by itself may spend so many at least: what follows from one command.
    #[inline]
    pub(super) fn allow_at_least(&mut self, units: u64) {
        self.allowed = self.allowed.max(units);
    }

    /// Whether the job that is being worked on may go on in this turn.
    fn goes_on(&self) -> bool {
        self.slice > 0
    }
}

impl Broker {
    /// Begins a job, and does as much of it as this turn has left: a short one is done and answered
    /// when this returns, as if there were no slices.
    ///
    /// # Errors
    /// What the client is to be refused with, if the job is done already.
    pub(super) fn begin(&mut self, mut job: Job, effects: &mut Effects) -> Result<(), Exception> {
        // A job may begin another one.
        let outer = std::mem::replace(&mut self.work.slice, self.work.left);
        let done = self.work.goes_on() && self.step(&mut job, effects)? == Progress::Done;
        self.work.slice = outer.min(self.work.left);
        if done {
            return Ok(());
        }
        if let Some(place) = job.connection() {
            self.connections[place].busy = true;
        }
        let promise = std::mem::take(&mut self.turn.promise);
        self.work.jobs.push_back((job, promise));
        Ok(())
    }

    /// As [`Self::begin`], for a job that refuses nothing.
    pub(super) fn begin_sure(&mut self, job: Job, effects: &mut Effects) {
        if let Err(refusal) = self.begin(job, effects) {
            log::error!("work that cannot be refused was refused: {}", refusal.text);
        }
    }

    fn step(&mut self, job: &mut Job, effects: &mut Effects) -> Result<Progress, Exception> {
        match job {
            Job::Commit(job) => self.commit_some(job, effects),
            Job::Rollback(job) => Ok(self.roll_back_some(job, effects)),
            Job::Settle(job) => Ok(self.settle_some(job, effects)),
            Job::Release(job) => Ok(self.release_some(job, effects)),
            Job::Change(job) => Ok(self.change_some(job, effects)),
            Job::Purge(job) => Ok(self.purge_some(job, effects)),
            Job::Leftover(job) => Ok(self.leave_some(job, effects)),
            Job::Wait { .. } => Ok(Progress::Done),
        }
    }

    /// Goes on with the jobs, a slice of each in turn, for as long as a turn may.
    pub(super) fn go_on(&mut self, effects: &mut Effects) {
        if self.holds_outputs() {
            return; // the journal takes no more
        }
        // Commands of this turn may have used all of it up: jobs go on all the same.
        self.work.replenish();
        self.work_off(self.work.per_turn.div_ceil(4), effects);
        self.last_route.forget();
        // And so does what happens by itself.
        self.work.replenish();
    }

    /// Ends all jobs at once: the broker stops.
    pub(super) fn finish_work(&mut self, effects: &mut Effects) {
        while self.work.is_behind() {
            self.work.left = u64::MAX;
            self.work_off(u64::MAX, effects);
        }
        self.work.left = self.work.left.min(self.work.per_turn);
    }

    fn work_off(&mut self, slice: u64, effects: &mut Effects) {
        while self.work.left > 0
            && let Some((mut job, promise)) = self.work.jobs.pop_front()
        {
            self.work.slice = slice.min(self.work.left);
            self.turn.promise = promise;
            self.turn.actor = job.connection();
            let before = self.work.spent;
            match self.step(&mut job, effects) {
                Ok(Progress::More) => {
                    let promise = std::mem::take(&mut self.turn.promise);
                    self.work.jobs.push_back((job, promise));
                }
                Ok(Progress::Done) => self.finish(&job, Ok(()), effects),
                Err(refusal) => self.finish(&job, Err(refusal), effects),
            }
            self.turn.actor = None;
            if self.work.spent == before {
                self.work.spend(1); // whatever happens, this loop ends
            }
        }
    }

    /// A job is done that took more than its first slice.
    fn finish(&mut self, job: &Job, result: Result<(), Exception>, effects: &mut Effects) {
        let Some(place) = job.connection() else { return };
        let Some(connection) = self.connections.get_mut(place) else { return };
        connection.busy = false;
        if let (Err(refusal), Some((method, channel))) = (result, job.method()) {
            let mut call = Call { now: self.now, connection: place, channel, effects };
            if self.channels[channel].state == ChannelState::Open {
                self.refuse(&mut call, method, &refusal);
            }
        }
        self.release_behind(place, effects);
    }

    /// Has a connection wait for the next turn if its last command has used up what a turn may spend:
    /// one of many queues, or one that came upon many dead messages. `before` was spent before it.
    #[inline]
    pub(super) fn wait_if_spent(&mut self, place: usize, before: u64) {
        if self.work.left == 0 && self.work.spent > before + COMMAND_UNITS {
            let connection = &mut self.connections[place];
            if !connection.busy && !connection.closing {
                connection.busy = true;
                let wait = Job::Wait { connection: place };
                self.work.jobs.push_back((wait, Promise::Nothing));
            }
        }
    }

    /// Holds a command that comes while its connection has work under way.
    pub(super) fn hold_behind(
        &mut self,
        place: usize,
        command: super::Command,
        effects: &mut Effects,
    ) {
        let connection = &mut self.connections[place];
        connection.held.commands.push_back(command);
        // The broker's own connections have no socket, and say one thing at a time.
        if connection.held.commands.len() >= HELD_MAX
            && !connection.held.paused
            && !connection.facts.internal
        {
            connection.held.paused = true;
            effects.send_urgent(connection.id, Output::Pause);
        }
    }

    /// Goes on with what a connection has said behind its work, unless there is more of that.
    fn release_behind(&mut self, place: usize, effects: &mut Effects) {
        let Some(connection) = self.connections.get_mut(place).filter(|one| !one.busy) else {
            return;
        };
        if let Some(refusal) = connection.held.refusal.take().filter(|_| !connection.closing) {
            self.refuse_connection(place, MethodId::default(), &refusal, effects);
        }
        let Some(connection) = self.connections.get_mut(place).filter(|one| !one.busy) else {
            return;
        };
        let (id, now) = (connection.id, self.now);
        if std::mem::take(&mut connection.held.paused) {
            effects.send_urgent(id, Output::Resume);
        }
        for command in std::mem::take(&mut connection.held.commands) {
            self.catch_up_within(effects);
            self.perform(now, id, command, effects);
        }
    }

    /// Whether a connection's end has to wait for its work: then it follows that.
    pub(super) fn ends_later(&mut self, place: usize, refusal: &Exception) -> bool {
        let connection = &mut self.connections[place];
        if connection.busy {
            connection.held.refusal.get_or_insert_with(|| refusal.clone());
        }
        connection.busy
    }
}
