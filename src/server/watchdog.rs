//! The watchdog's thread: looks at the disk and at memory, and tells the broker when they run low.
//!
//! It looks once a second, five times a second while something is low, so that publishers go on
//! soon after there is room again. While all is well the router does not hear of it. It is also told
//! when the wall clock was set or the machine was suspended: it may be asleep until a moment that is
//! past by then.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use log::debug;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::broker::Measures;
use crate::store::InUse;

use super::clock::Jumps;
use super::fatal;
use super::inbox::Input;
use super::memory::Gauge;
use super::rim::Rim;

/// How often to look.
const CALM: Duration = Duration::from_secs(1);

/// How often to look while something is low.
const ALARMED: Duration = Duration::from_millis(200);

/// What to look at, and what is too low.
#[derive(Debug)]
pub(super) struct Watch {
    /// A directory on the disk.
    pub(super) directory: PathBuf,
    /// The journal in it, which must stay where it is.
    journal: Arc<InUse>,
    disk_limit: AtomicU64,
    memory_limit: AtomicU64,
}

/// Looks until the rim is closed.
pub(super) fn run(watch: &Watch, rim: &Rim) {
    let (mut alarmed, mut memory) = (false, Gauge::default());
    let mut jumps = Jumps::new(&rim.clock);
    loop {
        if let Err(error) = watch.journal.check() {
            fatal(&error);
        }
        let measures = watch.measure(&mut memory);
        rim.vitals.measured(measures);
        let alarming = measures.alarming();
        let news = alarming || alarmed || jumps.any(&rim.clock);
        if news && rim.inbox.send(Input::Measured(measures)).is_err() {
            return;
        }
        alarmed = alarming;
        if sleep(rim, if alarmed { ALARMED } else { CALM }) {
            return;
        }
    }
}

/// Sleeps. Returns whether the rim is closed.
fn sleep(rim: &Rim, at_most: Duration) -> bool {
    let timeout = Timespec::try_from(at_most).ok();
    let mut polled = [PollFd::new(&rim.closed, PollFlags::IN)];
    poll(&mut polled, timeout.as_ref()).is_ok_and(|ready| ready > 0)
}

impl Watch {
    /// Looks at the disk of this directory; nothing is too low yet.
    pub(super) fn new(directory: PathBuf, journal: Arc<InUse>) -> Self {
        Self { directory, journal, disk_limit: AtomicU64::new(0), memory_limit: AtomicU64::new(0) }
    }

    /// From now on publishers are blocked below so many free octets of the disk, or above so many
    /// octets of memory; 0 is never.
    pub(super) fn limit(&self, disk: u64, memory: u64) {
        self.disk_limit.store(disk, Ordering::Relaxed);
        self.memory_limit.store(memory, Ordering::Relaxed);
    }

    /// What there is now. A directory that cannot be reached is a reason for an alarm.
    pub(super) fn measure(&self, memory: &mut Gauge) -> Measures {
        let disk = rustix::fs::statvfs(&self.directory);
        if let Err(error) = &disk {
            debug!("cannot measure the disk of {}: {error}", self.directory.display());
        }
        let disk_unreachable = disk.is_err();
        let disk_free = disk.map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        let memory_limit = self.memory_limit.load(Ordering::Relaxed);
        Measures {
            disk_free,
            disk_limit: self.disk_limit.load(Ordering::Relaxed),
            memory_used: memory.held(memory_limit),
            memory_limit,
            disk_unreachable,
        }
    }
}

/// Octets of the disk that a directory is on, or of its quota where that shows there. All there can
/// be where it cannot be measured.
pub(super) fn disk_total(directory: &Path) -> u64 {
    rustix::fs::statvfs(directory)
        .map_or(u64::MAX, |disk| disk.f_blocks.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MemoryDisk, Store, StoreOptions};

    #[test]
    fn a_directory_that_cannot_be_reached_is_an_alarm_whatever_the_limit() {
        let disk = Arc::new(MemoryDisk::new());
        let (mut store, _) = Store::open(disk, StoreOptions::default()).unwrap();
        let watch = Watch::new("/nowhere/at/all".into(), store.journal().in_use());
        assert!(watch.measure(&mut Gauge::default()).alarming());
    }

    #[test]
    fn this_machine_can_be_measured() {
        let disk = Arc::new(MemoryDisk::new());
        let (mut store, _) = Store::open(disk, StoreOptions::default()).unwrap();
        let watch = Watch::new("/".into(), store.journal().in_use());
        watch.limit(0, 1);
        let measures = watch.measure(&mut Gauge::default());
        assert!(measures.disk_free < u64::MAX);
        assert!(measures.memory_used > 100_000, "{measures:?}");
        assert!(measures.alarming());
    }
}
