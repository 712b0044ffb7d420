//! Definitions: everything but messages, as a file that RabbitMQ reads and writes.
//!
//! ```text
//!   { "users": [..], "vhosts": [..], "permissions": [..], "topic_permissions": [..],
//!     "parameters": [..], "global_parameters": [..], "policies": [..],
//!     "queues": [..], "exchanges": [..], "bindings": [..] }
//!
//!   file ──▶ read ──▶ list of changes ──▶ broker: all of them or none
//!   file ◀── write ◀─ list of changes ◀── broker: what would make it again
//! ```
//!
//! Operator policies and the limits of vhosts are in `parameters`, as RabbitMQ has them. A file of
//! one vhost has no `vhost` in its items, and no users.
//!
//! An import adds and replaces, and never deletes: exchanges and queues that exist stay as they
//! are.

mod declarations;
mod difference;
mod item;
mod json;
mod read;
#[cfg(test)]
mod tests;
mod unrun;
mod write;

use crate::broker::access::PasswordHash;

pub use difference::{Difference, difference};
pub use item::DefinitionsError;
pub use json::{field_to_json, json_to_field};
pub use read::{Definitions, read};
pub use unrun::{check_component, check_policy};
pub use write::{Product, item, write, write_vhost};

/// Hashes a password that a file has in clear; the error is a text.
pub type HashPassword<'a> = &'a dyn Fn(&[u8]) -> Result<PasswordHash, String>;

/// The longest file, in octets. HTTP has a limit of its own.
pub const FILE_OCTETS_MAX: usize = 1024 * 1024 * 1024;
