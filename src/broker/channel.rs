//! A channel: the broker's side of one conversation within a connection.

use std::collections::{BTreeMap, VecDeque};

use crate::ids::{ChannelNumber, ConnectionId, DeliveryTag, QueueId, SyncPoint, Timestamp};
use crate::wire::ShortString;

use super::confirms::Confirms;
use super::consumer::ConsumerKey;
use super::consumer_timeout::Late;
use super::effect::{Deliveries, Output};
use super::fsync::Promise;
use super::permission::Permitted;
use super::queue::Item;
use super::reply_to::ReplyConsumer;
use super::statistics::MessageStats;
use super::transaction::Transaction;
use super::unacked::Unacked;

/// A delivery that waits for an acknowledgement.
#[derive(Debug)]
pub(super) struct Delivered {
    /// The queue it came from, which may be gone.
    pub queue: QueueId,
    /// The message in that queue.
    pub item: Item,
    /// When it is late (`x-consumer-timeout`).
    pub deadline: Option<Timestamp>,
    /// The consumer that got it, with its number; `None` after basic.get.
    pub consumer: Option<(ConsumerKey, u64)>,
}

/// What a channel does with publishes and acknowledgements.
#[derive(Debug, Default)]
pub(super) enum Mode {
    /// They take effect at once and are not told.
    #[default]
    Plain,
    /// Publishes are confirmed (confirm.select).
    Confirm(Confirms),
    /// They wait for tx.commit (tx.select).
    Transaction(Transaction),
}

/// An output that waits for the disk, or behind one that does.
#[derive(Debug)]
pub(super) struct Parked {
    /// What it promises.
    pub promise: Promise,
    /// The point to wait for; `None` until the turn's point is known.
    pub point: Option<SyncPoint>,
    /// What to send then.
    pub output: Output,
}

impl Parked {
    /// Whether it may leave now that all is synced up to `synced`.
    pub(super) fn is_due(&self, synced: SyncPoint) -> bool {
        self.point.is_some_and(|point| self.promise < Promise::Synced || point <= synced)
    }
}

/// How a channel lives and ends.
///
/// ```text
///   channel.open ──▶ Open ── refusal, or channel.close received ──▶ Ending
///   Ending ── refused: channel.close sent ──▶ Closing ── close-ok received ──▶ gone
///       └──── closed by the client ──▶ Finishing ── parked replies, close-ok sent ──▶ gone
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChannelState {
    /// In use.
    Open,
    /// What it had ends, which may take some turns.
    Ending,
    /// The broker has sent channel.close and ignores all but the answer.
    Closing,
    /// The client has closed it; close-ok waits behind replies that wait for the disk.
    Finishing,
}

/// The broker's side of a channel.
#[derive(Debug)]
pub(super) struct Channel {
    /// Its connection.
    pub connection_id: ConnectionId,
    /// The place of its connection.
    pub connection: usize,
    /// Its number there.
    pub number: ChannelNumber,
    /// Where it may publish.
    pub permitted: Permitted,
    /// Whether it is open.
    pub state: ChannelState,
    /// What publishes and acknowledgements do.
    pub mode: Mode,
    /// Its consumer of direct replies.
    pub(super) reply_consumer: Option<ReplyConsumer>,
    /// Its consumers by tag.
    pub consumers: BTreeMap<ShortString, ConsumerKey>,
    /// Deliveries that wait for an acknowledgement.
    pub unacked: Unacked<Delivered>,
    /// Deliveries that went back to their queues because they were late.
    pub late: Late,
    /// The consumer that got the last delivery.
    pub last_served: Option<ConsumerKey>,
    /// The tag of the next delivery.
    pub next_tag: DeliveryTag,
    /// The prefetch of consumers that come from now on (basic.qos global=false); 0 is no limit.
    pub consumer_prefetch: u16,
    /// The prefetch of all consumers together (basic.qos global=true); 0 is no limit.
    pub channel_prefetch: u16,
    /// Unacknowledged deliveries to consumers: those of basic.get do not count here.
    pub in_flight: u32,
    /// The queue that an empty queue name stands for.
    pub last_queue: ShortString,
    /// Whether the client takes deliveries (channel.flow).
    pub flow: bool,
    /// Direct replies that wait for channel.flow.
    pub(super) held_replies: Vec<Deliveries>,
    /// Replies that wait for the disk, and all replies after them.
    pub parked: VecDeque<Parked>,
    /// What happened on it.
    pub stats: MessageStats,
}

impl Channel {
    /// A channel that was just opened.
    pub(super) fn new(
        connection_id: ConnectionId,
        connection: usize,
        number: ChannelNumber,
    ) -> Self {
        Self {
            connection_id,
            connection,
            number,
            permitted: Permitted::default(),
            state: ChannelState::Open,
            mode: Mode::Plain,
            reply_consumer: None,
            consumers: BTreeMap::new(),
            unacked: Unacked::default(),
            late: Late::default(),
            last_served: None,
            next_tag: DeliveryTag(1),
            consumer_prefetch: 0,
            channel_prefetch: 0,
            in_flight: 0,
            last_queue: ShortString::default(),
            flow: true,
            held_replies: Vec::new(),
            parked: VecDeque::new(),
            stats: MessageStats::default(),
        }
    }

    /// Whether one of its consumers may get a delivery now, as far as the channel goes.
    pub(super) fn has_room(&self) -> bool {
        self.flow
            && self.state == ChannelState::Open
            && (self.channel_prefetch == 0 || self.in_flight < u32::from(self.channel_prefetch))
    }

    /// Whether it has a consumer with this tag.
    pub(super) fn has_consumer(&self, tag: &str) -> bool {
        self.consumers.contains_key(tag)
            || self.reply_consumer.as_ref().is_some_and(|consumer| *consumer.tag == *tag)
    }

    /// Whether a delivery with this tag can be settled.
    pub(super) fn holds(&self, tag: DeliveryTag) -> bool {
        self.unacked.contains(tag) || self.late.contains(tag)
    }

    /// The tag of a delivery that is being sent.
    pub(super) fn take_tag(&mut self) -> DeliveryTag {
        let tag = self.next_tag;
        self.next_tag = tag.next();
        tag
    }
}
