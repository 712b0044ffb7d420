//! The file that is none: what a journal has before its data directory is accepted.

use std::io::{self, IoSlice};
use std::sync::Arc;

use super::DiskFile;
use crate::store::mapping::Mapping;

/// A file that was not made yet: every call fails, so that nothing is written too early.
pub(in crate::store) struct Unmade;

fn refused<T>() -> io::Result<T> {
    Err(io::Error::other("the data directory is not accepted yet"))
}

impl DiskFile for Unmade {
    fn write_all_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        refused()
    }

    fn write_vectored_at(&self, _slices: &mut [IoSlice<'_>], _offset: u64) -> io::Result<()> {
        refused()
    }

    fn read_exact_at(&self, _bytes: &mut [u8], _offset: u64) -> io::Result<()> {
        refused()
    }

    fn sync_data(&self) -> io::Result<()> {
        refused()
    }

    fn allocate(&self, _length: u64) -> io::Result<()> {
        refused()
    }

    fn set_len(&self, _length: u64) -> io::Result<()> {
        refused()
    }

    fn len(&self) -> io::Result<u64> {
        refused()
    }

    fn map(&self, _length: usize, _readable: usize) -> io::Result<Arc<dyn Mapping>> {
        refused()
    }
}
