//! Memory: how much this process may use, and how much it does.
//!
//! ```text
//!   /proc/meminfo            what the machine has            ─┐
//!   /proc/self/cgroup  ──▶   what its control group may use   ├─▶ the least of them
//!                            and what the groups above it may ─┘
//! ```
//!
//! Both kinds of control groups are looked at: one tree for everything (v2), and a tree of memory's
//! own (v1). In a container the group's own path may not be visible; then its root is what there is.
//!
//! ```text
//!   present   resident and swapped out, backed by no file      ─┐
//!   kept      of it, free inside the allocator, for what comes ─┴▶ held = present - kept
//! ```
//!
//! The allocator is asked for what it keeps only while more is present than the limit: it counts its
//! free pieces one by one, and other threads wait for the arena that it is at.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where control groups are told of.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// The shortest time between two questions to the allocator.
const ASK_AFTER: Duration = Duration::from_secs(1);

/// The longest time between two questions to the allocator.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Between these bounds, the next question waits this many times what the last one took.
const ASK_SHARE: u32 = 50;

/// What this process holds, looked at again and again.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    kept: u64,
    ask_at: Option<Instant>,
}

impl Gauge {
    /// Memory that this process holds, in octets. Up to the limit this includes what the allocator
    /// keeps free.
    pub(super) fn held(&mut self, limit: u64) -> u64 {
        held(present(), limit, || self.kept())
    }

    /// What the allocator keeps free, in octets, as it was at most [`ASK_AGAIN`] ago.
    fn kept(&mut self) -> u64 {
        let now = Instant::now();
        if self.ask_at.is_none_or(|ask_at| ask_at <= now) {
            self.kept = kept();
            let pause = now.elapsed().saturating_mul(ASK_SHARE).clamp(ASK_AFTER, ASK_AGAIN);
            self.ask_at = now.checked_add(pause);
        }
        self.kept
    }
}

/// What is held of what is present. What is kept free matters only beyond a limit; 0 is no limit.
fn held(present: u64, limit: u64, kept: impl FnOnce() -> u64) -> u64 {
    if limit == 0 || present <= limit { present } else { present.saturating_sub(kept()) }
}

/// Memory that glibc has taken and could hand out again, in octets, in all its arenas. What each
/// thread has at hand is not known. 0 where another allocator is in its place.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn kept() -> u64 {
    use malloc_info::info::TotalType::{Fast, Rest};
    match malloc_info::malloc_info() {
        Ok(info) => {
            let free = info.total.iter().filter(|total| matches!(total.r#type, Fast | Rest));
            free.map(|total| total.size as u64).sum()
        }
        Err(error) => {
            log::debug!("cannot ask the allocator what it keeps: {error}");
            0
        }
    }
}

/// Not known of other allocators.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn kept() -> u64 {
    0
}

/// Memory of this process that no file backs, in octets, also what is swapped out: mapped messages
/// are the kernel's to take back.
fn present() -> u64 {
    resident().saturating_add(swapped())
}

/// What of it is swapped out.
fn swapped() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    kibibytes(&status, "VmSwap:").unwrap_or(0)
}

/// What of it is resident.
fn resident() -> u64 {
    let Ok(text) = fs::read_to_string("/proc/self/statm") else { return 0 };
    let mut pages = text.split_whitespace().skip(1).map_while(|word| word.parse::<u64>().ok());
    let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    resident.saturating_sub(shared).saturating_mul(rustix::param::page_size() as u64)
}

/// The memory that this process may use, in octets: the machine's, or less if its control group
/// says so.
pub(super) fn total() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.and_then(|text| kibibytes(&text, "MemTotal:"));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // A group without a limit says `max`, or what is more than any machine has.
    let limits = limit_files(Path::new(CONTROL_GROUPS), &groups).into_iter();
    let limits = limits.filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    limits.chain(machine).min().unwrap_or(u64::MAX)
}

/// The octets behind a name, as in `VmSwap:   1234 kB`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let number = text.lines().find_map(|line| line.strip_prefix(name))?;
    number.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The files that may say how much memory the groups of /proc/self/cgroup can use.
fn limit_files(root: &Path, groups: &str) -> Vec<PathBuf> {
    let own = |line: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(":/")?;
        match controllers {
            "" => Some((root.to_owned(), path.to_owned(), "memory.max")),
            _ if controllers.split(',').any(|name| name == "memory") => {
                Some((root.join("memory"), path.to_owned(), "memory.limit_in_bytes"))
            }
            _ => None,
        }
    };
    let mut files = Vec::new();
    for (tree, path, file) in groups.lines().filter_map(own) {
        let nested = tree.join(path);
        let above = nested.ancestors().take_while(|path| path.starts_with(&tree));
        files.extend(above.map(|path| path.join(file)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(groups: &str) -> Vec<String> {
        let files = limit_files(Path::new("/c"), groups);
        files.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn a_group_and_those_above_it_may_have_limits() {
        let expected =
            ["/c/a.slice/b.service/memory.max", "/c/a.slice/memory.max", "/c/memory.max"];
        assert_eq!(files("0::/a.slice/b.service\n"), expected);
        assert_eq!(files("0::/\n"), ["/c/memory.max"]);
        assert_eq!(files("nonsense\n1:\n"), [""; 0]);
    }

    #[test]
    fn memory_may_have_a_tree_of_its_own() {
        let groups = "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/docker/x\n";
        let expected = [
            "/c/memory/docker/x/memory.limit_in_bytes",
            "/c/memory/docker/memory.limit_in_bytes",
            "/c/memory/memory.limit_in_bytes",
            "/c/docker/x/memory.max",
            "/c/docker/memory.max",
            "/c/memory.max",
        ];
        assert_eq!(files(groups), expected);
    }

    #[test]
    fn this_process_uses_less_than_it_may() {
        assert!(present() > 100_000 && total() > present());
    }

    #[test]
    fn what_the_allocator_keeps_free_is_not_held() {
        let cases = [
            // present, limit, kept, held
            (1000, 600, 700, 300), // a burst is over: nothing to be alarmed at
            (1000, 600, 300, 700), // too much without what is free
            (1000, 600, 0, 1000),  // another allocator
            (1000, 600, 2000, 0),  // freed between the two looks
            (601, 600, 1, 600),
        ];
        for (present, limit, kept, expected) in cases {
            assert_eq!(held(present, limit, || kept), expected, "{present} {limit} {kept}");
        }
    }

    #[test]
    fn the_allocator_is_not_asked_below_the_limit_nor_without_one() {
        for (present, limit) in [(600, 600), (0, 600), (1000, 0)] {
            assert_eq!(held(present, limit, || panic!("asked")), present);
        }
    }

    #[test]
    fn the_allocator_is_asked_once_a_second_at_most() {
        let mut gauge = Gauge::default();
        gauge.held(1);
        let ask_at = gauge.ask_at.unwrap();
        assert!(ask_at > Instant::now(), "asked at once");
        gauge.ask_at = Instant::now().checked_add(ASK_AGAIN);
        gauge.kept = u64::MAX;
        assert_eq!(gauge.held(1), 0, "what was known serves until then");
    }

    /// Pieces that stay in use in between keep the allocator from giving anything back.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn what_was_freed_is_kept_and_what_is_in_use_is_held() {
        const PIECE: usize = 50_000;
        let mut pieces: Vec<_> = (0..1600_u32).map(|_| vec![1_u8; PIECE]).collect();
        assert!(Gauge::default().held(1) > 60_000_000, "80 MB are in use");
        let mut index = 0_u32;
        pieces.retain(|_| {
            index += 1;
            index.is_multiple_of(16)
        });
        let kept = kept();
        assert!(kept > 50_000_000, "75 MB were freed, {kept} octets are kept");
        assert!(Gauge::default().held(1) + 50_000_000 < present(), "{} pieces", pieces.len());
    }
}
