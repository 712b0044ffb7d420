//! `leveret inspect` as it is run by people and programs, on data directories of formats 1 and 2
//! that are kept in `tests/golden`: every later version has to read them.
//!
//! `UPDATE_GOLDEN=1` writes down what is printed, and a directory of the present format itself if it
//! is not there. One of a released format is never written anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use leveret::broker::{Broker, BrokerOptions};
use leveret::ids::{Ordinal, QueueId, Timestamp};
use leveret::message::Message;
use leveret::store::{Outstanding, Place, RealDisk, Store, StoreError, StoreOptions};
use leveret::wire::{Field, Method, ShortString, Table, exchange, queue};

const NOON: u64 = 1_700_000_000_000;
const ORDERS: QueueId = QueueId(1);
const MAILS: QueueId = QueueId(2);

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

fn name(text: &str) -> ShortString {
    ShortString::new(text).expect("a short name")
}

fn encoded(method: impl Into<Method>) -> Vec<u8> {
    let mut octets = Vec::new();
    method.into().encode(&mut octets);
    octets
}

fn definitions() -> [(QueueId, Vec<u8>); 4] {
    let declare = |queue: &str| queue::Declare {
        queue: name(queue),
        durable: true,
        ..queue::Declare::default()
    };
    let exchange = exchange::Declare {
        exchange: name("shop"),
        kind: name("topic"),
        durable: true,
        ..exchange::Declare::default()
    };
    let bind = queue::Bind {
        queue: name("orders"),
        exchange: name("shop"),
        routing_key: name("order.#"),
        ..queue::Bind::default()
    };
    [
        (QueueId(0), encoded(exchange)),
        (ORDERS, encoded(declare("orders"))),
        (MAILS, encoded(declare("mails"))),
        (QueueId(0), encoded(bind)),
    ]
}

/// What says that the directory has had its first start.
fn begun() -> Vec<u8> {
    let mut octets = Vec::new();
    let change = Field::LongString(b"begin".to_vec());
    Table::from_iter([(name("change"), change)]).encode(&mut octets);
    octets
}

fn message(number: u64) -> Message {
    let body = format!("order {number}").into_bytes();
    Message::from_parts("shop", b"order.new", &[0x10, 0, 2], &body, true)
}

/// Eight messages in a log, of which one is out and one was settled, a checkpoint, and then some
/// more in the journal. Three of those in the log are in that of the other queue too, and their
/// bodies are shared.
fn write_golden(directory: &Path) -> Result<(), StoreError> {
    let options = StoreOptions {
        segment_bytes_min: 4096,
        journal_bytes_prepared: 0,
        shared_bytes_min: 0,
        ..StoreOptions::default()
    };
    let disk = Arc::new(RealDisk::new(directory).expect("the directory can be made"));
    let (mut store, _) = Store::open(disk, options)?;
    store.journal().change(&begun());
    for (queue, method) in definitions() {
        store.journal().define("/", queue, &method);
    }
    let (mut log, mut mails) = (store.log(ORDERS, true), store.log(MAILS, true));
    for number in 1..9 {
        let (ordinal, published) = (Ordinal(number), Timestamp(NOON + number));
        let place = |queue| Place { queue, ordinal, deliveries: 0 };
        if number % 3 == 2 {
            let message = message(number).for_several();
            store.journal().publish(&[place(ORDERS), place(MAILS)], &message, published);
            log.append(ordinal, &message, published);
            mails.append(ordinal, &message, published);
        } else {
            store.journal().publish(&[place(ORDERS)], &message(number), published);
            log.append(ordinal, &message(number), published);
        }
    }
    log.flush()?;
    mails.flush()?;
    let settled = log.take()?.expect("the first");
    let out = log.take()?.expect("the second");
    log.release(settled.location);
    store.journal().settle(ORDERS, settled.ordinal);
    store.journal().deliver(ORDERS, out.ordinal);
    let mut snapshot = store.begin_checkpoint()?;
    snapshot.change(&begun());
    for (queue, method) in definitions() {
        snapshot.define("/", queue, &method);
    }
    let outstanding = Outstanding { ordinal: out.ordinal, location: out.location, deliveries: 1 };
    snapshot.queue(ORDERS, Ordinal(9), &log.state(), &[outstanding]);
    snapshot.queue(MAILS, Ordinal(9), &mails.state(), &[]);
    let files = log.sync_files().into_iter().chain(mails.sync_files()).collect();
    let job = store.finish_checkpoint(snapshot, files);
    job.run()?;
    store.checkpoint_done()?;
    for number in 9..12 {
        let place = Place { queue: MAILS, ordinal: Ordinal(number), deliveries: 0 };
        store.journal().publish(&[place], &message(number), Timestamp(NOON + 10 * number));
    }
    store.journal().deliver(MAILS, Ordinal(2));
    store.journal().write()?;
    store.journal().sync_request().run()
}

/// The octets of all files below a directory.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(folder) = directories.pop() {
        for entry in fs::read_dir(folder).expect("it can be listed") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let octets = fs::read(&path).expect("it can be read");
                let short = path.strip_prefix(directory).expect("it is in there");
                files.insert(short.to_owned(), octets);
            }
        }
    }
    files
}

/// A copy of the golden directory of format 1, to be damaged.
fn copy() -> tempfile::TempDir {
    copy_of("format-1")
}

/// Held while a golden directory is written or copied.
static WRITING: Mutex<()> = Mutex::new(());

/// A copy of a golden directory.
fn copy_of(name: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("there is room");
    let root = golden(name);
    let _one_at_a_time = WRITING.lock();
    if updating() && !root.exists() {
        write_golden(&root).expect("it can be written");
        // Wherever it is looked at, the machine has been started anew since.
        fs::write(root.join("boot"), "of another machine\n").expect("there is room");
    }
    for (path, octets) in files(&root) {
        let to = directory.path().join(path);
        fs::create_dir_all(to.parent().expect("it is in the directory")).expect("there is room");
        fs::write(to, octets).expect("there is room");
    }
    directory
}

fn inspect(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    let Output { status, stdout, stderr } =
        command.arg("inspect").arg(directory).args(arguments).output().expect("it runs");
    let text = |octets| String::from_utf8(octets).expect("it prints UTF-8");
    let place = directory.display().to_string();
    (status.code().expect("it ends"), text(stdout).replace(&place, "DIR"), text(stderr))
}

fn compare(name: &str, printed: &str) {
    let path = golden(name);
    if updating() {
        fs::write(&path, printed).expect("it is ours");
    }
    assert_eq!(fs::read_to_string(path).expect("it is kept"), printed, "{name}");
}

#[test]
fn the_directories_of_all_formats_are_read_and_left_as_they_are() {
    for format in ["format-1", "format-2"] {
        let directory = copy_of(format);
        let before = files(directory.path());
        let (code, printed, error) = inspect(directory.path(), &["--records", "--bodies"]);
        assert_eq!((code, error.as_str()), (0, ""));
        compare(&format!("{format}.records.txt"), &printed);
        let (code, printed, _) = inspect(directory.path(), &["--queue", "orders", "--bodies"]);
        assert_eq!(code, 0);
        compare(&format!("{format}.orders.txt"), &printed);
        let (code, printed, _) = inspect(directory.path(), &["--json", "--queue", "mails"]);
        assert_eq!(code, 0);
        compare(&format!("{format}.mails.json"), &printed);
        let is_json = |line| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert!(printed.lines().all(is_json));
        assert_eq!(files(directory.path()), before, "nothing is changed");
    }
}

#[test]
fn a_directory_of_format_1_has_format_2_once_a_broker_has_begun_with_it() {
    let directory = copy();
    let (_, before, _) = inspect(directory.path(), &["--queue", "orders", "--bodies"]);
    let disk = Arc::new(RealDisk::new(directory.path()).expect("it is there"));
    let (store, recovery) = Store::open(disk, StoreOptions::default()).expect("it opens");
    let broker = Broker::open(store, recovery, BrokerOptions::default()).expect("it begins");
    broker.close_store().expect("it stops in order");
    let version = fs::read_to_string(directory.path().join("version")).expect("it is there");
    assert!(version.starts_with("leveret 2\n"), "{version}");
    let (code, after, _) = inspect(directory.path(), &["--queue", "orders", "--bodies"]);
    let messages = |text: &str| {
        // How often each was delivered may change: a power cut lies between.
        let lines = text.lines().filter_map(|line| line.split_once("deliveries="));
        let lines = lines.filter_map(|(before, rest)| Some((before, rest.split_once(' ')?.1)));
        lines.map(|(before, after)| format!("{before}{after}")).collect::<Vec<_>>()
    };
    assert_eq!((code, messages(&after)), (0, messages(&before)));
    assert_eq!(messages(&after).len(), 7);
}

#[test]
fn a_shared_body_that_is_damaged_is_told_of_in_each_queue() {
    let directory = copy_of("format-2");
    let segment = directory.path().join("bodies/00000001.segment");
    let mut octets = fs::read(&segment).expect("it is there");
    let place = octets.windows(7).position(|window| window == b"order 5").expect("it is there");
    octets[place] ^= 1;
    fs::write(&segment, octets).expect("it is ours");
    let (code, printed, _) = inspect(directory.path(), &[]);
    assert_eq!(code, 2);
    for queue in [1, 2] {
        let path = format!("queues/{queue}/00000001.segment");
        let told = |line: &str| line.contains(&path) && line.contains("the body of message #5");
        assert!(printed.lines().any(told), "{printed}");
    }
}

#[test]
fn the_exit_code_tells_what_is_damaged() {
    let directory = copy();
    let segment = directory.path().join("queues/1/00000001.segment");
    let mut octets = fs::read(&segment).expect("it is there");
    let place = octets.windows(7).position(|window| window == b"order 5").expect("it is there");
    octets[place] ^= 1;
    fs::write(&segment, octets).expect("it is ours");
    let (code, printed, error) = inspect(directory.path(), &[]);
    assert_eq!((code, error.as_str()), (2, ""));
    assert!(printed.contains("octets are no message"), "{printed}");
    assert!(printed.ends_with("\ndamaged\n"), "{printed}");
    assert_eq!(inspect(directory.path(), &["--quiet"]), (2, String::new(), String::new()));
}

#[test]
fn what_a_broker_would_refuse_is_shown_as_far_as_it_can_be_read() {
    let directory = copy();
    fs::remove_file(directory.path().join("version")).expect("it is ours");
    let (code, printed, error) = inspect(directory.path(), &["--records"]);
    assert_eq!((code, error.as_str()), (2, ""));
    assert!(printed.contains("a broker would refuse to start: "), "{printed}");
    assert!(printed.contains("its file `version` (`leveret 2`) is missing"), "{printed}");
    assert!(printed.contains("record=\"publish\""), "{printed}");
}

/// Its messages would be lost with it.
#[test]
fn a_queue_whose_declaration_is_damaged_is_not_begun_without() {
    let directory = copy();
    // Without the snapshot the journals tell all, from the first on.
    fs::remove_dir_all(directory.path().join("snapshots")).expect("it is ours");
    assert_eq!(inspect(directory.path(), &["--quiet"]).0, 0);
    let journal = directory.path().join("journal/0001.journal");
    let mut octets = fs::read(&journal).expect("it is there");
    let place = octets.windows(5).position(|window| window == b"mails").expect("it is there");
    octets[place] ^= 1;
    fs::write(&journal, octets).expect("it is ours");
    let (code, printed, _) = inspect(directory.path(), &[]);
    assert_eq!(code, 2);
    let refusal = "the journal has messages for queue q2, but what declares it is damaged";
    assert!(printed.contains(refusal), "{printed}");
    let disk = Arc::new(RealDisk::new(directory.path()).expect("it is there"));
    let (store, recovery) = Store::open(disk, StoreOptions::default()).expect("it opens");
    let refused = Broker::open(store, recovery, BrokerOptions::default()).err();
    assert!(refused.expect("it does not begin").to_string().starts_with(refusal));
}

#[test]
fn what_is_no_data_directory_is_refused_in_one_line() {
    let directory = tempfile::tempdir().expect("there is room");
    let (code, printed, error) = inspect(directory.path(), &[]);
    assert_eq!((code, printed.as_str()), (1, ""));
    assert!(error.ends_with(" is not a data directory\n"), "{error}");
    let (code, _, error) = inspect(&directory.path().join("none"), &[]);
    assert!(code == 1 && error.lines().count() == 1, "{error}");
    let (code, _, error) = inspect(directory.path(), &["--quiet", "--json"]);
    assert!(code == 1 && error.lines().count() == 1, "{error}");
}
