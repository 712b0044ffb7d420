//! How a stream is found again: its log as the last checkpoint saw it, and what was published since.
//!
//! Nothing of the log is read but where it ends. Segments that retention has dropped since the
//! checkpoint are missing, and the log begins behind them.

use std::collections::BTreeMap;

use crate::ids::{Ordinal, QueueId};
use crate::store::{Snapshot, StoreError, StreamOffset};
use crate::wire::ShortString;

use super::super::Broker;
use super::super::queue::Queue;
use super::super::replay::Found;

impl Broker {
    /// Gives a stream, whose log is restored, what was published since the checkpoint.
    pub(in crate::broker) fn restore_stream(
        &mut self,
        id: QueueId,
        found: BTreeMap<Ordinal, Found>,
    ) -> Result<(), StoreError> {
        let Some(queue) = self.queues.get_mut(&id) else { return Ok(()) };
        queue.limit_segments();
        let Some((stream, level)) = queue.stream_parts() else { return Ok(()) };
        stream.readable.all_below(level.next_ordinal()); // the store has synced what it found
        for (ordinal, Found { message, published, .. }) in found {
            level.log_mut().append(ordinal, &message.kept(), published);
        }
        if let Err(error) = queue.flush(&mut self.budget) {
            // A full disk does not keep the broker from starting.
            self.store_failed(Some(id), error);
        }
        // What was beyond the limits is so again; what is too old goes when the first turn ends.
        self.retain(id)?;
        self.failure.take().map_or(Ok(()), Err)
    }

    /// A consumer of a stream goes on there: told by the journal or a snapshot.
    pub(in crate::broker) fn replay_offset(&mut self, told: &StreamOffset) {
        let queue = self.queues.get_mut(&told.queue);
        if let Some(stream) = queue.and_then(|queue| queue.stream.as_mut()) {
            stream.offsets.set(&ShortString::clipped(&told.consumer_tag), told.next);
        }
    }
}

/// Writes where the consumers of a stream go on.
pub(in crate::broker) fn snapshot_offsets(snapshot: &mut Snapshot, queue: &Queue) {
    for (tag, next) in queue.stream.iter().flat_map(|stream| stream.offsets.iter()) {
        snapshot.remember_offset(queue.id, tag, next);
    }
}
