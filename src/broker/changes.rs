//! Changes that operators make, and what follows from them.
//!
//! Several changes are one: they are checked against a copy of the rules first, so that either all
//! of them happen or none. Each is journaled as it happens, and a restart applies it again.

use std::collections::BTreeSet;
use std::sync::Arc;

use log::info;

use crate::ids::SyncPoint;
use crate::wire::{MethodId, ReplyCode, ShortString, Table};

use super::Broker;
use super::access::{
    Access, Change, ChangeRefused, Hashing, NewPassword, PasswordHash, SALT_OCTETS, Tag, Users,
    VhostSettings,
};
use super::effect::Effects;
use super::exception::Exception;

impl Broker {
    /// Users, permissions, vhosts, parameters, policies and limits.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The users, for the threads that check passwords.
    pub fn users(&self) -> Arc<Users> {
        Arc::clone(&self.access.users)
    }

    /// Does what the changes say, in order. They may be answered when the point that
    /// [`Self::written`] names after the turn is kept.
    ///
    /// # Errors
    /// When one of them cannot be: then none has happened.
    pub fn change(
        &mut self,
        changes: Vec<Change>,
        effects: &mut Effects,
    ) -> Result<(), ChangeRefused> {
        self.catch_up(self.now, effects);
        self.last_route.forget();
        if changes.len() > 1 {
            let mut access = self.access.clone();
            for change in &changes {
                let applied = access.apply(change.clone());
                applied.map_err(|refused| refused.about(&change.subject()))?;
            }
            self.check_declarations(&access, &changes)?;
        } else {
            self.check_declarations(&self.access, &changes)?;
        }
        for change in changes {
            self.apply_change(change, effects)?;
        }
        self.turn.changed = true;
        self.turn.sync_within(self.options.fsync);
        Ok(())
    }

    /// Up to where the journal is written.
    pub fn written(&self) -> SyncPoint {
        self.durability.written()
    }

    /// Whether what is written up to `point` is as durable as the fsync policy promises.
    pub fn keeps(&self, point: SyncPoint) -> bool {
        self.durability.keeps(self.options.fsync, point)
    }

    /// Applies a change that has been checked, journals it, and sees to what follows.
    pub(super) fn apply_change(
        &mut self,
        change: Change,
        effects: &mut Effects,
    ) -> Result<(), ChangeRefused> {
        let record = change.to_table();
        self.access.apply(change.clone())?;
        // What goes with a vhost is journaled before the vhost's own end.
        self.follow(change, effects);
        if let Some(table) = record
            && !self.recovering
        {
            info!("changed: {}", shown(&table));
            let mut octets = Vec::new();
            table.encode(&mut octets);
            self.store.journal().change(&octets);
        }
        Ok(())
    }

    /// What follows from a change.
    fn follow(&mut self, change: Change, effects: &mut Effects) {
        match change {
            Change::PutVhost { name, .. } => {
                if self.vhost_named(&name).is_none() {
                    self.add_vhost(name);
                }
            }
            Change::DeleteVhost { name } => self.remove_vhost(&name, effects),
            Change::DeleteUser { name } => {
                let reason = format!("user '{name}' is deleted");
                self.close_connections(&reason, effects, |_, user| *user == name);
            }
            Change::PutPolicy { vhost, .. } | Change::DeletePolicy { vhost, .. } => {
                if !self.recovering
                    && let Some(vhost) = self.vhost_named(&vhost)
                {
                    self.apply_policies(vhost);
                }
            }
            Change::DeclareExchange { vhost, declare } => self.import_exchange(&vhost, &declare),
            Change::DeclareQueue { vhost, declare } => self.import_queue(&vhost, &declare),
            Change::BindQueue { vhost, bind } => self.import_binding(&vhost, bind.into()),
            Change::BindExchange { vhost, bind } => self.import_binding(&vhost, bind.into()),
            Change::Begin
            | Change::PutUser { .. }
            | Change::SetPermissions { .. }
            | Change::ClearPermissions { .. }
            | Change::SetTopicPermissions { .. }
            | Change::ClearTopicPermissions { .. }
            | Change::SetVhostLimit { .. }
            | Change::SetUserLimit { .. }
            | Change::PutParameter { .. }
            | Change::DeleteParameter { .. }
            | Change::PutGlobalParameter { .. }
            | Change::DeleteGlobalParameter { .. } => {}
        }
    }

    /// Takes a vhost away with its connections, queues and exchanges. Its place is used again.
    fn remove_vhost(&mut self, name: &ShortString, effects: &mut Effects) {
        let Some(place) = self.vhost_named(name) else { return };
        let reason = format!("vhost '{name}' is deleted");
        self.close_connections(&reason, effects, |vhost, _| vhost == place);
        let queues: BTreeSet<_> = self.vhosts[place].queues.values().copied().collect();
        for queue in queues {
            self.delete_queue(queue, effects);
        }
        let exchanges: BTreeSet<_> = self.vhosts[place].exchanges.values().copied().collect();
        for exchange in exchanges {
            self.remove_exchange(exchange);
        }
        self.vhosts[place].name = ShortString::default();
    }

    /// Closes (320) the connections that `meant` says yes to, by the place of their vhost and user.
    pub(super) fn close_connections(
        &mut self,
        reason: &str,
        effects: &mut Effects,
        meant: impl Fn(usize, &ShortString) -> bool,
    ) {
        let exception = Exception::new(ReplyCode::ConnectionForced, reason);
        let places: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, one)| !one.closing && meant(one.vhost, &one.user))
            .map(|(place, _)| place)
            .collect();
        for place in places {
            if !self.ends_later(place, &exception) {
                self.refuse_connection(place, MethodId::default(), &exception, effects);
            }
        }
    }

    /// The vhost and the user that a data directory has at its first start: `guest` with the
    /// password `guest`, which the login takes from the machine itself only.
    pub(super) fn make_defaults(&mut self) -> Result<(), ChangeRefused> {
        let (guest, vhost) = (ShortString::clipped("guest"), ShortString::clipped("/"));
        // Everybody knows this password: a random salt would hide nothing.
        let hash = PasswordHash::new(Hashing::Sha256, [0; SALT_OCTETS], b"guest");
        let everything = || ".*".to_owned();
        let settings = VhostSettings {
            description: "Default virtual host".to_owned(),
            ..VhostSettings::default()
        };
        for change in [
            Change::Begin,
            Change::PutVhost { name: vhost.clone(), settings },
            Change::PutUser {
                name: guest.clone(),
                password: NewPassword::Hash(hash),
                tags: vec![ShortString::clipped(Tag::Administrator.name())],
            },
            Change::SetPermissions {
                user: guest,
                vhost,
                configure: everything(),
                write: everything(),
                read: everything(),
            },
        ] {
            self.apply_change(change, &mut Effects::default())?;
        }
        Ok(())
    }
}

/// A change for the log, without the password's hash.
fn shown(table: &Table) -> Table {
    let mut shown = table.clone();
    shown.remove("password");
    shown.remove("hashing");
    shown
}
