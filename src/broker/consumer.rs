//! A consumer: who gets a queue's messages, and how many at a time.

use std::time::Duration;

use crate::ids::QueueId;
use crate::wire::{PackedTable, ShortString};

use super::consumers::Rank;
use super::stream::Subscription;

/// Where a consumer is kept. A place may be given to another consumer later, so what outlives a
/// turn also remembers the [`Consumer::number`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ConsumerKey(pub usize);

/// A subscription of a channel to a queue.
#[derive(Debug)]
pub(super) struct Consumer {
    /// Unique in this process: tells this consumer from an earlier one at the same place.
    pub number: u64,
    /// Its name on its channel.
    pub tag: ShortString,
    /// The queue it consumes from.
    pub queue: QueueId,
    /// The place of its channel.
    pub channel: usize,
    /// Deliveries count as acknowledged when they are sent.
    pub no_ack: bool,
    /// No other consumer may be on the queue.
    pub exclusive: bool,
    /// `x-priority`: higher ones are served first.
    pub priority: i64,
    /// How long it may keep a delivery unacknowledged.
    pub timeout: Option<Duration>,
    /// How many deliveries it may have unacknowledged; 0 is no limit.
    pub prefetch: u16,
    /// How many it has.
    pub unacked: u32,
    /// Whether it stands in its queue's line; one that could not take a message when its turn came
    /// has left the line until something makes room.
    pub in_line: bool,
    /// Its place in a stream, if its queue is one.
    pub subscription: Option<Box<Subscription>>,
    /// Its arguments as given.
    pub arguments: PackedTable,
}

impl Consumer {
    /// What it is among the consumers of its queue.
    pub(super) fn rank(&self) -> Rank {
        Rank::new(self.priority, self.number)
    }

    /// Whether its own prefetch leaves room for a delivery.
    pub(super) fn has_room(&self) -> bool {
        self.prefetch == 0 || self.unacked < u32::from(self.prefetch)
    }
}
