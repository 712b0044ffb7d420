//! What a transactional channel has asked for and not committed.

use std::collections::VecDeque;

use crate::ids::DeliveryTag;

use super::channel::Delivered;
use super::publish::Accepted;

/// What becomes of a delivery at commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    /// basic.ack.
    Ack,
    /// basic.reject or basic.nack, for good.
    Discard,
    /// basic.reject or basic.nack, back to the queue.
    Requeue(Requeue),
}

/// How a delivery comes back, which matters where failures are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Requeue {
    /// basic.reject, or the channel ended: the delivery has failed.
    Failed,
    /// basic.nack or basic.recover: the consumer gave it back, nothing is wrong with it.
    Returned,
}

/// Publishes and settlements since the last commit or rollback, each in its order. RabbitMQ
/// promises atomicity only for one queue; so does this.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// Messages to route at commit.
    pub publishes: VecDeque<Accepted>,
    /// Octets of those messages.
    pub publish_bytes: u64,
    /// Deliveries that were settled: taken from the channel, put back by a rollback.
    pub settlements: VecDeque<(DeliveryTag, Delivered, Settlement)>,
}
