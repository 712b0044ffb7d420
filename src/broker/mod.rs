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

pub mod access;
mod admission;
mod alarms;
pub mod arguments;
mod call;
mod changes;
mod channel;
mod checkpoints;
mod command;
mod confirms;
mod connections;
mod consumer;
mod consumer_timeout;
mod consumers;
mod dead_letter;
mod deaths;
mod delayed;
mod delivery;
mod deprecated;
pub mod drops;
mod durability;
mod effect;
mod events;
mod exception;
pub mod exchange;
mod expiry;
mod export;
mod fsync;
mod full_queues;
mod hash;
mod import;
mod last_route;
mod lifecycle;
mod log_exchange;
mod methods;
mod names;
mod notices;
mod options;
mod pacing;
mod permission;
mod policies;
mod publish;
mod publish_checks;
mod queue;
mod recollection;
mod recovery;
mod replay;
mod replayed;
mod reply_to;
pub mod report;
mod restore;
mod routing;
mod runs;
mod sender_selected;
pub mod settings;
mod settle;
mod snapshot;
mod statistics;
mod stream;
mod timers;
mod topology;
mod trace;
mod transaction;
mod turn;
mod unacked;
mod vhost;
mod work;

pub use alarms::Measures;
pub use command::{Command, ConnectionFacts, Move, OpenConnection, Publish};
pub use effect::{Deliveries, Delivery, Effects, Output};
pub use exception::Exception;
pub use fsync::FsyncPolicy;
pub use options::BrokerOptions;
pub use replayed::BrokerError;
pub use statistics::{Churn, MessageStats, Sizes, Statistics, Traffic, TrafficStats};
pub use vhost::is_predeclared;

use std::collections::BTreeMap;

use hashbrown::HashMap;
use slab::Slab;

use crate::ids::{ChannelNumber, ConnectionId, ExchangeId, QueueId, Timestamp};
use crate::store::{Place, Store, StoreError};
use crate::wire::{Method, MethodId, ShortString};

use access::Access;
use alarms::{Alarms, Failure};
use call::Call;
use channel::{Channel, ChannelState};
use checkpoints::Checkpoints;
use connections::Connection;
use consumer::Consumer;
use consumer_timeout::Deadlines;
use dead_letter::Morgue;
use delayed::Delayed;
use deprecated::Warned;
use drops::Drops;
use durability::{Durability, Turn};
use exception::channel_error;
use exchange::Destination;
use fsync::Promise;
use full_queues::FullQueues;
use last_route::LastRoute;
use names::Names;
use pacing::Pacing;
use queue::{Budget, Queue};
use routing::Scratch;
use timers::{Clocks, Timers};
use vhost::{Exchange, VirtualHost};
use work::Work;

/// All exchanges, queues, channels and what is promised to whom.
pub struct Broker {
    options: BrokerOptions,
    store: Store,
    access: Access,
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
    /// Deliveries that are late when their time comes.
    deadlines: Deadlines,
    delayed: Delayed,
    budget: Budget,
    /// Octets that all recent-history exchanges keep.
    histories_bytes: u64,
    /// Octets of messages that wait for tx.commit.
    transactions_bytes: u64,
    durability: Durability,
    alarms: Alarms,
    full_queues: FullQueues,
    pacing: Pacing,
    turn: Turn,
    names: Names,
    next_exchange: ExchangeId,
    next_queue: QueueId,
    next_consumer: u64,
    /// The time of the turn that is going on.
    now: Timestamp,
    timers: Timers,
    clocks: Clocks,
    morgue: Morgue,
    drops: Drops,
    statistics: Statistics,
    /// Counts messages, to know which exchanges and queues one has come by.
    routed: u64,
    scratch: Scratch,
    last_route: LastRoute,
    places: Vec<Place>,
    /// Definitions are being replayed: they are not journaled again and have no consequences.
    recovering: bool,
    warned: Warned,
    checkpoints: Checkpoints,
    /// What takes more than a turn.
    work: Work,
    /// A disk that failed: the turn does not end.
    failure: Failure,
}

impl Broker {
    fn flush_queue(&mut self, id: QueueId) -> Result<(), StoreError> {
        self.queues.get_mut(&id).map_or(Ok(()), |queue| queue.flush(&mut self.budget))
    }

    /// Whether the next turn has something to do, whatever else comes.
    pub fn is_working(&self) -> bool {
        let touched = !(self.turn.touched.is_empty() && self.turn.notices.is_empty());
        let touched = touched || !self.turn.later.is_empty();
        self.has_long_work() || touched || self.morgue.is_behind()
    }

    /// Whether a client's or an operator's request is done in part, and the next turn goes on with it.
    pub fn has_long_work(&self) -> bool {
        self.work.is_behind() && !self.holds_outputs()
    }

    /// The messages that left without an acknowledgement.
    pub fn drops(&self) -> &Drops {
        &self.drops
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
        self.turn.promise = Promise::Nothing;
        let before = self.work.spent();
        let mut call = Call { now, connection: place, channel, effects };
        let result = handler(self, &mut call);
        self.bury_dead();
        if let Err(refusal) = result {
            if self.turn.run.is_some() {
                self.catch_up_within(call.effects);
            }
            self.refuse(&mut call, method, &refusal);
        }
        self.wait_if_spent(place, before);
    }

    fn not_open(&mut self, place: usize, method: MethodId, effects: &mut Effects) {
        let refusal = channel_error("expected 'channel.open'");
        self.refuse_connection(place, method, &refusal, effects);
    }
}
