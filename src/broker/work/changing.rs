//! Changes that operators make: many at once, or one that touches many things.
//!
//! ```text
//!   check the rules ──▶ check the declarations ──▶ apply, one after the other
//!     on a copy            with what is planned        └─ delete-vhost: connections, queues, exchanges
//!                                                      └─ put-policy: every queue of the vhost
//!                                                      └─ delete-user: the user's connections
//! ```
//!
//! One batch is worked on at a time, in the order in which they came; the operator is answered when
//! all of it has happened. All of it is checked before the first change is made. Each change is
//! journaled when it is made, so a crash in between leaves the first ones, and the same batch can be
//! applied again. A vhost that is being deleted lets nobody in; its own end is journaled last, so
//! after a crash it is there with what was left of it.

use std::collections::VecDeque;

use crate::ids::{ConnectionId, ExchangeId, QueueId};
use crate::mutants::mutant;
use crate::wire::{ReplyCode, ShortString};

use super::super::Broker;
use super::super::access::{Access, Change, ChangeRefused};
use super::super::effect::Effects;
use super::super::exception::Exception;
use super::super::import::Planned;
use super::super::policies::Merged;
use super::Progress;

const CHECK_UNITS: u64 = 4;
const APPLY_UNITS: u64 = 16;
const CONNECTION_UNITS: u64 = 16;
const QUEUE_UNITS: u64 = 32;
const POLICY_UNITS: u64 = 4;
/// What a turn of waiting for connections costs.
const WAIT_UNITS: u64 = 64;

/// The changes that wait, and those that are done and not yet answered.
#[derive(Debug, Default)]
pub(super) struct Changes {
    next: u64,
    /// Those behind the batch that is worked on.
    waiting: VecDeque<Changing>,
    /// Whether one is worked on.
    under_way: bool,
    done: Vec<(u64, Result<(), ChangeRefused>)>,
}

/// Changes that are one.
#[derive(Debug)]
pub(in crate::broker) struct Changing {
    number: u64,
    changes: VecDeque<Change>,
    checked: Option<Checked>,
    consequence: Option<Consequence>,
}

/// How far they are checked.
#[derive(Debug)]
struct Checked {
    /// The rules as they will be; `None` where there is only one change, which checks itself.
    access: Option<Box<Access>>,
    planned: Planned,
    rules: usize,
    declarations: usize,
}

/// What follows from the change that was applied last.
#[derive(Debug)]
enum Consequence {
    /// A vhost ends, and its change is applied when it has.
    Vhost(Box<Ending>),
    /// Policies come into force.
    Policies {
        vhost: usize,
        queues: VecDeque<QueueId>,
        exchanges: VecDeque<ExchangeId>,
        merged: Merged,
    },
    /// Connections are closed (320).
    Close { reason: String, connections: VecDeque<(usize, ConnectionId)> },
}

/// A vhost that ends.
#[derive(Debug)]
struct Ending {
    place: usize,
    change: Change,
    reason: String,
    connections: VecDeque<(usize, ConnectionId)>,
    queues: VecDeque<QueueId>,
    exchanges: VecDeque<ExchangeId>,
}

impl Broker {
    /// Begins to do what changes say, in order: all of it, or nothing if one of them cannot be.
    /// Returns the number under which [`Self::take_changed`] will say what has become of them.
    pub fn begin_change(&mut self, changes: Vec<Change>, effects: &mut Effects) -> u64 {
        self.catch_up(self.now, effects);
        self.last_route.forget();
        self.work.changes.next += 1;
        let number = self.work.changes.next;
        let access = (changes.len() > 1).then(|| Box::new(self.access.clone()));
        let checked = Checked { access, planned: Planned::default(), rules: 0, declarations: 0 };
        let changes = changes.into();
        let changing = Changing { number, changes, checked: Some(checked), consequence: None };
        if self.work.changes.under_way {
            self.work.changes.waiting.push_back(changing);
        } else {
            self.work.changes.under_way = true;
            self.begin_sure(super::Job::Change(Box::new(changing)), effects);
        }
        number
    }

    /// The changes that are done, or refused, since the last call. What is done may be answered when
    /// the point that [`Self::written`] names after the turn is kept.
    pub fn take_changed(&mut self) -> Vec<(u64, Result<(), ChangeRefused>)> {
        std::mem::take(&mut self.work.changes.done)
    }

    /// Goes on with a batch; when it is done the next one is begun.
    pub(super) fn change_some(&mut self, job: &mut Changing, effects: &mut Effects) -> Progress {
        loop {
            let result = match self.change_further(job, effects) {
                Ok(Progress::More) => return Progress::More,
                Ok(Progress::Done) => {
                    self.turn.changed = true;
                    self.turn.sync_within(self.options.fsync);
                    Ok(())
                }
                Err(refused) => Err(refused),
            };
            self.work.changes.done.push((job.number, result));
            let Some(next) = self.work.changes.waiting.pop_front() else {
                self.work.changes.under_way = false;
                return Progress::Done;
            };
            *job = next;
            if !self.work.goes_on() {
                return Progress::More;
            }
        }
    }

    fn change_further(
        &mut self,
        job: &mut Changing,
        effects: &mut Effects,
    ) -> Result<Progress, ChangeRefused> {
        if let Some(checked) = &mut job.checked {
            if self.check_some(checked, &job.changes)? == Progress::More {
                return Ok(Progress::More);
            }
            job.checked = None;
        }
        loop {
            if let Some(consequence) = &mut job.consequence {
                if self.follow_some(consequence, effects)? == Progress::More {
                    return Ok(Progress::More);
                }
                job.consequence = None;
            }
            let Some(change) = job.changes.pop_front() else { return Ok(Progress::Done) };
            job.consequence = self.apply_then(change, effects)?;
            self.work.spend(APPLY_UNITS);
            if !self.work.goes_on() {
                return Ok(Progress::More);
            }
        }
    }

    /// Checks some: first what the rules say to each, then the declarations by the rules as they
    /// will be.
    fn check_some(
        &mut self,
        checked: &mut Checked,
        changes: &VecDeque<Change>,
    ) -> Result<Progress, ChangeRefused> {
        let Checked { access, planned, rules, declarations } = checked;
        if let Some(access) = access {
            while let Some(change) = changes.get(*rules) {
                let applied = access.apply(change.clone());
                applied.map_err(|refused| refused.about(&change.subject()))?;
                *rules += 1;
                self.work.spend(CHECK_UNITS);
                if !self.work.goes_on() {
                    return Ok(Progress::More);
                }
            }
        }
        while let Some(change) = changes.get(*declarations) {
            let access = access.as_deref().unwrap_or(&self.access);
            self.check_declaration(access, planned, change)?;
            *declarations += 1;
            self.work.spend(CHECK_UNITS);
            if !self.work.goes_on() {
                return Ok(Progress::More);
            }
        }
        Ok(Progress::Done)
    }

    /// Applies a change. Returns what follows from it, where that may be long.
    fn apply_then(
        &mut self,
        change: Change,
        effects: &mut Effects,
    ) -> Result<Option<Consequence>, ChangeRefused> {
        match &change {
            Change::DeleteVhost { name } => {
                if let Some(place) = self.vhost_named(name) {
                    return Ok(Some(self.end_vhost(place, change)));
                }
                self.apply_change(change, effects).map(|()| None)
            }
            Change::PutPolicy { vhost, .. } | Change::DeletePolicy { vhost, .. } => {
                let vhost = vhost.clone();
                self.apply_change(change, effects)?;
                let stays = mutant("a_policy_change_is_not_taken_over");
                Ok(self.vhost_named(&vhost).filter(|_| !stays).map(|vhost| {
                    let (queues, exchanges) = self.objects(vhost);
                    Consequence::Policies { vhost, queues, exchanges, merged: Merged::new() }
                }))
            }
            Change::DeleteUser { name } => {
                let name = name.clone();
                self.apply_change(change, effects)?;
                let reason = format!("user '{name}' is deleted");
                let stay = mutant("a_deleted_users_connection_stays");
                let connections = self.connections_of(|_, user| *user == name && !stay);
                Ok(Some(Consequence::Close { reason, connections }))
            }
            _ => self.apply_change(change, effects).map(|()| None),
        }
    }

    /// From now on nobody enters a vhost.
    fn end_vhost(&mut self, place: usize, change: Change) -> Consequence {
        self.vhosts[place].ending = true;
        let reason = format!("vhost '{}' is deleted", self.vhosts[place].name);
        let connections = self.connections_of(|vhost, _| vhost == place);
        let (queues, exchanges) = self.objects(place);
        Consequence::Vhost(Box::new(Ending {
            place,
            change,
            reason,
            connections,
            queues,
            exchanges,
        }))
    }

    /// The queues and exchanges of a vhost, in the order in which they were made.
    fn objects(&self, vhost: usize) -> (VecDeque<QueueId>, VecDeque<ExchangeId>) {
        let mut queues: Vec<_> = self.vhosts[vhost].queues.values().copied().collect();
        queues.sort_unstable();
        let mut exchanges: Vec<_> = self.vhosts[vhost].exchanges.values().copied().collect();
        exchanges.sort_unstable();
        (queues.into(), exchanges.into())
    }

    /// The connections that `meant` says yes to, by the place of their vhost and user.
    fn connections_of(
        &self,
        meant: impl Fn(usize, &ShortString) -> bool,
    ) -> VecDeque<(usize, ConnectionId)> {
        let open = self.connections.iter().filter(|(_, one)| !one.closing);
        let meant = open.filter(|(_, one)| meant(one.vhost, &one.user));
        meant.map(|(place, one)| (place, one.id)).collect()
    }

    /// Closes some connections. What is long in their ends is work of its own.
    fn close_some(
        &mut self,
        reason: &str,
        connections: &mut VecDeque<(usize, ConnectionId)>,
        effects: &mut Effects,
    ) -> Progress {
        let exception = Exception::new(ReplyCode::ConnectionForced, reason);
        while let Some((place, id)) = connections.pop_front() {
            let same = self.connections.get(place).is_some_and(|one| one.id == id && !one.closing);
            if same && !self.ends_later(place, &exception) {
                self.refuse_connection(place, Default::default(), &exception, effects);
            }
            self.work.spend(CONNECTION_UNITS);
            if !self.work.goes_on() {
                return Progress::More;
            }
        }
        Progress::Done
    }

    fn follow_some(
        &mut self,
        consequence: &mut Consequence,
        effects: &mut Effects,
    ) -> Result<Progress, ChangeRefused> {
        match consequence {
            Consequence::Close { reason, connections } => {
                Ok(self.close_some(reason, connections, effects))
            }
            Consequence::Policies { vhost, queues, exchanges, merged } => {
                while let Some(queue) = queues.pop_front() {
                    self.apply_policy_to_queue(*vhost, queue, merged);
                    self.work.spend(POLICY_UNITS);
                    if !self.work.goes_on() {
                        return Ok(Progress::More);
                    }
                }
                while let Some(exchange) = exchanges.pop_front() {
                    self.apply_policy_to_exchange(*vhost, exchange, merged);
                    self.work.spend(POLICY_UNITS);
                    if !self.work.goes_on() {
                        return Ok(Progress::More);
                    }
                }
                Ok(Progress::Done)
            }
            Consequence::Vhost(ending) => self.end_some(ending, effects),
        }
    }

    /// Ends some of what is in a vhost, then the vhost.
    fn end_some(
        &mut self,
        ending: &mut Ending,
        effects: &mut Effects,
    ) -> Result<Progress, ChangeRefused> {
        let Ending { place, change, reason, connections, queues, exchanges } = ending;
        if self.close_some(reason, connections, effects) == Progress::More {
            return Ok(Progress::More);
        }
        // The channels that end say which vhost they were in.
        if self.connections.iter().any(|(_, one)| one.vhost == *place && one.busy) {
            self.work.spend(WAIT_UNITS);
            return Ok(Progress::More);
        }
        while let Some(queue) = queues.pop_front() {
            self.delete_queue(queue, effects);
            self.work.spend(QUEUE_UNITS);
            if !self.work.goes_on() {
                return Ok(Progress::More);
            }
        }
        while let Some(exchange) = exchanges.pop_front() {
            self.remove_exchange(exchange);
            self.work.spend(QUEUE_UNITS);
            if !self.work.goes_on() {
                return Ok(Progress::More);
            }
        }
        self.apply_change(change.clone(), effects)?;
        Ok(Progress::Done)
    }
}
