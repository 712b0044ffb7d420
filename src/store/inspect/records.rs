//! Every record of every file, as it lies on the disk.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::bodies::numbers;
use super::super::codec::Source;
use super::super::directory::{Directory, Ending, JOURNALS, QUEUES, SHARED, SNAPSHOTS, number_in};
use super::super::disk::Disk;
use super::super::entry::{self, Decoded, Entry};
use super::super::error::StoreError;
use super::super::header::{FileHeader, FileKind};
use super::super::inventory::map;
use super::super::reader::{Content, Found, Next, SegmentReader, Stored};
use super::super::record::{self, FIRST_RECORD, Step};
use super::super::segment::{Location, Shelf, offset};
use super::super::survey::survey;
use super::bodies::SharedBodies;
use crate::ids::{Ordinal, QueueId};

/// A record, or octets where one should be.
#[derive(Clone, Debug)]
pub enum RawRecord {
    /// An entry of a journal or a snapshot.
    Entry(Entry),
    /// The end of a snapshot.
    End,
    /// A message of a queue's log.
    Message(QueueId, Stored),
    /// A message of a queue's log whose shared body cannot be read.
    Lost(QueueId, Ordinal),
    /// A message that several queues share.
    Body(Stored),
    /// A whole record that says nothing that this version knows.
    Unknown,
    /// So many octets that are no record.
    Damaged(u64),
}

/// Gets the file, the octet and the record; says whether to go on.
type Visit<'a> = dyn FnMut(&Path, u64, RawRecord) -> ControlFlow<()> + 'a;

/// Shows every record: snapshots, journals, queue logs, then shared bodies. Files without a readable header are
/// left out; [`super::inspect`] tells of them.
///
/// # Errors
/// If a directory cannot be listed or a file not be read.
pub fn raw_records(disk: Arc<dyn Disk>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
    let directory = Directory::to_read(disk);
    for (folder, kind) in [(SNAPSHOTS, FileKind::Snapshot), (JOURNALS, FileKind::Journal)] {
        for name in directory.list(folder)? {
            let extension = if kind == FileKind::Snapshot { "snapshot" } else { "journal" };
            let path = Path::new(folder).join(&name);
            if number_in(&name, extension).is_some()
                && entries(&directory, &path, kind, visit)?.is_break()
            {
                return Ok(());
            }
        }
    }
    let mut bodies = SharedBodies::new(&directory);
    for name in directory.list(QUEUES)? {
        let Ok(queue) = name.parse().map(QueueId) else { continue };
        let shelf = Shelf { directory: directory.clone(), queue, durable: true };
        for name in directory.list(&PathBuf::from(QUEUES).join(name).to_string_lossy())? {
            if let Some(number) = number_in(&name, "segment")
                && messages(&shelf, number, &mut bodies, visit)?.is_break()
            {
                return Ok(());
            }
        }
    }
    let shelf = Shelf { directory: directory.clone(), queue: SHARED, durable: true };
    for number in numbers(&directory)? {
        if messages(&shelf, number, &mut bodies, visit)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn entries(
    directory: &Directory,
    path: &Path,
    kind: FileKind,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, StoreError> {
    let mapping = map(directory, path)?;
    let bytes = mapping.bytes();
    let cut = directory.ending()? == Ending::Cut;
    let Some((_, seed)) = FileHeader::decode(kind, bytes) else {
        return Ok(ControlFlow::Continue(()));
    };
    let end = if kind == FileKind::Journal { survey(bytes, seed, cut).end } else { bytes.len() };
    let bytes = &bytes[..end];
    let (mut at, mut least) = (FIRST_RECORD, 0);
    loop {
        let (shown, next) = match record::step(bytes, at, seed, least) {
            Step::Record(record) => {
                least = record.sequence.saturating_add(1);
                let next = record.payload.end;
                let shown = match entry::decode(bytes, Source::new(bytes, record.payload)) {
                    Some(Decoded::Entry(entry)) => RawRecord::Entry(entry),
                    Some(Decoded::End { .. }) => RawRecord::End,
                    None => RawRecord::Unknown,
                };
                (shown, next)
            }
            Step::Damaged(range) => (RawRecord::Damaged(range.len() as u64), range.end),
            Step::End { .. } => return Ok(ControlFlow::Continue(())),
        };
        if visit(path, at as u64, shown).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        at = next;
    }
}

/// A message of a log, or of the shared bodies.
fn shown(queue: QueueId, found: &Found, bodies: &mut SharedBodies) -> RawRecord {
    let message = match &found.content {
        Content::Message(message) => Some(message.clone()),
        Content::Reference(reference) => bodies.read(reference),
    };
    let Found { ordinal, location, published, .. } = *found;
    match message.map(|message| Stored { ordinal, location, message, published }) {
        Some(stored) if queue == SHARED => RawRecord::Body(stored),
        Some(stored) => RawRecord::Message(queue, stored),
        None => RawRecord::Lost(queue, ordinal),
    }
}

fn messages(
    shelf: &Shelf,
    number: u64,
    bodies: &mut SharedBodies,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, StoreError> {
    let path = shelf.segment(number);
    let Some(mut reader) = SegmentReader::open(shelf, number, None)? else {
        return Ok(ControlFlow::Continue(()));
    };
    let mut at = Location::start_of(number);
    loop {
        let octet = at.octet();
        let shown = match reader.next(at) {
            Next::Message(found, next) => {
                at = next;
                shown(shelf.queue, &found, bodies)
            }
            Next::Damaged(until) => {
                at.offset = offset(until);
                RawRecord::Damaged((until - octet) as u64)
            }
            Next::End => return Ok(ControlFlow::Continue(())),
        };
        if visit(&path, octet as u64, shown).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}
