//! Changes of users, permissions, vhosts, parameters, policies and limits, and their refusals.

use crate::wire::{Field, ShortString, Table, exchange, queue};

use super::password::PasswordHash;
use super::policy::ApplyTo;
use super::user::VhostSettings;

/// One change, as plain data: from an operator, or from the journal.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The data directory has had its first start: the defaults are not made again.
    Begin,
    /// Makes a user, or gives one another password and other tags.
    PutUser {
        /// The user.
        name: ShortString,
        /// The password's hash.
        password: NewPassword,
        /// The user's tags.
        tags: Vec<ShortString>,
    },
    /// Deletes a user with all permissions; the user's connections are closed.
    DeleteUser {
        /// The user.
        name: ShortString,
    },
    /// Makes a vhost, or gives one other settings; its limits stay.
    PutVhost {
        /// The vhost.
        name: ShortString,
        /// Description, tags and default queue type; the limits in here are ignored.
        settings: VhostSettings,
    },
    /// Deletes a vhost with everything in it; its connections are closed.
    DeleteVhost {
        /// The vhost.
        name: ShortString,
    },
    /// Says what a user may do in a vhost.
    SetPermissions {
        /// The user.
        user: ShortString,
        /// The vhost.
        vhost: ShortString,
        /// Pattern of what may be made and deleted.
        configure: String,
        /// Pattern of where messages may be put.
        write: String,
        /// Pattern of where messages may be taken.
        read: String,
    },
    /// Takes a user's permissions in a vhost away.
    ClearPermissions {
        /// The user.
        user: ShortString,
        /// The vhost.
        vhost: ShortString,
    },
    /// Says by which routing keys a user may publish and bind to a topic exchange.
    SetTopicPermissions {
        /// The user.
        user: ShortString,
        /// The vhost.
        vhost: ShortString,
        /// The exchange, which need not exist.
        exchange: ShortString,
        /// Pattern of keys to publish by.
        write: String,
        /// Pattern of keys to bind by.
        read: String,
    },
    /// Takes topic permissions away: all keys are allowed again.
    ClearTopicPermissions {
        /// The user.
        user: ShortString,
        /// The vhost.
        vhost: ShortString,
        /// The exchange; `None` is all of them.
        exchange: Option<ShortString>,
    },
    /// Sets or takes away a limit of a vhost.
    SetVhostLimit {
        /// The vhost.
        vhost: ShortString,
        /// Which.
        limit: VhostLimit,
        /// 0 lets nobody in; negative or `None` is no limit.
        value: Option<i64>,
    },
    /// Sets or takes away a limit of a user.
    SetUserLimit {
        /// The user.
        user: ShortString,
        /// Which.
        limit: UserLimit,
        /// 0 lets the user do nothing; negative or `None` is no limit.
        value: Option<i64>,
    },
    /// Makes a policy, or replaces the one of that name.
    PutPolicy {
        /// Whose it is.
        kind: PolicyKind,
        /// The vhost.
        vhost: ShortString,
        /// The policy.
        name: ShortString,
        /// The names it is for.
        pattern: String,
        /// The objects it is for.
        apply_to: ApplyTo,
        /// Higher ones win.
        priority: i64,
        /// Its settings.
        definition: Table,
    },
    /// Deletes a policy.
    DeletePolicy {
        /// Whose it is.
        kind: PolicyKind,
        /// The vhost.
        vhost: ShortString,
        /// The policy.
        name: ShortString,
    },
    /// Sets a parameter of a vhost: kept for whoever understands the component.
    PutParameter {
        /// What it is for.
        component: ShortString,
        /// The vhost.
        vhost: ShortString,
        /// The parameter.
        name: ShortString,
        /// Its value.
        value: Field,
    },
    /// Deletes a parameter of a vhost.
    DeleteParameter {
        /// What it was for.
        component: ShortString,
        /// The vhost.
        vhost: ShortString,
        /// The parameter.
        name: ShortString,
    },
    /// Sets a parameter of the broker.
    PutGlobalParameter {
        /// The parameter.
        name: ShortString,
        /// Its value.
        value: Field,
    },
    /// Deletes a parameter of the broker.
    DeleteGlobalParameter {
        /// The parameter.
        name: ShortString,
    },
    /// Declares an exchange, as definitions do; one that exists stays as it is.
    DeclareExchange {
        /// The vhost.
        vhost: ShortString,
        /// The exchange.
        declare: exchange::Declare,
    },
    /// Declares a queue, as definitions do; one that exists stays as it is.
    DeclareQueue {
        /// The vhost.
        vhost: ShortString,
        /// The queue.
        declare: queue::Declare,
    },
    /// Binds a queue to an exchange, as definitions do.
    BindQueue {
        /// The vhost.
        vhost: ShortString,
        /// The binding.
        bind: queue::Bind,
    },
    /// Binds an exchange to another, as definitions do.
    BindExchange {
        /// The vhost.
        vhost: ShortString,
        /// The binding.
        bind: exchange::Bind,
    },
}

impl Change {
    /// What it is about, for people: `policy 'p' in vhost '/'`. Empty for what the broker names
    /// itself in its refusals.
    pub(in crate::broker) fn subject(&self) -> String {
        match self {
            Self::PutUser { name, .. } | Self::SetUserLimit { user: name, .. } => {
                format!("user '{name}'")
            }
            Self::PutVhost { name, .. } | Self::SetVhostLimit { vhost: name, .. } => {
                format!("vhost '{name}'")
            }
            Self::SetPermissions { user, vhost, .. } => {
                format!("permissions of user '{user}' in vhost '{vhost}'")
            }
            Self::SetTopicPermissions { user, vhost, exchange, .. } => {
                format!("topic permissions of user '{user}' on '{exchange}' in vhost '{vhost}'")
            }
            Self::PutPolicy { vhost, name, .. } => format!("policy '{name}' in vhost '{vhost}'"),
            Self::PutParameter { component, vhost, name, .. } => {
                format!("parameter '{name}' of component '{component}' in vhost '{vhost}'")
            }
            Self::PutGlobalParameter { name, .. } => format!("global parameter '{name}'"),
            _ => String::new(),
        }
    }
}

/// What becomes of a user's password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewPassword {
    /// It stays; a new user has none.
    Unchanged,
    /// The user cannot log in by password.
    None,
    /// Its hash is now this.
    Hash(PasswordHash),
}

/// Limits of vhosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VhostLimit {
    /// The most connections at a time.
    MaxConnections,
    /// The most queues.
    MaxQueues,
}

impl VhostLimit {
    /// As definitions have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxConnections => "max-connections",
            Self::MaxQueues => "max-queues",
        }
    }

    /// The one that definitions call so.
    pub fn named(name: &str) -> Option<Self> {
        [Self::MaxConnections, Self::MaxQueues].into_iter().find(|limit| limit.name() == name)
    }
}

/// Limits of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserLimit {
    /// The most connections at a time.
    MaxConnections,
    /// The most channels at a time, on all connections.
    MaxChannels,
}

impl UserLimit {
    /// As definitions have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxConnections => "max-connections",
            Self::MaxChannels => "max-channels",
        }
    }

    /// The one that definitions call so.
    pub fn named(name: &str) -> Option<Self> {
        [Self::MaxConnections, Self::MaxChannels].into_iter().find(|limit| limit.name() == name)
    }
}

/// Whose a policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// A user's, with every key.
    User,
    /// An operator's, which limits what users' policies and arguments ask for.
    Operator,
}

impl ChangeRefused {
    /// The same with what the change is about in front, unless that is said already.
    pub(in crate::broker) fn about(self, subject: &str) -> Self {
        let named = |text: String| {
            let known = subject.is_empty() || text.contains(subject);
            if known { text } else { format!("{subject}: {text}") }
        };
        match self {
            Self::NotFound(text) => Self::NotFound(named(text)),
            Self::Invalid(text) => Self::Invalid(named(text)),
            Self::TooMany(text) => Self::TooMany(named(text)),
        }
    }
}

/// Why a change was refused; nothing of it has happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// It is about something that does not exist.
    #[error("{0}")]
    NotFound(String),
    /// It asks for something that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// There are too many of its kind.
    #[error("{0}")]
    TooMany(String),
}
