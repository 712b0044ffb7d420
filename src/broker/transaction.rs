//! What a transactional channel has asked for and not committed.

use crate::ids::DeliveryTag;

use super::channel::Delivered;
use super::publish::Accepted;

/// What becomes of a delivery at commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    /// basic.ack.
    Ack,
    /// basic.reject or basic.nack; the broker requeues it or lets it go.
    Reject {
        /// Back to the queue, or not.
        requeue: bool,
    },
}

/// Publishes and settlements since the last commit or rollback, each in its order. RabbitMQ
/// promises atomicity only for one queue; so does this.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// Messages to route at commit.
    pub publishes: Vec<Accepted>,
    /// Octets of those messages.
    pub publish_bytes: u64,
    /// Deliveries that were settled: taken from the channel, put back by a rollback.
    pub settlements: Vec<(DeliveryTag, Delivered, Settlement)>,
}
