//! The data directory as operators and kernels treat it: lost in part, limited, taken away.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use leveret::client::Client;
use leveret::ids::ChannelNumber;
use leveret::wire::{
    Method, Properties, ShortBytes, ShortString, basic, confirm, connection, queue,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const QUEUE: &str = "letters";
const DEADLINE: Duration = Duration::from_secs(60);

/// A broker that does not outlive its test.
struct Process {
    child: Child,
    address: String,
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    command
        .args(["--listen", "127.0.0.1:0", "--management", "off", "--log", "error"])
        .args(["--disk-free-limit", "0", "--data-dir"])
        .arg(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Process {
    fn start(directory: &Path) -> Self {
        Self::run(&mut command(directory))
    }

    fn run(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split([' ', ',']).nth(2).unwrap_or_default().to_owned();
        Self { child, address }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn stop(mut self) {
        self.signal(Signal::TERM);
        assert!(self.child.wait().unwrap().success());
    }

    /// Waits for its end. The exit code, and what it has written to standard error.
    fn end(mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < DEADLINE, "the broker goes on");
            thread::sleep(Duration::from_millis(10));
        };
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (status.code(), text)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It fails only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client with a channel in confirm mode and a durable queue.
struct Publisher {
    client: Client,
    channel: ChannelNumber,
    published: u64,
    confirmed: u64,
    blocked: bool,
}

impl Publisher {
    fn new(address: &str) -> Self {
        let mut client = Client::connect(address, "guest", "guest").unwrap();
        let channel = client.open_channel(1).unwrap();
        let queue = ShortString::clipped(QUEUE);
        let declare = queue::Declare { queue, durable: true, ..Default::default() };
        client.call(channel, declare).unwrap();
        client.call(channel, confirm::Select { no_wait: false }).unwrap();
        Self { client, channel, published: 0, confirmed: 0, blocked: false }
    }

    fn publish(&mut self, length: usize) {
        let routing_key = ShortBytes::clipped(QUEUE.as_bytes());
        let publish = basic::Publish { routing_key, ..Default::default() };
        let properties = Properties { delivery_mode: Some(2), ..Default::default() };
        self.client.publish(self.channel, publish, &properties, &vec![b'.'; length]);
        // It fails only when the broker has ended.
        if self.client.flush().is_ok() {
            self.published += 1;
        }
    }

    /// Takes what comes within a moment. Returns whether the connection still lives.
    fn receive(&mut self) -> bool {
        loop {
            match self.client.receive(Duration::from_millis(50)) {
                Ok(Some(incoming)) => match incoming.method {
                    Method::Basic(basic::Method::Ack(ack)) => self.confirmed = ack.delivery_tag,
                    Method::Connection(connection::Method::Blocked(_)) => self.blocked = true,
                    Method::Connection(connection::Method::Unblocked(_)) => self.blocked = false,
                    _ => {}
                },
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Publishes and waits for all confirms.
    fn publish_confirmed(&mut self, count: u64) {
        (0..count).for_each(|_| self.publish(1000));
        self.wait(|publisher| publisher.confirmed == publisher.published);
    }

    fn wait(&mut self, done: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !done(self) {
            assert!(self.receive(), "the connection is gone");
            assert!(began.elapsed() < DEADLINE, "{} confirmed", self.confirmed);
        }
    }
}

/// Takes all messages of the queue. How many they were.
fn take_all(address: &str) -> u64 {
    let mut publisher = Publisher::new(address);
    let mut count = 0;
    loop {
        let get = basic::Get { queue: ShortString::clipped(QUEUE), no_ack: true };
        let answer = publisher.client.call(publisher.channel, get).unwrap();
        if answer.content.is_none() {
            return count;
        }
        count += 1;
    }
}

/// A directory with messages in it, whose last processes were stopped or killed.
fn filled(directory: &Path, stops: usize) {
    for round in 0..=stops {
        let process = Process::start(directory);
        Publisher::new(&process.address).publish_confirmed(20);
        if round < stops {
            process.stop();
        }
    }
}

/// Takes something from a data directory.
type Loss = fn(&Path);

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// The names and lengths of all files.
fn files(directory: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "lock") {
                found.push((path, metadata.len()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_directory_that_has_lost_its_world_is_refused_however_often_it_is_started() {
    let losses: [(&str, Loss); 5] = [
        ("snapshots", |data| fs::remove_dir_all(data.join("snapshots")).unwrap()),
        ("journal", |data| fs::remove_dir_all(data.join("journal")).unwrap()),
        ("journal and snapshots", |data| {
            fs::remove_dir_all(data.join("journal")).unwrap();
            fs::remove_dir_all(data.join("snapshots")).unwrap();
        }),
        ("the contents of journals", |data| {
            for entry in fs::read_dir(data.join("journal")).unwrap() {
                fs::write(entry.unwrap().path(), "").unwrap();
            }
        }),
        ("version", |data| fs::remove_file(data.join("version")).unwrap()),
    ];
    for stops in [0, 1, 3] {
        let whole = TempDir::new().unwrap();
        filled(whole.path(), stops);
        for (what, lose) in losses {
            // Before the first checkpoint and right after it the journals tell all.
            if what == "snapshots" && stops < 3 {
                continue;
            }
            let other = TempDir::new().unwrap();
            let data = other.path().join("data");
            copy(whole.path(), &data);
            lose(&data);
            let before = files(&data);
            for start in 0..3 {
                let (code, text) = Process::run(&mut command(&data)).end();
                let told = format!("{what}, {stops} stops, start {start}: {text}");
                assert_eq!((code, text.lines().count()), (Some(1), 1), "{told}");
                assert!(text.contains("missing") || text.contains("headers"), "{told}");
                assert!(text.contains("leveret inspect"), "{told}");
                assert_eq!(files(&data), before, "{told}");
            }
        }
        // What was copied from is whole.
        let process = Process::start(whole.path());
        assert_eq!(take_all(&process.address), 20 * (stops as u64 + 1));
        process.stop();
    }
}

#[test]
fn signals_that_are_meant_for_others_end_nothing() {
    let directory = TempDir::new().unwrap();
    let process = Process::start(&directory.path().join("data"));
    for signal in [
        Signal::USR1,
        Signal::USR2,
        Signal::QUIT,
        Signal::ALARM,
        Signal::PROF,
        Signal::VTALARM,
        Signal::IO,
        Signal::XFSZ,
        Signal::PIPE,
    ] {
        process.signal(signal);
        Publisher::new(&process.address).publish_confirmed(1);
    }
    process.stop();
}

/// RLIMIT_FSIZE: files may not grow beyond it, so that is how a full disk is met, and a signal.
#[test]
fn a_limit_on_the_size_of_files_blocks_publishers_and_ends_nothing() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let limited = |limit: &str| {
        let broker = command(&data);
        let mut shell = Command::new("prlimit");
        shell.arg(format!("--fsize={limit}")).arg(broker.get_program()).args(broker.get_args());
        shell.stdout(Stdio::piped()).stderr(Stdio::piped());
        Process::run(&mut shell)
    };
    // Far more than a file can hold, in messages that fit.
    let process = limited("10485760");
    let mut publisher = Publisher::new(&process.address);
    for _ in 0..40 {
        (0..10).for_each(|_| publisher.publish(100_000));
        publisher.wait(|publisher| publisher.confirmed == publisher.published);
    }
    // A limit that comes later holds for files that are longer already.
    let pid = process.child.id().to_string();
    let set = Command::new("prlimit").args(["--pid", &pid, "--fsize=4096:10485760"]).status();
    assert!(set.unwrap().success());
    while !publisher.blocked {
        publisher.publish(100_000);
        assert!(publisher.receive(), "the broker goes on");
        assert!(publisher.published < 1000, "publishers are not blocked");
    }
    let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=10485760"]).status();
    assert!(lifted.unwrap().success());
    publisher.wait(|publisher| !publisher.blocked && publisher.confirmed == publisher.published);
    let published = publisher.published;
    drop(publisher);
    drop(process);
    let process = Process::start(&data);
    assert_eq!(take_all(&process.address), published);
    process.stop();
}

#[test]
fn nothing_is_confirmed_by_a_journal_that_no_start_will_find() {
    let harms: [(&str, Loss); 5] = [
        ("removed", |data| fs::remove_dir_all(data).unwrap()),
        ("renamed", |data| fs::rename(data, data.with_extension("old")).unwrap()),
        ("journals removed", |data| fs::remove_dir_all(data.join("journal")).unwrap()),
        ("replaced", |data| {
            fs::rename(data, data.with_extension("old")).unwrap();
            copy(&data.with_extension("old"), data);
        }),
        ("journals copied", |data| {
            let (from, to) = (data.join("journal"), data.join("copy"));
            copy(&from, &to);
            fs::remove_dir_all(&from).unwrap();
            fs::rename(to, from).unwrap();
        }),
    ];
    for (what, harm) in harms {
        for idle in [false, true] {
            let directory = TempDir::new().unwrap();
            let data = directory.path().join("data");
            let process = Process::start(&data);
            let mut publisher = Publisher::new(&process.address);
            publisher.publish_confirmed(10);
            harm(&data);
            if !idle {
                publisher.publish(1000);
                while publisher.receive() {}
                assert_eq!(publisher.confirmed, 10, "{what}: confirmed and lost");
            }
            let (code, text) = process.end();
            assert_eq!((code, text.lines().count()), (Some(1), 1), "{what}: {text}");
            assert!(text.contains("removed, renamed or replaced"), "{what}: {text}");
        }
    }
}
