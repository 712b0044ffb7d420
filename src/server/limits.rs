//! How many connections this process can have.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything but connections: segments, journals, listeners, standard streams.
const OTHER_DESCRIPTORS: u64 = 200;

/// A connection's descriptors: the socket and the bell.
const CONNECTION_DESCRIPTORS: u64 = 2;

/// Memory maps of a thread, with some to spare for the store's.
const CONNECTION_MAPS: u64 = 5;

/// What Linux allows by default (vm.max_map_count).
const MAPS_DEFAULT: u64 = 65_530;

/// Raises the limit on open files as far as it goes, and returns how many connections there may
/// be within it and within the limit on memory maps.
pub(super) fn connections_max() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Refused, it stays what it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let files = getrlimit(Resource::Nofile).current.or(current).unwrap_or(u64::MAX);
    let maps = fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(MAPS_DEFAULT);
    let others = OTHER_DESCRIPTORS.min(files / 4); // a small limit leaves most to connections
    let by_files = files.saturating_sub(others) / CONNECTION_DESCRIPTORS;
    usize::try_from(by_files.min(maps / CONNECTION_MAPS).max(1)).unwrap_or(usize::MAX)
}
