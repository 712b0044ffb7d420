//! The brain: a deterministic state machine that turns commands into effects.
//!
//! ```text
//!   Command ──▶ apply ──▶ state ──▶ end_turn ──▶ Effects (frames to send)
//!                                       └──────▶ SyncRequest ──▶ … ──▶ synced ──▶ Effects
//! ```
//!
//! A *turn* is some commands, one after the other, and one `end_turn`: it delivers once, writes
//! once, asks for one sync. The broker reads no clock, starts no thread and opens no socket; time
//! and randomness come in as values, so the same commands give the same effects. What it keeps on
//! disk it reaches through [`crate::store`].
//!
//! Left out here: permissions, policies, time to live, dead letters, priorities.

pub mod arguments;
mod call;
mod channel;
mod command;
mod confirms;
mod connections;
mod consumer;
mod delivery;
mod durability;
mod effect;
mod exception;
pub mod exchange;
mod fsync;
mod lifecycle;
mod methods;
mod names;
mod publish;
mod queue;
mod recovery;
mod replay;
mod reply_to;
pub mod report;
mod routing;
mod sender_selected;
mod settle;
mod snapshot;
mod statistics;
mod topology;
mod transaction;
mod unacked;
mod vhost;

pub use command::{Command, ConnectionFacts, OpenConnection, Publish};
pub use effect::{Deliveries, Delivery, Effects, Output};
pub use exception::Exception;
pub use fsync::FsyncPolicy;
pub use recovery::BrokerError;
pub use statistics::{Churn, Drops, MessageStats, Statistics, Traffic, TrafficStats};

use std::collections::BTreeMap;

use hashbrown::HashMap;
use slab::Slab;

use crate::ids::{ChannelNumber, ConnectionId, ExchangeId, QueueId, Timestamp};
use crate::store::{Place, Store, StoreError, SyncRequest};
use crate::wire::{Method, MethodId, ShortString};

use call::Call;
use channel::{Channel, ChannelState};
use connections::Connection;
use consumer::Consumer;
use durability::{Durability, Turn};
use exception::channel_error;
use exchange::Destination;
use names::Names;
use queue::{Budget, Queue};
use routing::Scratch;
use vhost::{Exchange, VirtualHost};

/// What a broker can be told from outside.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    /// What a confirm means.
    pub fsync: FsyncPolicy,
    /// Octets of deliveries that may wait in a connection's outbox; above it, its consumers wait.
    pub outbox_bytes_max: u64,
    /// The longest body that is accepted, in octets.
    pub message_bytes_max: u64,
    /// Octets of messages that all queues together keep in memory; the rest waits on disk.
    pub resident_bytes_max: u64,
    /// Where server-made names begin.
    pub seed: u64,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            fsync: FsyncPolicy::Always,
            outbox_bytes_max: 1024 * 1024,
            message_bytes_max: 16 * 1024 * 1024,
            resident_bytes_max: 64 * 1024 * 1024,
            seed: 0,
        }
    }
}

/// All exchanges, queues, channels and what is promised to whom.
pub struct Broker {
    options: BrokerOptions,
    store: Store,
    vhosts: Vec<VirtualHost>,
    exchanges: HashMap<ExchangeId, Exchange>,
    queues: HashMap<QueueId, Queue>,
    /// The exchanges that each destination is bound to, and by how many bindings.
    sources: BTreeMap<Destination, BTreeMap<ExchangeId, usize>>,
    connections: Slab<Connection>,
    connection_places: HashMap<ConnectionId, usize>,
    channels: Slab<Channel>,
    /// The channels that wait for direct replies, by address.
    reply_channels: HashMap<ShortString, usize>,
    consumers: Slab<Consumer>,
    budget: Budget,
    durability: Durability,
    turn: Turn,
    names: Names,
    next_exchange: ExchangeId,
    next_queue: QueueId,
    next_consumer: u64,
    statistics: Statistics,
    /// Counts messages, to know which exchanges and queues one has come by.
    routed: u64,
    scratch: Scratch,
    places: Vec<Place>,
    /// Definitions are being replayed: they are not journaled again and have no consequences.
    recovering: bool,
    /// The broker is being shut down.
    stopping: bool,
    checkpointing: bool,
    /// A checkpoint is due although the journal is short.
    checkpoint_due: bool,
    /// A disk that failed: the turn does not end.
    failure: Option<StoreError>,
}

impl Broker {
    /// Handles one command of a connection. Never fails: refusals are effects, and a failing disk
    /// shows when the turn ends.
    pub fn apply(
        &mut self,
        now: Timestamp,
        from: ConnectionId,
        command: Command,
        effects: &mut Effects,
    ) {
        let place = self.connection_places.get(&from).copied();
        let open = place.filter(|place| !self.connections[*place].closing);
        match (command, open) {
            (Command::Gone, _) => self.forget_connection(from, effects),
            (Command::Open(open), _) => {
                if place.is_none() {
                    self.open_connection(now, from, *open, effects);
                }
            }
            (Command::Drained(bytes), Some(place)) => self.drained(place, bytes),
            (Command::Method(number, method), Some(place)) => {
                self.method(now, place, number, method, effects);
            }
            (Command::Publish(number, publish), Some(place)) => {
                self.on_channel(now, place, number, effects, crate::wire::basic::Publish::ID, {
                    |broker, call| publish::publish(broker, call, publish)
                });
            }
            (Command::Oversized(number, size), Some(place)) => {
                self.on_channel(now, place, number, effects, crate::wire::basic::Publish::ID, {
                    |broker, _| Err(publish::oversized(broker, size))
                });
            }
            // The connection has been closed: what was under way is not for anybody.
            (Command::Drained(_) | Command::Method(..), None)
            | (Command::Publish(..) | Command::Oversized(..), None) => {}
        }
    }

    /// Ends a turn: delivers, writes, and asks for a sync if something waits for it. An error is
    /// the disk's and final: nothing more may be promised.
    pub fn end_turn(
        &mut self,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Option<SyncRequest>, StoreError> {
        let mut touched = std::mem::take(&mut self.turn.touched);
        for id in &touched {
            if let Some(queue) = self.queues.get_mut(id) {
                queue.touched = false;
            }
            self.deliver(*id);
            self.drop_head(*id);
            if let Some(queue) = self.queues.get_mut(id) {
                queue.flush()?;
            }
        }
        touched.clear();
        touched.append(&mut self.turn.touched);
        self.turn.touched = touched;
        self.flush_deliveries(effects);
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        self.end_durability(now, effects)
    }

    /// When `end_turn` has to be called at the latest, even without a command.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.durability.deadline()
    }

    /// A connection has written so much of its deliveries: there is room for more.
    fn drained(&mut self, place: usize, bytes: u64) {
        let limit = self.options.outbox_bytes_max;
        let connection = &mut self.connections[place];
        let was_full = connection.outbox_bytes >= limit;
        connection.outbox_bytes = connection.outbox_bytes.saturating_sub(bytes);
        if was_full && connection.outbox_bytes < limit {
            let channels: Vec<_> = connection.channels.values().copied().collect();
            for channel in channels {
                self.rouse_channel(channel);
            }
        }
    }

    fn method(
        &mut self,
        now: Timestamp,
        place: usize,
        number: ChannelNumber,
        method: Method,
        effects: &mut Effects,
    ) {
        let id = method.id();
        if number == ChannelNumber(0) {
            if let Err(refusal) = methods::connection::handle(self, place, &method, effects) {
                self.refuse_connection(place, id, &refusal, effects);
            }
            return;
        }
        let open = Method::Channel(crate::wire::channel::Method::Open(Default::default())).id();
        if id == open && !self.connections[place].channels.contains_key(&number) {
            if let Err(refusal) = methods::channel::open(self, place, number, effects) {
                self.refuse_connection(place, id, &refusal, effects);
            }
            return;
        }
        let Some(&channel) = self.connections[place].channels.get(&number) else {
            return self.not_open(place, id, effects);
        };
        if self.channels[channel].state != ChannelState::Open {
            let mut call = Call { now, connection: place, channel, effects };
            methods::channel::while_closing(self, &mut call, &method);
            return;
        }
        self.on_channel(now, place, number, effects, id, |broker, call| {
            methods::on_channel(broker, call, method)
        });
    }

    /// Runs a handler on an open channel and turns its refusal into a close.
    fn on_channel(
        &mut self,
        now: Timestamp,
        place: usize,
        number: ChannelNumber,
        effects: &mut Effects,
        method: MethodId,
        handler: impl FnOnce(&mut Self, &mut Call<'_>) -> Result<(), Exception>,
    ) {
        let Some(&channel) = self.connections[place].channels.get(&number) else {
            return self.not_open(place, method, effects);
        };
        if self.channels[channel].state != ChannelState::Open {
            return;
        }
        // What was defined without a reply (no_wait, a consumer that went) is durable all the same,
        // without a promise.
        self.turn.defined = false;
        let mut call = Call { now, connection: place, channel, effects };
        let result = handler(self, &mut call);
        if let Err(refusal) = result {
            if refusal.code.is_hard() {
                self.refuse_connection(place, method, &refusal, effects);
            } else {
                self.refuse_channel(&mut call, method, &refusal);
            }
        }
    }

    fn not_open(&mut self, place: usize, method: MethodId, effects: &mut Effects) {
        let refusal = channel_error("expected 'channel.open'");
        self.refuse_connection(place, method, &refusal, effects);
    }

    /// Closes a channel: what it had goes back at once, and all but close-ok is ignored from now.
    fn refuse_channel(&mut self, call: &mut Call<'_>, method: MethodId, refusal: &Exception) {
        let method = refusal.method.unwrap_or(method);
        let close = crate::wire::channel::Close {
            reply_code: refusal.code.code(),
            reply_text: refusal.reply_text(),
            class_id: method.class,
            method_id: method.method,
        };
        let channel = &self.channels[call.channel];
        log::info!("{}.{} closed: {}", channel.connection_id, channel.number, close.reply_text);
        self.flush_deliveries(call.effects);
        self.channels[call.channel].state = ChannelState::Closing;
        self.clear_channel(call.channel, call.effects);
        self.reply(call, close);
    }

    /// Closes a connection: what it had ends at once; the connection's thread waits for close-ok.
    fn refuse_connection(
        &mut self,
        place: usize,
        method: MethodId,
        refusal: &Exception,
        effects: &mut Effects,
    ) {
        let close = lifecycle::connection_close(refusal, method);
        let id = self.connections[place].id;
        log::info!("{id} closed: {}", refusal.reply_text());
        self.flush_deliveries(effects);
        self.connections[place].closing = true;
        self.release_connection(place, effects);
        effects.send(id, Output::Method(ChannelNumber(0), close));
    }
}
