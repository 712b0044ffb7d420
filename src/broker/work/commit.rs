//! tx.commit and tx.rollback of many messages.
//!
//! A commit publishes in order, then settles, some in each turn; commit-ok waits for the sync that
//! covers all of it. A crash before that finds the first of its publishes, or none, and may find
//! none of its settlements: what was not answered may have happened in part. What is still to be
//! done stays in the channel's transaction, where a checkpoint finds it.

use crate::wire::tx;

use super::super::Broker;
use super::super::call::Call;
use super::super::channel::Mode;
use super::super::effect::Effects;
use super::super::exception::{Exception, precondition_failed};
use super::super::fsync::Promise;
use super::super::publish::Outcome;
use super::super::transaction::{Settlement, Transaction};
use super::Progress;
use super::returns::Returned;

/// What a publish costs, beside what further queues and the bytes of its body cost.
const PUBLISH_UNITS: u64 = 8;
/// Bytes of a body that cost a unit.
const BYTES_PER_UNIT: u64 = 1024;
const SETTLE_UNITS: u64 = 2;
const DROP_UNITS: u64 = 1;

/// tx.commit.
#[derive(Debug)]
pub(in crate::broker) struct Commit {
    /// The place of its connection.
    pub connection: usize,
    /// The place of its channel.
    pub channel: usize,
    /// What commit-ok has to promise.
    promise: Promise,
    /// A full queue has refused a message.
    refused: bool,
    returned: Returned,
}

/// tx.rollback.
#[derive(Debug)]
pub(in crate::broker) struct Rollback {
    /// The place of its connection.
    pub connection: usize,
    /// The place of its channel.
    pub channel: usize,
}

impl Commit {
    /// The commit of a channel's transaction.
    pub(in crate::broker) fn new(connection: usize, channel: usize) -> Self {
        let (promise, refused, returned) = Default::default();
        Self { connection, channel, promise, refused, returned }
    }
}

impl Broker {
    /// Publishes and settles some of a transaction; the last slice answers.
    pub(super) fn commit_some(
        &mut self,
        job: &mut Commit,
        effects: &mut Effects,
    ) -> Result<Progress, Exception> {
        let Commit { connection, channel, .. } = *job;
        let mut call = Call { now: self.now, connection, channel, effects };
        while let Some(publish) =
            self.transaction(channel).and_then(|transaction| transaction.publishes.pop_front())
        {
            let bytes = publish.body_length();
            match self.accept(&mut call, publish) {
                Outcome::Taken(taken) => job.promise = job.promise.max(taken),
                Outcome::Refused => job.refused = true,
            }
            self.work.spend(PUBLISH_UNITS + bytes / BYTES_PER_UNIT);
            // The next one finds the queues as if it were published by itself.
            self.catch_up_within(call.effects);
            if !self.work.goes_on() {
                return Ok(Progress::More);
            }
        }
        while let Some((_, delivered, settlement)) =
            self.transaction(channel).and_then(|transaction| transaction.settlements.pop_front())
        {
            if delivered.item.journaled
                && let Some(queue) = self.queues.get(&delivered.queue)
            {
                job.promise = job.promise.max(queue.fsync(self.options.fsync).promise());
            }
            if matches!(settlement, Settlement::Requeue(_)) {
                self.is_returning_to(delivered.queue, &mut job.returned);
            }
            super::super::methods::basic::apply_settlement(self, channel, delivered, settlement);
            self.work.spend(SETTLE_UNITS);
            if !self.work.goes_on() {
                return Ok(Progress::More);
            }
        }
        self.have_returned(&mut job.returned, call.effects);
        if job.refused {
            return Err(precondition_failed("partial tx completion"));
        }
        self.turn.promise = self.turn.promise.max(job.promise);
        self.reply(&mut call, tx::CommitOk::default());
        Ok(Progress::Done)
    }

    /// Forgets some of a transaction's messages; the last slice puts its settlements back.
    pub(super) fn roll_back_some(&mut self, job: &Rollback, effects: &mut Effects) -> Progress {
        while let Some(publish) =
            self.transaction(job.channel).and_then(|transaction| transaction.publishes.pop_front())
        {
            drop(publish);
            self.work.spend(DROP_UNITS);
            if !self.work.goes_on() {
                return Progress::More;
            }
        }
        let settlements =
            self.transaction(job.channel).map(|one| std::mem::take(&mut one.settlements));
        let settlements = settlements.unwrap_or_default();
        self.work.spend(settlements.len() as u64 / 8);
        let settled = settlements.into_iter().map(|(tag, delivered, _)| (tag, delivered));
        self.channels[job.channel].unacked.put_back(settled.collect());
        let Rollback { connection, channel } = *job;
        let mut call = Call { now: self.now, connection, channel, effects };
        self.reply(&mut call, tx::RollbackOk::default());
        Progress::Done
    }

    fn transaction(&mut self, channel: usize) -> Option<&mut Transaction> {
        match &mut self.channels.get_mut(channel)?.mode {
            Mode::Transaction(transaction) => Some(transaction),
            Mode::Plain | Mode::Confirm(_) => None,
        }
    }
}
