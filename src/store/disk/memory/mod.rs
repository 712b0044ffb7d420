//! A disk in memory that can be copied at any moment, cut off from power, or told to fail.
//!
//! ```text
//!            what the process sees     what is sure after a power cut     in between
//!   names    live                      durable (sync_directory)           a list of changes
//!   octets   live                      durable (sync_data)                a list of changes
//! ```
//!
//! A killed process leaves everything that it wrote, still as unsynced as it was. A power cut leaves
//! what was synced, and of each change since whatever a seed says: kept, lost, or torn.

use std::any::Any;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

mod chance;
mod content;
mod faults;
mod file;
mod tree;

pub use faults::Fault;

use super::{Disk, DiskFile};
use chance::Chance;
use content::Content;
use faults::Faults;
use file::MemoryFile;
use tree::{Names, Tree};

/// A disk whose files are in memory: for tests, and to simulate crashes and faults. A clone is the
/// same disk; [`MemoryDisk::killed`], [`MemoryDisk::cut`] and [`MemoryDisk::torn`] give new ones.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    tree: Arc<Mutex<Tree>>,
    locked: Arc<AtomicBool>,
    faults: Arc<Faults>,
    /// How often the power came back.
    boot: u64,
}

impl MemoryDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk as the next process finds it if this one is killed now: all that was written. What
    /// was not synced is still not.
    #[must_use]
    pub fn killed(&self) -> Self {
        self.with(self.tree.lock().copy(), self.boot)
    }

    /// The disk as it is after a power cut now: only what was synced, names as well as octets.
    #[must_use]
    pub fn cut(&self) -> Self {
        self.with(self.tree.lock().cut(&mut Chance::none()), self.boot + 1)
    }

    /// The disk as it may be after a power cut now: what was synced, and what else a seed says.
    /// Each name that was made, given or removed since may be so or not. Each page of 4 KiB may be
    /// as it was at any moment since, and torn: sectors of 512 octets of different moments. A file
    /// may have its new length without the octets.
    #[must_use]
    pub fn torn(&self, seed: u64) -> Self {
        self.with(self.tree.lock().cut(&mut Chance::new(seed)), self.boot + 1)
    }

    /// Makes the `count`th change from now, and every later one, fail with an I/O error.
    pub fn fail_after(&self, count: u64) {
        self.faults.fail_changes(count);
    }

    /// Makes the `count`th call from now fail, be it a change or not. Later ones work again.
    pub fn fail_call(&self, count: u64, fault: Fault) {
        self.faults.fail_call(count, fault);
    }

    /// Makes every call fail from now on, or none any more.
    pub fn fail_all(&self, fault: Option<Fault>) {
        self.faults.fail_all(fault);
    }

    /// Leaves no room for new octets, or makes room again.
    pub fn fill(&self, full: bool) {
        self.faults.fill(full);
    }

    /// How many changes were asked for so far: writes, syncs, names made, given and removed.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.faults.changes()
    }

    /// How many bytes were written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.faults.written()
    }

    /// How many calls there were so far, changes and others.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.faults.calls()
    }

    /// The paths of all files, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.tree.lock().live.files.keys().cloned().collect()
    }

    /// Lets `change` do what it likes to a file's octets, as a failing disk does. Returns whether
    /// there is such a file.
    pub fn damage(&self, path: impl AsRef<Path>, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let file = self.tree.lock().live.files.get(path.as_ref()).cloned();
        if let Some(file) = &file {
            file.lock().damage(change);
        }
        file.is_some()
    }

    fn with(&self, tree: Tree, boot: u64) -> Self {
        Self { tree: Arc::new(Mutex::new(tree)), boot, ..Self::default() }
    }

    fn handle(&self, content: Arc<Mutex<Content>>) -> Arc<dyn DiskFile> {
        Arc::new(MemoryFile::new(content, Arc::clone(&self.faults)))
    }
}

impl Disk for MemoryDisk {
    fn name(&self) -> String {
        "(in memory)".to_owned()
    }

    fn boot(&self) -> Option<String> {
        Some(format!("boot {}", self.boot))
    }

    fn lock(&self, _path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        if self.locked.swap(true, Ordering::SeqCst) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemoryLock(Arc::clone(&self.locked))))
    }

    fn identity(&self, path: &Path) -> io::Result<Option<(u64, u64)>> {
        let content = self.tree.lock().live.files.get(path).cloned();
        Ok(Some((0, Arc::as_ptr(&content.ok_or(io::ErrorKind::NotFound)?) as u64)))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.faults.change()?;
        self.tree.lock().change(Names::Directory(path.to_owned()));
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.faults.call()?;
        let tree = self.tree.lock();
        if tree.live.files.contains_key(path) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let paths = tree.live.files.keys().chain(&tree.live.directories);
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
        if tree.live.files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !tree.live.has_parent(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let content = Arc::<Mutex<Content>>::default();
        tree.change(Names::File(path.to_owned(), Arc::clone(&content)));
        Ok(self.handle(content))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.faults.call()?;
        let tree = self.tree.lock();
        let folder = tree.live.directories.contains(path);
        let missing = if folder { io::ErrorKind::IsADirectory } else { io::ErrorKind::NotFound };
        let content = tree.live.files.get(path).cloned();
        Ok(self.handle(content.ok_or(missing)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.faults.change()?;
        let mut tree = self.tree.lock();
        if !tree.live.exists(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        tree.change(Names::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.faults.change()?;
        let mut tree = self.tree.lock();
        if tree.live.exists(path) {
            tree.change(Names::Remove(path.to_owned()));
        }
        Ok(())
    }

    fn discard(&self, path: &Path) {
        let _ = self.remove(path);
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.faults.sync()?;
        self.tree.lock().sync(path);
        Ok(())
    }
}

struct MemoryLock(Arc<AtomicBool>);

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}
