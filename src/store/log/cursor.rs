//! Reading a log without taking anything out: the way of streams.
//!
//! ```text
//!   segment  3                  4                        5
//!            | r r r r r r r r | r r r r r r r r r r r | r r r r r r        |
//!              head                  cursor                         end
//!              first that is kept    one for each reader            cursors of those at the end
//! ```
//!
//! The head does not move but for whole segments that are kept no longer. Each reader has a cursor.
//! There is no index: every segment's header says the ordinal and the time that it begins with, so
//! a place is found by bisection over segments, and within one by reading it from its beginning.
//! Cursors in the same segment share one mapping, which they get from the stream's [`Views`].

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::super::error::StoreError;
use super::super::header::FileHeader;
use super::super::reader::{Found, Next, SegmentReader, Stored};
use super::super::segment::{Location, SegmentWriter, offset};
use super::QueueLog;
use crate::ids::{Ordinal, Timestamp};

/// A reader's place in a log from which nothing is taken.
#[derive(Default)]
pub struct Cursor {
    at: Location,
    skip: Skip,
    reader: Option<SegmentReader>,
}

/// What lies between the beginning of a cursor's first segment and what it is to read.
#[derive(Clone, Copy, Default)]
enum Skip {
    #[default]
    Nothing,
    Below(Ordinal),
    Before(Timestamp),
}

impl Skip {
    fn passes(self, found: &Found) -> bool {
        match self {
            Self::Nothing => true,
            Self::Below(ordinal) => found.ordinal >= ordinal,
            Self::Before(time) => found.published >= time,
        }
    }
}

/// The segments of one log that its cursors read, each mapped once.
#[derive(Default)]
pub struct Views(BTreeMap<u64, SegmentReader>);

impl Views {
    /// Lets go of segments that nobody reads any more.
    fn tidy(&mut self) {
        self.0.retain(|_, view| Arc::strong_count(&view.mapping) > 1);
    }
}

impl QueueLog {
    /// A cursor before the first message whose ordinal is at least `ordinal`, be it there by now or
    /// not.
    ///
    /// # Errors
    /// If a segment cannot be mapped.
    pub fn cursor_at(&self, views: &mut Views, ordinal: Ordinal) -> Result<Cursor, StoreError> {
        let segment = self.last_segment(views, |header| header.base <= ordinal.0)?;
        let skip = Skip::Below(ordinal);
        Ok(Cursor { at: Location::start_of(segment), skip, reader: None })
    }

    /// A cursor before the first message that was published at `time` or later.
    ///
    /// # Errors
    /// If a segment cannot be mapped.
    pub fn cursor_from(&self, views: &mut Views, time: Timestamp) -> Result<Cursor, StoreError> {
        let segment = self.last_segment(views, |header| header.time < time)?;
        let skip = Skip::Before(time);
        Ok(Cursor { at: Location::start_of(segment), skip, reader: None })
    }

    /// Reads the message at a cursor, which moves on. None at the end of what is written, and before
    /// the first message whose ordinal is not below `below`. Octets that are damaged are reported and skipped; a cursor that is where nothing is kept any more
    /// goes to the first message that is.
    ///
    /// # Errors
    /// If a segment cannot be mapped.
    pub fn read_next(
        &self,
        views: &mut Views,
        cursor: &mut Cursor,
        below: Ordinal,
    ) -> Result<Option<Stored>, StoreError> {
        cursor.at = cursor.at.max(self.head);
        while cursor.at < self.end() {
            if !self.enter_with(views, cursor)? {
                cursor.at = Location::start_of(cursor.at.segment + 1);
                continue;
            }
            let Some(reader) = &mut cursor.reader else { continue };
            let least = reader.least();
            match reader.next(cursor.at) {
                Next::Message(found, _) if found.ordinal >= below => {
                    reader.go_on(least); // to be read once more, later
                    return Ok(None);
                }
                Next::Message(found, next) => {
                    let passes = cursor.skip.passes(&found);
                    let stored = if passes { self.references.resolve(&found) } else { Ok(None) };
                    if stored.is_err() {
                        reader.go_on(least);
                    }
                    let stored = stored?;
                    cursor.at = next;
                    if passes {
                        cursor.skip = Skip::Nothing;
                        if stored.is_some() {
                            return Ok(stored);
                        }
                        self.lose(&found);
                    }
                }
                Next::Damaged(until) => {
                    let (queue, segment) = (self.shelf.queue, cursor.at.segment);
                    let (from, length) = (cursor.at.octet(), until - cursor.at.octet());
                    log::error!(
                        "queue {queue}, segment {segment}: {length} octets at {from} are damaged"
                    );
                    cursor.at.offset = offset(until);
                }
                Next::End if cursor.at.segment == self.writing() => cursor.at = self.end(),
                Next::End => cursor.at = Location::start_of(cursor.at.segment + 1),
            }
        }
        Ok(None)
    }

    /// Gives a cursor a reader of the segment that it is in, as far as that is written. Says
    /// whether there is such a segment.
    fn enter_with(&self, views: &mut Views, cursor: &mut Cursor) -> Result<bool, StoreError> {
        let number = cursor.at.segment;
        let writer = self.writers.front().filter(|writer| writer.number() == number);
        let written = writer.map(SegmentWriter::written);
        let old = cursor.reader.take().filter(|reader| reader.number == number);
        if let Some(reader) = old.as_ref().filter(|reader| reader.reveal(written)) {
            cursor.reader = Some(reader.again(reader.least()));
            return Ok(true);
        }
        let least = old.map_or(0, |reader| reader.least());
        cursor.reader = self.view(views, number)?.map(|view| view.again(least));
        Ok(cursor.reader.is_some())
    }

    /// A reader of a segment over a mapping that shows all that is written.
    fn view<'v>(
        &self,
        views: &'v mut Views,
        number: u64,
    ) -> Result<Option<&'v SegmentReader>, StoreError> {
        let writer = self.writers.front().filter(|writer| writer.number() == number);
        let written = writer.map(SegmentWriter::written);
        if !views.0.get(&number).is_some_and(|view| view.reveal(written)) {
            views.tidy();
            views.0.remove(&number);
            if let Some(reader) = self.open(number)? {
                views.0.insert(number, reader);
            }
        }
        Ok(views.0.get(&number))
    }

    /// The last segment whose header fits, where those that fit come first; the first of all if
    /// none does.
    fn last_segment(
        &self,
        views: &mut Views,
        fits: impl Fn(&FileHeader) -> bool,
    ) -> Result<u64, StoreError> {
        let (mut low, mut high) = (self.head.segment, self.segments_end());
        while low + 1 < high {
            let middle = low.midpoint(high);
            // One that is missing is passed over when it is read: to begin earlier is no harm.
            if self.view(views, middle)?.is_some_and(|view| fits(&view.header)) {
                low = middle;
            } else {
                high = middle;
            }
        }
        views.tidy();
        Ok(low)
    }

    /// The number behind the last segment that has something to read.
    fn segments_end(&self) -> u64 {
        let end = self.end();
        end.segment + u64::from(end.offset > 0)
    }

    /// The numbers of the segments that have something to read.
    pub fn segments(&self) -> Range<u64> {
        self.head.segment..self.segments_end()
    }

    /// When the second segment begins: all messages of the first are older. None if there is one
    /// segment only.
    ///
    /// # Errors
    /// If the second segment cannot be mapped.
    pub fn second_begins(&self, views: &mut Views) -> Result<Option<Timestamp>, StoreError> {
        if self.segments().count() < 2 {
            return Ok(None);
        }
        let second = self.view(views, self.head.segment + 1)?.map(|view| view.header.time);
        views.tidy();
        // One that cannot be read is no reason to keep what is before it.
        Ok(Some(second.unwrap_or_default()))
    }

    /// Removes the first segment with all its messages, unless it is the last one. Says whether it
    /// did. Nothing is journaled: a restart may find the segment gone, or still there.
    ///
    /// # Errors
    /// If the segment that is the first one then cannot be mapped.
    pub fn drop_first_segment(&mut self) -> Result<bool, StoreError> {
        if self.segments().count() < 2 {
            return Ok(false);
        }
        self.shelf.discard(self.head.segment);
        self.reader = None;
        self.head = Location::start_of(self.head.segment + 1);
        self.references.pass_before(self.head.segment);
        while self.head < self.end() && !self.enter()? {}
        self.reader = None;
        Ok(true)
    }

    /// From the next segment on they grow to at most so many octets, and never more than all do.
    pub fn limit_segments(&mut self, bytes: u64) {
        self.segment_bytes_max = bytes.min(self.options.segment_bytes_max);
        self.content_bytes_max = self.segment_bytes_max;
        self.segment_bytes = self.segment_bytes.min(self.segment_bytes_max);
    }
}
