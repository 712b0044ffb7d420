//! Alarms: what the broker does when the disk or the memory runs out.
//!
//! ```text
//!   watchdog ── measured(free disk, used memory) ──┐
//!   store ───── full, or out of descriptors ───────┴─▶ alarm ──▶ publishes are held
//!
//!   connection   publish ──▶ [ held | held | .. ] ─ ─ ─ ─ ─ (alarm over) ─ ─ ─ ▶ applied, in order
//!        ▲          └─▶ connection.blocked, and its socket is read no further
//!        └────────────────────────────── connection.unblocked, read again ◀──┘
//! ```
//!
//! Only who publishes is held up, at the first publish and with all that follows it on that
//! connection, as in RabbitMQ: what a client sends is never taken out of its order. What is held is
//! no more than was under way when the reading stopped, and it goes with its connection. Everybody
//! else goes on: consumers, acknowledgements, purges and deletions are written to the room that the
//! journal keeps in reserve. Only when that is used up too is everything held that has to be
//! written, and no output leaves before the turn that made it could be.
//!
//! What the store could not do is tried again twice a second, so an alarm ends by itself.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use log::{info, warn};

use crate::ids::{ChannelNumber, ConnectionId, QueueId, Timestamp};
use crate::store::StoreError;
use crate::wire::{Method, ShortString, connection, tx};

mod store_errors;

pub(super) use store_errors::Failure;

use super::Broker;
use super::channel::Mode;
use super::command::Command;
use super::connections::Connection;
use super::effect::{Effects, Output};
use super::exception::Exception;
use super::report::AlarmsReport;

/// How long what the store refused is left before it is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What a command costs that was held.
const COMMAND_UNITS: u64 = 4;

/// What clients are told when the store has no room, and when it can open no file.
const NO_SPACE: &str = "low on disk: no space left";
const NO_DESCRIPTORS: &str = "low on file descriptors";

/// What the watchdog sees, in octets. A limit of 0 is never passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Free on the data directory's disk.
    pub disk_free: u64,
    /// Below this, publishers are blocked.
    pub disk_limit: u64,
    /// Memory that the process holds: neither the kernel can take it back, nor, above the limit,
    /// has the allocator it free.
    pub memory_used: u64,
    /// Above this, publishers are blocked.
    pub memory_limit: u64,
    /// The data directory cannot be reached, so nothing is known of its disk.
    pub disk_unreachable: bool,
}

impl Measures {
    /// Whether there is too little disk, as a reason for clients.
    fn disk(&self) -> Option<String> {
        if self.disk_unreachable {
            return Some("low on disk: the data directory cannot be reached".to_owned());
        }
        (self.disk_free < self.disk_limit).then(|| {
            let (free, limit) = (amount(self.disk_free), amount(self.disk_limit));
            format!("low on disk: {free} free of at least {limit}")
        })
    }

    /// Whether too much memory is used, as a reason for clients.
    fn memory(&self) -> Option<String> {
        (self.memory_limit > 0 && self.memory_used > self.memory_limit).then(|| {
            let (used, limit) = (amount(self.memory_used), amount(self.memory_limit));
            format!("low on memory: {used} used of at most {limit}")
        })
    }

    /// Whether there is a reason for an alarm.
    pub fn alarming(&self) -> bool {
        self.disk().is_some() || self.memory().is_some()
    }
}

/// Octets as people read them, in the units of disks.
fn amount(octets: u64) -> String {
    match octets {
        0..1_000_000 => format!("{} kB", octets / 1000),
        1_000_000..10_000_000_000 => format!("{} MB", octets / 1_000_000),
        _ => format!("{} GB", octets / 1_000_000_000),
    }
}

/// The alarms that are up, and who is held up by them.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    disk: Option<String>,
    memory: Option<String>,
    /// What the store could not do.
    store: Option<&'static str>,
    /// When the store is tried again; set while `store` is.
    retry_at: Timestamp,
    /// Something was refused since the last try.
    refused: bool,
    /// Queues that could not be written or read.
    queues: BTreeSet<QueueId>,
    /// The journal could not be written: the turn's outputs have to wait.
    pub(super) unwritten: bool,
    /// The places of connections with held commands.
    blocked: BTreeSet<usize>,
}

/// The commands of a connection that is held up.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) commands: VecDeque<Command>,
    /// connection.blocked was sent.
    told: bool,
    /// The queues that its last message has filled: the next one waits for them.
    pub(super) full: BTreeSet<QueueId>,
    /// The socket is read no further because of what is held behind work.
    pub(super) paused: bool,
    /// How the connection ends when its work is done.
    pub(super) refusal: Option<Exception>,
}

impl Held {
    /// Whether something waits for the end of an alarm.
    pub(super) fn is_waiting(&self) -> bool {
        !self.commands.is_empty()
    }
}

impl Alarms {
    /// Whether any is up.
    pub(super) fn up(&self) -> bool {
        self.disk.is_some() || self.memory.is_some() || self.store.is_some()
    }

    /// What management is told.
    pub(super) fn report(&self) -> AlarmsReport {
        AlarmsReport {
            disk: self.disk.is_some() || self.store == Some(NO_SPACE),
            memory: self.memory.is_some(),
            descriptors: self.store == Some(NO_DESCRIPTORS),
        }
    }

    /// When the broker has to be called at the latest.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        if self.store.is_some() {
            Some(self.retry_at)
        } else {
            (!self.up() && !self.blocked.is_empty()).then(Timestamp::default)
        }
    }

    /// Whether the store has room as far as is known: all logs are written.
    pub(super) fn has_room(&self) -> bool {
        self.store.is_none()
    }

    /// A connection is gone, with what was held of it.
    pub(super) fn forget(&mut self, place: usize) {
        self.blocked.remove(&place);
    }

    /// A queue has to wait until the store is tried again.
    pub(super) fn look_again(&mut self, queue: QueueId) {
        self.queues.insert(queue);
    }

    /// The store has refused something for now.
    fn refuse(&mut self, error: &StoreError) {
        self.refused = true;
        if self.store.is_none() {
            warn!("publishers are blocked: {error}");
            self.store = Some(if error.is_full() { NO_SPACE } else { NO_DESCRIPTORS });
        }
    }

    /// What clients are told.
    fn reason(&self) -> ShortString {
        // A full disk has one reason, however it was noticed.
        let disk = self.disk.as_ref().filter(|_| self.store.is_none());
        let measured = self.memory.iter().chain(disk).map(String::as_str);
        let reasons: Vec<_> = measured.chain(self.store).collect();
        ShortString::clipped(&reasons.join(" & "))
    }
}

impl Broker {
    /// What the watchdog has measured: raises alarms, or ends them.
    pub fn measured(&mut self, measures: &Measures) {
        for (alarm, measured) in
            [(&mut self.alarms.disk, measures.disk()), (&mut self.alarms.memory, measures.memory())]
        {
            match (&*alarm, &measured) {
                (None, Some(reason)) => warn!("publishers are blocked: {reason}"),
                (Some(reason), None) => info!("no longer {reason}"),
                _ => {}
            }
            *alarm = measured;
        }
    }

    /// Whether outputs have to wait: the journal could not be written. Those of
    /// [`Effects::take_urgent`] need not.
    pub fn holds_outputs(&self) -> bool {
        self.alarms.unwritten
    }

    /// Writes the journal. What does not fit on the disk stays gathered, and the turn goes on.
    pub(super) fn write_journal(&mut self) -> Result<(), StoreError> {
        let written = self.store.journal().write();
        self.alarms.unwritten = written.as_ref().is_err_and(StoreError::is_passing);
        match written {
            Err(error) if error.is_passing() => self.alarms.refuse(&error),
            Err(error) => return Err(error),
            Ok(_) if self.store.journal().is_low() && self.alarms.store.is_none() => {
                self.alarms.refuse(&self.store.journal().full());
            }
            Ok(_) => {}
        }
        Ok(())
    }

    /// Whether commands of a connection may have to wait: there is an alarm, or others wait that
    /// came before, or it has filled a queue, or has work under way.
    pub(super) fn holds_back(&mut self, place: usize, command: &Command) -> bool {
        let Connection { held, busy, .. } = &self.connections[place];
        let held = !held.commands.is_empty() || !held.full.is_empty();
        *busy || self.alarms.up() || held || self.waits_for_returns(place, command)
    }

    /// Holds a command back while an alarm is up or its queue is full, if it is a publish or behind
    /// one.
    pub(super) fn hold(
        &mut self,
        place: usize,
        command: Command,
        effects: &mut Effects,
    ) -> Option<Command> {
        let connection = &self.connections[place];
        if connection.busy && !matches!(command, Command::Drained(_)) {
            self.hold_behind(place, command, effects);
            return None;
        }
        let passes = match &command {
            Command::Gone | Command::Open(_) | Command::Drained(_) => true,
            _ if connection.closing => true,
            _ if !connection.held.commands.is_empty() || self.alarms.unwritten => false,
            Command::Method(number, method) if !self.commits_publishes(place, *number, method) => {
                true
            }
            Command::Publish(..)
            | Command::Oversized(..)
            | Command::Move(..)
            | Command::Method(..) => !self.alarms.up() && !self.waits_for_queue(place),
        };
        if passes {
            return Some(command);
        }
        if self.connections[place].held.commands.is_empty() {
            self.block(place, effects);
        }
        self.connections[place].held.commands.push_back(command);
        None
    }

    /// Whether a method is a tx.commit of messages.
    fn commits_publishes(&self, place: usize, number: ChannelNumber, method: &Method) -> bool {
        matches!(method, Method::Tx(tx::Method::Commit(_)))
            && self.connections[place].channels.get(&number).is_some_and(|channel| {
                matches!(&self.channels[*channel].mode,
                    Mode::Transaction(transaction) if !transaction.publishes.is_empty())
            })
    }

    fn block(&mut self, place: usize, effects: &mut Effects) {
        let alarmed = self.alarms.up() || self.alarms.unwritten;
        let full = if alarmed { None } else { self.full_reason(place) };
        match full {
            Some(_) => self.full_queues.stop(place, self.now),
            None => _ = self.alarms.blocked.insert(place),
        }
        let reason = full.unwrap_or_else(|| self.alarms.reason());
        let connection = &mut self.connections[place];
        info!("{} {} blocked: {reason}", connection.id, connection.peer);
        effects.send_urgent(connection.id, Output::Pause);
        connection.held.told = connection.blocked_notify;
        if connection.blocked_notify {
            tell(connection.id, connection::Blocked { reason }.into(), effects);
        }
    }

    /// Ends what holds a connection up. Returns what was held.
    pub(super) fn unblock(&mut self, place: usize, effects: &mut Effects) -> VecDeque<Command> {
        if !self.alarms.blocked.remove(&place) && !self.full_queues.forget(place) {
            return VecDeque::new();
        }
        let held = &mut self.connections[place].held;
        let (commands, told) = (std::mem::take(&mut held.commands), std::mem::take(&mut held.told));
        let connection = &self.connections[place];
        if told && !connection.closing {
            tell(connection.id, connection::Unblocked {}.into(), effects);
        }
        effects.send_urgent(connection.id, Output::Resume);
        commands
    }

    /// Called when a turn ends: tries again what the store has refused if it is time.
    pub(super) fn retry_store(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if self.alarms.store.is_some() && self.alarms.retry_at <= now {
            self.alarms.refused = match self.store.journal().replenish() {
                Err(error) if error.is_passing() => true,
                other => !other?,
            };
            self.morgue.resume();
            for queue in std::mem::take(&mut self.alarms.queues) {
                self.touch(queue);
            }
        }
        Ok(())
    }

    /// Lets everybody go on when no alarm is up. Says whether anybody does.
    pub(super) fn release_blocked(&mut self, now: Timestamp, effects: &mut Effects) -> bool {
        let mut released = false;
        while !self.alarms.up()
            && self.work.has_left()
            && let Some(place) = self.alarms.blocked.first().copied()
        {
            self.release_commands(now, place, effects);
            released = true;
        }
        !self.alarms.up() && self.release_held(now, effects) || released
    }

    /// Lets a connection go on: what was held of it is handled.
    pub(super) fn release_commands(&mut self, now: Timestamp, place: usize, effects: &mut Effects) {
        let id = self.connections[place].id;
        for command in self.unblock(place, effects) {
            self.work.pay(COMMAND_UNITS);
            self.perform(now, id, command, effects);
            self.catch_up_within(effects);
        }
    }

    /// Called when a turn has ended: the store's alarm is over if nothing was refused in it.
    pub(super) fn finish_end(&mut self, now: Timestamp) {
        let alarms = &mut self.alarms;
        if alarms.store.is_none() || alarms.retry_at > now {
            return;
        }
        if alarms.refused {
            alarms.retry_at = now.after(RETRY_AFTER);
        } else if let Some(reason) = alarms.store.take() {
            alarms.retry_at = Timestamp::default();
            info!("no longer {reason}");
        }
    }
}

fn tell(to: ConnectionId, method: Method, effects: &mut Effects) {
    effects.send_urgent(to, Output::Method(ChannelNumber(0), method));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_carries_its_figures() {
        let calm = Measures { disk_free: 50, disk_limit: 50, ..Measures::default() };
        assert!(!calm.alarming());
        let measures = Measures {
            disk_free: 12_345_678,
            disk_limit: 50_000_000,
            memory_used: 20_000_000_000,
            memory_limit: 999_999,
            disk_unreachable: false,
        };
        assert_eq!(measures.disk().unwrap(), "low on disk: 12 MB free of at least 50 MB");
        assert_eq!(measures.memory().unwrap(), "low on memory: 20 GB used of at most 999 kB");
    }
}
