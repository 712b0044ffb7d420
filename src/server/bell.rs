//! A bell that wakes a thread out of poll(2): an eventfd.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

/// Rings until it is silenced; its descriptor is readable while it rings.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    /// A silent bell.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?))
    }

    /// Makes it ring.
    #[expect(clippy::host_endian_bytes, reason = "eventfd(2) counts in the machine's own order")]
    pub(super) fn ring(&self) {
        // It fails only when it rings already, as often as it can count.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Makes it stop.
    pub(super) fn silence(&self) {
        let mut count = [0; 8];
        // It fails only when it does not ring.
        let _ = rustix::io::read(&self.0, &mut count);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
