//! Length limits: `x-max-length`, `x-max-length-bytes`, and what `x-overflow` does beyond them.
//!
//! They count ready messages only, octets those of bodies. After a restart, the octets of messages
//! that waited in the log are not counted: only reading would tell them, and a limit that is kept
//! late is better than messages thrown away that were within it.
//!
//! Left out: dead-lettering of what is dropped, priorities.

use crate::message::Message;

use super::super::arguments::Overflow;
use super::Queue;

impl Queue {
    /// Whether the queue is full for one more message, and refuses it (x-overflow=reject-publish).
    pub(crate) fn refuses(&self, message: &Message) -> bool {
        let arguments = &self.declared.arguments;
        let limited = arguments.max_length.is_some() || arguments.max_length_bytes.is_some();
        limited
            && arguments.overflow != Overflow::DropHead
            && (arguments.max_length.is_some_and(|most| self.ready() >= most)
                || arguments.max_length_bytes.is_some_and(|most| {
                    self.ready_body_bytes + u64::from(message.body_length()) > most
                }))
    }

    /// Whether the oldest ready message has to go (x-overflow=drop-head).
    pub(crate) fn over_limit(&self) -> bool {
        let arguments = &self.declared.arguments;
        arguments.overflow == Overflow::DropHead
            && (arguments.max_length.is_some_and(|most| self.ready() > most)
                || arguments.max_length_bytes.is_some_and(|most| self.ready_body_bytes > most))
            && self.has_ready()
    }
}
