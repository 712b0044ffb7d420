//! A disk in memory that can be copied at any moment, cut off from power, or told to fail.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::{Disk, DiskFile};
use crate::message::{Backing, Span};
use crate::store::mapping::Mapping;

/// A disk whose files are in memory: for tests, and to simulate crashes and faults. A clone is the
/// same disk; [`MemoryDisk::killed`] and [`MemoryDisk::cut`] give new ones.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    tree: Arc<Mutex<Tree>>,
    locked: Arc<AtomicBool>,
    faults: Arc<Faults>,
}

/// The names as every process sees them, and as a power cut would leave them.
#[derive(Default)]
struct Tree {
    directories: BTreeSet<PathBuf>,
    live: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
    durable: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
}

/// A file's octets, and what was done to them since the last sync.
#[derive(Clone, Default)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

/// Counts the operations that change something, and fails from one of them on.
#[derive(Default)]
struct Faults {
    changes: AtomicU64,
    fail_from: AtomicU64,
    full: AtomicBool,
}

impl MemoryDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk as the next process finds it if this one is killed now: all that was written.
    #[must_use]
    pub fn killed(&self) -> Self {
        self.copy(|tree| &tree.live, |content| &content.live)
    }

    /// The disk as it is after a power cut now: only what was synced, names as well as octets.
    #[must_use]
    pub fn cut(&self) -> Self {
        self.copy(|tree| &tree.durable, |content| &content.durable)
    }

    /// Makes the `count`th change from now, and every later one, fail with an I/O error.
    pub fn fail_after(&self, count: u64) {
        let changes = self.faults.changes.load(Ordering::SeqCst);
        self.faults.fail_from.store(changes + count, Ordering::SeqCst);
    }

    /// Leaves no room for new octets, or makes room again.
    pub fn fill(&self, full: bool) {
        self.faults.full.store(full, Ordering::SeqCst);
    }

    /// How many changes were asked for so far: writes, syncs, names made, given and removed.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.faults.changes.load(Ordering::SeqCst)
    }

    /// The paths of all files, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.tree.lock().live.keys().cloned().collect()
    }

    /// Lets `change` do what it likes to a file's octets, as a failing disk does. Returns whether
    /// there is such a file.
    pub fn damage(&self, path: impl AsRef<Path>, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let file = self.tree.lock().live.get(path.as_ref()).cloned();
        if let Some(file) = &file {
            let mut content = file.lock();
            change(&mut content.live);
            content.durable = content.live.clone();
        }
        file.is_some()
    }

    fn copy(
        &self,
        names: impl Fn(&Tree) -> &BTreeMap<PathBuf, Arc<Mutex<Content>>>,
        octets: impl Fn(&Content) -> &Vec<u8>,
    ) -> Self {
        let tree = self.tree.lock();
        let copies: BTreeMap<_, _> = names(&tree)
            .iter()
            .map(|(path, content)| {
                let live = octets(&content.lock()).clone();
                let copy = Content { durable: live.clone(), live, unsynced: Vec::new() };
                (path.clone(), Arc::new(Mutex::new(copy)))
            })
            .collect();
        let directories = tree.directories.clone();
        let durable = copies.clone();
        let copy = Tree { directories, live: copies, durable };
        Self { tree: Arc::new(Mutex::new(copy)), ..Self::default() }
    }

    fn handle(&self, content: Arc<Mutex<Content>>) -> Arc<dyn DiskFile> {
        Arc::new(MemoryFile { content, faults: Arc::clone(&self.faults) })
    }
}

impl Disk for MemoryDisk {
    fn name(&self) -> String {
        "(in memory)".to_owned()
    }

    fn lock(&self, _path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        if self.locked.swap(true, Ordering::SeqCst) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemoryLock(Arc::clone(&self.locked))))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.faults.change()?;
        self.tree.lock().directories.insert(path.to_owned());
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let tree = self.tree.lock();
        let paths = tree.live.keys().chain(&tree.directories);
        let names: BTreeSet<String> = paths
            .filter_map(|file| file.strip_prefix(path).ok())
            .filter_map(|rest| rest.components().next())
            .map(|name| name.as_os_str().to_string_lossy().into_owned())
            .collect();
        Ok(names.into_iter().collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.faults.change()?;
        let mut tree = self.tree.lock();
        if tree.live.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if path.parent().is_some_and(|parent| {
            !parent.as_os_str().is_empty() && !tree.directories.contains(parent)
        }) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let content = Arc::<Mutex<Content>>::default();
        tree.live.insert(path.to_owned(), Arc::clone(&content));
        Ok(self.handle(content))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let content = self.tree.lock().live.get(path).cloned();
        Ok(self.handle(content.ok_or(io::ErrorKind::NotFound)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.faults.change()?;
        let mut tree = self.tree.lock();
        let inside = tree.inside(from);
        if inside.is_empty() && !tree.directories.contains(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        for path in inside {
            if let Some(content) = tree.live.remove(&path) {
                let rest = path.strip_prefix(from).unwrap_or_else(|_| Path::new(""));
                tree.live.insert(join(to, rest), content);
            }
        }
        let moved: Vec<PathBuf> =
            tree.directories.iter().filter(|path| path.starts_with(from)).cloned().collect();
        for path in moved {
            tree.directories.remove(&path);
            let rest = path.strip_prefix(from).unwrap_or_else(|_| Path::new("")).to_owned();
            tree.directories.insert(join(to, &rest));
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.faults.change()?;
        let mut tree = self.tree.lock();
        for file in tree.inside(path) {
            tree.live.remove(&file);
        }
        tree.directories.retain(|directory| !directory.starts_with(path));
        Ok(())
    }

    fn discard(&self, path: &Path) {
        let _ = self.remove(path);
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.faults.change()?;
        let mut tree = self.tree.lock();
        let here = |file: &PathBuf| file.parent() == Some(path);
        tree.durable.retain(|file, _| !here(file));
        let names: Vec<_> = tree
            .live
            .iter()
            .filter(|(file, _)| here(file))
            .map(|(file, content)| (file.clone(), Arc::clone(content)))
            .collect();
        tree.durable.extend(names);
        Ok(())
    }
}

impl Tree {
    /// The file `path`, or the files below the directory `path`.
    fn inside(&self, path: &Path) -> Vec<PathBuf> {
        let from = (Bound::Included(path), Bound::Unbounded);
        let files = self.live.range::<Path, _>(from).map(|(file, _)| file);
        files.take_while(|file| file.starts_with(path)).cloned().collect()
    }
}

impl Faults {
    fn change(&self) -> io::Result<()> {
        let count = self.changes.fetch_add(1, Ordering::SeqCst) + 1;
        let fail_from = self.fail_from.load(Ordering::SeqCst);
        if fail_from != 0 && count >= fail_from {
            return Err(io::Error::other("simulated fault"));
        }
        Ok(())
    }
}

struct MemoryLock(Arc<AtomicBool>);

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

struct MemoryFile {
    content: Arc<Mutex<Content>>,
    faults: Arc<Faults>,
}

impl MemoryFile {
    fn apply(&self, change: Change) -> io::Result<()> {
        self.faults.change()?;
        let mut content = self.content.lock();
        if let Change::Write { offset, bytes } = &change
            && offset + bytes.len() > content.live.len()
            && self.faults.full.load(Ordering::SeqCst)
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        change.apply(&mut content.live);
        content.unsynced.push(change);
        Ok(())
    }
}

impl Change {
    fn apply(&self, octets: &mut Vec<u8>) {
        match self {
            Self::Length(length) => octets.resize(*length, 0),
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if octets.len() < end {
                    octets.resize(end, 0);
                }
                octets[*offset..end].copy_from_slice(bytes);
            }
        }
    }
}

impl DiskFile for MemoryFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.apply(Change::Write { offset: size(offset)?, bytes: bytes.to_vec() })
    }

    fn write_vectored_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let bytes = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.apply(Change::Write { offset: size(offset)?, bytes })
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let content = self.content.lock();
        let found = content.live.get(size(offset)?..).and_then(|rest| rest.get(..bytes.len()));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.change()?;
        let mut content = self.content.lock();
        let mut durable = std::mem::take(&mut content.durable);
        for change in std::mem::take(&mut content.unsynced) {
            change.apply(&mut durable);
        }
        content.durable = durable;
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        if self.faults.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let length = size(length)?.max(self.content.lock().live.len());
        self.apply(Change::Length(length))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.apply(Change::Length(size(length)?))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.content.lock().live.len() as u64)
    }

    fn map(&self, length: usize, readable: usize) -> io::Result<Arc<dyn Mapping>> {
        let content = self.content.lock();
        let length = length.min(readable).min(content.live.len());
        Ok(Arc::new(MemoryMapping(content.live[..length].to_vec())))
    }
}

/// A copy of what was written when it was made; for more it must be made anew.
struct MemoryMapping(Vec<u8>);

impl Mapping for MemoryMapping {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn reveal(&self, readable: usize) -> bool {
        readable <= self.0.len()
    }

    fn backing(self: Arc<Self>) -> Arc<dyn Backing> {
        self
    }
}

impl Backing for MemoryMapping {
    fn slice(&self, span: Span) -> &[u8] {
        self.0.slice(span)
    }
}

fn size(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

fn join(directory: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { directory.to_owned() } else { directory.join(rest) }
}
