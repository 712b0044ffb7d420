//! Cursors: many readers of one log, from which nothing is taken.

use super::super::{Cursor, Views};
use super::*;

/// What a cursor reads up to the end.
fn read(log: &QueueLog, views: &mut Views, cursor: &mut Cursor) -> Vec<u64> {
    let next = || log.read_next(views, cursor, Ordinal(u64::MAX)).expect("the log can be read");
    std::iter::from_fn(next).map(|stored| stored.ordinal.0).collect()
}

fn from(log: &QueueLog, views: &mut Views, ordinal: u64) -> Vec<u64> {
    let mut cursor = log.cursor_at(views, Ordinal(ordinal)).unwrap();
    read(log, views, &mut cursor)
}

#[test]
fn cursors_read_the_same_messages_and_what_comes_later() {
    let (store, _) = open(&MemoryDisk::new());
    let mut log = store.log(QUEUE, true);
    let mut views = Views::default();
    let mut cursors: Vec<_> =
        (0..3).map(|_| log.cursor_at(&mut views, Ordinal(1)).unwrap()).collect();
    for last in [1, 5, 6, 200, 201, 500] {
        let first = log.ready() + 1;
        append(&mut log, first..=last);
        log.flush().unwrap();
        for cursor in &mut cursors {
            assert_eq!(read(&log, &mut views, cursor), Vec::from_iter(first..=last));
        }
    }
    assert!(log.segments().count() > 3, "{:?}", log.segments());
    assert_eq!(log.ready(), 500);
}

#[test]
fn a_cursor_stops_before_what_it_may_not_read_yet() {
    let (store, _) = open(&MemoryDisk::new());
    let mut log = store.log(QUEUE, true);
    append(&mut log, 1..=9);
    log.flush().unwrap();
    let mut views = Views::default();
    let mut cursor = log.cursor_at(&mut views, Ordinal(3)).unwrap();
    let mut read_below = |below| {
        let next = || log.read_next(&mut views, &mut cursor, Ordinal(below)).unwrap();
        std::iter::from_fn(next).map(|stored| stored.ordinal.0).collect::<Vec<_>>()
    };
    assert_eq!(read_below(3), [0; 0]);
    assert_eq!(read_below(5), [3, 4]);
    assert_eq!(read_below(5), [0; 0]);
    assert_eq!(read_below(99), [5, 6, 7, 8, 9]);
}

#[test]
fn every_ordinal_and_every_time_is_found() {
    let (store, _) = open(&MemoryDisk::new());
    let mut log = store.log(QUEUE, true);
    append(&mut log, 1..=300);
    log.flush().unwrap();
    let mut views = Views::default();
    for number in (1..=300).step_by(7) {
        let rest = Vec::from_iter(number..=300);
        assert_eq!(from(&log, &mut views, number), rest);
        let mut cursor = log.cursor_from(&mut views, Timestamp(1000 + number)).unwrap();
        assert_eq!(read(&log, &mut views, &mut cursor), rest);
    }
    assert_eq!(from(&log, &mut views, 0).len(), 300);
    assert_eq!(from(&log, &mut views, 301), [0; 0]);
}

#[test]
fn segments_that_are_dropped_are_passed_over() {
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    let mut views = Views::default();
    let mut late = log.cursor_at(&mut views, Ordinal(1)).unwrap();
    append(&mut log, 1..=300);
    log.flush().unwrap();
    let second = log.second_begins(&mut views).unwrap().unwrap();
    assert!(log.drop_first_segment().unwrap());
    let first = from(&log, &mut views, 0)[0];
    assert_eq!(Timestamp(1000 + first), second);
    assert_eq!(log.ready(), 301 - first);
    assert_eq!(read(&log, &mut views, &mut late), Vec::from_iter(first..=300));
    while log.drop_first_segment().unwrap() {}
    assert_eq!(log.segments().count(), 1);
    assert!(log.ready() > 0);
    assert_eq!(files(&disk, "queues/").len(), 1);
}

#[test]
fn a_restored_log_is_read_from_where_it_begins() {
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    append(&mut log, 1..=300);
    let state = state(&mut log);
    assert!(log.drop_first_segment().unwrap());
    let mut views = Views::default();
    let first = from(&log, &mut views, 0)[0];
    drop((log, store));
    let (store, _) = open(&disk);
    let mut log = store.restore_log(QUEUE, &state, []).unwrap();
    let mut views = Views::default();
    assert_eq!(log.ready(), 301 - first);
    append(&mut log, 301..=310);
    log.flush().unwrap();
    assert_eq!(from(&log, &mut views, 1), Vec::from_iter(first..=310));
    assert_eq!(from(&log, &mut views, 300), Vec::from_iter(300..=310));
}

#[test]
fn a_damaged_message_costs_one_message() {
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk);
    let mut log = store.log(QUEUE, true);
    append(&mut log, 1..=9);
    log.flush().unwrap();
    let path = files(&disk, "queues/").remove(0);
    disk.damage(&path, |octets| octets[1024 + 300] ^= 1);
    let mut views = Views::default();
    let found = from(&log, &mut views, 1);
    assert_eq!(found.len(), 8);
}
