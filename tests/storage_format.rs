//! docs/reference/storage-format.md is true: what it shows is what the store writes, and the store
//! reads it. `UPDATE_GOLDEN=1` puts the octets right; the notes beside them are written by hand.

use std::path::Path;
use std::sync::Arc;

use leveret::ids::{Ordinal, QueueId, Timestamp};
use leveret::message::Message;
use leveret::store::{Disk, Entry, MemoryDisk, Place, Store, StoreOptions};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/storage-format.md");
const QUEUE: QueueId = QueueId(7);
const NOON: u64 = 1_700_000_000_000;

/// The page's examples, each the octets of the beginning of a file.
struct Page {
    segment: Vec<u8>,
    journal: Vec<u8>,
    reference: Vec<u8>,
    body: Vec<u8>,
}

/// The fenced blocks, in the order of the fields of [`Page`].
const BLOCKS: [&str; 4] = ["hex segment", "hex journal", "hex reference", "hex body"];

impl Page {
    fn read() -> Self {
        let text = std::fs::read_to_string(PAGE).expect("the page is there");
        let [segment, journal, reference, body] = BLOCKS.map(|name| octets(&text, name));
        Self { segment, journal, reference, body }
    }
}

/// A line of an example: `0400  6c 65 76   a note`. The notes begin after three spaces.
fn parse_line(line: &str) -> (usize, Vec<u8>, &str) {
    let (place, rest) = line.split_once("  ").expect("a place and octets");
    let (hex, note) = rest.split_once("   ").unwrap_or((rest, ""));
    let octet = |text| u8::from_str_radix(text, 16).expect("an octet in hex");
    let place = usize::from_str_radix(place, 16).expect("a place in hex");
    (place, hex.split_whitespace().map(octet).collect(), note.trim_start())
}

/// The octets of the fenced block `name`. What is not shown are zeros.
fn octets(text: &str, name: &str) -> Vec<u8> {
    let begin = format!("```{name}\n");
    let block = text.split_once(&begin).expect("the example is there").1;
    let block = block.split_once("```").expect("the example ends").0;
    let mut octets = Vec::new();
    for line in block.lines() {
        let (place, shown, _) = parse_line(line);
        assert!(place >= octets.len(), "{line}: behind the line before");
        octets.resize(place, 0);
        octets.extend(shown);
    }
    octets
}

fn message(number: u64, persistent: bool) -> Message {
    let mode = if persistent { 2 } else { 1 };
    let body = format!("hello {number}");
    Message::from_parts("", b"work", &[0x10, 0x00, mode], body.as_bytes(), persistent)
}

/// What the store writes when it is asked for what the page tells.
fn written() -> Page {
    let disk = MemoryDisk::new();
    // The page's shared body is short.
    let options = StoreOptions { shared_bytes_min: 0, ..StoreOptions::default() };
    let opened = Store::open(Arc::new(disk.clone()), options);
    let (mut store, _) = opened.expect("an empty disk opens");
    let shared = message(8, true).for_several();
    for queue in [8, 9] {
        let mut log = store.log(QueueId(queue), true);
        log.append(Ordinal(8), &shared, Timestamp(NOON));
        log.flush().expect("there is room");
    }
    let mut log = store.log(QUEUE, true);
    log.append(Ordinal(5), &message(5, true), Timestamp(NOON));
    log.append(Ordinal(6), &message(6, false), Timestamp(NOON + 20));
    log.flush().expect("there is room");
    let journal = store.journal();
    let place = Place { queue: QUEUE, ordinal: Ordinal(5), deliveries: 0 };
    journal.publish(&[place], &message(5, true), Timestamp(NOON));
    journal.settle(QUEUE, Ordinal(3));
    journal.settle(QUEUE, Ordinal(4));
    journal.settle(QUEUE, Ordinal(5));
    journal.write().expect("there is room");
    let read = |path: &str, length: usize| {
        let mut octets = vec![0; length];
        let file = disk.open(Path::new(path)).expect("the file is there");
        file.read_exact_at(&mut octets, 0).expect("the file is long enough");
        octets
    };
    let page = Page::read();
    Page {
        segment: read("queues/7/00000001.segment", page.segment.len()),
        journal: read("journal/0001.journal", page.journal.len()),
        reference: blank(read("queues/9/00000001.segment", page.reference.len())),
        body: shown(read("bodies/00000001.segment", page.body.len())),
    }
}

/// A segment without its header, which the page does not show of every one.
fn blank(mut segment: Vec<u8>) -> Vec<u8> {
    segment[..1024].fill(0);
    segment
}

/// A segment without the copy of its header.
fn shown(mut segment: Vec<u8>) -> Vec<u8> {
    segment[80..1024].fill(0);
    segment
}

/// Puts `octets` into the fenced block `name`, line by line.
fn update(text: &str, name: &str, octets: &[u8]) -> String {
    let begin = format!("```{name}\n");
    let (before, rest) = text.split_once(&begin).expect("the example is there");
    let (block, after) = rest.split_once("```").expect("the example ends");
    let lines = block.lines().map(|line| {
        let (place, shown, note) = parse_line(line);
        let hex: Vec<_> =
            octets[place..place + shown.len()].iter().map(|octet| format!("{octet:02x}")).collect();
        let line = format!("{place:04x}  {:<23}   {note}", hex.join(" "));
        format!("{}\n", line.trim_end())
    });
    format!("{before}{begin}{}```{after}", lines.collect::<String>())
}

#[test]
fn the_store_writes_what_the_page_shows() {
    let written = written();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let text = std::fs::read_to_string(PAGE).expect("the page is there");
        let Page { segment, journal, reference, body } = &written;
        let blocks = BLOCKS.into_iter().zip([segment, journal, reference, body]);
        let text = blocks.fold(text, |text, (name, octets)| update(&text, name, octets));
        std::fs::write(PAGE, text).expect("it is ours");
    }
    let page = Page::read();
    assert_eq!(page.segment, written.segment);
    assert_eq!(page.journal, written.journal);
    assert_eq!(page.reference, written.reference);
    assert_eq!(page.body, written.body);
}

#[test]
fn the_store_reads_the_journal_of_the_page() {
    let disk = MemoryDisk::new();
    for directory in ["journal", "snapshots"] {
        disk.create_directory(Path::new(directory)).expect("it is a new disk");
    }
    let files: [(&str, &[u8]); 2] =
        [("version", b"leveret 2\n"), ("journal/0001.journal", &Page::read().journal)];
    for (path, octets) in files {
        let file = disk.create(Path::new(path)).expect("it is a new disk");
        file.write_all_at(octets, 0).expect("there is room");
    }
    let opened = Store::open(Arc::new(disk), StoreOptions::default());
    let (_store, recovery) = opened.expect("the page shows a whole journal");
    let entries: Vec<_> = recovery.entries().map(|entry| entry.expect("it is whole")).collect();
    let [Entry::Publish { places, message, published }, Entry::Settle { queue, first, last }] =
        entries.as_slice()
    else {
        unreachable!("{entries:?}")
    };
    assert_eq!(places, &[Place { queue: QUEUE, ordinal: Ordinal(5), deliveries: 0 }]);
    assert_eq!((message.routing_key(), message.body()), (&b"work"[..], &b"hello 5"[..]));
    assert_eq!(*published, Timestamp(NOON));
    assert_eq!((*queue, *first, *last), (QUEUE, Ordinal(3), Ordinal(5)));
}

/// Reads the segment as the page's words tell to, without the store's code.
#[test]
fn the_words_of_the_page_are_enough_to_read_the_segment() {
    let file = Page::read().segment;
    let u32_at = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("4 octets"));
    let u64_at = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().expect("8 octets"));
    assert_eq!(&file[..8], b"leveretL");
    let seed = u32_at(8);
    let covered = [&file[..8], &file[12..80]].concat();
    assert_eq!(seed, crc32c::crc32c(&covered));
    assert_eq!(file[512..592], file[..80], "the copy");
    assert_eq!((u32_at(12), u64_at(16), u64_at(24)), (1, 1, 7), "version, number, queue");
    let (ordinal, time) = (u64_at(32), u64_at(40));

    let mut at = 1024;
    let mut found = Vec::new();
    while u32_at(at + 4) != 0 {
        let (kind, length) = (u32_at(at + 4) >> 30, (u32_at(at + 4) & 0x3fff_ffff) as usize);
        let end = at + 16 + length;
        let begin = seed ^ u32::try_from(at).expect("a place of 32 bits");
        assert_eq!(u32_at(at), crc32c::crc32c_append(begin, &file[at + 4..end]));
        let number = ordinal + u64::from(u32_at(at + 8));
        let published = time + u64::from(u32_at(at + 12));
        found.push((kind, number, published, String::from_utf8_lossy(&file[end - 7..end])));
        at = end;
    }
    let expected = [(2, 5, NOON, "hello 5".into()), (1, 6, NOON + 20, "hello 6".into())];
    assert_eq!(found, expected);
}
