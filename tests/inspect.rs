//! `leveret inspect` as it is run by people and programs, on a data directory of format 1 that is
//! kept in `tests/golden/format-1`: every later version has to read it.
//!
//! `UPDATE_GOLDEN=1` writes down what is printed, and the directory itself if it is not there. One
//! of a released format is never written anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use leveret::broker::{Broker, BrokerOptions};
use leveret::ids::{Ordinal, QueueId, Timestamp};
use leveret::message::Message;
use leveret::store::{Outstanding, Place, RealDisk, Store, StoreError, StoreOptions};
use leveret::wire::{Method, ShortString, exchange, queue};

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

fn message(number: u64) -> Message {
    let body = format!("order {number}").into_bytes();
    Message::from_parts("shop", b"order.new", &[0x10, 0, 2], &body, true)
}

/// Eight messages in a log, of which one is out and one was settled, a checkpoint, and then some
/// more in the journal.
fn write_golden(directory: &Path) -> Result<(), StoreError> {
    let options = StoreOptions {
        segment_bytes_min: 4096,
        journal_bytes_prepared: 0,
        ..StoreOptions::default()
    };
    let disk = Arc::new(RealDisk::new(directory).expect("the directory can be made"));
    let (mut store, _) = Store::open(disk, options)?;
    for (queue, method) in definitions() {
        store.journal().define("/", queue, &method);
    }
    let mut log = store.log(ORDERS, true);
    for number in 1..9 {
        let place = Place { queue: ORDERS, ordinal: Ordinal(number), deliveries: 0 };
        store.journal().publish(&[place], &message(number), Timestamp(NOON + number));
        log.append(Ordinal(number), &message(number), Timestamp(NOON + number));
    }
    log.flush()?;
    let settled = log.take()?.expect("the first");
    let out = log.take()?.expect("the second");
    log.release(settled.location);
    store.journal().settle(ORDERS, settled.ordinal);
    store.journal().deliver(ORDERS, out.ordinal);
    let mut snapshot = store.begin_checkpoint()?;
    for (queue, method) in definitions() {
        snapshot.define("/", queue, &method);
    }
    let outstanding = Outstanding { ordinal: out.ordinal, location: out.location, deliveries: 1 };
    snapshot.queue(ORDERS, Ordinal(9), &log.state(), &[outstanding]);
    snapshot.queue(MAILS, Ordinal(1), &store.log(MAILS, true).state(), &[]);
    let job = store.finish_checkpoint(snapshot, log.sync_files());
    job.run()?;
    store.checkpoint_done()?;
    for number in 1..4 {
        let place = Place { queue: MAILS, ordinal: Ordinal(number), deliveries: 0 };
        store.journal().publish(&[place], &message(number), Timestamp(NOON + 10 * number));
    }
    store.journal().deliver(MAILS, Ordinal(1));
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

/// A copy of the golden directory, to be damaged.
fn copy() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("there is room");
    let root = golden("format-1");
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
fn the_directory_of_format_1_is_read_and_left_as_it_is() {
    let directory = copy();
    let before = files(directory.path());
    let (code, printed, error) = inspect(directory.path(), &["--records", "--bodies"]);
    assert_eq!((code, error.as_str()), (0, ""));
    compare("format-1.records.txt", &printed);
    let (code, printed, _) = inspect(directory.path(), &["--queue", "orders", "--bodies"]);
    assert_eq!(code, 0);
    compare("format-1.orders.txt", &printed);
    let (code, printed, _) = inspect(directory.path(), &["--json", "--queue", "mails"]);
    assert_eq!(code, 0);
    compare("format-1.mails.json", &printed);
    assert!(printed.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    assert_eq!(files(directory.path()), before, "nothing is changed");
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
