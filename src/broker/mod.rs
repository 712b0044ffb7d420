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
use crate::store::{Place, Store, StoreError, SyncRequest};
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
    /// The broker is being shut down.
    stopping: bool,
    checkpoints: Checkpoints,
    /// What takes more than a turn.
    work: Work,
    /// A disk that failed: the turn does not end.
    failure: Failure,
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
        self.now = now;
        let place = self.connection_places.get(&from).copied();
        self.turn.actor = place;
        if !matches!(command, Command::Publish(..)) {
            self.last_route.forget();
        }
        let command = match place {
            Some(place) if self.holds_back(place, &command) => {
                match self.hold(place, command, effects) {
                    Some(command) => command,
                    None => return,
                }
            }
            _ => command,
        };
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
                    |broker, _| Err(publish_checks::oversized(broker, size))
                });
            }
            (Command::Move(number, order), Some(place)) => {
                self.on_channel(now, place, number, effects, crate::wire::queue::Purge::ID, {
                    |broker, call| methods::moving::move_ready(broker, call, &order)
                });
            }
            // The connection has been closed: what was under way is not for anybody.
            (Command::Drained(_) | Command::Method(..) | Command::Move(..), None)
            | (Command::Publish(..) | Command::Oversized(..), None) => {}
        }
    }

    /// Ends a turn: delivers, writes, and asks for a sync if something waits for it. An error is
    /// the disk's and final: nothing more may be promised. A full disk is no error: see
    /// [`Self::holds_outputs`].
    pub fn end_turn(
        &mut self,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Option<SyncRequest>, StoreError> {
        self.now = now;
        self.turn.actor = None;
        self.last_route.forget();
        self.begin_end(now, effects)?;
        self.go_on(effects);
        self.ring(now, effects);
        self.requeue_late(now);
        self.release_delayed(now);
        self.morgue.reopen();
        self.bury_dead();
        self.deliver_touched();
        self.release_paced(now, effects);
        for id in std::mem::take(&mut self.turn.later) {
            self.touch(id);
        }
        self.flush_deliveries(effects);
        self.failure.check()?;
        let request = self.end_durability(now, effects)?;
        self.finish_end(now);
        self.work.end_turn();
        Ok(request)
    }

    fn flush_queue(&mut self, id: QueueId) -> Result<(), StoreError> {
        self.queues.get_mut(&id).map_or(Ok(()), |queue| queue.flush(&mut self.budget))
    }

    /// Whether work is under way that the next turn goes on with, whatever else it has to do.
    pub fn is_working(&self) -> bool {
        let touched = !(self.turn.touched.is_empty() && self.turn.notices.is_empty());
        let works = self.work.is_behind() && !self.holds_outputs();
        works || touched || self.morgue.is_behind()
    }

    /// When `end_turn` has to be called at the latest, even without a command.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if self.is_working() {
            return Some(self.now);
        }
        let deadlines = [
            self.durability.deadline(),
            self.alarms.deadline(),
            self.next_release(),
            self.pacing.deadline(),
            self.timers.next(),
            self.deadlines.first(),
            self.delayed.first(),
        ];
        deadlines.into_iter().flatten().min()
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
            self.refuse(&mut call, method, &refusal);
        }
        self.wait_if_spent(place, before);
    }

    fn not_open(&mut self, place: usize, method: MethodId, effects: &mut Effects) {
        let refusal = channel_error("expected 'channel.open'");
        self.refuse_connection(place, method, &refusal, effects);
    }
}
