//! A directory of the operating system, and the thread that cleans up in it.

use std::any::Any;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use rustix::fs::{FallocateFlags, FlockOperation};

use super::{Disk, DiskFile};
use crate::store::mapping::{FileMapping, Mapping, Waste};

/// The most slices that Linux takes in one call (IOV_MAX).
const SLICES_MAX: usize = 1024;

/// A data directory of the operating system. Directories are made with mode 0700, files with 0600.
///
/// It has one small thread, which unmaps and unlinks: both take milliseconds for a big file. The
/// thread ends when the disk and all its mappings are gone.
pub struct RealDisk {
    root: PathBuf,
    cleaner: Sender<Waste>,
}

impl RealDisk {
    /// The disk under `root`, which is made if it does not exist.
    ///
    /// # Errors
    /// If the directory cannot be made or the thread not started.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
        let (cleaner, waste) = mpsc::channel();
        let thread = thread::Builder::new().name("cleaner".to_owned()).stack_size(128 * 1024);
        thread.spawn(move || clean(waste))?;
        Ok(Self { root, cleaner })
    }

    fn file(&self, options: &mut OpenOptions, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = options.read(true).write(true).mode(0o600).open(self.root.join(path))?;
        Ok(Arc::new(RealFile { file, cleaner: self.cleaner.clone() }))
    }
}

/// What Linux calls its run since it was started.
pub(super) fn boot() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

impl Disk for RealDisk {
    fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn boot(&self) -> Option<String> {
        boot()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut options = OpenOptions::new();
        let file = options.create(true).write(true).truncate(false).mode(0o600);
        let file = file.open(self.root.join(path))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(file))
    }

    fn identity(&self, path: &Path) -> io::Result<Option<(u64, u64)>> {
        let found = fs::symlink_metadata(self.root.join(path))?;
        Ok(Some((found.dev(), found.ino())))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in entries {
            // A name that is not UTF-8 is none of ours.
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.file(OpenOptions::new().create_new(true), path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.file(&mut OpenOptions::new(), path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        unlink(&self.root.join(path))
    }

    fn discard(&self, path: &Path) {
        // If the thread is gone the process is about to end; what stays is removed at the next
        // start.
        let _ = self.cleaner.send(Waste::Name(self.root.join(path)));
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(self.root.join(path))?.sync_all()
    }
}

/// An open file and the way to the thread that unmaps it.
struct RealFile {
    file: File,
    cleaner: Sender<Waste>,
}

impl DiskFile for RealFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn write_vectored_at(&self, mut slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let mut at = offset;
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let some = &slices[..slices.len().min(SLICES_MAX)];
            match rustix::io::pwritev(&self.file, some, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    at += written as u64;
                    IoSlice::advance_slices(&mut slices, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        // A signal may come while a large file gets its room.
        rustix::io::retry_on_intr(|| {
            rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, length)
        })?;
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn identity(&self) -> io::Result<Option<(u64, u64)>> {
        let found = self.file.metadata()?;
        Ok(Some((found.dev(), found.ino())))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn map(&self, length: usize, readable: usize) -> io::Result<Arc<dyn Mapping>> {
        Ok(Arc::new(FileMapping::new(&self.file, length, readable, self.cleaner.clone())?))
    }
}

fn clean(waste: Receiver<Waste>) {
    for piece in waste {
        match piece {
            Waste::Mapping(map) => drop(map),
            Waste::Name(path) => {
                if let Err(error) = unlink(&path) {
                    log::error!("cannot remove {}: {error}", path.display());
                }
            }
        }
    }
}

fn unlink(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
