//! The head of a log: how the next message is found, and what is left behind.

use std::sync::Arc;

use super::super::error::StoreError;
use super::super::header::{Counts, FileHeader};
use super::super::reader::{Found, SegmentReader};
use super::super::segment::{Location, SegmentWriter, offset};
use super::QueueLog;

impl QueueLog {
    /// Makes the reader that of the head's segment, as far as it is written. Returns whether it is;
    /// if there is nothing to read, the head goes on to the next segment.
    pub(super) fn enter(&mut self) -> Result<bool, StoreError> {
        let number = self.head.segment;
        if number >= self.next_segment {
            self.ready = Counts::default();
            return Ok(false);
        }
        if let Some(reader) = self.reader.as_ref().filter(|reader| reader.number == number) {
            let writer = self.writers.front().filter(|writer| writer.number() == number);
            if reader.reveal(writer.map(SegmentWriter::written)) {
                return Ok(true);
            }
        }
        let least = self.reader.take().filter(|old| old.number == number).map(|old| old.least());
        let Some(mut reader) = self.open(number)? else {
            // Missing ones of an earlier process were settled after the checkpoint, as a rule.
            let earlier = self.restored.as_ref().is_some_and(|old| number <= old.end.segment);
            let lost = self.shelf.set_aside(number) || !earlier;
            if lost {
                let path = self.shelf.segment(number);
                log::error!("{} cannot be read: what was in it is lost", path.display());
                *self.damaged.get_mut() += 1;
                self.skipped += 1;
            } else {
                self.ready = Counts::default(); // the next segment tells
            }
            self.head = Location::start_of(number + 1);
            self.references.pass_before(number + 1);
            return Ok(false);
        };
        match least {
            Some(least) => reader.go_on(least),
            None if self.head.offset == 0 => {
                let ready = self.ready_from(&reader.header);
                self.miss(ready.all.records);
                self.ready = ready;
            }
            None => {}
        }
        self.reader = Some(reader);
        Ok(true)
    }

    /// Maps a segment; it shares the mapping that messages in use have, if there is one.
    pub(super) fn open(&self, number: u64) -> Result<Option<SegmentReader>, StoreError> {
        let writer = self.writers.front().filter(|writer| writer.number() == number);
        let writer = writer.and_then(|writer| {
            let capacity = usize::try_from(writer.capacity()).ok()?;
            writer.is_made().then_some((capacity, writer.written() as usize))
        });
        SegmentReader::open(&self.shelf, number, writer)
    }

    /// What is ready when the head is at the beginning of the segment with this header.
    pub(super) fn ready_from(&self, header: &FileHeader) -> Counts {
        let persistent = self.appended.persistent.less(header.before.persistent);
        let all = match &self.restored {
            Some(restored) if header.generation <= restored.end.segment => {
                // What is persistent of the earlier process's, and all of this one's.
                let earlier = restored.appended.persistent.less(header.before.persistent);
                let later = self.appended.all.less(restored.appended.all);
                earlier.plus(later)
            }
            _ => self.appended.all.less(header.before.all),
        };
        Counts { all, persistent }
    }

    /// Whether a message is one of those that do not survive a restart.
    pub(super) fn is_gone(&self, at: Location, persistent: bool) -> bool {
        !persistent && self.restored.as_ref().is_some_and(|restored| at < restored.end)
    }

    /// A message is ready no more.
    fn unready(&mut self, found: &Found) {
        self.ready.all.remove(found.size());
        if found.persistent() {
            self.ready.persistent.remove(found.size());
        }
    }

    /// A ready message is passed over for good.
    pub(super) fn pass(&mut self, found: &Found) {
        self.unready(found);
        if let Some(reference) = found.reference() {
            self.references.pass(found.location, reference);
        }
    }

    pub(super) fn hold(&mut self, found: &Found) {
        self.unready(found);
        if let Some(reference) = found.reference() {
            self.references.take(found.location, reference);
        }
        let held = self.held.entry(found.location.segment).or_default();
        held.outstanding += 1;
        if held.outstanding == 1 {
            let mapping = self.reader.as_ref().map(|reader| Arc::downgrade(&reader.mapping));
            held.mapping.replace(mapping);
        }
    }

    pub(super) fn skip_damaged(&mut self, until: usize) {
        let Some(reader) = &self.reader else { return };
        let (segment, from) = (self.head.segment, self.head.octet());
        let bytes = reader.mapping.bytes().get(from..until).unwrap_or_default();
        self.shelf.set_octets_aside(segment, from, bytes);
        *self.damaged.get_mut() += 1;
        self.skipped += 1;
        self.head.offset = offset(until);
    }

    /// Misses messages: when all that there was has been taken, only so many are left to be taken.
    /// What was found damaged is counted already; the others are gone without a trace, with the end
    /// of a file perhaps.
    pub(super) fn miss(&mut self, left: u64) {
        let lost = self.ready.all.records.saturating_sub(left);
        let lost = lost.saturating_sub(std::mem::take(&mut self.skipped));
        if lost > 0 {
            let (queue, segment) = (self.shelf.queue, self.head.segment);
            log::error!("queue {queue}: {lost} messages before segment {segment} are missing");
            *self.damaged.get_mut() += lost;
        }
    }

    /// Moves the head to the next segment. The one behind goes if nothing in it is outstanding.
    pub(super) fn leave(&mut self) {
        let segment = self.head.segment;
        self.reader = None;
        self.head = Location::start_of(segment + 1);
        self.references.pass_before(segment + 1);
        if !self.held.contains_key(&segment) {
            self.shelf.discard(segment);
        }
    }
}
