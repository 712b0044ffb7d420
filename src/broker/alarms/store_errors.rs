//! The one way in which the broker takes an error of the store: it alone decides what is final.
//!
//! ```text
//!   full, no descriptors, no maps ──▶ alarm: tried again twice a second, what was under way stays
//!   anything else                 ──▶ failure: the turn does not end, and the process does
//! ```

use crate::ids::QueueId;
use crate::store::StoreError;

use super::super::Broker;

/// A disk that failed for good. Only [`Broker::store_failed`] can note one.
#[derive(Debug, Default)]
pub(in crate::broker) struct Failure(Option<StoreError>);

impl Failure {
    /// Fails with what was noted first, if anything was.
    pub(in crate::broker) fn check(&mut self) -> Result<(), StoreError> {
        self.0.take().map_or(Ok(()), Err)
    }
}

impl Broker {
    /// The store could not do something: for now, or for good. A queue that it concerns is looked
    /// at again when the store is tried again.
    pub(in crate::broker) fn store_failed(&mut self, queue: Option<QueueId>, error: StoreError) {
        if error.is_passing() {
            self.alarms.refuse(&error);
            self.alarms.queues.extend(queue);
        } else {
            self.failure.0.get_or_insert(error);
        }
    }
}
