//! The broker as a process: what an operator sees of it, and can tell it while it runs.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use leveret::client::Client;
use leveret::ids::ChannelNumber;
use leveret::wire::{Field, ShortString, Table, basic, channel, queue};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A broker whose file may be written anew.
struct Process {
    child: Child,
    log: BufReader<ChildStderr>,
    address: String,
    file: PathBuf,
    directory: Option<TempDir>,
}

impl Process {
    fn start(settings: &str) -> Self {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("leveret.toml"), settings).unwrap();
        Self::start_in(directory)
    }

    fn start_in(directory: TempDir) -> Self {
        let file = directory.path().join("leveret.toml");
        let mut child = Command::new(env!("CARGO_BIN_EXE_leveret"))
            .args(["--listen", "127.0.0.1:0", "--management", "off"])
            .arg("--data-dir")
            .arg(directory.path().join("data"))
            .arg("--config")
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split([' ', ',']).nth(2).unwrap().to_owned();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log, address, file, directory: Some(directory) }
    }

    /// Ends the broker by a signal and starts it again on what it has kept.
    fn again(mut self, signal: Signal) -> Self {
        self.signal(signal);
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        assert_eq!(self.child.wait().unwrap().success(), signal == Signal::TERM, "{rest}");
        Self::start_in(self.directory.take().unwrap())
    }

    fn client(&self) -> Client {
        Client::connect(&*self.address, "guest", "guest").unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// Writes the file anew, and has it read.
    fn reload(&self, settings: &str) {
        fs::write(&self.file, settings).unwrap();
        self.signal(Signal::HUP);
    }

    /// Reads the log up to a line with these words.
    fn logs(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the log ends without '{words}'");
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Stops the broker and returns the rest of the log.
    fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        rest
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Only a test that has failed leaves it running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn settings_change_on_sighup_or_not_at_all() {
    let mut broker = Process::start("disk_free_limit = 0\nlog = 'info'\n");
    broker.reload("disk_free_limit = '9000000GiB'\nlog = 'debug'\nstrict = true\nnonsense = 1\n");
    broker.logs("unknown key 'nonsense'");
    broker.logs("disk-free-limit is 9000000GiB, was 0");
    broker.logs("log is debug, was info");
    assert!(broker.logs("strict is true from the next start").contains("WARN"));
    broker.logs("publishers are blocked: low on disk");
    broker.reload("disk_free_limit = 0\nlog = 'loud'\n");
    let line = broker.logs("the settings in use stay: ");
    assert!(line.contains("'loud'"), "{line}");
    broker.reload("disk_free_limit = 0\n");
    broker.logs("disk-free-limit is 0, was 9000000GiB");
    broker.logs("no longer low on disk");
    broker.stop();
}

/// 60 MB of arguments are held; then all but every fortieth of them are freed, so that no arena can
/// give back its end.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn memory_that_is_only_kept_by_the_allocator_blocks_no_publisher() {
    const LIMIT_KIB: u64 = 40_000;
    let mut broker = Process::start(&format!("memory_limit = '{LIMIT_KIB}KiB'\n"));
    let mut client = broker.client();
    let channel = client.open_channel(1).unwrap();
    let note = Field::LongString(vec![b'n'; 50_000]);
    let arguments = Table::from_iter([(ShortString::clipped("note"), note)]);
    let name = |index: u32| ShortString::clipped(&format!("q{index}"));
    for queue in (0..1200).map(name) {
        let arguments = arguments.clone();
        let declare = queue::Declare { queue, exclusive: true, arguments, ..Default::default() };
        client.call(channel, declare).unwrap();
    }
    broker.logs("publishers are blocked: low on memory");
    for queue in (0..1200).filter(|index| index % 40 > 0).map(name) {
        client.call(channel, queue::Delete { queue, ..Default::default() }).unwrap();
    }
    broker.logs("no longer low on memory");
    let status = fs::read_to_string(format!("/proc/{}/status", broker.child.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let resident: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(resident > LIMIT_KIB, "the allocator gave it back: {resident} KiB are resident");
    broker.stop();
}

#[test]
fn the_product_is_what_the_operator_says() {
    for (settings, product, version) in
        [("", "RabbitMQ", "4.3.0"), ("product = 'Hare'\nproduct_version = '7.1'", "Hare", "7.1")]
    {
        let broker = Process::start(settings);
        let mut stream = TcpStream::connect(&broker.address).unwrap();
        stream.write_all(b"AMQP\0\0\x09\x01").unwrap();
        let mut start = [0; 2048];
        let length = stream.read(&mut start).unwrap();
        let start = String::from_utf8_lossy(&start[..length]).into_owned();
        let tell = |text: &str| {
            let length = u8::try_from(text.len()).unwrap();
            format!("S\0\0\0{}{text}", char::from(length))
        };
        assert!(start.contains(&format!("product{}", tell(product))), "{start}");
        assert!(start.contains(&format!("version{}", tell(version))), "{start}");
        broker.stop();
    }
}

#[test]
fn a_name_cannot_forge_a_line() {
    let mut broker = Process::start("");
    let mut client = broker.client();
    let channel = client.open_channel(7).unwrap();
    let name = ShortString::clipped("x\u{1b}[2K\u{2028}[2026-01-01T00:00:00Z ERROR] forged");
    let declare = queue::Declare { queue: name, passive: true, ..Default::default() };
    client.call(channel, declare).unwrap_err();
    let line = broker.logs("queue.declare");
    assert!(line.contains("WARN ] c1.7 127.0.0.1:"), "{line}");
    let told = "channel closed: queue.declare: NOT_FOUND - no queue 'x\\u{1b}[2K\\u{2028}[2026-";
    assert!(line.contains(told), "{line}");
    drop(client);
    broker.logs("has gone without connection.close");
    broker.stop();
}

/// Whether there is a durable queue of this name.
fn is_there(broker: &Process, queue: &str) -> bool {
    let mut client = broker.client();
    let channel = client.open_channel(1).unwrap();
    let queue = ShortString::clipped(queue);
    let passive = queue::Declare { queue, passive: true, ..Default::default() };
    client.call(channel, passive).is_ok()
}

/// Consumes from a durable auto-delete queue, which it makes if need be, and from one that stays.
fn consume(broker: &Process) -> Client {
    let mut client = broker.client();
    let channel = client.open_channel(1).unwrap();
    for (name, auto_delete) in [("ends", true), ("stays", false)] {
        let queue = ShortString::clipped(name);
        let declare = queue::Declare {
            queue: queue.clone(),
            durable: true,
            auto_delete,
            ..Default::default()
        };
        client.call(channel, declare).unwrap();
        client.call(channel, basic::Consume { queue, ..Default::default() }).unwrap();
    }
    client
}

#[test]
fn a_clean_stop_ends_an_auto_delete_queue_that_is_consumed_from_and_a_kill_does_not() {
    let mut broker = Process::start("disk_free_limit = 0\n");
    let consumer = consume(&broker);
    broker = broker.again(Signal::TERM);
    drop(consumer);
    assert!(!is_there(&broker, "ends") && is_there(&broker, "stays"));

    let consumer = consume(&broker);
    broker = broker.again(Signal::KILL);
    drop(consumer);
    assert!(is_there(&broker, "ends") && is_there(&broker, "stays"));

    // It ends as ever when a consumer has come and gone: also with the kill right behind it.
    let mut client = consume(&broker);
    client.call(ChannelNumber(1), channel::Close::default()).unwrap();
    assert!(!is_there(&broker, "ends"));
    broker = broker.again(Signal::KILL);
    assert!(!is_there(&broker, "ends") && is_there(&broker, "stays"));
    broker.stop();
}

/// Has the broker refuse a declaration so often, each with a line of some 300 bytes in its log.
fn be_refused(client: &mut Client, times: usize) {
    let queue = ShortString::clipped(&"missing ".repeat(30));
    let passive = queue::Declare { queue, passive: true, ..Default::default() };
    for _ in 0..times {
        let channel = client.open_channel(1).unwrap();
        assert!(client.call(channel, passive.clone()).is_err());
        client.send(channel, channel::CloseOk::default());
    }
}

#[test]
fn a_log_that_is_not_read_holds_up_no_client_and_says_what_it_lost() {
    let mut broker = Process::start("");
    let mut refused = broker.client();
    be_refused(&mut refused, 5000);
    // Others are served, and come in.
    let mut client = broker.client();
    let channel = client.open_channel(1).unwrap();
    let declare = queue::Declare { queue: ShortString::clipped("jobs"), ..Default::default() };
    client.call(channel, declare).unwrap();
    drop((refused, client));
    let line = broker.logs("lines of the log were dropped");
    let dropped: usize = line.split(' ').find_map(|word| word.parse().ok()).unwrap();
    assert!((1..5020).contains(&dropped), "{line}");
    broker.reload("log = 'debug'");
    broker.logs("log is debug, was info");
    assert!(broker.stop().contains("stopped"));
}

#[test]
fn a_log_that_is_not_read_does_not_hold_up_the_end() {
    let mut broker = Process::start("");
    be_refused(&mut broker.client(), 3000);
    broker.signal(Signal::TERM);
    assert!(broker.child.wait().unwrap().success());
}

#[test]
fn each_line_is_an_object_of_json() {
    let mut broker = Process::start("log_format = 'json'");
    drop(broker.client());
    let line = broker.logs("opened vhost");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "info");
    assert!(line["msg"].as_str().unwrap().ends_with("opened vhost '/' as user 'guest'"), "{line}");
    assert_eq!(line["time"].as_str().unwrap().len(), "2026-11-23T08:00:00.000Z".len());
    for line in broker.stop().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn no_password_is_logged_at_any_level() {
    let mut broker = Process::start("log = 'trace'");
    let secret = "a-sentinel-that-nobody-may-see";
    Client::connect(&*broker.address, "guest", secret).unwrap_err();
    let line = broker.logs("login refused");
    assert!(line.contains("'guest'"), "{line}");
    let rest = broker.stop();
    assert!(!line.contains(secret) && !rest.contains(secret), "{rest}");
}

#[test]
fn the_log_is_an_exchange_if_it_is_asked_for() {
    let broker = Process::start("log_exchange = true");
    let mut client = broker.client();
    let channel = client.open_channel(1).unwrap();
    let name = ShortString::clipped("lines");
    let declare = queue::Declare { queue: name.clone(), exclusive: true, ..Default::default() };
    client.call(channel, declare).unwrap();
    let bind = queue::Bind {
        queue: name.clone(),
        exchange: ShortString::clipped("amq.rabbitmq.log"),
        routing_key: ShortString::clipped("warning"),
        ..Default::default()
    };
    client.call(channel, bind).unwrap();
    let consume = basic::Consume { queue: name, no_ack: true, ..Default::default() };
    client.call(channel, consume).unwrap();
    // A channel that is refused is a warning.
    let other = client.open_channel(2).unwrap();
    let nowhere = ShortString::clipped("nowhere");
    let declare = queue::Declare { queue: nowhere, passive: true, ..Default::default() };
    client.call(other, declare).unwrap_err();
    let incoming = client.receive(Duration::from_secs(30)).unwrap().unwrap();
    let (properties, body) = incoming.content.unwrap();
    assert_eq!(&properties.content_type.unwrap()[..], b"text/plain");
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains("channel closed: queue.declare: NOT_FOUND - no queue 'nowhere'"));
    broker.stop();
}
