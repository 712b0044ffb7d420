//! The router's thread: commands into the broker, effects to the connections, turn by turn.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::broker::{Broker, Command, Effects};
use crate::ids::{ConnectionId, Timestamp};
use crate::store::{CheckpointJob, StoreError, SyncRequest};

use super::clock::Clock;
use super::inbox::Input;
use super::outbox::Outbox;

/// Commands after which a turn takes no further input: nobody waits longer for an answer than it
/// takes to work off so many.
const TURN_COMMANDS_MAX: usize = 4096;

/// The broker and the ways out of it.
pub(super) struct Router {
    broker: Broker,
    clock: Clock,
    syncer: Sender<SyncRequest>,
    checkpointer: Sender<CheckpointJob>,
    outboxes: HashMap<ConnectionId, Arc<Outbox>>,
    finishing: bool,
}

impl Router {
    /// A router for a broker, with the threads that do its waiting for the disk.
    pub(super) fn new(
        broker: Broker,
        clock: Clock,
        syncer: Sender<SyncRequest>,
        checkpointer: Sender<CheckpointJob>,
    ) -> Self {
        Self { broker, clock, syncer, checkpointer, outboxes: HashMap::new(), finishing: false }
    }

    /// Turns until [`Input::Finish`], then closes the store. An error is the disk's, and final.
    pub(super) fn run(mut self, inbox: &Receiver<Input>) -> Result<(), StoreError> {
        let mut effects = Effects::default();
        while !self.finishing {
            let first = self.wait(inbox);
            let now = self.clock.now();
            let mut commands = 0;
            for input in first.into_iter().chain(inbox.try_iter()) {
                commands += input.commands();
                self.handle(now, input, &mut effects)?;
                if commands >= TURN_COMMANDS_MAX {
                    break;
                }
            }
            if let Some(request) = self.broker.end_turn(now, &mut effects)? {
                // It fails only when the syncer has ended the process.
                let _ = self.syncer.send(request);
            }
            self.dispatch(&mut effects);
            if let Some(job) = self.broker.checkpoint(now)? {
                let _ = self.checkpointer.send(job);
            }
        }
        // The last checkpoint comes after the one that may be under way.
        while self.broker.is_checkpointing() {
            let Ok(input) = inbox.recv() else { break };
            if matches!(input, Input::CheckpointDone) {
                self.broker.checkpoint_done()?;
            }
        }
        self.broker.close_store()
    }

    /// The next input; `None` when the broker has something to do without one.
    fn wait(&mut self, inbox: &Receiver<Input>) -> Option<Input> {
        let received = match self.broker.next_deadline() {
            Some(deadline) => inbox.recv_timeout(self.clock.until(deadline)),
            None => inbox.recv().map_err(RecvTimeoutError::from),
        };
        match received {
            Ok(input) => Some(input),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Input::Finish),
        }
    }

    fn handle(
        &mut self,
        now: Timestamp,
        input: Input,
        effects: &mut Effects,
    ) -> Result<(), StoreError> {
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
            Input::Stop => {
                self.broker.shut_down(effects);
                self.dispatch(effects);
                #[expect(clippy::iter_over_hash_type, reason = "all are told the same")]
                for outbox in self.outboxes.values() {
                    outbox.stop();
                }
            }
            Input::Finish => self.finishing = true,
        }
        Ok(())
    }

    /// Hands each connection its outputs; those of connections that are gone are dropped.
    fn dispatch(&mut self, effects: &mut Effects) {
        for (id, outputs) in effects.take() {
            if let Some(outbox) = self.outboxes.get(&id) {
                outbox.push(outputs);
            }
        }
    }
}
