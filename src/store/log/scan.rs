//! Looking through a log without taking anything from it.

use super::super::error::StoreError;
use super::super::reader::{Next, Stored};
use super::super::segment::{Location, offset};
use super::QueueLog;

impl QueueLog {
    /// Shows all messages that are ready and written, in order. Damaged ones are passed over: they
    /// are reported when it is their turn.
    ///
    /// # Errors
    /// If a segment cannot be mapped.
    pub fn scan(&self, mut see: impl FnMut(&Stored)) -> Result<(), StoreError> {
        let mut at = self.head;
        while at < self.end() {
            // A segment that is not there was settled before a restart.
            if let Some(mut reader) = self.open(at.segment)? {
                while at < self.end() {
                    match reader.next(at) {
                        Next::Message(found, next) => {
                            if !self.is_gone(at, found.persistent())
                                && let Some(stored) = self.references.resolve(&found)?
                            {
                                see(&stored);
                            }
                            at = next;
                        }
                        Next::Damaged(until) => at.offset = offset(until),
                        Next::End => break,
                    }
                }
            }
            at = Location::start_of(at.segment + 1);
        }
        Ok(())
    }
}
