//! The watchdog's thread: looks at the disk and at memory, and tells the broker when they run low.
//!
//! It looks once a second, five times a second while something is low, so that publishers go on
//! soon after there is room again. While all is well the router does not hear of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use log::warn;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::broker::Measures;

use super::inbox::Input;
use super::rim::Rim;

/// How often to look.
const CALM: Duration = Duration::from_secs(1);

/// How often to look while something is low.
const ALARMED: Duration = Duration::from_millis(200);

/// Where control groups are told of.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// What to look at, and what is too low.
#[derive(Debug)]
pub(super) struct Watch {
    /// A directory on the disk.
    pub(super) directory: PathBuf,
    disk_limit: AtomicU64,
    memory_limit: AtomicU64,
}

/// Looks until the rim is closed.
pub(super) fn run(watch: &Watch, rim: &Rim) {
    let mut alarmed = false;
    loop {
        let measures = watch.measure();
        rim.vitals.measured(measures);
        let alarming = measures.alarming();
        if (alarming || alarmed) && rim.inbox.send(Input::Measured(measures)).is_err() {
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
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, disk_limit: AtomicU64::new(0), memory_limit: AtomicU64::new(0) }
    }

    /// From now on publishers are blocked below so many free octets of the disk, or above so many
    /// octets of memory; 0 is never.
    pub(super) fn limit(&self, disk: u64, memory: u64) {
        self.disk_limit.store(disk, Ordering::Relaxed);
        self.memory_limit.store(memory, Ordering::Relaxed);
    }

    /// What there is now. What cannot be measured is taken for good.
    pub(super) fn measure(&self) -> Measures {
        let disk_free = match rustix::fs::statvfs(&self.directory) {
            Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
            Err(error) => {
                warn!("cannot measure the disk of {}: {error}", self.directory.display());
                u64::MAX
            }
        };
        let memory_limit = self.memory_limit.load(Ordering::Relaxed);
        Measures {
            disk_free,
            disk_limit: self.disk_limit.load(Ordering::Relaxed),
            memory_used: if memory_limit > 0 { memory_used() } else { 0 },
            memory_limit,
        }
    }
}

/// Memory of this process that no file backs, in octets: mapped messages are the kernel's to take
/// back.
fn memory_used() -> u64 {
    let Ok(text) = fs::read_to_string("/proc/self/statm") else { return 0 };
    let mut pages = text.split_whitespace().skip(1).map_while(|word| word.parse::<u64>().ok());
    let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    resident.saturating_sub(shared).saturating_mul(rustix::param::page_size() as u64)
}

/// Octets of the disk that a directory is on, or of its quota where that shows there. All there can
/// be where it cannot be measured.
pub(super) fn disk_total(directory: &Path) -> u64 {
    rustix::fs::statvfs(directory)
        .map_or(u64::MAX, |disk| disk.f_blocks.saturating_mul(disk.f_frsize))
}

/// The memory that this process may use, in octets: the machine's, or less if its control group
/// says so.
pub fn memory_total() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.to_owned();
        let kibibytes = line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?;
        Some(kibibytes * 1024)
    });
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let nested = Path::new(CONTROL_GROUPS).join(own);
    let limits = nested.ancestors().take_while(|path| path.starts_with(CONTROL_GROUPS));
    let limits = limits.map(|path| path.join("memory.max"));
    let older = Path::new(CONTROL_GROUPS).join("memory/memory.limit_in_bytes");
    let limits = limits.chain([older]).filter_map(|path| fs::read_to_string(path).ok());
    let limits = limits.filter_map(|text| text.trim().parse::<u64>().ok());
    limits.chain(machine).min().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_can_be_measured() {
        let watch = Watch::new("/".into());
        watch.limit(0, 1);
        let measures = watch.measure();
        assert!(measures.disk_free < u64::MAX);
        assert!(measures.memory_used > 100_000, "{measures:?}");
        assert!(measures.alarming());
        assert!(memory_total() > measures.memory_used);
    }
}
