//! Class tx: publishes and acknowledgements that take effect together.
//!
//! A commit applies its publishes in order, then its settlements; a long one does so in slices (see
//! `work`). commit-ok waits for the sync that covers all of it. What can be refused was checked when
//! it was published, but for one thing: a full queue that refuses (406, as in RabbitMQ; the rest has
//! happened).

use crate::wire::tx;

use super::super::Broker;
use super::super::call::Call;
use super::super::channel::Mode;
use super::super::exception::{Exception, precondition_failed};
use super::super::transaction::Transaction;
use super::super::work::{Commit, Job, Rollback};
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

/// The publishes of the channel's transaction are counted no more: it ends.
fn end(broker: &mut Broker, call: &Call<'_>) -> Result<(), Exception> {
    match &mut broker.channels[call.channel].mode {
        Mode::Transaction(transaction) => {
            broker.transactions_bytes -= std::mem::take(&mut transaction.publish_bytes);
            Ok(())
        }
        Mode::Plain | Mode::Confirm(_) => Err(precondition_failed("channel is not transactional")),
    }
}

fn commit(broker: &mut Broker, call: &mut Call<'_>) -> Result<(), Exception> {
    end(broker, call)?;
    broker.begin(Job::Commit(Commit::new(call.connection, call.channel)), call.effects)
}

fn rollback(broker: &mut Broker, call: &mut Call<'_>) -> Result<(), Exception> {
    end(broker, call)?;
    let Call { connection, channel, .. } = *call;
    broker.begin(Job::Rollback(Rollback { connection, channel }), call.effects)
}
