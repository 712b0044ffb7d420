//! Class tx: publishes and acknowledgements that take effect together.
//!
//! A commit applies its publishes in order, then its settlements, all in one turn: they share one
//! journal write, and commit-ok waits for the sync that covers it. What can be refused was checked
//! when it was published, but for one thing: a full queue that refuses (406, as in RabbitMQ; the
//! rest has happened).

use crate::wire::tx;

use super::super::Broker;
use super::super::call::Call;
use super::super::channel::Mode;
use super::super::exception::{Exception, precondition_failed};
use super::super::fsync::Promise;
use super::super::publish::Outcome;
use super::super::transaction::Transaction;
use super::basic::apply_settlement;
use super::unexpected;

/// Handles a method of the class.
pub(super) fn handle(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: &tx::Method,
) -> Result<(), Exception> {
    match method {
        tx::Method::Select(_) => select(broker, call),
        tx::Method::Commit(_) => commit(broker, call),
        tx::Method::Rollback(_) => rollback(broker, call),
        _ => Err(unexpected()),
    }
}

fn select(broker: &mut Broker, call: &mut Call<'_>) -> Result<(), Exception> {
    let mode = &mut broker.channels[call.channel].mode;
    match mode {
        Mode::Confirm(_) => {
            return Err(precondition_failed("cannot switch from confirm to tx mode"));
        }
        Mode::Transaction(_) => {} // once is enough
        Mode::Plain => *mode = Mode::Transaction(Transaction::default()),
    }
    broker.reply(call, tx::SelectOk::default());
    Ok(())
}

/// The transaction of the channel, which begins a new one.
fn take(broker: &mut Broker, call: &Call<'_>) -> Result<Transaction, Exception> {
    match &mut broker.channels[call.channel].mode {
        Mode::Transaction(transaction) => {
            broker.transactions_bytes -= transaction.publish_bytes;
            Ok(std::mem::take(transaction))
        }
        Mode::Plain | Mode::Confirm(_) => Err(precondition_failed("channel is not transactional")),
    }
}

fn commit(broker: &mut Broker, call: &mut Call<'_>) -> Result<(), Exception> {
    let transaction = take(broker, call)?;
    let mut promise = Promise::Nothing;
    let mut refused = false;
    for publish in transaction.publishes {
        let outcome = broker.accept(call, publish);
        match outcome {
            Outcome::Taken(taken) => promise = promise.max(taken),
            Outcome::Refused => refused = true,
        }
    }
    for (_, delivered, settlement) in transaction.settlements {
        if delivered.item.journaled
            && let Some(queue) = broker.queues.get(&delivered.queue)
        {
            promise = promise.max(queue.fsync(broker.options.fsync).promise());
        }
        apply_settlement(broker, call.channel, delivered, settlement);
    }
    if refused {
        return Err(precondition_failed("partial tx completion"));
    }
    broker.turn.promise = broker.turn.promise.max(promise);
    broker.reply(call, tx::CommitOk::default());
    Ok(())
}

fn rollback(broker: &mut Broker, call: &mut Call<'_>) -> Result<(), Exception> {
    let transaction = take(broker, call)?;
    let channel = &mut broker.channels[call.channel];
    for (tag, delivered, _) in transaction.settlements {
        channel.unacked.put_back(tag, delivered);
    }
    broker.reply(call, tx::RollbackOk::default());
    Ok(())
}
