//! How a stream is found again: its log as the last checkpoint saw it, and what was published since.
//!
//! Nothing of the log is read but where it ends. Segments that retention has dropped since the
//! checkpoint are missing, and the log begins behind them.

use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;
use crate::store::{Snapshot, StoreError, StreamOffset};
use crate::wire::ShortString;

use super::super::Broker;
use super::super::queue::Queue;

impl Broker {
    /// A stream whose log is as it was at the checkpoint; what was published since comes then.
    pub(in crate::broker) fn begin_restored_stream(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        queue.limit_segments();
        if let Some((stream, level)) = queue.stream_parts() {
            stream.readable.all_below(level.next_ordinal()); // the store has synced what it found
        }
    }

    /// Does what retention asks for once all is there: what was beyond the limits is so again. What
    /// is too old goes when the first turn ends.
    pub(in crate::broker) fn end_restored_stream(&mut self, id: QueueId) -> Result<(), StoreError> {
        if self.queues.get(&id).is_some_and(Queue::is_stream) {
            self.retain(id)?;
        }
        Ok(())
    }

    /// A consumer of a stream goes on there: told by the journal or a snapshot.
    pub(in crate::broker) fn replay_offset(&mut self, told: &StreamOffset) {
        let queue = self.queues.get_mut(&told.queue);
        if let Some(stream) = queue.and_then(|queue| queue.stream.as_mut()) {
            stream.offsets.set(&ShortString::clipped(&told.consumer_tag), told.next);
        }
    }
}

impl Queue {
    /// Puts a message of the journal behind those of a stream. Says whether this is one.
    pub(in crate::broker) fn restore_to_stream(
        &mut self,
        ordinal: Ordinal,
        message: &Message,
        published: Timestamp,
    ) -> bool {
        let Some((_, level)) = self.stream_parts() else { return false };
        level.log_mut().append(ordinal, &message.kept(), published);
        true
    }
}

/// Writes where the consumers of a stream go on.
pub(in crate::broker) fn snapshot_offsets(snapshot: &mut Snapshot, queue: &Queue) {
    for (tag, next) in queue.stream.iter().flat_map(|stream| stream.offsets.iter()) {
        snapshot.remember_offset(queue.id, tag, next);
    }
}
