//! The segments of bodies that several queues share, and whether a log's references find theirs.

use super::super::bodies::numbers;
use super::super::content::Reference;
use super::super::directory::{Directory, SHARED};
use super::super::error::StoreError;
use super::super::header::FileHeader;
use super::super::reader::{Next, SegmentReader};
use super::super::segment::{Location, Shelf, offset};
use super::findings::{Damage, Inspection, PlainFile, SegmentFile};
use crate::message::Message;

/// Reads bodies, without a change to anything.
pub(super) struct SharedBodies {
    shelf: Shelf,
    /// The segment that was read last. None if it cannot be read.
    last: Option<(u64, Option<SegmentReader>)>,
}

impl SharedBodies {
    pub(super) fn new(directory: &Directory) -> Self {
        let shelf = Shelf { directory: directory.clone(), queue: SHARED, durable: true };
        Self { shelf, last: None }
    }

    /// The message that a reference stands for, if it can be read.
    pub(super) fn read(&mut self, reference: &Reference) -> Option<Message> {
        let segment = reference.place.segment;
        if self.last.as_ref().is_none_or(|(number, _)| *number != segment) {
            let reader = SegmentReader::open(&self.shelf, segment, None).ok().flatten();
            self.last = Some((segment, reader));
        }
        self.last.as_ref()?.1.as_ref()?.body(reference, false)
    }
}

impl Inspection {
    pub(super) fn look_at_bodies(&mut self, directory: &Directory) -> Result<(), StoreError> {
        let shelf = Shelf { directory: directory.clone(), queue: SHARED, durable: true };
        for number in numbers(directory)? {
            let path = shelf.segment(number);
            let Some(mapping) = self.read(directory, &path) else { continue };
            let octets = mapping.bytes().len() as u64;
            if !FileHeader::is_whole(mapping.bytes()) {
                self.problem(&path, Some(0), "one copy of the header is damaged", false);
            }
            let Some(reader) = SegmentReader::over(&shelf, number, mapping) else {
                self.problem(&path, Some(0), "both copies of the header are damaged", false);
                continue;
            };
            let file = PlainFile { path: path.display().to_string(), octets };
            let segment = count(file, reader);
            for Damage { octet, octets } in segment.damaged.clone() {
                let octet = usize::try_from(octet).ok();
                self.problem(&path, octet, &format!("{octets} octets are no message"), false);
            }
            self.bodies.push(segment);
        }
        Ok(())
    }
}

/// Reads a segment from front to back.
fn count(file: PlainFile, mut reader: SegmentReader) -> SegmentFile {
    let number = reader.number;
    let (records, persistent, ordinals, damaged) = Default::default();
    let mut segment = SegmentFile { file, number, records, persistent, ordinals, damaged };
    let mut at = Location::start_of(number);
    loop {
        match reader.next(at) {
            Next::Message(found, next) => {
                segment.records += 1;
                segment.persistent += u64::from(found.persistent());
                at = next;
            }
            Next::Damaged(until) => {
                let octets = (until - at.octet()) as u64;
                segment.damaged.push(Damage { octet: at.octet() as u64, octets });
                at.offset = offset(until);
            }
            Next::End => return segment,
        }
    }
}
