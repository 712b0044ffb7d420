//! basic.ack and basic.nack of many deliveries, and basic.recover.

use crate::ids::DeliveryTag;
use crate::wire::basic;

use super::super::Broker;
use super::super::call::Call;
use super::super::channel::Mode;
use super::super::effect::Effects;
use super::super::transaction::{Requeue, Settlement};
use super::Progress;
use super::returns::Returned;

/// What a delivery costs.
const SETTLE_UNITS: u64 = 1;
/// What one costs that goes back, dies, or is written.
const RETURN_UNITS: u64 = 2;

/// What becomes of the deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) enum Many {
    /// What the settlement says, or commit will in a transaction.
    Settled(Settlement),
    /// They go back to their queues, with recover-ok if that is asked for.
    Recovered { answer: bool },
}

/// Deliveries through a tag are settled.
#[derive(Debug)]
pub(in crate::broker) struct Settle {
    /// The place of its connection.
    pub connection: usize,
    channel: usize,
    /// The last of them.
    through: DeliveryTag,
    how: Many,
    returned: Returned,
}

impl Settle {
    /// All deliveries through `through` that the channel of a call has by now.
    pub(in crate::broker) fn new(
        broker: &Broker,
        call: &Call<'_>,
        through: DeliveryTag,
        how: Many,
    ) -> Self {
        // What is delivered while this goes on was not meant.
        let last = broker.channels[call.channel].next_tag.0.saturating_sub(1);
        let through = through.min(DeliveryTag(last));
        let (connection, channel) = (call.connection, call.channel);
        Self { connection, channel, through, how, returned: Returned::default() }
    }
}

impl Broker {
    /// Settles some of the deliveries.
    pub(super) fn settle_some(&mut self, job: &mut Settle, effects: &mut Effects) -> Progress {
        let Settle { connection, channel, through, how, .. } = *job;
        self.settle_late_through(channel, through);
        while let Some((tag, delivered)) =
            self.channels[channel].unacked.take_first_through(through)
        {
            let in_transaction = matches!(self.channels[channel].mode, Mode::Transaction(_));
            let (settlement, applied) = match how {
                Many::Settled(settlement) => (settlement, !in_transaction),
                Many::Recovered { .. } => (Settlement::Requeue(Requeue::Returned), true),
            };
            if applied && matches!(settlement, Settlement::Requeue(_)) {
                self.is_returning_to(delivered.queue, &mut job.returned);
            }
            let cheap = settlement == Settlement::Ack || !applied;
            self.work.spend(if cheap { SETTLE_UNITS } else { RETURN_UNITS });
            if applied {
                super::super::methods::basic::apply_settlement(
                    self, channel, delivered, settlement,
                );
            } else if let Mode::Transaction(transaction) = &mut self.channels[channel].mode {
                transaction.settlements.push_back((tag, delivered, settlement));
            }
            if !self.work.goes_on() {
                return Progress::More;
            }
        }
        self.have_returned(&mut job.returned, effects);
        if let Many::Recovered { answer: true } = how {
            let mut call = Call { now: self.now, connection, channel, effects };
            self.reply(&mut call, basic::RecoverOk::default());
        }
        Progress::Done
    }
}
