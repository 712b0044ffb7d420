//! What is left of queues and exchanges that are gone, and of what was purged.
//!
//! A queue, an exchange or a purged message is gone at once for everybody: it is found by nobody any
//! more. The memory that it takes, and the bindings that still lead to it, go in slices; routing
//! passes over what leads to nothing.

use std::collections::VecDeque;

use crate::ids::{ExchangeId, QueueId};
use crate::wire::queue;

use super::super::Broker;
use super::super::call::Call;
use super::super::consumer::ConsumerKey;
use super::super::delayed::DelayedPlace;
use super::super::effect::Effects;
use super::super::exchange::{Bindings, Destination};
use super::super::queue::Remains;
use super::{Job, Progress};

const DROP_UNITS: u64 = 1;
const SETTLE_UNITS: u64 = 2;
const BINDING_UNITS: u64 = 8;
const CONSUMER_UNITS: u64 = 8;

/// queue.purge: the messages are gone, and the journal and the memory learn of it.
#[derive(Debug)]
pub(in crate::broker) struct Purge {
    /// The place of its connection.
    pub connection: usize,
    /// The place of its channel.
    pub channel: usize,
    /// The queue.
    pub queue: QueueId,
    /// What was ready.
    pub remains: Remains,
    /// What is answered, if anything is.
    pub answer: Option<queue::PurgeOk>,
}

/// What nobody waits for.
#[derive(Debug)]
pub(in crate::broker) enum Leftover {
    /// The messages of a queue that is gone.
    Messages(Remains),
    /// The consumers of a queue that is gone.
    Consumers(QueueId, VecDeque<ConsumerKey>),
    /// The bindings to a queue or an exchange that is gone, and the exchanges that have them.
    To(Destination, VecDeque<ExchangeId>),
    /// The bindings of an exchange that is gone.
    From(ExchangeId, Box<Bindings>),
    /// What waits in a delayed exchange that is gone, behind a place of the index.
    Delayed(QueueId, DelayedPlace),
}

/// What is so little that it goes at once.
const AT_ONCE: usize = 512;

impl Broker {
    /// Has something go in slices.
    fn leave(&mut self, leftover: Leftover) {
        self.work.jobs.push_back((Job::Leftover(leftover), Default::default()));
    }

    /// The messages of a queue that is gone.
    pub(in crate::broker) fn leave_messages(&mut self, remains: Remains) {
        if remains.len() > AT_ONCE {
            self.leave(Leftover::Messages(remains));
        }
    }

    /// Cancels the consumers of a queue that goes.
    pub(in crate::broker) fn leave_consumers(
        &mut self,
        id: QueueId,
        consumers: VecDeque<ConsumerKey>,
        effects: &mut Effects,
    ) {
        for key in self.leave_excess_consumers(id, consumers) {
            self.cancel_for_client(key, effects);
        }
    }

    /// Returns those of a queue's consumers that are to be cancelled at once.
    pub(in crate::broker) fn leave_excess_consumers(
        &mut self,
        id: QueueId,
        mut consumers: VecDeque<ConsumerKey>,
    ) -> VecDeque<ConsumerKey> {
        let later = consumers.split_off(consumers.len().min(AT_ONCE));
        if !later.is_empty() {
            self.leave(Leftover::Consumers(id, later));
        }
        consumers
    }

    /// The bindings to a queue or an exchange that is gone: `sources` have so many.
    pub(in crate::broker) fn leave_bindings_to(
        &mut self,
        destination: Destination,
        sources: Vec<(ExchangeId, usize)>,
    ) {
        let mut later = VecDeque::new();
        for (id, count) in sources {
            let Some(exchange) = self.exchanges.get_mut(&id) else { continue };
            // What a number is chosen among must be there.
            if count > AT_ONCE && !exchange.bindings.choose_by_number() {
                later.push_back(id);
            } else {
                exchange.bindings.remove_destination(destination, usize::MAX);
                self.delete_unused(id);
            }
        }
        if !later.is_empty() {
            self.leave(Leftover::To(destination, later));
        }
    }

    /// What waits in the hidden queue of a delayed exchange that is gone.
    pub(in crate::broker) fn leave_delayed(&mut self, id: QueueId) {
        self.leave(Leftover::Delayed(id, DelayedPlace::default()));
    }

    /// The bindings of an exchange that is gone.
    pub(in crate::broker) fn leave_bindings_from(&mut self, id: ExchangeId, bindings: Bindings) {
        if bindings.len() > AT_ONCE {
            self.leave(Leftover::From(id, Box::new(bindings)));
        } else {
            for binding in bindings.iter() {
                self.forget_source(binding.destination, id, 1);
            }
        }
    }

    /// Lets some of the messages of a purge go; the last slice answers.
    pub(super) fn purge_some(&mut self, job: &mut Purge, effects: &mut Effects) -> Progress {
        while let Some((item, placed)) = job.remains.pop() {
            if let Some(queue) = self.queues.get_mut(&job.queue) {
                queue.release(&item, &mut self.budget);
                if placed && item.journaled {
                    self.store.journal().settle(item.level, item.ordinal);
                }
            }
            self.work.spend(if placed { SETTLE_UNITS } else { DROP_UNITS });
            if !self.work.goes_on() {
                return Progress::More;
            }
        }
        if let Some(queue) = self.queues.get(&job.queue)
            && queue.declared.persists()
        {
            let policy = queue.fsync(self.options.fsync);
            self.promise(policy);
        }
        if let Some(answer) = job.answer.take() {
            let Purge { connection, channel, .. } = *job;
            let mut call = Call { now: self.now, connection, channel, effects };
            self.reply(&mut call, answer);
        }
        Progress::Done
    }

    /// Lets some of what is left go.
    pub(super) fn leave_some(&mut self, job: &mut Leftover, effects: &mut Effects) -> Progress {
        while self.work.goes_on() {
            let more = match job {
                Leftover::Messages(remains) => {
                    self.work.spend(DROP_UNITS);
                    remains.pop().is_some()
                }
                Leftover::Consumers(id, consumers) => {
                    self.work.spend(CONSUMER_UNITS);
                    let key = consumers.pop_front();
                    // Its place may be another one's by now.
                    let theirs = |key: &ConsumerKey| {
                        self.consumers.get(key.0).is_some_and(|consumer| consumer.queue == *id)
                    };
                    if let Some(key) = key.filter(theirs) {
                        self.cancel_for_client(key, effects);
                    }
                    key.is_some()
                }
                Leftover::Delayed(id, place) => {
                    self.work.spend(DROP_UNITS);
                    self.delayed.forget_one(*id, place)
                }
                Leftover::To(destination, sources) => {
                    self.work.spend(BINDING_UNITS);
                    self.unbind_one(*destination, sources)
                }
                Leftover::From(id, bindings) => {
                    self.work.spend(BINDING_UNITS);
                    let binding = bindings.pop();
                    if let Some(binding) = &binding {
                        self.forget_source(binding.destination, *id, 1);
                    }
                    binding.is_some()
                }
            };
            if !more {
                return Progress::Done;
            }
        }
        Progress::More
    }

    /// Removes one binding; an exchange that has no more goes if it is auto-delete. Says whether
    /// there may be others.
    fn unbind_one(&mut self, destination: Destination, sources: &mut VecDeque<ExchangeId>) -> bool {
        let Some(id) = sources.front().copied() else { return false };
        let exchange = self.exchanges.get_mut(&id);
        let removed = exchange.map(|found| found.bindings.remove_destination(destination, 1));
        if removed.is_none_or(|removed| removed.is_empty()) {
            sources.pop_front();
            self.delete_unused(id);
        }
        true
    }
}
