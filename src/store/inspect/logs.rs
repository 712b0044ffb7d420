//! Queue logs: every record of every segment, and which of them somebody still waits for.
//!
//! ```text
//!   | settled ..... | head  ready ............ end | written since, the journal has it |
//!         o outstanding
//! ```
//!
//! Damage counts where recovery would read: from the head to the end that the snapshot names, and
//! at outstanding messages.

use std::collections::{BTreeMap, BTreeSet};

use super::super::content::Reference;
use super::super::directory::{BODIES, Directory, QUEUES, number_in, segment_name};
use super::super::entry::Entry;
use super::super::error::StoreError;
use super::super::header::{FileHeader, Tally};
use super::super::log_state::LogState;
use super::super::reader::{Found, Next, SegmentReader};
use super::super::segment::{Location, Shelf, offset};
use super::bodies::SharedBodies;
use super::findings::{Damage, Inspection, PlainFile, Problem, SegmentFile};
use crate::ids::{Ordinal, QueueId};

/// What recovery knows of a queue's log.
#[derive(Default)]
pub(super) struct Known {
    state: LogState,
    /// Messages that were taken and are not settled.
    outstanding: BTreeMap<Ordinal, Location>,
    /// What was settled since: runs of ordinals, by the first of each.
    settled: BTreeMap<Ordinal, Ordinal>,
    /// Messages below that were never delivered were purged.
    purged_before: Ordinal,
}

/// What recovery knows of all logs, as it learns it.
#[derive(Default)]
pub(super) struct Logs(BTreeMap<QueueId, Known>);

impl Logs {
    pub(super) fn learn(&mut self, entry: Entry) {
        match entry {
            Entry::Queue { id, log, outstanding, .. } => {
                let outstanding = outstanding.iter().map(|one| (one.ordinal, one.location));
                let outstanding = outstanding.collect();
                self.0.insert(id, Known { state: log, outstanding, ..Known::default() });
            }
            Entry::Purge { queue, before } => {
                if let Some(known) = self.0.get_mut(&queue) {
                    known.purged_before = known.purged_before.max(before);
                }
            }
            Entry::Settle { queue, first, last } => {
                if let Some(known) = self.0.get_mut(&queue) {
                    known.outstanding.retain(|ordinal, _| *ordinal < first || *ordinal > last);
                    known.settle(first, last);
                }
            }
            _ => {} // nothing else says where in a log messages are
        }
    }
}

impl Inspection {
    pub(super) fn look_at_logs(
        &mut self,
        directory: &Directory,
        logs: &Logs,
    ) -> Result<(), StoreError> {
        let mut bodies = SharedBodies::new(directory);
        for name in directory.list(QUEUES)? {
            let Ok(queue) = name.parse().map(QueueId) else { continue };
            let shelf = Shelf { directory: directory.clone(), queue, durable: true };
            let unknown = Known::default();
            let known = logs.0.get(&queue).unwrap_or(&unknown);
            let names = directory.list(&format!("{QUEUES}/{name}"))?;
            let mut numbers: Vec<_> =
                names.iter().filter_map(|name| number_in(name, "segment")).collect();
            numbers.sort_unstable();
            let mut scans = Vec::new();
            for number in numbers {
                scans.extend(self.scan(&shelf, number, known, &mut bodies)?);
            }
            self.miss(&shelf, known, &scans);
            self.logs.insert(queue, scans.into_iter().map(|scan| scan.file).collect());
        }
        Ok(())
    }

    /// Reads a segment from front to back. None if it is gone or has no readable header.
    fn scan(
        &mut self,
        shelf: &Shelf,
        number: u64,
        known: &Known,
        bodies: &mut SharedBodies,
    ) -> Result<Option<Scan>, StoreError> {
        let path = shelf.segment(number);
        let Some(mapping) = self.read(&shelf.directory, &path) else { return Ok(None) };
        let octets = mapping.bytes().len() as u64;
        if !FileHeader::is_whole(mapping.bytes()) {
            self.problem(&path, Some(0), "one copy of the header is damaged", false);
        }
        let Some(mut reader) = SegmentReader::over(shelf, number, mapping) else {
            let needed = known.wants_of(number);
            self.problem(&path, Some(0), "both copies of the header are damaged", needed);
            return Ok(None);
        };
        let file = PlainFile { path: path.display().to_string(), octets };
        let mut scan = Scan::new(file, number, &reader);
        let mut at = Location::start_of(number);
        loop {
            match reader.next(at) {
                Next::Message(found, next) => {
                    scan.count(found.ordinal, found.persistent(), at < known.state.end);
                    if let Some(reference) = found.reference()
                        && bodies.read(reference).is_none()
                    {
                        self.lose(&scan, at, next, (&found, reference), known);
                    }
                    at = next;
                }
                Next::Damaged(until) => {
                    self.damage(&mut scan, at, until, known);
                    at.offset = offset(until);
                }
                Next::End => return Ok(Some(scan)),
            }
        }
    }

    fn damage(&mut self, scan: &mut Scan, at: Location, until: usize, known: &Known) {
        let length = (until - at.octet()) as u64;
        let octet = at.octet() as u64;
        let needed = known.wants(at, until);
        if at >= known.state.end && !needed {
            return; // written since, and not synced: the journal has it
        }
        scan.file.damaged.push(Damage { octet, octets: length });
        scan.damaged_before_end += u64::from(at < known.state.end);
        self.problems.push(Problem {
            path: scan.file.file.path.clone(),
            octet: Some(octet),
            text: format!("{length} octets are no message"),
            needed,
        });
    }

    /// A reference does not find its body.
    fn lose(
        &mut self,
        scan: &Scan,
        at: Location,
        next: Location,
        (found, reference): (&Found, &Reference),
        known: &Known,
    ) {
        // A message that does not survive a restart needs none.
        let is_there = found.persistent() && known.wants(at, next.octet());
        if !is_there || known.is_settled(found.ordinal) {
            return;
        }
        let (ordinal, segment) = (found.ordinal, segment_name(reference.place.segment));
        let text = format!(
            "the body of message {ordinal}, at octet {} of {BODIES}/{segment}, cannot be read",
            reference.place.offset
        );
        self.problems.push(Problem {
            path: scan.file.file.path.clone(),
            octet: Some(at.octet() as u64),
            text,
            needed: true,
        });
    }

    /// Misses messages that left no trace: a segment tells how many there were before it.
    fn miss(&mut self, shelf: &Shelf, known: &Known, scans: &[Scan]) {
        for (place, scan) in scans.iter().enumerate() {
            let number = scan.file.number;
            let after = scans.get(place + 1).filter(|next| next.file.number == number + 1);
            let total = match after {
                Some(next) => next.before,
                None if number == known.state.end.segment => known.state.appended.persistent,
                None => continue,
            };
            let found = scan.persistent_before_end + scan.damaged_before_end;
            let lost = total.less(scan.before).records.saturating_sub(found);
            if lost > 0 && known.wants_of(number) {
                self.problems.push(Problem {
                    path: shelf.segment(number).display().to_string(),
                    octet: None,
                    text: format!("{lost} messages are missing"),
                    needed: number >= known.state.head.segment,
                });
            }
        }
    }
}

impl Known {
    /// Whether recovery reads any of the octets from `at` to `until`.
    fn wants(&self, at: Location, until: usize) -> bool {
        let until = Location { offset: offset(until), ..at };
        let ready = self.state.ready() > 0 && at < self.state.end && until > self.state.head;
        ready || self.outstanding.values().any(|place| at <= *place && *place < until)
    }

    /// Messages were settled since the snapshot.
    fn settle(&mut self, first: Ordinal, last: Ordinal) {
        match self.settled.range_mut(..=first).next_back() {
            Some((_, before)) if before.next() >= first => *before = (*before).max(last),
            _ => _ = self.settled.insert(first, last),
        }
    }

    /// Whether a message was settled since the snapshot: its shared body may be gone.
    fn is_settled(&self, ordinal: Ordinal) -> bool {
        let run = self.settled.range(..=ordinal).next_back();
        ordinal < self.purged_before || run.is_some_and(|(_, last)| *last >= ordinal)
    }

    /// Whether recovery reads anything in a segment.
    fn wants_of(&self, number: u64) -> bool {
        let ready = self.state.head.segment..=self.state.end.segment;
        let segments: BTreeSet<_> =
            self.outstanding.values().map(|location| location.segment).collect();
        (self.state.ready() > 0 && ready.contains(&number)) || segments.contains(&number)
    }
}

/// A segment that is read.
struct Scan {
    file: SegmentFile,
    /// Persistent messages before the segment.
    before: Tally,
    /// What stands before the end that the snapshot names.
    persistent_before_end: u64,
    damaged_before_end: u64,
}

impl Scan {
    fn new(file: PlainFile, number: u64, reader: &SegmentReader) -> Self {
        let (records, persistent, ordinals) = Default::default();
        let damaged = Vec::new();
        Self {
            file: SegmentFile { file, number, records, persistent, ordinals, damaged },
            before: reader.header.before.persistent,
            persistent_before_end: 0,
            damaged_before_end: 0,
        }
    }

    fn count(&mut self, ordinal: Ordinal, persistent: bool, before_end: bool) {
        let first = self.file.ordinals.map_or(ordinal, |(first, _)| first);
        self.file.ordinals = Some((first, ordinal));
        self.file.records += 1;
        self.file.persistent += u64::from(persistent);
        self.persistent_before_end += u64::from(persistent && before_end);
    }
}
