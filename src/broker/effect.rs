//! What the broker wants done: frames to send, connections to end.

use hashbrown::HashMap;

use crate::ids::{ChannelNumber, ConnectionId, DeliveryTag};
use crate::message::Message;
use crate::wire::{Method, ShortString};

/// One thing for a connection to send, in order.
#[derive(Debug)]
pub enum Output {
    /// A method without content. After a connection.close the connection sends nothing more and
    /// waits for close-ok; after a connection.close-ok it ends.
    Method(ChannelNumber, Method),
    /// A run of basic.deliver to one consumer, with consecutive delivery tags.
    Deliver(Deliveries),
    /// A basic.get-ok.
    GetOk {
        /// The channel of the basic.get.
        channel: ChannelNumber,
        /// The tag to acknowledge it by.
        delivery_tag: DeliveryTag,
        /// How many messages are ready behind it.
        message_count: u32,
        /// The message.
        delivery: Delivery,
    },
    /// A basic.return of an unroutable mandatory message (312 NO_ROUTE).
    Return {
        /// The channel it was published on.
        channel: ChannelNumber,
        /// The message.
        message: Message,
    },
    /// Read nothing more from the client: an alarm holds its publishes up.
    Pause,
    /// Read again.
    Resume,
}

/// Messages for one consumer, one basic.deliver each.
#[derive(Debug)]
pub struct Deliveries {
    /// The consumer's channel.
    pub channel: ChannelNumber,
    /// The consumer.
    pub consumer_tag: ShortString,
    /// The tag of the first message; each following one has the next.
    pub first_tag: DeliveryTag,
    /// The messages in order.
    pub messages: Vec<Delivery>,
}

/// A message and whether it may have been delivered before.
#[derive(Debug)]
pub struct Delivery {
    /// Whether the message may have been delivered before.
    pub redelivered: bool,
    /// The message.
    pub message: Message,
}

/// The outputs of a turn, one bundle for each connection that gets any, in the order of first use.
#[derive(Debug, Default)]
pub struct Effects {
    bundles: Vec<(ConnectionId, Vec<Output>)>,
    places: HashMap<ConnectionId, usize>,
    /// The bundle that was asked for last: mostly it is the next one too.
    last: usize,
    /// What leaves even while the other outputs have to wait.
    urgent: Vec<(ConnectionId, Output)>,
}

impl Effects {
    /// Adds an output for a connection.
    pub fn send(&mut self, to: ConnectionId, output: Output) {
        self.bundle(to).push(output);
    }

    /// Adds an output that does not wait for the disk and may overtake all others.
    pub fn send_urgent(&mut self, to: ConnectionId, output: Output) {
        self.urgent.push((to, output));
    }

    /// Takes the outputs of [`Self::send_urgent`].
    pub fn take_urgent(&mut self) -> impl Iterator<Item = (ConnectionId, Output)> + '_ {
        self.urgent.drain(..)
    }

    /// The outputs gathered for a connection so far.
    pub fn bundle(&mut self, to: ConnectionId) -> &mut Vec<Output> {
        if let Some((last, _)) = self.bundles.get(self.last)
            && *last == to
        {
            return &mut self.bundles[self.last].1;
        }
        let place = *self.places.entry(to).or_insert_with(|| {
            self.bundles.push((to, Vec::new()));
            self.bundles.len() - 1
        });
        self.last = place;
        &mut self.bundles[place].1
    }

    /// Whether nothing was gathered.
    pub fn is_empty(&self) -> bool {
        self.bundles.is_empty()
    }

    /// Takes all bundles and leaves the effects empty for the next turn.
    pub fn take(&mut self) -> impl Iterator<Item = (ConnectionId, Vec<Output>)> + '_ {
        self.places.clear();
        self.bundles.drain(..)
    }
}
