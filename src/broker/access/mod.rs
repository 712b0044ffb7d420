//! Who may do what, and the rules that operators set: users, permissions, vhosts, parameters,
//! policies, limits.
//!
//! ```text
//!   operator ──▶ Change ──▶ check ──▶ Access (this state) ──▶ asked by every method
//!                             │
//!                             └ journal: the change as a table; recovery applies it again
//! ```
//!
//! This is plain data: what a change means for connections, queues and exchanges is the broker's
//! (`broker/changes.rs`). Passwords are checked elsewhere, on the thread of the connection, against
//! the same users.

mod apply;
mod change;
mod password;
mod pattern;
mod policy;
mod policy_keys;
mod record;
mod replica;
#[cfg(test)]
mod tests;
mod user;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::wire::{Field, ShortString};

pub use change::{Change, ChangeRefused, NewPassword, PolicyKind, UserLimit, VhostLimit};
pub use password::{
    HashError, Hashing, NEW_PASSWORD_BYTES_MAX, PASSWORD_OCTETS_MAX, PasswordHash, SALT_OCTETS,
};
pub use pattern::{InvalidPattern, PATTERN_OCTETS_MAX, Pattern};
pub use policy::{ApplyTo, EffectivePolicy, ObjectKind, Policies, Policy, merge, policy_for};
pub use policy_keys::PolicySettings;
pub use record::NotAChange;
pub use replica::{RuleKey, RuleKind};
pub use user::{Operation, Permissions, Tag, TopicPermissions, User, Users, VhostSettings};

pub(super) use pattern::exchange_name;

/// The state. Names are keys, so every listing is sorted.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Whether the data directory has had its first start.
    pub begun: bool,
    /// Users by name; shared with the threads that check passwords.
    pub users: Arc<Users>,
    /// Vhosts by name.
    pub vhosts: BTreeMap<ShortString, VhostSettings>,
    /// Permissions by vhost and user.
    pub permissions: BTreeMap<(ShortString, ShortString), Permissions>,
    /// Topic permissions by vhost, user and exchange.
    pub topic_permissions: BTreeMap<(ShortString, ShortString, ShortString), TopicPermissions>,
    /// Policies by vhost.
    pub policies: BTreeMap<ShortString, Policies>,
    /// Operator policies by vhost.
    pub operator_policies: BTreeMap<ShortString, Policies>,
    /// Parameters by vhost, component and name.
    pub parameters: BTreeMap<(ShortString, ShortString, ShortString), Field>,
    /// Parameters of the broker by name.
    pub global_parameters: BTreeMap<ShortString, Field>,
    /// Grows with each change of a permission: what was allowed before has to be asked again.
    pub permission_generation: u64,
    /// Grows with each change of a user.
    pub user_generation: u64,
}

impl Access {
    /// A user's permissions in a vhost. `None`: the user may not even enter.
    pub fn permissions_of(&self, user: &ShortString, vhost: &ShortString) -> Option<&Permissions> {
        self.permissions.get(&(vhost.clone(), user.clone()))
    }

    /// Whether a user may do something to what has this name in a vhost.
    pub fn allows(
        &self,
        user: &ShortString,
        vhost: &ShortString,
        operation: Operation,
        name: &str,
    ) -> bool {
        self.permissions_of(user, vhost)
            .is_some_and(|permissions| permissions.allow(operation, name))
    }

    /// A user's topic permissions on an exchange. `None`: every key is allowed.
    pub fn topic_permissions_of(
        &self,
        user: &ShortString,
        vhost: &ShortString,
        exchange: &ShortString,
    ) -> Option<&TopicPermissions> {
        if self.topic_permissions.is_empty() {
            return None;
        }
        self.topic_permissions.get(&(vhost.clone(), user.clone(), exchange.clone()))
    }

    /// The policies of a kind.
    pub fn policies_of(&self, kind: PolicyKind) -> &BTreeMap<ShortString, Policies> {
        match kind {
            PolicyKind::User => &self.policies,
            PolicyKind::Operator => &self.operator_policies,
        }
    }
}
