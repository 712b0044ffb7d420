//! Runs: commands of one kind whose consequences may come together.
//!
//! ```text
//!   publish q, publish q, publish q │ get q        one round of deliveries, then the get
//!   ack 1, ack 2, ack 3 │ publish q                one round for the room that three acks made
//! ```
//!
//! Publishes on one channel to one queue, by one exchange and key, go to its consumers in their
//! order, whether one by one or together: nothing but the queue's own messages and consumers decides
//! who gets what. That is so if the queue has one order and no limit, and the messages may wait.
//! Acknowledgements on a channel with one consumer make room for just that one. Everything else is
//! no run: the next command looks at what the one before has done.

use crate::ids::{ChannelNumber, ConnectionId};
use crate::wire::{Method, basic};

use super::super::Broker;
use super::super::channel::{Channel, Mode};
use super::super::command::{Command, Publish};
use super::super::queue::Queue;

/// The property flag (section 4.2.6.1) that says that an expiration follows.
const EXPIRATION_FLAG: u16 = 1 << 8;

/// The run that goes on, if the next command belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Run {
    kind: Kind,
    from: ConnectionId,
    channel: ChannelNumber,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Publishes,
    Acks,
}

impl Run {
    /// Whether a command belongs to it.
    pub(super) fn goes_on(self, from: ConnectionId, command: &Command) -> bool {
        let (kind, channel) = match command {
            Command::Publish(channel, publish) if publish.repeats && is_plain(publish) => {
                (Kind::Publishes, *channel)
            }
            Command::Method(channel, method) if is_ack(method) => (Kind::Acks, *channel),
            _ => return false,
        };
        self == Self { kind, from, channel }
    }
}

/// Whether a message may wait for as long as its queue lets it.
pub(super) fn is_plain(publish: &Publish) -> bool {
    publish.message.property_flags() & EXPIRATION_FLAG == 0
}

/// Whether a method is basic.ack.
pub(super) fn is_ack(method: &Method) -> bool {
    matches!(method, Method::Basic(basic::Method::Ack(_)))
}

impl Broker {
    /// A message was published: those behind it may be a run with it.
    pub(super) fn begin_publishes(
        &mut self,
        plain: bool,
        from: ConnectionId,
        number: ChannelNumber,
    ) {
        let joins = plain && self.last_route.joins() && self.turn.notices.is_empty();
        let run = Run { kind: Kind::Publishes, from, channel: number };
        self.turn.run = (joins && !self.is_behind()).then_some(run);
    }

    /// Something was acknowledged: the acknowledgements behind it may be a run with it.
    pub(super) fn begin_acks(&mut self, place: usize, from: ConnectionId, number: ChannelNumber) {
        let run = Run { kind: Kind::Acks, from, channel: number };
        if self.turn.run == Some(run) {
            return;
        }
        let connection = self.connections.get(place);
        let channel = connection.and_then(|found| found.channels.get(&number));
        let channel = channel.and_then(|channel| self.channels.get(*channel));
        let joins = channel.is_some_and(|channel| self.acks_join(channel));
        self.turn.run = (joins && !self.is_behind()).then_some(run);
    }

    /// Whether acknowledgements on a channel concern one consumer only.
    fn acks_join(&self, channel: &Channel) -> bool {
        let mut consumers = channel.consumers.values();
        let (Some(only), None) = (consumers.next(), consumers.next()) else { return false };
        let queue = self.consumers.get(only.0).and_then(|only| self.queues.get(&only.queue));
        channel.channel_prefetch == 0
            && !matches!(channel.mode, Mode::Transaction(_))
            && queue.is_some_and(|queue| !queue.consumers.is_single())
    }

    /// Whether there is work of which a turn takes a part.
    pub(super) fn is_behind(&self) -> bool {
        self.morgue.is_behind() || !self.turn.later.is_empty()
    }
}

impl Queue {
    /// Whether messages that come one after the other may be looked at together: there is one
    /// order, no limit, and time enough.
    pub(in super::super) fn joins(&self) -> bool {
        let settings = &self.settings;
        settings.priorities.is_none()
            && settings.max_length.is_none()
            && settings.max_length_bytes.is_none()
            && settings.message_ttl.is_none_or(|ttl| !ttl.is_zero())
            && !self.declared.arguments.deduplicates
    }
}
