//! The few things that the store asks of a disk, so that faults and crashes can be simulated.
//!
//! Paths are relative to the data directory. [`RealDisk`] keeps them in a directory of the
//! operating system, [`MemoryDisk`] in memory, where it can be copied at any moment: as a killed
//! process leaves it, or as a power cut does. An [`Overlay`] keeps what is done to another disk to
//! itself.

use std::any::Any;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

mod memory;
mod overlay;
mod read_only;
mod real;
mod unmade;

pub use memory::{Fault, MemoryDisk};
pub use overlay::Overlay;
pub use read_only::ReadOnlyDisk;
pub use real::RealDisk;
pub(super) use unmade::Unmade;

use super::mapping::Mapping;

/// A directory tree with files.
pub trait Disk: Send + Sync {
    /// The data directory's name, for messages to people.
    fn name(&self) -> String;

    /// Names the run of the operating system since it was started: as long as that is the same, what
    /// an earlier process wrote is there, synced or not. None if it cannot be told.
    fn boot(&self) -> Option<String> {
        None
    }

    /// Takes the lock that only one process can have; it is held until the value is dropped.
    ///
    /// # Errors
    /// `WouldBlock` if another process has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>>;

    /// Which file a name leads to: a number for the disk and one on it. None if that cannot be known.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    fn identity(&self, _path: &Path) -> io::Result<Option<(u64, u64)>> {
        Ok(None)
    }

    /// Makes a directory; one that is there already is fine.
    ///
    /// # Errors
    /// Those of the operating system, also if its parent is missing.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, sorted; none if it does not exist.
    ///
    /// # Errors
    /// Those of the operating system.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Makes a new, empty file.
    ///
    /// # Errors
    /// `AlreadyExists` if there is one.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that exists.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file or directory another name, in place of what had that name.
    ///
    /// # Errors
    /// Those of the operating system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file, or a directory with all that is in it, before it returns. What does not
    /// exist is removed already.
    ///
    /// # Errors
    /// Those of the operating system.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes as [`Disk::remove`] does, but soon and not on the caller's thread. The name must not
    /// be used again.
    fn discard(&self, path: &Path);

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// Those of the operating system. They must be taken as final.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// An open file.
#[expect(clippy::len_without_is_empty, reason = "a file's length, not a collection's")]
pub trait DiskFile: Send + Sync {
    /// Writes all of `bytes` at `offset`; the file grows as needed.
    ///
    /// # Errors
    /// Those of the operating system. How much was written is then unknown.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes the slices one after the other, the first at `offset`.
    ///
    /// # Errors
    /// Those of the operating system. How much was written is then unknown.
    fn write_vectored_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()>;

    /// Fills `bytes` from the file.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Makes everything written so far durable, the file's length too.
    ///
    /// # Errors
    /// Those of the operating system. They must be taken as final.
    fn sync_data(&self) -> io::Result<()>;

    /// Gives the file room for `length` octets, which read as zeros, so that writing them cannot
    /// fail for want of it.
    ///
    /// # Errors
    /// `StorageFull` if there is not that much room.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Cuts the file, or lengthens it with zeros.
    ///
    /// # Errors
    /// Those of the operating system.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// Which file this is, as [`Disk::identity`] says of names.
    ///
    /// # Errors
    /// Those of the operating system.
    fn identity(&self) -> io::Result<Option<(u64, u64)>> {
        Ok(None)
    }

    /// The file's length in octets.
    ///
    /// # Errors
    /// Those of the operating system.
    fn len(&self) -> io::Result<u64>;

    /// Maps the first `length` octets, or as many as there are, of which `readable` are written.
    ///
    /// # Errors
    /// Those of the operating system.
    fn map(&self, length: usize, readable: usize) -> io::Result<Arc<dyn Mapping>>;
}
