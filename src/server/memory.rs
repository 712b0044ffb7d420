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

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are told of.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// Memory of this process that no file backs, in octets: mapped messages are the kernel's to take
/// back.
pub(super) fn used() -> u64 {
    let Ok(text) = fs::read_to_string("/proc/self/statm") else { return 0 };
    let mut pages = text.split_whitespace().skip(1).map_while(|word| word.parse::<u64>().ok());
    let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    resident.saturating_sub(shared).saturating_mul(rustix::param::page_size() as u64)
}

/// The memory that this process may use, in octets: the machine's, or less if its control group
/// says so.
pub(super) fn total() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.to_owned();
        let kibibytes = line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?;
        kibibytes.checked_mul(1024)
    });
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // A group without a limit says `max`, or what is more than any machine has.
    let limits = limit_files(Path::new(CONTROL_GROUPS), &groups).into_iter();
    let limits = limits.filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    limits.chain(machine).min().unwrap_or(u64::MAX)
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
        assert!(used() > 100_000 && total() > used());
    }
}
