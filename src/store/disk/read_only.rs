//! A directory of the operating system, to be looked at only.
//!
//! A broker may be at work in it, so nothing is locked and nothing is mapped: a mapped file that
//! somebody cuts ends the process that reads it (SIGBUS). What is read is read once, into memory.

use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

use super::real::boot;
use super::{Disk, DiskFile};
use crate::message::{Backing, Span};
use crate::store::mapping::Mapping;

/// No file of a store is longer: places in it are numbers of 32 bits.
const FILE_BYTES_MAX: usize = 1 << 32;

/// Files are read in pieces of this size.
const READ_BYTES: usize = 1 << 20;

/// A data directory of the operating system in which nothing can be changed.
pub struct ReadOnlyDisk {
    root: PathBuf,
}

impl ReadOnlyDisk {
    /// The disk under `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl Disk for ReadOnlyDisk {
    fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn boot(&self) -> Option<String> {
        boot()
    }

    fn lock(&self, _path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        Err(refusal())
    }

    fn create_directory(&self, _path: &Path) -> io::Result<()> {
        Err(refusal())
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

    fn create(&self, _path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Err(refusal())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        // Whatever has the name, opening it must not wait for anybody.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(self.root.join(path))?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
        }
        Ok(Arc::new(ReadOnlyFile(file)))
    }

    fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(refusal())
    }

    fn remove(&self, _path: &Path) -> io::Result<()> {
        Err(refusal())
    }

    fn discard(&self, _path: &Path) {}

    fn sync_directory(&self, _path: &Path) -> io::Result<()> {
        Err(refusal())
    }
}

/// A file that can only be read.
struct ReadOnlyFile(File);

impl DiskFile for ReadOnlyFile {
    fn write_all_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Err(refusal())
    }

    fn write_vectored_at(&self, _slices: &mut [IoSlice<'_>], _offset: u64) -> io::Result<()> {
        Err(refusal())
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(refusal())
    }

    fn allocate(&self, _length: u64) -> io::Result<()> {
        Err(refusal())
    }

    fn set_len(&self, _length: u64) -> io::Result<()> {
        Err(refusal())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    /// A copy of the octets below `readable`, as many as there are.
    fn map(&self, length: usize, readable: usize) -> io::Result<Arc<dyn Mapping>> {
        let wanted = length.min(readable);
        if wanted > FILE_BYTES_MAX && self.len()? > FILE_BYTES_MAX as u64 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut octets = Vec::new();
        while octets.len() < wanted {
            let at = octets.len();
            octets.try_reserve(READ_BYTES)?;
            octets.resize(at + READ_BYTES.min(wanted - at), 0);
            let read = match self.0.read_at(&mut octets[at..], at as u64) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Ok(0) => {
                    octets.truncate(at);
                    break;
                }
                other => other?,
            };
            octets.truncate(at + read);
        }
        Ok(Arc::new(Copied(octets)))
    }
}

/// What a file held when it was read.
struct Copied(Vec<u8>);

impl Mapping for Copied {
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

impl Backing for Copied {
    fn slice(&self, span: Span) -> &[u8] {
        self.0.slice(span)
    }
}

fn refusal() -> io::Error {
    io::ErrorKind::ReadOnlyFilesystem.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_nothing_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let long = vec![7; READ_BYTES + 5];
        fs::write(directory.path().join("file"), &long).unwrap();
        let disk = ReadOnlyDisk::new(directory.path());
        let file = disk.open(Path::new("file")).unwrap();
        assert_eq!(file.map(usize::MAX, usize::MAX).unwrap().bytes(), long);
        assert_eq!(file.map(10, 3).unwrap().bytes(), [7; 3]);
        assert_eq!(disk.list(Path::new("")).unwrap(), ["file"]);
        assert!(disk.list(Path::new("none")).unwrap().is_empty());
        assert!(file.write_all_at(b"x", 0).is_err() && file.set_len(0).is_err());
        assert!(disk.create(Path::new("new")).is_err() && disk.remove(Path::new("file")).is_err());
        assert!(disk.open(Path::new("")).is_err(), "it is a directory");
    }
}
