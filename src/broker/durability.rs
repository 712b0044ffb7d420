//! Promises that wait for the disk.
//!
//! ```text
//!   publish, durable declare, commit ──▶ journal buffer ──(end of turn: one write)──▶ file
//!                       │                                         point ▲      │ fdatasync
//!                       └──▶ confirm / declare-ok, parked at ───────────┘      ▼
//!   connection ◀──────────────── released by synced(point) ◀──────────── syncer thread
//! ```
//!
//! There is one list of parked replies for each channel and one of confirms; nothing that promises
//! durability leaves by another way. A reply behind a parked one waits too: replies keep their
//! order. Under the policies that promise a write only, nothing waits longer than its turn.

use std::collections::VecDeque;
use std::time::Duration;

use crate::ids::{ExchangeId, SyncPoint, Timestamp};
use crate::message::Message;
use crate::mutants::mutant;
use crate::store::{QueueLog, StoreError, SyncRequest};
use crate::wire::Method;

use super::Broker;
use super::call::Call;
use super::channel::{Channel, ChannelState, Mode, Parked};
use super::effect::{Effects, Output};
use super::fsync::{FsyncPolicy, Promise};
use super::turn::Run;

/// Where nothing is promised, messages that moved out of a log are synced after so long.
const MOVES_LAG: Duration = Duration::from_secs(1);

/// What a turn has gathered until it ends.
#[derive(Default)]
pub(super) struct Turn {
    /// The place of the connection whose command it is.
    pub actor: Option<usize>,
    /// What the broker publishes itself when the turn ends.
    pub notices: Vec<(ExchangeId, Message)>,
    /// Queues that got a message or a chance to deliver one, to be visited before anything looks
    /// at them.
    pub touched: VecDeque<crate::ids::QueueId>,
    /// Queues that were visited: their timers are to be set, their logs to be written.
    pub visited: Vec<crate::ids::QueueId>,
    /// Long work has come from an earlier turn.
    pub carried: bool,
    /// Commands that are looked at together.
    pub run: Option<Run>,
    /// Queues that have more to do than a turn takes: to be touched in the next one.
    pub later: Vec<crate::ids::QueueId>,
    /// Deliveries, to be sent behind the replies of the turn.
    pub deliveries: Effects,
    /// Channels with new confirms.
    pub confirming: Vec<usize>,
    /// Streams with messages that are not synced.
    pub streams: Vec<crate::ids::QueueId>,
    /// Channels with newly parked replies.
    pub parking: Vec<usize>,
    /// Logs of queues that were deleted: their files go when the journal tells of it.
    pub ended: Vec<QueueLog>,
    /// Exchanges that are being removed, one because of the other.
    pub doomed: Vec<ExchangeId>,
    /// Some method of the turn has journaled a definition.
    pub defines: bool,
    /// An operator has changed something, and waits for the disk.
    pub changed: bool,
    /// What the reply to the method being handled promises.
    pub promise: Promise,
    /// How long what the turn has journaled may stay unsynced; `None` as long as the kernel likes.
    pub lag_max: Option<Duration>,
}

impl Turn {
    /// Something is journaled under a policy: it is to be synced in time.
    pub(super) fn sync_within(&mut self, policy: FsyncPolicy) {
        if let Some(lag) = policy.lag_max() {
            self.lag_max = Some(self.lag_max.map_or(lag, |other| other.min(lag)));
        }
    }
}

/// How far the journal is written, asked to be synced, and synced.
#[derive(Debug, Default)]
pub(super) struct Durability {
    written: SyncPoint,
    requested: SyncPoint,
    synced: SyncPoint,
    /// The last point behind a definition.
    defined: SyncPoint,
    /// When the oldest unsynced bytes have to be synced although nobody waits for them.
    deadline: Option<Timestamp>,
    /// Streams with messages that wait for a sync to be read.
    pub(super) streams: Vec<crate::ids::QueueId>,
    /// Channels with confirms or replies that wait for a sync.
    waiting: Vec<usize>,
}

impl Durability {
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// Up to where the journal is written.
    pub(super) fn written(&self) -> SyncPoint {
        self.written
    }

    /// Whether what is written up to `point` is as durable as the policy promises.
    pub(super) fn keeps(&self, policy: FsyncPolicy, point: SyncPoint) -> bool {
        policy != FsyncPolicy::Always || point <= self.synced
    }
}

impl Broker {
    /// Sends a reply to a method; one that promises durability, or that is behind such a one,
    /// waits for the disk.
    pub(super) fn reply(&mut self, call: &mut Call<'_>, reply: impl Into<Method>) {
        let number = self.channels[call.channel].number;
        self.reply_with(call, Output::Method(number, reply.into()));
    }

    /// Whether a definition is not synced yet. A reply that says that something is there, or is
    /// not, waits for it: it may be the work of another client.
    pub(super) fn defines(&self) -> bool {
        self.turn.defines || self.durability.defined > self.durability.synced
    }

    /// As [`Self::reply`], for any output.
    pub(super) fn reply_with(&mut self, call: &mut Call<'_>, output: Output) {
        let promise = std::mem::take(&mut self.turn.promise);
        if promise == Promise::Nothing {
            return self.send_on(call.channel, output, call.effects);
        }
        self.flush_deliveries(call.effects);
        self.park_output(call.channel, promise, output);
    }

    /// Sends an output that promises nothing, behind all that was sent on its channel before.
    pub(super) fn send_on(&mut self, channel: usize, output: Output, effects: &mut Effects) {
        self.flush_deliveries(effects);
        let Channel { connection_id, parked, .. } = &self.channels[channel];
        if parked.is_empty() {
            effects.send(*connection_id, output);
        } else {
            self.park_output(channel, Promise::Nothing, output);
        }
    }

    /// Whether any channel may have parked outputs.
    pub(super) fn parks(&self) -> bool {
        !(self.turn.parking.is_empty() && self.durability.waiting.is_empty())
    }

    /// Has an output wait for the disk, behind those that are parked on its channel.
    pub(super) fn park_output(&mut self, channel: usize, promise: Promise, output: Output) {
        self.channels[channel].parked.push_back(Parked { promise, point: None, output });
        self.turn.parking.push(channel);
    }

    /// Something was journaled that the reply to the current method is to promise.
    pub(super) fn promise(&mut self, policy: FsyncPolicy) {
        self.turn.promise = self.turn.promise.max(policy.promise());
        self.turn.sync_within(policy);
    }

    /// Writes the journal and releases what needs no more than that.
    pub(super) fn end_durability(
        &mut self,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Option<SyncRequest>, StoreError> {
        self.sample_clocks();
        self.write_journal()?;
        if self.holds_outputs() {
            return Ok(None);
        }
        self.turn.ended.drain(..).for_each(QueueLog::delete);
        let written = self.store.journal().point();
        if written > self.durability.written {
            self.durability.written = written;
            if std::mem::take(&mut self.turn.defines) {
                self.durability.defined = written;
            }
            // Delivery marks say nothing of how soon: they follow the broker's policy.
            let lag = self.turn.lag_max.take().or_else(|| self.options.fsync.lag_max());
            let due = lag.map(|lag| now.after(lag));
            let deadline = &mut self.durability.deadline;
            *deadline = [*deadline, due].into_iter().flatten().min();
        }
        let moves = self.morgue.end_turn(written);
        if moves && self.options.fsync == FsyncPolicy::Never {
            // What a log gives away must not be gone before the news of where it went is safe.
            let due = now.after(MOVES_LAG);
            self.durability.deadline = Some(self.durability.deadline.map_or(due, |at| at.min(due)));
        }
        let unread = self.hold_streams(written);
        let waits = self.park(written, effects)
            || unread
            || (moves && self.options.fsync != FsyncPolicy::Never);
        let due = self.durability.deadline.is_some_and(|deadline| deadline <= now);
        if (waits || due) && self.durability.requested < written {
            self.durability.requested = written;
            self.durability.deadline = None;
            return Ok(Some(self.store.journal().sync_request()));
        }
        Ok(None)
    }

    /// Gives the turn's confirms and replies their sync point. Says whether any waits for it.
    fn park(&mut self, point: SyncPoint, effects: &mut Effects) -> bool {
        let early = mutant("confirm_before_sync");
        let synced = if early { point } else { self.durability.synced };
        let promised = self.options.fsync == FsyncPolicy::Always && point > synced;
        let mut waits = promised && std::mem::take(&mut self.turn.changed);
        for place in std::mem::take(&mut self.turn.confirming) {
            let Some(channel) = self.channels.get_mut(place) else { continue };
            if let Mode::Confirm(confirms) = &mut channel.mode {
                confirms.end_turn(point);
                // Nothing new was written for a duplicate: what it waits for may be done.
                if point <= synced {
                    confirms.synced(point);
                }
                if confirms.waits() {
                    waits = true;
                    self.durability.waiting.push(place);
                }
            }
            self.tell_confirms(place, effects);
        }
        for place in std::mem::take(&mut self.turn.parking) {
            let Some(channel) = self.channels.get_mut(place) else { continue };
            for parked in channel.parked.iter_mut().rev().take_while(|p| p.point.is_none()) {
                parked.point = Some(point);
            }
            self.release(place, synced, effects);
            self.tell_confirms(place, effects);
            if self.channels.get(place).is_some_and(|channel| !channel.parked.is_empty()) {
                waits = true;
                self.durability.waiting.push(place);
            }
        }
        waits
    }

    /// The syncer is done up to `point`: what waited for it leaves.
    pub fn synced(&mut self, point: SyncPoint, effects: &mut Effects) {
        let point = if mutant("sync_point_ahead") { point.next() } else { point };
        self.catch_up(self.now, effects);
        self.durability.synced = self.durability.synced.max(point);
        self.moves_synced(point);
        self.show_synced(point);
        let mut waiting = std::mem::take(&mut self.durability.waiting);
        waiting.sort_unstable();
        waiting.dedup();
        for place in waiting {
            let Some(channel) = self.channels.get_mut(place) else { continue };
            if let Mode::Confirm(confirms) = &mut channel.mode {
                confirms.synced(point);
                if confirms.waits() {
                    self.durability.waiting.push(place);
                }
            }
            self.release(place, point, effects);
            self.tell_confirms(place, effects);
            if self.channels.get(place).is_some_and(|channel| !channel.parked.is_empty()) {
                self.durability.waiting.push(place);
            }
        }
    }

    fn tell_confirms(&mut self, place: usize, effects: &mut Effects) {
        if let Some(channel) = self.channels.get_mut(place) {
            self.statistics.messages.confirm += tell(channel, effects);
        }
    }

    /// Sends the parked replies of a channel whose promises hold now that all is written and
    /// synced up to `synced`.
    fn release(&mut self, place: usize, synced: SyncPoint, effects: &mut Effects) {
        let Some(channel) = self.channels.get_mut(place) else { return };
        if channel.parked.is_empty() {
            return;
        }
        while channel.parked.front().is_some_and(|parked| parked.is_due(synced)) {
            if let Some(parked) = channel.parked.pop_front() {
                effects.send(channel.connection_id, parked.output);
            }
        }
        if !channel.parked.is_empty() {
            return;
        }
        if channel.state == ChannelState::Finishing {
            let (connection, number) = (channel.connection, channel.number);
            self.connections[connection].channels.remove(&number);
            self.remove_channel(place);
        }
    }
}

/// Sends the confirms that are due on a channel: behind a message that comes back. Returns how many
/// publishes they acknowledge.
fn tell(channel: &mut Channel, effects: &mut Effects) -> u64 {
    let mut told = 0;
    if let Mode::Confirm(confirms) = &mut channel.mode
        && channel.state == ChannelState::Open
        && !channel.parked.iter().any(|parked| matches!(parked.output, Output::Return { .. }))
    {
        let (to, number) = (channel.connection_id, channel.number);
        told = confirms.tell(|method| effects.send(to, Output::Method(number, method)));
        channel.stats.confirm += told;
    }
    told
}
