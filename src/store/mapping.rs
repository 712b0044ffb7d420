//! Files mapped into memory, for reading: the one place of the project with `unsafe`.
//!
//! ```text
//!   | written ......................... | reserved, not written .......... |
//!   0                                   readable                           mapped
//!     `bytes` shows this                  nobody ever sees this
//! ```
//!
//! Nothing is written through a mapping: a store into a page that the disk has no room for would
//! end the process (SIGBUS), where a write is refused with an error.

#![expect(unsafe_code, reason = "mapping a file is unsafe; this file makes it safe to use")]

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

use memmap2::{Mmap, MmapOptions};

use crate::message::{Backing, Span};

/// A file's bytes in memory, from its first octet to the last that was written when it was asked
/// for.
pub trait Mapping: Backing {
    /// The octets that may be read.
    fn bytes(&self) -> &[u8];

    /// Makes the octets below `readable`, which have been written since, visible too. Returns
    /// whether it could; otherwise the file must be mapped anew.
    fn reveal(&self, readable: usize) -> bool;

    /// The same bytes as the backing of a message.
    fn backing(self: Arc<Self>) -> Arc<dyn Backing>;
}

/// What a thread beside the others clears away.
pub(super) enum Waste {
    /// A mapping that nobody looks at any more.
    Mapping(Mmap),
    /// A file or directory that nobody needs any more.
    Name(PathBuf),
}

/// A file mapped by the operating system. It is unmapped by the thread at the other end of
/// `cleaner`, because that takes milliseconds for a big file.
pub(super) struct FileMapping {
    map: Option<Mmap>,
    readable: AtomicUsize,
    cleaner: Sender<Waste>,
}

impl FileMapping {
    /// Maps the first `length` octets of `file`, of which the first `readable` have been written. A
    /// file that is shorter is mapped as far as it goes.
    pub(super) fn new(
        file: &File,
        length: usize,
        readable: usize,
        cleaner: Sender<Waste>,
    ) -> io::Result<Self> {
        let on_disk = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let length = length.min(on_disk);
        let map = if length == 0 {
            None
        } else {
            // SAFETY: 1. The data directory is locked by this process (directory.rs), and its files
            // are nobody else's business. 2. No file gets shorter than what is read of it while it
            // is mapped: only recovery shortens log segments, before it maps them, and journals,
            // behind the last entry that it reads (store.rs). 3. Octets below `readable` are
            // never written again while a mapping shows them: segments are only appended to, and
            // journals are mapped by recovery only, and not recycled before it is
            // done (checkpoint.rs).
            Some(unsafe { MmapOptions::new().len(length).map(file) }?)
        };
        Ok(Self { map, readable: AtomicUsize::new(readable.min(length)), cleaner })
    }

    fn mapped(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}

impl Mapping for FileMapping {
    fn bytes(&self) -> &[u8] {
        &self.mapped()[..self.readable.load(Ordering::Acquire)]
    }

    fn reveal(&self, readable: usize) -> bool {
        let fits = readable <= self.mapped().len();
        if fits {
            self.readable.fetch_max(readable, Ordering::AcqRel);
        }
        fits
    }

    fn backing(self: Arc<Self>) -> Arc<dyn Backing> {
        self
    }
}

impl Backing for FileMapping {
    fn slice(&self, span: Span) -> &[u8] {
        &self.bytes()[span.start as usize..][..span.length as usize]
    }
}

impl Drop for FileMapping {
    fn drop(&mut self) {
        if let Some(map) = self.map.take() {
            // Without a cleaner the process is about to end; then it is unmapped right here.
            let _ = self.cleaner.send(Waste::Mapping(map));
        }
    }
}
