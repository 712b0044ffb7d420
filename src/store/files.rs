//! The open files of queue logs: as many as fit, the others are opened again when they are needed.
//!
//! ```text
//!   segment writer ──(queue, number)──▶ open? ── yes ──▶ the file, now the last to be closed
//!                                         └── no ──▶ opened; the one unused for longest is closed
//! ```
//!
//! A queue with a backlog appends to one segment; 10,000 such queues shall not need 10,000
//! descriptors. What is read is mapped, and a mapping needs none.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::disk::{Disk, DiskFile};
use super::error::{StoreError, is_exhausted};
use crate::ids::QueueId;

/// Which file: a queue's segment of this number.
pub(super) type FileKey = (QueueId, u64);

/// Files that are kept open; shared by all logs of a store.
#[derive(Clone)]
pub(super) struct OpenFiles(Arc<Mutex<Files>>);

struct Files {
    max: usize,
    /// Counts uses: the age of a file is when it was used last.
    uses: u64,
    files: HashMap<FileKey, (u64, Arc<dyn DiskFile>)>,
    by_age: BTreeMap<u64, FileKey>,
}

impl OpenFiles {
    /// At most so many at a time, at least one.
    pub(super) fn new(max: usize) -> Self {
        let (files, by_age) = (HashMap::new(), BTreeMap::new());
        Self(Arc::new(Mutex::new(Files { max: max.max(1), uses: 0, files, by_age })))
    }

    /// The file, opened if it is not.
    pub(super) fn get(
        &self,
        disk: &dyn Disk,
        key: FileKey,
        path: &Path,
    ) -> Result<Arc<dyn DiskFile>, StoreError> {
        if let Some(file) = self.0.lock().used(key) {
            return Ok(file);
        }
        let file = self.opening(path, "open", || disk.open(path))?;
        self.0.lock().put(key, Arc::clone(&file));
        Ok(file)
    }

    /// Keeps a file open that was just made.
    pub(super) fn put(&self, key: FileKey, file: Arc<dyn DiskFile>) {
        self.0.lock().put(key, file);
    }

    /// Closes a file: nothing more is appended to it.
    pub(super) fn close(&self, key: FileKey) {
        self.0.lock().remove(key);
    }

    /// Opens something. Where no descriptors are left, files that are kept open make way.
    pub(super) fn opening<T>(
        &self,
        path: &Path,
        operation: &'static str,
        open: impl Fn() -> io::Result<T>,
    ) -> Result<T, StoreError> {
        loop {
            match open() {
                Err(error) if is_exhausted(&error) && self.0.lock().drop_oldest() => {}
                other => return other.map_err(|source| StoreError::io(operation, path, source)),
            }
        }
    }
}

impl Files {
    fn used(&mut self, key: FileKey) -> Option<Arc<dyn DiskFile>> {
        let (age, file) = self.files.get_mut(&key)?;
        self.by_age.remove(age);
        self.uses += 1;
        *age = self.uses;
        self.by_age.insert(*age, key);
        Some(Arc::clone(file))
    }

    fn put(&mut self, key: FileKey, file: Arc<dyn DiskFile>) {
        self.remove(key);
        while self.files.len() >= self.max && self.drop_oldest() {}
        self.uses += 1;
        self.files.insert(key, (self.uses, file));
        self.by_age.insert(self.uses, key);
    }

    fn remove(&mut self, key: FileKey) {
        if let Some((age, _)) = self.files.remove(&key) {
            self.by_age.remove(&age);
        }
    }

    /// Closes the file that was not used for longest. Returns whether there was one.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self.by_age.pop_first();
        if let Some((_, key)) = oldest {
            self.files.remove(&key);
        }
        oldest.is_some()
    }
}
