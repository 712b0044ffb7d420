//! Users and what they may do where.

use std::collections::BTreeMap;

use crate::wire::ShortString;

use super::password::PasswordHash;
use super::pattern::{InvalidPattern, Pattern};

/// Somebody who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The password's hash; `None` is a user who never logs in by password.
    pub password: Option<PasswordHash>,
    /// What the user may do besides messages: see [`Tag`]. Others are kept and mean nothing.
    pub tags: Vec<ShortString>,
    /// The most connections at a time; `None` is no limit.
    pub max_connections: Option<u64>,
    /// The most channels on all connections together; `None` is no limit.
    pub max_channels: Option<u64>,
}

impl User {
    /// Whether the user has a tag.
    pub fn has(&self, tag: Tag) -> bool {
        self.tags.iter().any(|own| **own == *tag.name())
    }
}

/// All users by name.
pub type Users = BTreeMap<ShortString, User>;

/// The tags that mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Everything.
    Administrator,
    /// All of management, without changing it.
    Monitoring,
    /// Policies and parameters of the vhosts the user has.
    Policymaker,
    /// Management of the vhosts the user has.
    Management,
    /// May publish with another name in the property user-id.
    Impersonator,
}

impl Tag {
    /// As definitions have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Monitoring => "monitoring",
            Self::Policymaker => "policymaker",
            Self::Management => "management",
            Self::Impersonator => "impersonator",
        }
    }
}

/// What a permission is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// To make and delete.
    Configure,
    /// To put messages in.
    Write,
    /// To take messages out.
    Read,
}

impl Operation {
    /// As refusals have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configure => "configure",
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

/// What a user may do in a vhost, by the names of exchanges and queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// What the user may make and delete.
    pub configure: Pattern,
    /// Where the user may put messages.
    pub write: Pattern,
    /// Where the user may take messages.
    pub read: Pattern,
}

impl Permissions {
    /// Compiles the three patterns.
    ///
    /// # Errors
    /// The first that cannot be compiled.
    pub fn new(configure: &str, write: &str, read: &str) -> Result<Self, InvalidPattern> {
        Ok(Self {
            configure: Pattern::permission(configure)?,
            write: Pattern::permission(write)?,
            read: Pattern::permission(read)?,
        })
    }

    /// Whether an operation on what has this name is allowed.
    pub fn allow(&self, operation: Operation, name: &str) -> bool {
        let pattern = match operation {
            Operation::Configure => &self.configure,
            Operation::Write => &self.write,
            Operation::Read => &self.read,
        };
        pattern.matches(name.as_bytes())
    }
}

/// By which routing keys a user may publish to a topic exchange, and bind to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPermissions {
    /// Keys to publish by.
    pub write: Pattern,
    /// Keys to bind by.
    pub read: Pattern,
}

/// What a vhost is besides its exchanges and queues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VhostSettings {
    /// For people.
    pub description: String,
    /// For people.
    pub tags: Vec<ShortString>,
    /// What `x-queue-type` is taken to be where a declaration has none; empty is classic.
    pub default_queue_type: ShortString,
    /// The most connections; `None` is no limit.
    pub max_connections: Option<u64>,
    /// The most queues; `None` is no limit.
    pub max_queues: Option<u64>,
}
