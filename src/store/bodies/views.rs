//! The segments of bodies that were read last, mapped once for all logs that refer to them.
//!
//! A body's checksum is computed the first time that it is read through a mapping: a message that
//! goes to a thousand consumers is not summed up a thousand times.

use std::collections::{BTreeSet, VecDeque};

use super::super::content::Reference;
use super::super::error::StoreError;
use super::super::reader::SegmentReader;
use super::super::segment::{Location, SegmentWriter, Shelf};
use crate::message::Message;

/// The most segments that stay mapped although no message of them is in use.
const VIEWS_MAX: usize = 16;

/// Mapped segments, the one that was read last at the back.
#[derive(Default)]
pub(super) struct Views(VecDeque<View>);

struct View {
    reader: SegmentReader,
    /// Where the records are whose checksums are right.
    verified: BTreeSet<u32>,
}

impl Views {
    /// The message that a reference stands for, read through its segment's mapping. A segment that
    /// is being written comes with its `writer`.
    pub(super) fn read(
        &mut self,
        shelf: &Shelf,
        writer: Option<&SegmentWriter>,
        reference: &Reference,
    ) -> Result<Option<Message>, StoreError> {
        let segment = reference.place.segment;
        let Some(view) = self.view(shelf, writer, segment)? else { return Ok(None) };
        let place = reference.place.offset;
        let message = view.reader.body(reference, view.verified.contains(&place));
        if message.is_some() {
            view.verified.insert(place);
        } else {
            let at = Location::at(segment, place);
            shelf.set_octets_aside(segment, at.octet(), view.reader.damaged_at(at));
        }
        Ok(message)
    }

    fn view(
        &mut self,
        shelf: &Shelf,
        writer: Option<&SegmentWriter>,
        segment: u64,
    ) -> Result<Option<&mut View>, StoreError> {
        let known = self.0.iter().position(|view| view.reader.number == segment);
        let known = known.and_then(|place| self.0.remove(place));
        let written = writer.map(SegmentWriter::written);
        let view = match known.filter(|view| view.reader.reveal(written)) {
            Some(view) => view,
            None => {
                let capacity = |it: &SegmentWriter| usize::try_from(it.capacity()).ok();
                let writer = writer
                    .filter(|writer| writer.is_made())
                    .and_then(|writer| Some((capacity(writer)?, writer.written() as usize)));
                let Some(reader) = SegmentReader::open(shelf, segment, writer)? else {
                    shelf.set_aside(segment);
                    return Ok(None);
                };
                View { reader, verified: BTreeSet::new() }
            }
        };
        self.0.push_back(view);
        while self.0.len() > VIEWS_MAX {
            self.0.pop_front();
        }
        Ok(self.0.back_mut())
    }

    /// A segment is removed.
    pub(super) fn forget(&mut self, segment: u64) {
        self.0.retain(|view| view.reader.number != segment);
    }
}
