//! What a connection asks of the broker.

use std::sync::Arc;

use crate::ids::ChannelNumber;
use crate::message::Message;
use crate::wire::{Method, ShortString, Table};

use super::statistics::Traffic;

/// One step of a connection's conversation, in the order of its frames.
#[derive(Debug)]
pub enum Command {
    /// The first command of every connection: the client has logged in and asks for a vhost.
    /// Answered with connection.open-ok, or with connection.close (530).
    Open(Box<OpenConnection>),
    /// A method without content on a channel; channel 0 carries connection.close and
    /// connection.update-secret.
    Method(ChannelNumber, Method),
    /// A basic.publish with its whole content.
    Publish(ChannelNumber, Publish),
    /// A basic.publish whose body of so many octets is longer than the broker takes; the
    /// connection has thrown the octets away. Answered with channel.close (406).
    Oversized(ChannelNumber, u64),
    /// Ready messages are to go to another queue. Answered with queue.purge-ok, which counts them.
    /// No client can say this: management does.
    Move(ChannelNumber, Move),
    /// So many octets of deliveries have been written to the socket since the last such command:
    /// room for new ones.
    Drained(u64),
    /// The connection is no more (socket closed, or closing because the client broke the protocol):
    /// requeue what it had, delete what was exclusive to it. The last command of every connection,
    /// also of one that was closed in order.
    Gone,
}

impl Command {
    /// Whether it brings a message.
    pub fn is_publish(&self) -> bool {
        matches!(self, Self::Publish(..) | Self::Oversized(..))
    }
}

/// What is known of a client when its handshake is done.
#[derive(Debug)]
pub struct OpenConnection {
    /// The peer's address, for people.
    pub peer: String,
    /// The name the client logged in with.
    pub user: ShortString,
    /// The vhost it asks for.
    pub virtual_host: ShortString,
    /// connection.start-ok's client-properties.
    pub client_properties: Table,
    /// Negotiated: the most channels open at a time; 0 is no limit.
    pub channel_max: u16,
    /// What is only told to people.
    pub facts: ConnectionFacts,
}

/// What the broker knows of a connection besides its vhost and user.
#[derive(Clone, Debug, Default)]
pub struct ConnectionFacts {
    /// Our own address.
    pub host: String,
    /// How the client logged in: PLAIN, AMQPLAIN.
    pub mechanism: String,
    /// Negotiated: the longest frame in octets.
    pub frame_max: u32,
    /// Negotiated: seconds between heartbeats; 0 is none.
    pub heartbeat_seconds: u16,
    /// What its thread counts.
    pub traffic: Arc<Traffic>,
    /// It is the broker's own, without a socket: nobody is told of it.
    pub internal: bool,
    /// It is of the owner of the data directory, who is no user and may do everything.
    pub owner: bool,
}

/// A published message and how it wants to be treated.
#[derive(Debug)]
pub struct Publish {
    /// Return the message if it reaches no queue.
    pub mandatory: bool,
    /// Refused with 540, as by RabbitMQ.
    pub immediate: bool,
    /// The command right before it is a publish on the same channel, to the same exchange and by
    /// the same key.
    pub repeats: bool,
    /// The message.
    pub message: Message,
}

/// Which messages are to go where.
#[derive(Clone, Debug)]
pub struct Move {
    /// The queue that has them.
    pub from: ShortString,
    /// The queue whose end they go to.
    pub to: ShortString,
    /// At most so many. One command moves no more than the broker takes in one go, so that fewer
    /// does not mean that there are no more; 0 does, or that there is no room.
    pub most: u32,
}
