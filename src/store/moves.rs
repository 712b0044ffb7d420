//! The journal's entries about messages that move: to other queues, to another priority's level,
//! back to their consumers. And what the clocks showed.

use super::entry::{self, Place};
use super::journal::Journal;
use super::sample;
use crate::clock::Sample;
use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;

impl Journal {
    /// A message left its place and went to all these, as one record.
    pub fn transfer(
        &mut self,
        queue: QueueId,
        ordinal: Ordinal,
        places: &[Place],
        message: &Message,
        published: Timestamp,
    ) {
        self.put_runs();
        self.put(|gather| {
            entry::put_transfer(gather, (queue, ordinal), places, message, published);
        });
    }

    /// A queue keeps messages of another priority, under the number `id`.
    pub fn level(&mut self, queue: QueueId, priority: u8, id: QueueId) {
        self.writer.saw(id);
        self.put(|gather| entry::put_level(gather, queue, priority, id));
    }

    /// What the clocks show.
    pub fn sample(&mut self, sample: &Sample) {
        self.put(|gather| sample::put(gather, sample));
    }

    /// A delivery of a message was given back without having failed.
    pub fn give_back(&mut self, queue: QueueId, ordinal: Ordinal) {
        self.put_delivered();
        self.put(|gather| entry::put_give_back(gather, queue, (ordinal, ordinal), 1));
    }
}
