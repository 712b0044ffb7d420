//! A log as an earlier process left it.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use super::super::directory::{is_folder, number_in};
use super::super::error::StoreError;
use super::super::header::Counts;
use super::super::log_state::LogState;
use super::super::segment::Location;
use super::{QueueLog, Restored};
use crate::mutants::mutant;

impl QueueLog {
    /// The log as `state` says that it was, with the messages `outstanding` that had been taken and
    /// are still not settled. What was appended later is cut off: the journal has it.
    pub(in crate::store) fn restore(
        mut log: Self,
        state: &LogState,
        outstanding: impl IntoIterator<Item = Location>,
    ) -> Result<Self, StoreError> {
        log.head = state.head;
        let next_segment = state.end.segment + u64::from(state.end.offset > 0);
        log.next_segment = next_segment.max(1); // a queue that no checkpoint has seen begins anew
        log.appended = state.appended;
        // Of what the earlier process left only the persistent messages are there.
        log.ready = Counts { all: state.ready, persistent: state.ready };
        log.restored = Some(Restored { end: state.end, appended: state.appended });
        let outstanding: BTreeSet<_> = outstanding.into_iter().collect();
        for location in &outstanding {
            log.held.entry(location.segment).or_default().outstanding += 1;
        }
        log.restore_files(state, &outstanding)?;
        Ok(log)
    }

    fn restore_files(
        &mut self,
        state: &LogState,
        outstanding: &BTreeSet<Location>,
    ) -> Result<(), StoreError> {
        let names = self.find_files()?;
        let found: BTreeSet<u64> =
            names.iter().filter_map(|name| number_in(name, "segment")).collect();
        self.directory_made = !found.is_empty();
        self.gaps = self.find_gaps(state, &found)?;
        self.held.retain(|segment, _| found.contains(segment));
        self.references.restore(&state.references, &found, outstanding);
        if self.is_empty() {
            self.head = Location::start_of(self.next_segment);
        }
        for segment in &found {
            if *segment >= self.next_segment {
                self.remove(*segment)?;
            } else if *segment < self.head.segment && !self.held.contains_key(segment) {
                self.shelf.discard(*segment);
            } else if *segment == state.end.segment {
                self.cut(state.end)?;
            }
        }
        // Segments that were settled since the checkpoint are gone: begin at the first that is
        // there.
        if !found.contains(&self.head.segment) {
            let next = found.range(self.head.segment..self.next_segment).next();
            self.head = Location::start_of(next.copied().unwrap_or(self.next_segment));
            self.ready = Counts::default();
            self.enter()?;
        }
        self.references.pass_before(self.head.segment);
        Ok(())
    }

    /// The names in the log's folder; none if there is something else in its place.
    fn find_files(&self) -> Result<Vec<String>, StoreError> {
        let (path, directory) = (self.shelf.path(), &self.shelf.directory);
        match directory.disk.list(&path) {
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                log::error!("{} is a file where a folder should be", path.display());
                directory.set_file_aside(&path, &format!("queue-{}", self.shelf.queue.0));
                Ok(Vec::new())
            }
            other => other.map_err(|source| StoreError::io("list", &path, source)),
        }
    }

    /// Cuts a segment where the checkpoint saw its end, so that nothing older follows it.
    fn cut(&mut self, end: Location) -> Result<(), StoreError> {
        let path = self.shelf.segment(end.segment);
        let open = || -> std::io::Result<_> {
            let file = self.shelf.directory.disk.open(&path)?;
            let length = file.len()?;
            Ok((file, length))
        };
        let (file, length) = match open() {
            // It is reported and kept when it is to be read.
            Err(error) if is_folder(&error) => return Ok(()),
            other => other.map_err(|source| StoreError::io("open", &path, source))?,
        };
        let wanted = u64::from(end.offset);
        if length < wanted {
            log::error!("{} ends at octet {length} instead of {wanted}", path.display());
        } else if length > wanted {
            let health = &self.shelf.directory.health;
            health.attempt("cut", &path, || file.set_len(wanted))?;
        }
        // Also if it was cut before: by a process that was killed and did not sync that.
        if !mutant("a_cut_is_not_synced") {
            self.unsynced_from = Some(end.segment);
        }
        Ok(())
    }

    fn remove(&self, segment: u64) -> Result<(), StoreError> {
        let path = self.shelf.segment(segment);
        self.shelf
            .directory
            .health
            .attempt("remove", &path, || self.shelf.directory.disk.remove(&path))
    }
}
