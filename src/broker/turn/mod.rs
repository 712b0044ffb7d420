//! A turn: commands, one after the other, and what follows from each before the next is looked at.
//!
//! ```text
//!   c1 ─ catch up ─ c2 ─ catch up ─ c3 ─ catch up ─ timers, logs, streams ─ one write ─▶ outputs
//!           └─ what is due happens, ready messages go to consumers, what is too much goes
//! ```
//!
//! Where a turn begins and ends is a matter of load, and no client can tell: a consumer that waits
//! gets a message before any command behind the publish sees the queue, and a limit holds at once.
//! Each command finds the broker as at the beginning of a turn of its own. What a turn shares is the
//! writing, and all that no command can see: timers, the logs of queues, the reading of streams.
//! Runs of commands that cannot tell the difference also share the catching up (see `run`).

mod run;
mod visits;

pub(super) use run::Run;

use crate::ids::{ConnectionId, Timestamp};
use crate::store::{StoreError, SyncRequest};
use crate::wire::{basic, queue};

use super::command::Command;
use super::effect::Effects;
use super::{Broker, methods, publish, publish_checks};

/// What may follow from one command however much the turn has done already, in units of work.
const COMMAND_UNITS: u64 = 16;

/// Queues that one command may touch without being long work.
const TOUCHED_AT_ONCE: usize = 16;

impl Broker {
    /// Handles one command of a connection. Never fails: refusals are effects, and a failing disk
    /// shows when the turn ends.
    pub fn apply(
        &mut self,
        now: Timestamp,
        from: ConnectionId,
        command: Command,
        effects: &mut Effects,
    ) {
        let goes_on = self.turn.run.is_some_and(|run| run.goes_on(from, &command));
        if !goes_on || now != self.now {
            self.catch_up(now, effects);
        }
        self.perform(now, from, command, effects);
    }

    /// Does all that follows from what has happened by now, so that whatever looks at a queue sees
    /// it as if the turn had ended. Nothing is left to do when it is called twice, but for work of
    /// which a turn takes a part.
    pub fn catch_up(&mut self, now: Timestamp, effects: &mut Effects) {
        self.now = now;
        if !self.is_behind() && self.turn.touched.len() <= TOUCHED_AT_ONCE {
            self.work.allow_at_least(COMMAND_UNITS);
        }
        self.turn.run = None;
        self.turn.actor = None;
        loop {
            self.ring(now, effects);
            self.requeue_late(now);
            self.release_delayed(now);
            self.deliver_touched();
            if !self.release_blocked(now, effects) {
                break;
            }
        }
        self.flush_deliveries(effects);
    }

    /// Ends a turn: delivers, writes, and asks for a sync if something waits for it. An error is
    /// the disk's and final: nothing more may be promised. A full disk is no error: see
    /// [`Self::holds_outputs`].
    pub fn end_turn(
        &mut self,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Option<SyncRequest>, StoreError> {
        self.last_route.forget();
        self.morgue.reopen();
        self.retry_store(now)?;
        if self.turn.carried {
            // Long work of an earlier turn goes on behind the commands of this one.
            self.catch_up(now, effects);
        }
        self.go_on(effects);
        self.turn.carried = self.work.is_behind();
        self.catch_up(now, effects);
        self.end_visits(now);
        self.release_paced(now, effects);
        for id in std::mem::take(&mut self.turn.later) {
            self.touch(id);
        }
        self.flush_deliveries(effects);
        self.failure.check()?;
        let request = self.end_durability(now, effects)?;
        self.finish_end(now);
        self.work.end_turn();
        Ok(request)
    }

    /// When `end_turn` has to be called at the latest, even without a command.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if self.is_working() {
            return Some(self.now);
        }
        let deadlines = [
            self.durability.deadline(),
            self.alarms.deadline(),
            self.next_release(),
            self.pacing.deadline(),
            self.timers.next(),
            self.deadlines.first(),
            self.delayed.first(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Handles a command, with nothing left to do of those before it, or nothing that matters.
    pub(super) fn perform(
        &mut self,
        now: Timestamp,
        from: ConnectionId,
        command: Command,
        effects: &mut Effects,
    ) {
        let place = self.connection_places.get(&from).copied();
        self.turn.actor = place;
        if !matches!(command, Command::Publish(..)) {
            self.last_route.forget();
        }
        let command = match place {
            Some(place) if self.holds_back(place, &command) => {
                match self.hold(place, command, effects) {
                    Some(command) => command,
                    None => return,
                }
            }
            _ => command,
        };
        let open = place.filter(|place| !self.connections[*place].closing);
        match (command, open) {
            (Command::Gone, _) => self.forget_connection(from, effects),
            (Command::Open(open), _) => {
                if place.is_none() {
                    self.open_connection(now, from, *open, effects);
                }
            }
            (Command::Drained(bytes), Some(place)) => self.drained(place, bytes),
            (Command::Method(number, method), Some(place)) => {
                let acks = run::is_ack(&method);
                self.method(now, place, number, method, effects);
                if acks {
                    self.begin_acks(place, from, number);
                }
            }
            (Command::Publish(number, publish), Some(place)) => {
                let plain = run::is_plain(&publish);
                self.on_channel(now, place, number, effects, basic::Publish::ID, {
                    |broker, call| publish::publish(broker, call, publish)
                });
                self.begin_publishes(plain, from, number);
            }
            (Command::Oversized(number, size), Some(place)) => {
                self.on_channel(now, place, number, effects, basic::Publish::ID, {
                    |broker, _| Err(publish_checks::oversized(broker, size))
                });
            }
            (Command::Move(number, order), Some(place)) => {
                self.on_channel(now, place, number, effects, queue::Purge::ID, {
                    |broker, call| methods::moving::move_ready(broker, call, &order)
                });
            }
            // The connection has been closed: what was under way is not for anybody.
            (Command::Drained(_) | Command::Method(..) | Command::Move(..), None)
            | (Command::Publish(..) | Command::Oversized(..), None) => {}
        }
    }
}
