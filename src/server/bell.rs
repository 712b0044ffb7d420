//! A bell that wakes a thread out of poll(2): an eventfd that counts.
//!
//! ```text
//!   connections   1 .. two fifths of the descriptors      those behind
//!   bells         one each                                one of those, with another
//! ```
//!
//! With a descriptor for its bell a connection takes two, and with 20,000 there could be no 10,000
//! connections. So the last of them share. Each ring is meant for one sleeper and taken back by that
//! one: another that hears it too finds nothing, and pauses before it listens again, because until
//! the one has woken up the bell rings on.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::thread;

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

/// Its descriptor is readable while there are more rings than were taken back.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    /// A silent bell. Fails when there are no file descriptors left.
    pub(super) fn new() -> io::Result<Self> {
        let flags = EventfdFlags::SEMAPHORE | EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        Ok(Self(eventfd(0, flags)?))
    }

    /// Rings once more.
    #[expect(clippy::host_endian_bytes, reason = "eventfd(2) counts in the machine's own order")]
    pub(super) fn ring(&self) {
        // It fails only when it rings already, as often as it can count.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Takes one ring back. There must be one, or somebody who is just about to ring.
    pub(super) fn take_back(&self) {
        let mut count = [0; 8];
        while let Err(Errno::AGAIN | Errno::INTR) = rustix::io::read(&self.0, &mut count) {
            thread::yield_now();
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The bells of connections.
#[derive(Debug)]
pub(super) struct Bells {
    /// So many connections have one of their own.
    max: usize,
    hung: Mutex<VecDeque<Weak<Bell>>>,
}

impl Bells {
    /// No bell yet, and `max` at most, as long as there are more connections than that.
    pub(super) fn new(max: usize) -> Self {
        Self { max, hung: Mutex::default() }
    }

    /// A bell for one more of so many connections. Fails when there are no file descriptors left.
    pub(super) fn bell(&self, connections: usize) -> io::Result<Arc<Bell>> {
        let mut hung = self.hung.lock();
        if connections > self.max {
            while let Some(next) = hung.pop_front() {
                if let Some(bell) = next.upgrade() {
                    hung.push_back(next);
                    return Ok(bell);
                }
            }
        }
        // Those that are gone are forgotten twice as fast as new ones come.
        for _ in 0..2 {
            if let Some(next) = hung.pop_front()
                && next.strong_count() > 0
            {
                hung.push_back(next);
            }
        }
        let bell = Arc::new(Bell::new()?);
        hung.push_back(Arc::downgrade(&bell));
        Ok(bell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bells_are_shared_evenly_when_there_are_many_connections() {
        let bells = Bells::new(2);
        let hung: Vec<_> = (1..=6).map(|connections| bells.bell(connections).unwrap()).collect();
        let users = |bell: &Arc<Bell>| Arc::strong_count(bell);
        assert_eq!(hung.iter().map(users).collect::<Vec<_>>(), [3; 6]);
        assert!(!Arc::ptr_eq(&hung[0], &hung[1]));
    }

    #[test]
    fn bells_that_are_gone_are_forgotten() {
        let bells = Bells::new(5);
        let kept = bells.bell(1).unwrap();
        for _ in 0..100 {
            drop(bells.bell(2).unwrap());
        }
        assert!(bells.hung.lock().len() <= 3);
        drop(kept);
        assert_eq!(Arc::strong_count(&bells.bell(6).unwrap()), 1, "there is none to share");
    }
}
