//! What consumers of a stream may read: what is as durable as a confirm promises.
//!
//! ```text
//!   ordinals   … 17 18 19 │ 20 21 22 │ 23 24
//!                readable   s7         s8       each turn's messages wait for its sync point
//!                           synced(s7) ──▶ 22 is readable, and consumers are looked at
//! ```
//!
//! A consumer that keeps offsets itself relies on it that an offset names one message. If it saw one
//! that a power cut takes back, another would get its offset, and the consumer would never see that.
//! Queues need no such rule: there, what is lost was delivered and that is all.

use std::collections::VecDeque;

use crate::ids::{Ordinal, QueueId, SyncPoint};

use super::super::Broker;
use super::super::fsync::Promise;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Readable {
    below: Ordinal,
    /// Ordinals below which all is readable when the journal is synced up to a point.
    unsynced: VecDeque<(SyncPoint, Ordinal)>,
}

impl Readable {
    /// All ordinals that may be read are below this one.
    pub(super) fn below(&self) -> Ordinal {
        self.below
    }

    /// All below `ordinal` may be read. Says whether that is new.
    pub(super) fn all_below(&mut self, ordinal: Ordinal) -> bool {
        let more = ordinal > self.below;
        self.below = self.below.max(ordinal);
        more
    }

    /// The journal is synced up to `point`. Says whether more may be read.
    fn synced(&mut self, point: SyncPoint) -> bool {
        let mut more = false;
        while let Some((waits, ordinal)) = self.unsynced.front().copied()
            && waits <= point
        {
            self.unsynced.pop_front();
            more |= self.all_below(ordinal);
        }
        more
    }
}

impl Broker {
    /// Lets consumers read what the turn has published, or has that wait for the sync.
    pub(super) fn show_written(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        let promise = queue.fsync(self.options.fsync).promise();
        let Some((stream, level)) = queue.stream_parts() else { return };
        if !std::mem::take(&mut stream.grown) {
            return;
        }
        if promise == Promise::Synced {
            self.turn.streams.push(id);
        } else {
            stream.news |= stream.readable.all_below(level.next_ordinal());
        }
    }

    /// Has what the turn has published to streams wait until the journal is synced up to `point`.
    /// Says whether there is anything.
    pub(in crate::broker) fn hold_streams(&mut self, point: SyncPoint) -> bool {
        let mut waits = false;
        for id in std::mem::take(&mut self.turn.streams) {
            let queue = self.queues.get_mut(&id);
            let Some((stream, level)) = queue.and_then(|queue| queue.stream_parts()) else {
                continue;
            };
            let next = level.next_ordinal();
            if next > stream.readable.below {
                waits = true;
                if stream.readable.unsynced.is_empty() {
                    self.durability.streams.push(id);
                }
                stream.readable.unsynced.push_back((point, next));
            }
        }
        waits
    }

    /// The journal is synced up to `point`: consumers of streams read on.
    pub(in crate::broker) fn show_synced(&mut self, point: SyncPoint) {
        for id in std::mem::take(&mut self.durability.streams) {
            let Some(stream) = self.queues.get_mut(&id).and_then(|queue| queue.stream.as_mut())
            else {
                continue;
            };
            let more = stream.readable.synced(point);
            if !stream.readable.unsynced.is_empty() {
                self.durability.streams.push(id);
            }
            if more {
                stream.news = true;
                self.touch(id);
            }
        }
    }
}
