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

use crate::ids::{SyncPoint, Timestamp};
use crate::store::{StoreError, SyncRequest};
use crate::wire::Method;

use super::Broker;
use super::call::Call;
use super::channel::{Channel, ChannelState, Mode, Parked};
use super::effect::{Effects, Output};
use super::fsync::FsyncPolicy;

/// What a turn has gathered until it ends.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Queues that got a message or a chance to deliver one.
    pub touched: Vec<crate::ids::QueueId>,
    /// Deliveries, to be sent behind the replies of the turn.
    pub deliveries: Effects,
    /// Channels with new confirms.
    pub confirming: Vec<usize>,
    /// Channels with newly parked replies.
    pub parking: Vec<usize>,
    /// The method being handled has journaled a definition: its reply waits.
    pub defined: bool,
}

/// How far the journal is written, asked to be synced, and synced.
#[derive(Debug, Default)]
pub(super) struct Durability {
    written: SyncPoint,
    requested: SyncPoint,
    synced: SyncPoint,
    /// When the oldest unsynced bytes have to be synced although nobody waits for them.
    deadline: Option<Timestamp>,
    /// Channels with confirms or replies that wait for a sync.
    waiting: Vec<usize>,
}

impl Durability {
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }
}

impl Broker {
    /// Sends a reply to a method; one that promises durability, or that is behind such a one,
    /// waits for the disk.
    pub(super) fn reply(&mut self, call: &mut Call<'_>, reply: impl Into<Method>) {
        let number = self.channels[call.channel].number;
        self.reply_with(call, Output::Method(number, reply.into()));
    }

    /// As [`Self::reply`], for any output.
    pub(super) fn reply_with(&mut self, call: &mut Call<'_>, output: Output) {
        self.flush_deliveries(call.effects);
        let defined = std::mem::take(&mut self.turn.defined);
        let channel = &mut self.channels[call.channel];
        if defined || !channel.parked.is_empty() {
            channel.parked.push_back(Parked { point: None, output });
            self.turn.parking.push(call.channel);
        } else {
            call.effects.send(channel.connection_id, output);
        }
    }

    /// Writes the journal and releases what needs no more than that.
    pub(super) fn end_durability(
        &mut self,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Option<SyncRequest>, StoreError> {
        let written = self.store.journal().write()?;
        if written > self.durability.written {
            self.durability.written = written;
            let lag = self.options.fsync.lag_max();
            let deadline = &mut self.durability.deadline;
            *deadline = deadline.or_else(|| lag.map(|lag| now.after(lag)));
        }
        let waits = self.park(written, effects);
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
        let promised = self.options.fsync == FsyncPolicy::Always && point > self.durability.synced;
        let mut waits = false;
        for place in std::mem::take(&mut self.turn.confirming) {
            let Some(channel) = self.channels.get_mut(place) else { continue };
            if let Mode::Confirm(confirms) = &mut channel.mode {
                confirms.end_turn(point, promised);
                if confirms.waits() {
                    waits = true;
                    self.durability.waiting.push(place);
                }
            }
            self.statistics.messages.confirm += tell(channel, effects);
        }
        for place in std::mem::take(&mut self.turn.parking) {
            let Some(channel) = self.channels.get_mut(place) else { continue };
            for parked in channel.parked.iter_mut().rev().take_while(|p| p.point.is_none()) {
                parked.point = Some(point);
            }
            if promised {
                waits = true;
                self.durability.waiting.push(place);
            } else {
                self.release(place, point, effects);
            }
        }
        waits
    }

    /// The syncer is done up to `point`: what waited for it leaves.
    pub fn synced(&mut self, point: SyncPoint, effects: &mut Effects) {
        self.durability.synced = self.durability.synced.max(point);
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
            self.statistics.messages.confirm += tell(channel, effects);
            self.release(place, point, effects);
            if self.channels.get(place).is_some_and(|channel| !channel.parked.is_empty()) {
                self.durability.waiting.push(place);
            }
        }
    }

    /// Sends the parked replies of a channel up to `point`; when none is left, its consumers may
    /// go on.
    fn release(&mut self, place: usize, point: SyncPoint, effects: &mut Effects) {
        let Some(channel) = self.channels.get_mut(place) else { return };
        if channel.parked.is_empty() {
            return;
        }
        while channel.parked.front().is_some_and(|p| p.point.is_some_and(|at| at <= point)) {
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
            self.release_channel(place, effects);
        } else {
            self.rouse_channel(place);
        }
    }
}

/// Sends the confirms that are due on a channel. Returns how many publishes they acknowledge.
fn tell(channel: &mut Channel, effects: &mut Effects) -> u64 {
    let mut told = 0;
    if let Mode::Confirm(confirms) = &mut channel.mode
        && channel.state == ChannelState::Open
    {
        let (to, number) = (channel.connection_id, channel.number);
        told = confirms.tell(|method| effects.send(to, Output::Method(number, method)));
        channel.stats.confirm += told;
    }
    told
}
