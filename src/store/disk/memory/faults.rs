//! Which call of a disk in memory fails, and how.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use rustix::io::Errno;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// EIO: the disk has failed. Nothing of a write is there.
    Failed,
    /// ENOSPC: there is no room. Nothing of a write is there.
    Full,
    /// The same, but for syncs, which succeed: a disk that reserves what it promises.
    NoRoom,
    /// EMFILE: there are no descriptors left. Syncs succeed.
    NoDescriptors,
    /// ENOMEM: there is no room for a mapping, or in the kernel. Syncs succeed.
    NoMemory,
    /// EINTR: a signal came.
    Interrupted,
    /// Half of a write is there; other calls fail with EIO.
    Short,
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Self::Failed | Self::Short => io::Error::other("simulated fault"),
            Self::Full | Self::NoRoom => io::ErrorKind::StorageFull.into(),
            Self::NoDescriptors => Errno::MFILE.into(),
            Self::NoMemory => Errno::NOMEM.into(),
            Self::Interrupted => io::ErrorKind::Interrupted.into(),
        }
    }
}

/// Counts the calls, and those that change something, and fails where it was told to.
#[derive(Default)]
pub(super) struct Faults {
    calls: AtomicU64,
    changes: AtomicU64,
    written: AtomicU64,
    fail_from: AtomicU64,
    full: AtomicBool,
    call: Mutex<Option<(u64, Fault)>>,
    /// Later calls fail as well.
    lasting: AtomicBool,
}

impl Faults {
    pub(super) fn fail_changes(&self, count: u64) {
        self.fail_from.store(self.changes() + count, Ordering::SeqCst);
    }

    pub(super) fn fail_call(&self, count: u64, fault: Fault) {
        *self.call.lock() = Some((self.calls() + count, fault));
    }

    pub(super) fn fail_all(&self, fault: Option<Fault>) {
        *self.call.lock() = fault.map(|fault| (0, fault));
        self.lasting.store(fault.is_some(), Ordering::SeqCst);
    }

    fn lasts(&self) -> bool {
        self.lasting.load(Ordering::SeqCst)
    }

    pub(super) fn fill(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::SeqCst)
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Bytes that were written so far.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// A call that changes nothing.
    pub(super) fn call(&self) -> io::Result<()> {
        self.next_call().map_err(Fault::error)
    }

    /// A call that changes something.
    pub(super) fn change(&self) -> io::Result<()> {
        self.next_change().map_err(Fault::error)
    }

    /// A call that makes something durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        match self.next_change() {
            Err(Fault::NoRoom | Fault::NoDescriptors | Fault::NoMemory) => Ok(()),
            other => other.map_err(Fault::error),
        }
    }

    /// A call that writes; on an error says how much of `length` is written all the same.
    pub(super) fn write(&self, length: usize) -> Result<(), (usize, io::Error)> {
        self.written.fetch_add(length as u64, Ordering::SeqCst);
        self.next_change().map_err(|fault| {
            let written = if fault == Fault::Short { length / 2 } else { 0 };
            (written, fault.error())
        })
    }

    fn next_call(&self) -> Result<(), Fault> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        match *self.call.lock() {
            Some((at, fault)) if at == number || (at < number && self.lasts()) => Err(fault),
            _ => Ok(()),
        }
    }

    fn next_change(&self) -> Result<(), Fault> {
        let number = self.changes.fetch_add(1, Ordering::SeqCst) + 1;
        self.next_call()?;
        let fail_from = self.fail_from.load(Ordering::SeqCst);
        if fail_from != 0 && number >= fail_from {
            // What was under way when the power went has got to the disk in part.
            return Err(if number == fail_from { Fault::Short } else { Fault::Failed });
        }
        Ok(())
    }
}
