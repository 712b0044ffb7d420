//! The router's thread: commands into the broker, effects to the connections, turn by turn.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Sender;

use crate::broker::access::{Change, ChangeRefused};
use crate::broker::{Broker, Command, Effects};
use crate::connection::Logins;
use crate::ids::{ConnectionId, SyncPoint, Timestamp};
use crate::logging;
use crate::store::{CheckpointJob, StoreError, SyncRequest};

use super::clock::{self, BrokerClock};
use super::inbox::{Inbox, Input};
use super::outbox::Outbox;
use super::vitals::Vitals;

/// Commands after which a turn takes no further input: nobody waits longer for an answer than it
/// takes to work off so many.
const TURN_COMMANDS_MAX: usize = 4096;

/// The broker and the ways out of it.
pub(super) struct Router {
    broker: Broker,
    clock: BrokerClock,
    syncer: Sender<SyncRequest>,
    checkpointer: Sender<CheckpointJob>,
    outboxes: HashMap<ConnectionId, Arc<Outbox>>,
    /// The users as connections see them, and which generation of the broker's they are.
    logins: Arc<Logins>,
    user_generation: u64,
    /// Operators whose changes are on their way to the disk.
    operators: Vec<Operator>,
    vitals: Arc<Vitals>,
    finishing: bool,
}

/// Somebody who waits for a change to be durable.
struct Operator {
    /// The number that the broker has for the change.
    change: u64,
    /// The change has happened.
    done: bool,
    /// Up to where the journal has to be; `None` until the end of the turn in which it happened has
    /// written that.
    point: Option<SyncPoint>,
    answer: Sender<Result<(), ChangeRefused>>,
}

impl Router {
    /// A router for a broker, with the threads that do its waiting for the disk.
    pub(super) fn new(
        broker: Broker,
        clock: BrokerClock,
        (syncer, checkpointer): (Sender<SyncRequest>, Sender<CheckpointJob>),
        logins: Arc<Logins>,
        vitals: Arc<Vitals>,
    ) -> Self {
        Self {
            user_generation: broker.access().user_generation,
            broker,
            clock,
            syncer,
            checkpointer,
            outboxes: HashMap::new(),
            logins,
            operators: Vec::new(),
            vitals,
            finishing: false,
        }
    }

    /// Turns until [`Input::Finish`], then closes the store. An error is the disk's, and final.
    pub(super) fn run(mut self, mut inbox: Inbox) -> Result<(), StoreError> {
        let mut effects = Effects::default();
        while !self.finishing {
            let timeout = self.broker.next_deadline().map(|deadline| self.clock.until(deadline));
            let mut input = inbox.wait(timeout);
            let (reading, began) = (clock::read(), Instant::now());
            let now = self.clock.at(reading);
            self.broker.read_clocks(now, reading);
            let mut commands = 0;
            while let Some(next) = input {
                commands += next.commands();
                self.handle(now, next, &mut effects)?;
                input = if commands < TURN_COMMANDS_MAX { inbox.next() } else { None };
            }
            if let Some(request) = self.broker.end_turn(now, &mut effects)? {
                // It fails only when the syncer has ended the process.
                let _ = self.syncer.send(request);
            }
            self.tell_operators();
            self.dispatch(&mut effects);
            if let Some(job) = self.broker.checkpoint(now)? {
                let _ = self.checkpointer.send(job);
            }
            logging::hush(false);
            self.vitals.turned(began.elapsed(), commands);
        }
        // The last checkpoint comes after the one that may be under way.
        while self.broker.is_checkpointing() {
            match inbox.wait(None) {
                Some(Input::CheckpointDone) => self.broker.checkpoint_done()?,
                Some(Input::CheckpointFailed(_)) | None => break,
                Some(_) => {}
            }
        }
        self.broker.close_store()
    }

    fn handle(
        &mut self,
        now: Timestamp,
        input: Input,
        effects: &mut Effects,
    ) -> Result<(), StoreError> {
        if !matches!(input, Input::Batch(..) | Input::Connected(..)) {
            // They look at what the commands before them have done, or change it.
            self.broker.catch_up(now, effects);
        }
        match input {
            Input::Connected(id, outbox) => {
                self.outboxes.insert(id, outbox);
            }
            Input::Batch(id, commands) => {
                let last = matches!(commands.last(), Some(Command::Gone));
                for command in commands {
                    self.broker.apply(now, id, command, effects);
                }
                if last {
                    self.outboxes.remove(&id);
                }
            }
            Input::Query(query, reply) => {
                // There is room; it fails only when nobody waits any more.
                let _ = reply.try_send(self.broker.answer(&query));
            }
            Input::Disconnect(id, reason) => self.broker.disconnect(id, &reason, effects),
            Input::Synced(point) => self.broker.synced(point, effects),
            Input::CheckpointDone => self.broker.checkpoint_done()?,
            Input::Change(changes, operator) => self.change(changes, operator, effects),
            Input::Trace(vhost, on, operator) => {
                // There is room; it fails only when the operator waits no longer.
                let _ = operator.try_send(self.broker.set_tracing(&vhost, on));
            }
            Input::CheckpointFailed(error) => self.broker.checkpoint_failed(now, &error),
            Input::Measured(measures) => self.broker.measured(&measures),
            Input::Logged(lines) => {
                // What comes of it in this turn is not told in turn.
                logging::hush(true);
                for line in &lines {
                    self.broker.publish_line(line.level, &line.text);
                }
            }
            Input::Stop => {
                if self.broker.holds_outputs() {
                    // What could not be written must not be told any more.
                    effects.take().for_each(drop);
                }
                self.broker.shut_down(effects);
                self.send(effects);
                #[expect(clippy::iter_over_hash_type, reason = "all are told the same")]
                for outbox in self.outboxes.values() {
                    outbox.stop();
                }
            }
            Input::Finish => self.finishing = true,
        }
        Ok(())
    }

    fn change(
        &mut self,
        changes: Vec<Change>,
        answer: Sender<Result<(), ChangeRefused>>,
        effects: &mut Effects,
    ) {
        let change = self.broker.begin_change(changes, effects);
        self.operators.push(Operator { change, done: false, point: None, answer });
        self.note_users();
    }

    /// Lets connections know the users as they are now.
    fn note_users(&mut self) {
        let generation = self.broker.access().user_generation;
        if generation != self.user_generation {
            self.user_generation = generation;
            self.logins.replace(self.broker.users());
        }
    }

    /// Answers the operators whose changes are refused, or as durable as they can expect.
    fn tell_operators(&mut self) {
        self.note_users();
        for (change, result) in self.broker.take_changed() {
            let at = self.operators.iter().position(|operator| operator.change == change);
            match (at, result) {
                (Some(at), Ok(())) => self.operators[at].done = true,
                // Nobody need be waiting.
                (Some(at), Err(refused)) => {
                    drop(self.operators.remove(at).answer.send(Err(refused)));
                }
                (None, _) => {}
            }
        }
        if self.broker.holds_outputs() {
            return; // the turn could not be written yet
        }
        let written = self.broker.written();
        self.operators.retain_mut(|operator| {
            if !operator.done {
                return true;
            }
            let point = *operator.point.get_or_insert(written);
            let kept = self.broker.keeps(point);
            if kept {
                let _ = operator.answer.send(Ok(()));
            }
            !kept
        });
    }

    /// Hands out what may leave: all of it, but for a turn that could not be written.
    fn dispatch(&mut self, effects: &mut Effects) {
        for (id, output) in effects.take_urgent() {
            if let Some(outbox) = self.outboxes.get(&id) {
                outbox.push(vec![output]);
            }
        }
        if !self.broker.holds_outputs() {
            self.send(effects);
        }
    }

    /// Hands each connection its outputs; those of connections that are gone are dropped.
    fn send(&mut self, effects: &mut Effects) {
        for (id, outputs) in effects.take() {
            if let Some(outbox) = self.outboxes.get(&id) {
                outbox.push(outputs);
            }
        }
    }
}
