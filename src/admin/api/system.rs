//! What the machine says of this process.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// Resources of this process; what cannot be found out is 0.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct System {
    /// Open file descriptors.
    pub(in super::super) descriptors: u64,
    /// The most there may be.
    pub(in super::super) descriptors_max: u64,
    /// Octets that are free on the data directory's disk.
    pub(in super::super) disk_free: u64,
    /// Threads.
    pub(in super::super) threads: u64,
    /// Processors.
    pub(in super::super) processors: usize,
}

impl System {
    /// Looks.
    pub(in super::super) fn look(data_dir: &str) -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let disk = rustix::fs::statvfs(data_dir);
        Self {
            descriptors: fs::read_dir("/proc/self/fd").map_or(0, |fds| fds.count() as u64),
            descriptors_max: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            disk_free: disk.map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
            threads: number(&status, "Threads:"),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// The number behind a name, as in `Threads:   12`.
fn number(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
