//! Length limits: `x-max-length`, `x-max-length-bytes`, and what `x-overflow` does beyond them.
//!
//! They count ready messages only, octets those of bodies. After a restart, the octets of messages
//! that waited in the log are not counted: only reading would tell them, and a limit that is kept
//! late is better than messages thrown away that were within it.

use crate::ids::Timestamp;
use crate::message::Message;

use super::super::arguments::Overflow;
use super::super::pacing::PRESSED;
use super::{Budget, Queue};

impl Queue {
    /// Whether the queue is full for one more message, and refuses it (x-overflow=reject-publish).
    pub(crate) fn refuses(&self, message: &Message) -> bool {
        let settings = &self.settings;
        let limited = settings.max_length.is_some() || settings.max_length_bytes.is_some();
        limited
            && settings.overflow.refuses()
            && (settings.max_length.is_some_and(|most| self.ready() >= most)
                || settings.max_length_bytes.is_some_and(|most| {
                    self.ready_body_bytes + u64::from(message.body_length()) > most
                }))
    }

    /// Whether the queue is full and holds back who publishes to it (x-overflow=block). One that
    /// takes nothing at all would hold back for ever: a limit of 0 is one of 1 here.
    #[inline]
    pub(crate) fn blocks(&self) -> bool {
        let settings = &self.settings;
        settings.overflow == Overflow::Block
            && (settings.max_length.is_some_and(|most| self.ready() >= most.max(1))
                || settings
                    .max_length_bytes
                    .is_some_and(|most| self.ready_body_bytes >= most.max(1)))
    }

    /// Whether who was held back may go on: an eighth of each limit is free.
    pub(crate) fn has_eased(&self) -> bool {
        let settings = &self.settings;
        let eased = |most: Option<u64>, count: u64| {
            most.is_none_or(|most| count <= most.max(1) - most.max(1).div_ceil(8))
        };
        settings.overflow != Overflow::Block
            || (eased(settings.max_length, self.ready())
                && eased(settings.max_length_bytes, self.ready_body_bytes))
    }

    /// Whether it takes a message as it is: nothing has to leave it, and nobody to wait.
    #[inline]
    pub(crate) fn welcomes(&self, message: &Message, now: Timestamp, budget: &Budget) -> bool {
        self.has_room(message, budget)
            && !self.refuses(message)
            && !self.is_pressed(now)
            && !self.has_duplicate(message)
    }

    /// Whether so much is ready that who publishes should wait for the consumers (see `pacing`).
    /// What is in a stream waits for nobody.
    #[inline]
    pub(crate) fn is_pressed(&self, now: Timestamp) -> bool {
        (self.ready_body_bytes >= PRESSED.1 || self.ready() >= PRESSED.0)
            && !self.patience.is_over(now)
            && !self.consumers.is_empty()
            && !self.is_stream()
    }

    /// Whether the consumers have taken so much of that as to have publishers go on.
    pub(crate) fn is_relieved(&self) -> bool {
        self.ready_body_bytes <= PRESSED.1 / 4 && self.ready() <= PRESSED.0 / 4
    }

    /// Whether ready messages have to go (x-overflow=drop-head, drop-lowest-priority).
    pub(crate) fn over_limit(&self) -> bool {
        let settings = &self.settings;
        settings.overflow.drops()
            && (settings.max_length.is_some_and(|most| self.ready() > most)
                || settings.max_length_bytes.is_some_and(|most| self.ready_body_bytes > most))
            && self.has_ready()
    }

    /// Whether the one to go is of the lowest priority rather than the first.
    pub(crate) fn drops_lowest(&self) -> bool {
        self.settings.overflow == Overflow::DropLowestPriority
    }
}
