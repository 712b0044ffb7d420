//! Length limits: `x-max-length`, `x-max-length-bytes`, and what `x-overflow` does beyond them.
//!
//! They count ready messages only, octets those of bodies. After a restart, the octets of messages
//! that waited in the log are not counted: only reading would tell them, and a limit that is kept
//! late is better than messages thrown away that were within it.
//!
//! Left out: dead-lettering of what is dropped, priorities.

use crate::message::Message;

use super::super::access::EffectivePolicy;
use super::super::arguments::{Overflow, QueueArguments};
use super::Queue;

/// The limits in force: of its arguments and its policy the smaller number, and the argument's
/// manner if there is one.
#[derive(Debug)]
pub(super) struct Bounds {
    max_length: Option<u64>,
    max_length_bytes: Option<u64>,
    overflow: Overflow,
}

impl Bounds {
    pub(super) fn new(arguments: &QueueArguments, policy: Option<&EffectivePolicy>) -> Self {
        let settings = policy.map(|policy| &policy.settings);
        let smaller = |own: Option<u64>, other: Option<u64>| match (own, other) {
            (Some(own), Some(other)) => Some(own.min(other)),
            (own, other) => own.or(other),
        };
        let argued = arguments.table.get("x-overflow").map(|_| arguments.overflow);
        let overflow = argued.or_else(|| settings.and_then(|settings| settings.overflow));
        Self {
            max_length: smaller(arguments.max_length, settings.and_then(|one| one.max_length)),
            max_length_bytes: smaller(
                arguments.max_length_bytes,
                settings.and_then(|one| one.max_length_bytes),
            ),
            overflow: overflow.unwrap_or_default(),
        }
    }
}

impl Queue {
    /// Whether the queue is full for one more message, and refuses it (x-overflow=reject-publish).
    pub(crate) fn refuses(&self, message: &Message) -> bool {
        let bounds = &self.bounds;
        let limited = bounds.max_length.is_some() || bounds.max_length_bytes.is_some();
        limited
            && bounds.overflow != Overflow::DropHead
            && (bounds.max_length.is_some_and(|most| self.ready() >= most)
                || bounds.max_length_bytes.is_some_and(|most| {
                    self.ready_body_bytes + u64::from(message.body_length()) > most
                }))
    }

    /// Whether the oldest ready message has to go (x-overflow=drop-head).
    pub(crate) fn over_limit(&self) -> bool {
        let bounds = &self.bounds;
        bounds.overflow == Overflow::DropHead
            && (bounds.max_length.is_some_and(|most| self.ready() > most)
                || bounds.max_length_bytes.is_some_and(|most| self.ready_body_bytes > most))
            && self.has_ready()
    }
}
