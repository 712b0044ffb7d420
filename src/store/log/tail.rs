//! The end of a log: messages are appended, gathered, and written with one call a segment.

use super::super::error::StoreError;
use super::super::header::{FileHeader, FileKind};
use super::super::segment::{Appended, SegmentWriter};
use super::QueueLog;
use crate::ids::{Ordinal, Timestamp};
use crate::message::Message;

/// A segment that begins with a reference has only such a part of the room that it would have: more
/// of them will follow, and a thousand queues may get one each.
const REFERENCES_SHARE: u64 = 16;

impl QueueLog {
    /// Appends a message; its ordinal is higher than all before. Nothing is on disk before
    /// [`QueueLog::flush`].
    pub fn append(&mut self, ordinal: Ordinal, message: &Message, published: Timestamp) {
        let what = self.references.what(message, published);
        if !self.writers.back().is_some_and(|last| last.takes(ordinal, &what, published)) {
            self.begin_segment(ordinal, &what, published);
        }
        if let Some(writer) = self.writers.back_mut() {
            writer.append(ordinal, &what, published);
            self.references.appended(writer.number(), &what);
        }
        for counts in [&mut self.appended, &mut self.ready] {
            counts.all.add(message.size());
            if message.persistent() {
                counts.persistent.add(message.size());
            }
        }
    }

    fn begin_segment(&mut self, ordinal: Ordinal, first: &Appended<'_>, published: Timestamp) {
        let header = FileHeader {
            kind: FileKind::Segment,
            generation: self.next_segment,
            queue: self.shelf.queue,
            base: ordinal.0,
            time: published,
            before: self.appended,
        };
        self.next_segment += 1;
        let capacity = match first {
            Appended::Message(_) => self.segment_bytes,
            Appended::Reference(_) => self.segment_bytes / REFERENCES_SHARE,
        };
        let sizes = (capacity, self.content_bytes_max);
        self.writers.push_back(SegmentWriter::plan(header, sizes, first));
        self.segment_bytes = (2 * self.segment_bytes).min(self.segment_bytes_max);
    }

    /// Writes what was appended, with one call for each segment that is touched.
    ///
    /// # Errors
    /// If there is no room for a new segment or no descriptor for it ([`StoreError::is_passing`]):
    /// then nothing is lost, and a later flush may succeed. After any other error the store refuses
    /// to write.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.references.flush()?;
        while let Some(writer) = self.writers.front_mut() {
            if !writer.is_flushed() {
                if !self.directory_made {
                    self.shelf.make()?;
                    self.directory_made = true;
                }
                writer.flush(&self.shelf)?;
                let number = writer.number();
                self.unsynced_from.get_or_insert(number);
            }
            if self.writers.len() == 1 {
                break;
            }
            if let Some(full) = self.writers.pop_front() {
                self.shelf.close(full.number());
            }
        }
        Ok(())
    }

    /// Gives back the memory that gathering took.
    pub fn trim(&mut self) {
        self.writers.iter_mut().for_each(SegmentWriter::trim);
    }
}
