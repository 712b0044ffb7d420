//! Every way to damage a small store, one at a time: what is served then, and what is said of it.
//!
//! ```text
//!   snapshot 3 ─ journal 3 ─ snapshot 4 ─ journal 4        queues/7: two segments, one message out
//! ```
//!
//! Whatever is damaged, nobody is served octets that were not published, what is not hit is served,
//! and what is lost is counted and kept. `leveret inspect` says the same as recovery.
//!
//! In the quick form every 701st bit is flipped, and so on; with `LEVERET_FULL=1` every one.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::Disk;

mod golden;
mod lost;
mod shared;

use golden::{Case, Golden, unique};

const SECTOR: usize = 512;

/// Every `quick`th, or every one if there is time.
fn stride(quick: usize) -> usize {
    if std::env::var_os("LEVERET_FULL").is_some() { 1 } else { quick }
}

/// How long a file is without its last zeros, but for a few.
fn used(octets: &[u8]) -> usize {
    let last = octets.iter().rposition(|octet| *octet != 0);
    octets.len().min(last.map_or(0, |last| last + 20))
}

fn is(path: &Path, folder: &str) -> bool {
    path.starts_with(folder)
}

#[test]
fn the_undamaged_store_serves_everything() {
    let golden = Golden::new();
    let case = Case::new(&golden, &golden.disk.killed());
    assert!(case.lost().is_empty());
    assert_eq!((case.damaged(), case.bad), (0, 0));
    let names: Vec<_> = golden.files().iter().map(|(path, _)| path.display().to_string()).collect();
    for part in ["snapshots/0000000000000003", "snapshots/0000000000000004", "7/00000002.segment"] {
        assert!(names.iter().any(|name| name.contains(part)), "{part} in {names:?}");
    }
}

#[test]
fn a_flipped_bit_costs_one_record_at_most() {
    let golden = Golden::new();
    let step = stride(701);
    for (path, octets) in golden.files() {
        for bit in (0..8 * used(&octets)).step_by(step) {
            let at = bit / 8;
            let case = golden.with(&path, |octets| octets[at] ^= 1 << (bit % 8));
            if is(&path, "version") {
                case.refused();
                continue;
            }
            assert!(!case.refused(), "{} bit {bit}: {:?}", path.display(), case.refusal());
            // The last entry of all looks as if it had been torn while it was written.
            case.counts_all_but(&golden.hit(&octets, at..at + 1), &golden.last);
            assert!(case.lost().len() <= 1 && case.damaged() <= 2, "{} {bit}", path.display());
        }
    }
}

#[test]
fn a_truncated_file_costs_what_is_cut_off() {
    let golden = Golden::new();
    let step = stride(131);
    for (path, octets) in golden.files() {
        for length in (0..used(&octets)).step_by(step) {
            let mut case = golden.with(&path, |octets| octets.truncate(length));
            case.cut_off = true;
            if case.refused() {
                let header = is(&path, "journal") && length < 80;
                assert!(header || is(&path, "version"), "{} {length}", path.display());
                continue;
            }
            let hit = golden.hit(&octets, length..octets.len());
            if is(&path, "journal") {
                // The end of a journal looks as if it had never been written.
                case.costs_at_most(&hit);
            } else {
                case.counts_all_but(&hit, &BTreeSet::new());
            }
        }
    }
}

#[test]
fn a_zeroed_sector_costs_what_was_in_it() {
    let golden = Golden::new();
    for (path, octets) in golden.files() {
        for start in (0..octets.len()).step_by(SECTOR) {
            let end = octets.len().min(start + SECTOR);
            let case = golden.with(&path, |octets| octets[start..end].fill(0));
            if is(&path, "version") {
                assert!(case.refused());
                continue;
            }
            assert!(!case.refused(), "{} {start}: {:?}", path.display(), case.refusal());
            case.counts_all_but(&golden.hit(&octets, start..end), &golden.unsynced);
        }
    }
}

#[test]
fn sectors_that_change_places_cost_what_was_in_them() {
    let golden = Golden::new();
    let step = stride(41);
    for (path, octets) in golden.files() {
        let sectors = octets.len() / SECTOR;
        let pairs = (0..sectors).flat_map(|one| (0..sectors).map(move |two| (one, two)));
        for (one, two) in pairs.step_by(step) {
            let (from, to) = (one * SECTOR..(one + 1) * SECTOR, two * SECTOR..(two + 1) * SECTOR);
            let both: BTreeSet<_> = golden
                .hit(&octets, from.clone())
                .union(&golden.hit(&octets, to.clone()))
                .copied()
                .collect();
            let doubled = golden.with(&path, |octets| octets.copy_within(from.clone(), to.start));
            let swapped = golden.with(&path, |octets| {
                let kept = octets[to.clone()].to_vec();
                octets.copy_within(from.clone(), to.start);
                octets[from.clone()].copy_from_slice(&kept);
            });
            for case in [doubled, swapped] {
                if case.refused() {
                    let headers = is(&path, "journal") && one.min(two) < 2;
                    assert!(headers, "{} {one} {two}", path.display());
                } else {
                    case.counts_all_but(&both, &golden.unsynced);
                }
            }
        }
    }
}

#[test]
fn what_is_appended_to_a_file_costs_nothing() {
    let golden = Golden::new();
    for (path, _) in golden.files() {
        for length in [1_usize, 15, 16, 17, 700] {
            let garbage = unique(99, length as u64).1;
            let case = golden.with(&path, |octets| {
                octets.extend(garbage.iter().cycle().take(length));
            });
            assert!(!case.refused() || is(&path, "version"), "{}", path.display());
            if !is(&path, "version") {
                assert!(case.lost().is_empty(), "{} and {length}", path.display());
            }
        }
    }
}

#[test]
fn a_file_in_the_place_of_another_is_noticed() {
    let golden = Golden::new();
    let files = golden.files();
    for (path, octets) in &files {
        for (_, other) in files.iter().filter(|(other, _)| other != path) {
            let mut case = golden.with(path, |octets| octets.clone_from(other));
            let empty = other.iter().all(|octet| *octet == 0);
            case.cut_off = is(path, "journal");
            if is(path, "version") || (is(path, "journal") && case.refused()) {
                assert!(case.refused(), "{}", path.display());
                continue;
            }
            assert!(!case.refused(), "{}: {:?}", path.display(), case.refusal());
            let lost = case.lost();
            assert!(lost.is_subset(&golden.hit(octets, 0..octets.len())));
            // An empty newest journal looks as if nothing had been written yet.
            let told = case.damaged() > 0 || (empty && case.cut_off);
            assert!(told || lost.is_empty(), "{}: lost {lost:?}", path.display());
        }
    }
}

#[test]
fn files_of_others_stay_where_they_are() {
    let golden = Golden::new();
    let disk = golden.disk.killed();
    let names = ["notes.txt", "journal/notes", "snapshots/readme", "queues/notes", "queues/7/x"];
    for name in names {
        disk.create(Path::new(name)).unwrap().write_all_at(b"leveret", 0).unwrap();
    }
    let case = Case::new(&golden, &disk);
    assert!(case.lost().is_empty());
    assert_eq!(case.damaged(), 0);
    for name in names {
        assert!(disk.open(Path::new(name)).is_ok(), "{name} is gone");
    }
}
