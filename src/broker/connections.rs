//! A connection as the broker knows it: who it is, which channels it has, how much it can take.

use std::collections::BTreeMap;

use crate::ids::{ChannelNumber, ConnectionId, QueueId, Timestamp};
use crate::wire::{PackedTable, ShortString};

use super::command::ConnectionFacts;

use super::alarms::Held;

/// The state of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// Its number.
    pub id: ConnectionId,
    /// The place of its vhost.
    pub vhost: usize,
    /// The user who logged in.
    pub user: ShortString,
    /// The peer's address, for people.
    pub peer: String,
    /// The most channels at a time; 0 is no limit.
    pub channel_max: u16,
    /// Whether the client wants to hear that a consumer was cancelled by the broker.
    pub consumer_cancel_notify: bool,
    /// Whether the client wants to hear that it is blocked.
    pub blocked_notify: bool,
    /// It has work under way that its further commands wait for.
    pub busy: bool,
    /// What it sent while an alarm was up, or behind work.
    pub held: Held,
    /// The places of its channels.
    pub channels: BTreeMap<ChannelNumber, usize>,
    /// Queues that end with it.
    pub exclusive_queues: Vec<QueueId>,
    /// Octets of deliveries sent to its outbox and not yet written to its socket.
    pub outbox_bytes: u64,
    /// The channel that got the last delivery.
    pub last_served: ChannelNumber,
    /// Direct replies that were dropped because it reads too slowly.
    pub dropped_replies: u64,
    /// connection.close was sent or answered: nothing is sent any more.
    pub closing: bool,
    /// When it opened its vhost.
    pub opened: Timestamp,
    /// What the client said of itself.
    pub client_properties: PackedTable,
    /// What is only told to people.
    pub facts: ConnectionFacts,
}
