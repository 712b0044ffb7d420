//! Reading what recovery has chosen, entry by entry.

use std::sync::Arc;

use super::{Recovery, Replay};
use crate::mutants::mutant;
use crate::store::codec::Source;
use crate::store::entry::{self, Decoded, Entry};
use crate::store::error::StoreError;
use crate::store::header::{FileHeader, FileKind};
use crate::store::inventory::map;
use crate::store::mapping::Mapping;
use crate::store::record::{self, FIRST_RECORD, Step};

/// The entries of a [`Recovery`].
pub struct Entries<'a> {
    recovery: &'a Recovery,
    source: usize,
    open: Option<OpenReplay>,
}

struct OpenReplay {
    mapping: Arc<dyn Mapping>,
    seed: u32,
    end: usize,
    at: usize,
    least: u32,
    kind: FileKind,
}

impl OpenReplay {
    /// Whether nothing follows in a journal: of what was journaled together, the rest is not there.
    /// A deduplication header then counts as little as the message that comes behind it.
    fn is_at_end(&self) -> bool {
        let bytes = &self.mapping.bytes()[..self.end];
        let next = record::step(bytes, self.at, self.seed, self.least);
        self.kind == FileKind::Journal
            && matches!(next, Step::End { .. })
            && !mutant("a_header_without_its_message")
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(open) = &mut self.open else {
                match self.open_next()? {
                    Ok(open) => self.open = Some(open),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            let bytes = &open.mapping.bytes()[..open.end];
            match record::step(bytes, open.at, open.seed, open.least) {
                Step::Record(record) => {
                    (open.at, open.least) = (record.payload.end, record.sequence.saturating_add(1));
                    let start = record.payload.start;
                    match entry::decode(bytes, Source::new(bytes, record.payload)) {
                        Some(Decoded::Entry(Entry::Remember { .. })) if open.is_at_end() => {}
                        Some(Decoded::Entry(entry)) => return Some(Ok(entry)),
                        Some(Decoded::End { .. }) => {}
                        // What damage has changed has another checksum.
                        None => return Some(Err(self.unknown(start))),
                    }
                }
                Step::Damaged(range) => open.at = range.end,
                Step::End { .. } => self.open = None,
            }
        }
    }
}

impl<'a> Entries<'a> {
    pub(super) fn new(recovery: &'a Recovery) -> Self {
        Self { recovery, source: 0, open: None }
    }

    /// An entry that is whole and means nothing to this version: a newer one has written it, and
    /// to pass it over could mean to lose a definition. It is the last one.
    fn unknown(&mut self, start: usize) -> StoreError {
        let sources = &self.recovery.sources;
        let path = sources.get(self.source.saturating_sub(1)).map(|source| source.path.display());
        let path = path.map(|path| path.to_string()).unwrap_or_default();
        (self.source, self.open) = (sources.len(), None);
        self.recovery.directory.unreadable(format!(
            "the entry at octet {start} of {path} says nothing that this version knows, so a newer \
             one has written it"
        ))
    }

    fn open_next(&mut self) -> Option<Result<OpenReplay, StoreError>> {
        let Replay { path, kind, end } = self.recovery.sources.get(self.source)?;
        self.source += 1;
        let opened = map(&self.recovery.directory, path).and_then(|mapping| {
            let bytes = mapping.bytes();
            let Some((_, seed)) = FileHeader::decode(*kind, bytes) else {
                let changed = std::io::Error::other("it was changed since it was looked through");
                return Err(StoreError::io("read", path, changed));
            };
            let end = end.unwrap_or(bytes.len()).min(bytes.len());
            Ok(OpenReplay { mapping, seed, end, at: FIRST_RECORD, least: 0, kind: *kind })
        });
        if opened.is_err() {
            self.source = self.recovery.sources.len();
        }
        Some(opened)
    }
}
