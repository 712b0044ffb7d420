//! How messages are taken out of a log, and read again while they are outstanding.

use std::sync::{Arc, Weak};

use super::super::error::StoreError;
use super::super::header::Counts;
use super::super::reader::{Found, Next, SegmentReader, Stored};
use super::super::segment::Location;
use super::QueueLog;
use crate::ids::Ordinal;

impl QueueLog {
    /// Takes the next ready message. It is outstanding until [`QueueLog::release`]. Damaged ones
    /// are set aside, counted and skipped; transient ones of an earlier process are skipped.
    ///
    /// # Errors
    /// Those of [`QueueLog::flush`], and if a segment cannot be mapped.
    pub fn take(&mut self) -> Result<Option<Stored>, StoreError> {
        self.take_unless(|_| false)
    }

    /// Takes the next ready message that is not settled; settled ones are passed over and their
    /// bodies not looked at: recovery.
    ///
    /// # Errors
    /// Those of [`QueueLog::take`].
    pub fn take_unless(
        &mut self,
        settled: impl Fn(Ordinal) -> bool,
    ) -> Result<Option<Stored>, StoreError> {
        let flushed = self.flush();
        if flushed.as_ref().is_err_and(|error| !error.is_passing()) {
            flushed?;
            return Ok(None);
        }
        while self.head < self.end() {
            if !self.enter()? {
                continue;
            }
            let Some(reader) = &mut self.reader else { continue };
            match reader.next(self.head) {
                Next::Message(found, next) => {
                    if let Some(stored) = self.take_found(&found, next, &settled)? {
                        return Ok(Some(stored));
                    }
                }
                Next::Damaged(until) => self.skip_damaged(until),
                Next::End if self.head.segment == self.writing() => {
                    self.head = self.end();
                }
                Next::End => self.leave(),
            }
        }
        flushed?;
        self.miss(0);
        self.ready = Counts::default();
        self.references.pass_all();
        Ok(None)
    }

    /// Takes a message that was found at the head, which is `next` then, unless it is settled, does
    /// not survive restarts, or has lost its body.
    fn take_found(
        &mut self,
        found: &Found,
        next: Location,
        settled: impl Fn(Ordinal) -> bool,
    ) -> Result<Option<Stored>, StoreError> {
        if self.is_gone(self.head, found.persistent()) {
            self.head = next;
            return Ok(None);
        }
        let settled = settled(found.ordinal);
        // If its segment cannot be mapped for now, it is taken another time.
        let stored = if settled { None } else { self.resolve_head(found)? };
        self.head = next;
        match &stored {
            Some(_) => self.hold(found),
            None => {
                self.pass(found);
                if !settled {
                    self.lose(found);
                }
            }
        }
        Ok(stored)
    }

    /// The message at the head with its body. If that cannot be had for now, the next try begins
    /// there again.
    fn resolve_head(&mut self, found: &Found) -> Result<Option<Stored>, StoreError> {
        let stored = self.references.resolve(found);
        if let (Err(_), Some(reader)) = (&stored, &mut self.reader) {
            reader.go_back();
        }
        stored
    }

    /// Reads an outstanding message once more. None if it is damaged, which is reported, or if it
    /// was settled before a restart and its segment is gone.
    ///
    /// # Errors
    /// If its segment cannot be mapped.
    pub fn read(&self, location: Location) -> Result<Option<Stored>, StoreError> {
        let Some(held) = self.held.get(&location.segment) else { return Ok(None) };
        if let Some(reader) = self.reader.as_ref().filter(|r| r.number == location.segment) {
            return self.read_with(reader, location);
        }
        let shared = held.mapping.borrow().as_ref().and_then(Weak::upgrade);
        let shared = shared
            .and_then(|mapping| SegmentReader::over(&self.shelf, location.segment, mapping))
            .and_then(|reader| reader.at(location));
        if let Some(found) = shared {
            return self.read_found(&found);
        }
        // The mapping may be older than the record.
        let Some(reader) = self.open(location.segment)? else {
            self.damaged.set(self.damaged.get() + 1);
            return Ok(None);
        };
        held.mapping.replace(Some(Arc::downgrade(&reader.mapping)));
        self.read_with(&reader, location)
    }

    fn read_with(
        &self,
        reader: &SegmentReader,
        location: Location,
    ) -> Result<Option<Stored>, StoreError> {
        match reader.at(location) {
            Some(found) => self.read_found(&found),
            None => {
                let octets = reader.damaged_at(location);
                self.shelf.set_octets_aside(location.segment, location.octet(), octets);
                self.damaged.set(self.damaged.get() + 1);
                Ok(None)
            }
        }
    }

    fn read_found(&self, found: &Found) -> Result<Option<Stored>, StoreError> {
        let stored = self.references.resolve(found)?;
        if stored.is_none() {
            self.lose(found);
        }
        Ok(stored)
    }
}
