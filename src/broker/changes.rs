//! Changes that operators make, and what follows from them.
//!
//! Several changes are one: they are checked against a copy of the rules first, so that either all
//! of them happen or none. Each is journaled as it happens, and a restart applies it again. They are
//! done in slices (see `work`).

use std::collections::BTreeSet;
use std::sync::Arc;

use log::info;

use crate::ids::SyncPoint;
use crate::wire::{ShortString, Table};

use super::Broker;
use super::access::{
    Access, Change, ChangeRefused, Hashing, NewPassword, PasswordHash, SALT_OCTETS, Tag, Users,
    VhostSettings,
};
use super::effect::Effects;

impl Broker {
    /// Users, permissions, vhosts, parameters, policies and limits.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The users, for the threads that check passwords.
    pub fn users(&self) -> Arc<Users> {
        Arc::clone(&self.access.users)
    }

    /// Does what the changes say, in order and at once: for tests, and before clients come. See
    /// [`Self::begin_change`].
    ///
    /// # Errors
    /// When one of them cannot be: then none has happened.
    pub fn change(
        &mut self,
        changes: Vec<Change>,
        effects: &mut Effects,
    ) -> Result<(), ChangeRefused> {
        let number = self.begin_change(changes, effects);
        self.finish_work(effects);
        let done = self.take_changed().into_iter().find(|(other, _)| *other == number);
        done.map_or(Ok(()), |(_, result)| result)
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

    /// What follows from a change, but for what may be long (see `work`).
    fn follow(&mut self, change: Change, effects: &mut Effects) {
        match change {
            Change::PutVhost { name, .. } => {
                if self.vhost_named(&name).is_none() {
                    self.add_vhost(name);
                }
            }
            Change::DeleteVhost { name } => self.remove_vhost(&name, effects),
            Change::DeclareExchange { vhost, declare } => self.import_exchange(&vhost, &declare),
            Change::DeclareQueue { vhost, declare } => self.import_queue(&vhost, &declare),
            Change::BindQueue { vhost, bind } => self.import_binding(&vhost, bind.into()),
            Change::BindExchange { vhost, bind } => self.import_binding(&vhost, bind.into()),
            Change::Begin
            | Change::PutUser { .. }
            | Change::DeleteUser { .. }
            | Change::PutPolicy { .. }
            | Change::DeletePolicy { .. }
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

    /// Takes a vhost away with its queues and exchanges, which are gone already but in recovery. Its
    /// place is used again.
    fn remove_vhost(&mut self, name: &ShortString, effects: &mut Effects) {
        let Some(place) = self.vhost_named(name) else { return };
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
            // Last: cut off before, the next start makes all of it again.
            Change::Begin,
        ] {
            self.apply_change(change, &mut Effects::default())?;
        }
        Ok(())
    }
}

/// A change for the log, without the password's hash and without the value of a parameter, which
/// may hold any secret.
fn shown(table: &Table) -> Table {
    let mut shown = table.clone();
    for secret in ["password", "hashing"] {
        shown.remove(secret);
    }
    if Change::has_secret_value(table) {
        shown.remove("value");
    }
    shown
}
