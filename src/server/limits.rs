//! How many connections and open files this process can have.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything but connections and queue logs: journals, listeners, standard
/// streams, and files that are open for a moment.
const OTHER_DESCRIPTORS: u64 = 64;

/// The most files of queue logs that are worth keeping open.
const FILES_MAX: u64 = 1024;

/// Of so many descriptors that are left for connections so many are for bells, the others for
/// sockets.
const BELL_SHARE: (u64, u64) = (5, 2);

/// Of so many sockets one at most is that of a client that is heard out after its close, up to a
/// limit.
const LINGERING_SHARE: u64 = 16;
const LINGERING_MAX: u64 = 256;

/// Memory maps of a thread, with some to spare for the store's.
const CONNECTION_MAPS: u64 = 5;

/// What Linux allows by default (vm.max_map_count).
const MAPS_DEFAULT: u64 = 65_530;

/// What this process may have open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at a time.
    pub(super) connections_max: usize,
    /// Sockets at a time, besides those, whose clients have closed first and are heard out.
    pub(super) lingering_max: usize,
    /// So many of them have a bell of their own.
    pub(super) bells_max: usize,
    /// Files of queue logs at a time.
    pub(super) files_max: usize,
    /// How long a file may be, in bytes (RLIMIT_FSIZE).
    pub(super) file_bytes_max: u64,
}

/// Raises the limit on open files as far as it goes, and divides what there is: queue logs get an
/// eighth, connections what is left, within the limit on memory maps.
pub(super) fn raise() -> Limits {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Refused, it stays what it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let descriptors = getrlimit(Resource::Nofile).current.or(current).unwrap_or(u64::MAX);
    let maps = fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(MAPS_DEFAULT);
    let files = (descriptors / 8).clamp(1, FILES_MAX);
    let others = OTHER_DESCRIPTORS.min(descriptors / 4); // a small limit leaves most to connections
    let left = descriptors.saturating_sub(others + files);
    let bells = left / BELL_SHARE.0 * BELL_SHARE.1;
    let sockets = (left - bells).min(maps / CONNECTION_MAPS);
    let lingering = (sockets / LINGERING_SHARE).min(LINGERING_MAX);
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Limits {
        file_bytes_max: getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX),
        connections_max: size((sockets - lingering).max(1)),
        lingering_max: size(lingering),
        bells_max: size(bells.max(1)),
        files_max: size(files),
    }
}
