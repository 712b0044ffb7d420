//! An open file of a disk in memory.

use std::io::{self, IoSlice};
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::DiskFile;
use super::content::{Change, Content};
use super::faults::Faults;
use crate::message::{Backing, Span};
use crate::store::mapping::Mapping;

pub(super) struct MemoryFile {
    content: Arc<Mutex<Content>>,
    faults: Arc<Faults>,
}

impl MemoryFile {
    pub(super) fn new(content: Arc<Mutex<Content>>, faults: Arc<Faults>) -> Self {
        Self { content, faults }
    }

    fn write(&self, mut bytes: Vec<u8>, offset: u64) -> io::Result<()> {
        let offset = size(offset)?;
        let longer = offset + bytes.len() > self.content.lock().live.len();
        if longer && self.faults.is_full() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let result = self.faults.write(bytes.len()).map_err(|(written, error)| {
            bytes.truncate(written);
            error
        });
        if !bytes.is_empty() {
            self.content.lock().apply(Change::Write { offset, bytes });
        }
        result
    }

    fn set(&self, length: usize) -> io::Result<()> {
        self.faults.change()?;
        self.content.lock().apply(Change::Length(length));
        Ok(())
    }
}

impl DiskFile for MemoryFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write(bytes.to_vec(), offset)
    }

    fn write_vectored_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let bytes = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.write(bytes, offset)
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.faults.call()?;
        let content = self.content.lock();
        let found = content.live.get(size(offset)?..).and_then(|rest| rest.get(..bytes.len()));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.sync()?;
        self.content.lock().sync();
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        if self.faults.is_full() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let length = size(length)?.max(self.content.lock().live.len());
        self.set(length)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.set(size(length)?)
    }

    fn identity(&self) -> io::Result<Option<(u64, u64)>> {
        Ok(Some((0, Arc::as_ptr(&self.content) as u64)))
    }

    fn len(&self) -> io::Result<u64> {
        self.faults.call()?;
        Ok(self.content.lock().live.len() as u64)
    }

    fn map(&self, length: usize, readable: usize) -> io::Result<Arc<dyn Mapping>> {
        self.faults.call()?;
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
