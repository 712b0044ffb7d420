//! A disk on which everything can be tried and nothing changes: what is written stays in memory.
//!
//! ```text
//!   asked for        journal/2        queues/7/1       bad/queue-7-1   snapshots/5
//!   names            -                gone             is queues/7/1   -
//!   above (memory)   | new octets |                                    | new |
//!   below (as it is) | octets |       | octets |
//! ```
//!
//! A store that is opened on it recovers as the next broker would, and what it writes, cuts,
//! renames and removes is forgotten with it. A file that is written to is copied to memory first;
//! one that is only made shorter is not.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, DiskFile, MemoryDisk};
use crate::store::mapping::Mapping;

/// Files are copied to memory in pieces of this size.
const COPIED_BYTES: usize = 1 << 20;

/// A disk over another one, which is never changed.
#[derive(Clone)]
pub struct Overlay {
    below: Arc<dyn Disk>,
    above: MemoryDisk,
    changes: Arc<Mutex<Changes>>,
}

/// What became of the names and files below.
#[derive(Default)]
struct Changes {
    /// Where a name leads below; None if it leads there no more. It counts for all that is in it.
    names: BTreeMap<PathBuf, Option<PathBuf>>,
    /// Lengths to which files below are cut.
    lengths: BTreeMap<PathBuf, u64>,
}

impl Changes {
    /// Where a path leads below.
    fn below(&self, path: &Path) -> Option<PathBuf> {
        for name in path.ancestors() {
            if let Some(found) = self.names.get(name) {
                let rest = path.strip_prefix(name).unwrap_or_else(|_| Path::new(""));
                return found.as_ref().map(|found| found.join(rest));
            }
        }
        Some(path.to_owned())
    }

    /// Makes a name lead elsewhere, and forgets what was said of the names in it.
    fn set(&mut self, path: &Path, below: Option<PathBuf>) {
        self.names.retain(|name, _| !name.starts_with(path));
        self.names.insert(path.to_owned(), below);
    }
}

impl Overlay {
    /// A disk that begins as `below` is.
    #[must_use]
    pub fn new(below: Arc<dyn Disk>) -> Self {
        Self { below, above: MemoryDisk::new(), changes: Arc::default() }
    }

    fn open_below(&self, path: &Path) -> io::Result<(PathBuf, Arc<dyn DiskFile>)> {
        let below = self.changes.lock().below(path).ok_or(io::ErrorKind::NotFound)?;
        let file = self.below.open(&below)?;
        Ok((below, file))
    }

    /// Makes room above for a file: the directories it is in.
    fn make_parents(&self, path: &Path) -> io::Result<()> {
        let parents: Vec<_> = path.ancestors().skip(1).collect();
        parents.into_iter().rev().try_for_each(|parent| self.above.create_directory(parent))
    }
}

impl Disk for Overlay {
    fn name(&self) -> String {
        self.below.name()
    }

    fn boot(&self) -> Option<String> {
        self.below.boot()
    }

    fn lock(&self, _path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        Ok(Box::new(()))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.make_parents(path)?;
        self.above.create_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let changes = self.changes.lock();
        let mut names: BTreeSet<_> = self.above.list(path)?.into_iter().collect();
        if let Some(below) = changes.below(path) {
            let found = self.below.list(&below)?;
            names.extend(
                found.into_iter().filter(|name| {
                    !changes.names.get(&path.join(name)).is_some_and(Option::is_none)
                }),
            );
        }
        let moved =
            changes.names.iter().filter(|(to, below)| below.is_some() && to.parent() == Some(path));
        names.extend(moved.filter_map(|(to, _)| to.file_name()?.to_str().map(str::to_owned)));
        Ok(names.into_iter().collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        match self.open_below(path) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_parents(path)?;
                self.above.create(path)
            }
            Err(error) => Err(error),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        match self.above.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let (below, file) = self.open_below(path)?;
        Ok(Arc::new(OverlayFile { overlay: self.clone(), path: path.to_owned(), below, file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.make_parents(to)?;
        let mut changes = self.changes.lock();
        let below = changes.below(from);
        match self.above.rename(from, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.above.remove(to)?,
            other => other?,
        }
        changes.set(from, None);
        changes.set(to, below);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.changes.lock().set(path, None);
        self.above.remove(path)
    }

    fn discard(&self, path: &Path) {
        // What is in memory is removed without fail.
        let _ = self.remove(path);
    }

    fn sync_directory(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// A file of the disk below, until it is written to.
struct OverlayFile {
    overlay: Overlay,
    path: PathBuf,
    below: PathBuf,
    file: Arc<dyn DiskFile>,
}

impl OverlayFile {
    /// The file in memory, if it was written to.
    fn above(&self) -> Option<Arc<dyn DiskFile>> {
        self.overlay.above.open(&self.path).ok()
    }

    /// The file in memory, copied there if need be.
    fn copied(&self) -> io::Result<Arc<dyn DiskFile>> {
        if let Some(file) = self.above() {
            return Ok(file);
        }
        let length = self.len()?;
        self.overlay.make_parents(&self.path)?;
        let copy = self.overlay.above.create(&self.path)?;
        let mut at = 0;
        while at < length {
            let part = usize::try_from(length - at).unwrap_or(COPIED_BYTES).min(COPIED_BYTES);
            let mut octets = vec![0; part];
            self.file.read_exact_at(&mut octets, at)?;
            copy.write_all_at(&octets, at)?;
            at += part as u64;
        }
        self.overlay.changes.lock().set(&self.path, None);
        Ok(copy)
    }
}

impl DiskFile for OverlayFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.copied()?.write_all_at(bytes, offset)
    }

    fn write_vectored_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.copied()?.write_vectored_at(slices, offset)
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        if let Some(file) = self.above() {
            return file.read_exact_at(bytes, offset);
        }
        if offset.saturating_add(bytes.len() as u64) > self.len()? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.read_exact_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        if length > self.len()? { self.copied()?.allocate(length) } else { Ok(()) }
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        match self.above() {
            Some(file) => file.set_len(length),
            None if length <= self.len()? => {
                self.overlay.changes.lock().lengths.insert(self.below.clone(), length);
                Ok(())
            }
            None => self.copied()?.set_len(length),
        }
    }

    fn len(&self) -> io::Result<u64> {
        if let Some(file) = self.above() {
            return file.len();
        }
        let cut = self.overlay.changes.lock().lengths.get(&self.below).copied();
        Ok(self.file.len()?.min(cut.unwrap_or(u64::MAX)))
    }

    fn map(&self, length: usize, readable: usize) -> io::Result<Arc<dyn Mapping>> {
        if let Some(file) = self.above() {
            return file.map(length, readable);
        }
        let cut = usize::try_from(self.len()?).unwrap_or(usize::MAX);
        self.file.map(length.min(cut), readable.min(cut))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (MemoryDisk, Overlay) {
        let below = MemoryDisk::new();
        below.create_directory(Path::new("old")).unwrap();
        let file = below.create(Path::new("old/file")).unwrap();
        file.write_all_at(b"as it was", 0).unwrap();
        (below.clone(), Overlay::new(Arc::new(below)))
    }

    fn read(disk: &dyn Disk, path: &str) -> io::Result<Vec<u8>> {
        let file = disk.open(Path::new(path))?;
        let mapped = file.map(usize::MAX, usize::MAX)?;
        let mut octets = vec![0; mapped.bytes().len()];
        file.read_exact_at(&mut octets, 0)?;
        assert_eq!((octets.len() as u64, &octets[..]), (file.len()?, mapped.bytes()));
        Ok(octets)
    }

    #[test]
    fn nothing_that_is_done_changes_the_disk_below() {
        let (below, overlay) = disk();
        let file = overlay.open(Path::new("old/file")).unwrap();
        file.set_len(5).unwrap();
        assert_eq!(read(&overlay, "old/file").unwrap(), b"as it");
        file.write_all_at(b" can be", 5).unwrap();
        assert_eq!(read(&overlay, "old/file").unwrap(), b"as it can be");
        file.allocate(14).unwrap();
        assert_eq!(read(&overlay, "old/file").unwrap(), b"as it can be\0\0");
        overlay.rename(Path::new("old/file"), Path::new("new/name")).unwrap();
        assert!(read(&overlay, "old/file").is_err());
        assert_eq!(read(&overlay, "new/name").unwrap().len(), 14);
        overlay.remove(Path::new("new")).unwrap();
        assert!(read(&overlay, "new/name").is_err());
        assert_eq!(read(&below, "old/file").unwrap(), b"as it was");
        assert_eq!(below.files(), [PathBuf::from("old/file")]);
    }

    #[test]
    fn what_is_renamed_is_listed_and_read_under_its_new_name() {
        let (_, overlay) = disk();
        overlay.rename(Path::new("old"), Path::new("new")).unwrap();
        assert_eq!(overlay.list(Path::new("")).unwrap(), ["new"]);
        assert_eq!(overlay.list(Path::new("new")).unwrap(), ["file"]);
        assert_eq!(read(&overlay, "new/file").unwrap(), b"as it was");
        overlay.create(Path::new("old/file")).unwrap();
        assert_eq!(read(&overlay, "old/file").unwrap(), b"");
        overlay.rename(Path::new("new/file"), Path::new("new/other")).unwrap();
        assert_eq!(overlay.list(Path::new("new")).unwrap(), ["other"]);
        assert!(overlay.create(Path::new("new/other")).is_err(), "it is there");
        overlay.remove(Path::new("new/other")).unwrap();
        assert!(overlay.list(Path::new("new")).unwrap().is_empty());
    }
}
