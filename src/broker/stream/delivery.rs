//! From a stream to its consumers.
//!
//! ```text
//!   line  c1 ── reads up to a batch, has more: to the end of the line
//!         c2 ── prefetch used up, or outbox full: leaves until something makes room
//!         c3 ── has read all there is: leaves until something is published
//! ```
//!
//! Every consumer reads for itself. What a turn reads is bounded, also of messages that a filter
//! passes over; the next turn goes on.

use crate::ids::QueueId;
use crate::message::Message;
use crate::store::StoreError;

use super::super::Broker;
use super::super::consumer::ConsumerKey;
use super::super::queue::{Held, Item};
use super::super::settings::NEVER;
use super::header::with_offset;

/// So many messages of a stream are read in a turn.
const READ_PER_TURN: usize = 8192;
/// So many of them by one consumer before it is the next one's turn.
const READ_AT_ONCE: usize = 256;

/// What a message costs that is read.
const READ_UNITS: u64 = 1;

/// How a consumer's turn has ended.
enum Ended {
    /// It can take more.
    Passed,
    /// It cannot, or there is no more.
    Left,
}

impl Broker {
    /// Does what a stream has to do in a turn.
    pub(in crate::broker) fn visit_stream(&mut self, id: QueueId) {
        if let Err(error) = self.flush_queue(id) {
            self.store_failed(Some(id), error);
        }
        self.show_written(id);
        self.line_up(id);
        self.keep_offsets(id);
        let done = self.retain(id).and_then(|()| self.read_stream(id));
        if let Err(error) = done {
            self.store_failed(Some(id), error);
        }
        self.set_timer(id, self.now);
    }

    /// Puts the consumers of a stream that has news into its line.
    fn line_up(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        let Some(stream) = queue.stream.as_mut().filter(|stream| stream.news) else { return };
        stream.news = false;
        let keys: Vec<_> = queue.consumers.keys().collect();
        for key in keys {
            if let Some(consumer) = self.consumers.get_mut(key.0).filter(|one| !one.in_line) {
                consumer.in_line = queue.consumers.stand(consumer.rank(), key);
            }
        }
    }

    fn read_stream(&mut self, id: QueueId) -> Result<(), StoreError> {
        let mut left = READ_PER_TURN;
        while let Some(turn) = self.queues.get(&id).and_then(|queue| queue.consumers.first()) {
            if left == 0 || !self.work.has_left() {
                self.turn.later.push(id);
                break;
            }
            let gone = self.consumers.get(turn.key.0).is_none_or(|one| one.number != turn.number);
            let ended = if gone { Ended::Left } else { self.read_some(id, turn.key, &mut left)? };
            let Some(queue) = self.queues.get_mut(&id) else { break };
            match ended {
                Ended::Passed => queue.consumers.pass(),
                Ended::Left => {
                    queue.consumers.leave(gone);
                    if let Some(consumer) = self.consumers.get_mut(turn.key.0).filter(|_| !gone) {
                        consumer.in_line = false;
                    }
                }
            }
        }
        Ok(())
    }

    /// Hands a consumer what it can take, up to a batch.
    fn read_some(
        &mut self,
        id: QueueId,
        key: ConsumerKey,
        left: &mut usize,
    ) -> Result<Ended, StoreError> {
        for _ in 0..READ_AT_ONCE.min(*left) {
            if !self.takes_more(key) {
                return Ok(Ended::Left);
            }
            if !self.work.has_left() {
                break;
            }
            let (Some(queue), Some(consumer)) =
                (self.queues.get_mut(&id), self.consumers.get_mut(key.0))
            else {
                return Ok(Ended::Left);
            };
            let Some(subscription) = &mut consumer.subscription else { return Ok(Ended::Left) };
            let Some(stored) = queue.read(&mut subscription.cursor)? else {
                return Ok(Ended::Left);
            };
            *left -= 1;
            self.work.pay(READ_UNITS);
            if subscription.filter.as_ref().is_some_and(|filter| !filter.passes(&stored.message)) {
                continue;
            }
            if let Some(progress) = &mut subscription.progress {
                progress.delivered(stored.ordinal);
            }
            let item = Item {
                level: id,
                ordinal: stored.ordinal,
                held: Held::Logged(stored.location),
                deliveries: 0,
                returns: 0,
                priority: queue.own_priority(),
                journaled: false,
                published: stored.published,
                expires: NEVER,
                body_length: 0, // it counts against no limit
            };
            let message: Message = with_offset(&stored.message, stored.ordinal);
            self.hand_over(id, key, item, message);
        }
        Ok(Ended::Passed)
    }
}
