//! Damaged files: one bad record costs one record.

use super::super::{Disk, Gap};
use super::*;

/// Fifty messages in one journal, killed.
fn journaled(synced: u64) -> (MemoryDisk, PathBuf) {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    publish(&mut store, 0..synced);
    sync(&mut store);
    publish(&mut store, synced..50);
    let path = files(&disk, "journal/").remove(0);
    (disk.killed(), path)
}

/// Octets of one entry of `journaled`.
fn entry_octets(disk: &MemoryDisk, path: &PathBuf) -> usize {
    let mut length = 0;
    disk.damage(path, |octets| {
        let text = |number: u64| {
            let text = format!("message {number} .");
            octets.windows(text.len()).position(|window| window == text.as_bytes()).unwrap()
        };
        length = text(31) - text(30);
    });
    length
}

fn place_of(octets: &[u8], number: u64) -> usize {
    let text = format!("message {number} ");
    octets.windows(text.len()).position(|window| window == text.as_bytes()).unwrap()
}

#[test]
fn a_flipped_bit_costs_one_entry_wherever_it_is() {
    let (disk, path) = journaled(1);
    let entry = entry_octets(&disk, &path);
    for at in 0..entry {
        let disk = disk.killed();
        disk.damage(&path, |octets| {
            let start = place_of(octets, 20);
            octets[start + at] ^= 1 << (at % 8);
        });
        let (_, mut recovery) = open(&disk);
        let told = told(&mut recovery);
        // From the body of 20 to just before that of 21.
        let lost = if told == published((0..20).chain(21..50)) { 20 } else { 21 };
        assert_eq!(told, published((0..lost).chain(lost + 1..50)), "octet {at}");
        assert_eq!(recovery.damaged(), 1);
        assert_eq!(files(&disk, "bad/").len(), 1, "its octets are kept");
    }
}

#[test]
fn a_zeroed_sector_in_what_was_synced_costs_what_was_in_it() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    publish(&mut store, 0..40);
    sync(&mut store);
    publish(&mut store, 40..50);
    let path = files(&disk, "journal/").remove(0);
    let disk = disk.killed();
    disk.damage(&path, |octets| octets[2048..2560].fill(0));
    let (_, mut recovery) = open(&disk);
    let told = told(&mut recovery);
    assert!((44..48).contains(&told.len()), "{} are left", told.len());
    assert_eq!(told.last(), published([49]).last());
    assert_eq!(recovery.damaged() + told.len() as u64, 50, "each lost one is counted");
}

#[test]
fn a_torn_end_is_cut_after_it_is_copied_aside() {
    let (whole, path) = journaled(10);
    let end = {
        let mut end = 0;
        whole.damage(&path, |octets| end = place_of(octets, 49) + 100);
        end
    };
    for cut in [1, 40, 100] {
        let disk = whole.killed();
        disk.damage(&path, |octets| octets[end - cut..].fill(0));
        let (mut store, mut recovery) = open(&disk);
        assert_eq!(told(&mut recovery), published(0..49), "{cut} octets missing");
        assert_eq!(recovery.damaged(), 0, "nothing that was promised is missing");
        assert_eq!(files(&disk, ".torn").len(), 1);
        // What comes after it is found behind it.
        publish(&mut store, 60..62);
        let disk = disk.killed();
        let (_, mut recovery) = open(&disk);
        assert_eq!(told(&mut recovery), published((0..49).chain(60..62)));
    }
}

#[test]
fn where_several_unsynced_entries_are_missing_the_journal_ends() {
    let (disk, path) = journaled(10);
    disk.damage(&path, |octets| {
        let (from, to) = (place_of(octets, 20), place_of(octets, 25));
        octets[from..to].fill(0);
    });
    let (_, mut recovery) = open(&disk);
    assert_eq!(told(&mut recovery), published(0..20), "a prefix is left");
    assert_eq!(files(&disk, ".torn").len(), 1);
}

/// A power cut does not flip one bit.
#[test]
fn a_flipped_bit_in_the_last_entry_is_damage_though_nothing_follows() {
    let (disk, path) = journaled(10);
    disk.damage(&path, |octets| {
        let place = place_of(octets, 49);
        octets[place] ^= 4;
    });
    let (_, mut recovery) = open(&disk);
    assert_eq!(told(&mut recovery), published(0..49));
    assert_eq!((recovery.damaged(), files(&disk, "bad/").len()), (1, 1));
}

/// Nothing was promised of it, so it is no damage; and nothing counts that was decided later.
#[test]
fn where_one_long_unsynced_entry_is_missing_the_journal_ends() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    publish(&mut store, 0..10);
    sync(&mut store);
    let place = Place { queue: QUEUE, ordinal: Ordinal(10), deliveries: 0 };
    store.journal().publish(&[place], &message(10, 5000), Timestamp(1010));
    publish(&mut store, 11..20);
    let path = files(&disk, "journal/").remove(0);
    for sectors in [1, 8] {
        let disk = disk.killed();
        disk.damage(&path, |octets| {
            let start = place_of(octets, 10).next_multiple_of(512);
            octets[start..start + 512 * sectors].fill(0);
        });
        let (_, mut recovery) = open(&disk);
        assert_eq!(told(&mut recovery), published(0..10), "a prefix is left");
        assert_eq!(recovery.damaged(), 0, "a power cut is no damage");
        assert_eq!(files(&disk, ".torn").len(), 1);
    }
}

#[test]
fn a_hole_in_a_sector_whose_end_is_good_is_damage_though_nothing_was_synced() {
    let (disk, path) = journaled(0);
    let mut place = 0;
    disk.damage(&path, |octets| {
        // Not the last of its sector.
        let within = |number: &u64| place_of(octets, *number) % 512 < 256;
        let number = (20..30).find(within).unwrap();
        place = place_of(octets, number);
        octets[place..place + 20].fill(0xaa);
    });
    let (_, mut recovery) = open(&disk);
    assert_eq!(told(&mut recovery).len(), 49, "at octet {place}");
    assert_eq!(recovery.damaged(), 1);
}

#[test]
fn a_damaged_header_is_read_from_its_copy() {
    let (disk, path) = journaled(10);
    disk.damage(&path, |octets| octets[..512].fill(0xee));
    let (_, mut recovery) = open(&disk);
    assert_eq!(told(&mut recovery), published(0..50));
}

#[test]
fn a_journal_without_a_header_is_neither_passed_over_nor_written_over() {
    for octet in [0, 0xee] {
        let (disk, path) = journaled(10);
        let before = {
            disk.damage(&path, |octets| octets[..1024].fill(octet));
            disk.killed()
        };
        let Err(error) = try_open(&disk) else { panic!("it begins without a journal") };
        let text = error.to_string();
        assert!(text.contains("both headers of journal/0001.journal are"), "{text}");
        assert!(text.contains("leveret inspect"), "{text}");
        disk.damage(&path, |now| {
            before.damage(&path, |then| assert_eq!(now, then));
        });
    }
}

#[test]
fn a_journal_that_is_cut_off_in_its_header_is_not_begun_with() {
    for length in 1..80 {
        let (disk, path) = journaled(10);
        disk.damage(&path, |octets| octets.truncate(length));
        let Err(error) = try_open(&disk) else { panic!("it begins with {length} octets") };
        assert!(error.to_string().contains("both headers of journal/0001.journal"), "{error}");
    }
}

/// A power cut in the first write: its beginning is not on the disk, its end is.
#[test]
fn a_journal_that_was_never_synced_may_lack_its_header() {
    let (disk, path) = journaled(0);
    disk.damage(&path, |octets| octets[..1024].fill(0));
    let (mut store, mut recovery) = open(&disk);
    assert!(told(&mut recovery).is_empty() && recovery.damaged() == 0);
    assert_eq!(files(&disk, "bad/").len(), 1, "its octets are kept");
    publish(&mut store, 0..3);
    let (_, mut recovery) = open(&disk.killed());
    assert_eq!(told(&mut recovery), published(0..3));
}

#[test]
fn a_journal_that_is_missing_is_missed() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    publish(&mut store, 0..3);
    drop(store.begin_checkpoint().unwrap());
    publish(&mut store, 3..6);
    drop(store.begin_checkpoint().unwrap());
    publish(&mut store, 6..9);
    let disk = disk.killed();
    let second = files(&disk, "journal/").remove(1);
    Disk::remove(&disk, &second).unwrap();
    let Err(error) = try_open(&disk) else { panic!("it begins with nothing") };
    assert!(error.to_string().contains("journal 2 is missing"), "{error}");
}

/// A log of 100 messages in several segments, after a checkpoint, killed.
fn logged() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    append(&mut log, 0..100);
    checkpoint(&mut store, &mut log, 100, &[]);
    disk.killed()
}

#[test]
fn a_flipped_bit_in_a_segment_costs_one_message() {
    let whole = logged();
    let path = files(&whole, "queues/").remove(0);
    for at in 0..130 {
        let disk = whole.killed();
        disk.damage(&path, |octets| {
            let place = place_of(octets, 10) + at;
            octets[place] ^= 0x80;
        });
        let (store, mut recovery) = open(&disk);
        let (mut log, _) = restore(&store, &mut recovery);
        let taken = take_all(&mut log);
        let lost = if taken.contains(&10) { 11 } else { 10 };
        assert_eq!(taken, (0..100).filter(|number| *number != lost).collect::<Vec<_>>());
        assert_eq!((log.take_damaged(), log.take_damaged()), (1, 0));
        assert_eq!(log.ready(), 0);
        assert_eq!(files(&disk, "bad/").len(), 1);
    }
}

#[test]
fn a_segment_without_a_header_costs_its_messages_and_is_kept() {
    let disk = logged();
    let path = files(&disk, "queues/").remove(1);
    disk.damage(&path, |octets| octets[..1024].fill(0));
    let (store, mut recovery) = open(&disk);
    let (mut log, _) = restore(&store, &mut recovery);
    let taken = take_all(&mut log);
    assert!(taken.len() < 60 && taken.first() == Some(&0), "{taken:?}");
    assert!(log.take_damaged() > 0);
    assert_eq!(files(&disk, "bad/").len(), 1);
}

#[test]
fn a_truncated_segment_costs_what_is_cut_off() {
    let disk = logged();
    let path = files(&disk, "queues/").remove(0);
    disk.damage(&path, |octets| {
        let place = place_of(octets, 10);
        octets.truncate(place);
    });
    let (store, mut recovery) = open(&disk);
    let (mut log, _) = restore(&store, &mut recovery);
    let taken = take_all(&mut log);
    assert_eq!(taken[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(taken.last(), Some(&99));
    assert_eq!(log.take_damaged() + taken.len() as u64, 100, "each lost one is counted");
}

#[test]
fn a_missing_segment_is_a_gap_that_says_what_was_in_it() {
    let whole = logged();
    let (store, mut recovery) = open(&whole.killed());
    let (mut log, _) = restore(&store, &mut recovery);
    assert_eq!(log.take_gaps(), []);
    let count = files(&whole, "queues/").len();
    assert!(count >= 3, "{count} segments");
    for place in 0..count {
        let disk = whole.killed();
        let path = files(&disk, "queues/").remove(place);
        Disk::remove(&disk, &path).unwrap();
        let (store, mut recovery) = open(&disk);
        let (mut log, _) = restore(&store, &mut recovery);
        let gaps = log.take_gaps();
        let taken = take_all(&mut log);
        let lost: Vec<_> = (0..100).filter(|number| !taken.contains(number)).collect();
        let (first, last) = (lost[0], *lost.last().unwrap());
        let gap = Gap {
            segments: place as u64 + 1..=place as u64 + 1,
            messages: lost.len() as u64,
            after: first.checked_sub(1).map(Ordinal),
            before: (last < 99).then_some(Ordinal(last + 1)),
        };
        assert_eq!(gaps, [gap]);
    }
}

/// What is cut off between two records looks like the end.
#[test]
fn a_segment_that_ends_early_without_a_trace_is_missed() {
    let whole = logged();
    for (segment, last) in [(0, 9), (1, 60), (2, 99)] {
        let disk = whole.killed();
        let path = files(&disk, "queues/").remove(segment);
        let mut before = 0;
        disk.damage(&path, |octets| {
            let (one, two) = (place_of(octets, last - 1), place_of(octets, last));
            octets.truncate(one + (two - one) - 21);
            before = octets.len();
        });
        let (store, mut recovery) = open(&disk);
        let (mut log, _) = restore(&store, &mut recovery);
        let taken = take_all(&mut log);
        assert!(taken.contains(&(last - 1)) && !taken.contains(&last), "{last}: {taken:?}");
        assert_eq!(log.take_damaged() + taken.len() as u64, 100, "segment {segment}: {taken:?}");
    }
}

#[test]
fn a_damaged_message_that_was_out_is_reported_and_kept() {
    let disk = MemoryDisk::new();
    let (mut store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    append(&mut log, 0..10);
    let out: Vec<_> = (0..3).map(|_| log.take().unwrap().unwrap().location).collect();
    checkpoint(&mut store, &mut log, 10, &[(0, out[0]), (1, out[1]), (2, out[2])]);
    let disk = disk.killed();
    let path = files(&disk, "queues/").remove(0);
    disk.damage(&path, |octets| {
        let place = place_of(octets, 1);
        octets[place] ^= 1;
    });
    let (store, mut recovery) = open(&disk);
    let (mut log, outstanding) = restore(&store, &mut recovery);
    let read: Vec<_> =
        outstanding.iter().map(|one| log.read(one.location).unwrap().is_some()).collect();
    assert_eq!(read, [true, false, true]);
    assert_eq!(log.take_damaged(), 1);
    assert_eq!(files(&disk, "bad/").len(), 1, "its octets are kept");
    assert_eq!(take_all(&mut log), (3..10).collect::<Vec<_>>());
}
