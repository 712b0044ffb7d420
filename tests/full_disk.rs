//! A disk that is really full: a small filesystem, filled by the broker and from outside.
//!
//! ```text
//!   publish until blocked ─▶ fill the rest ─▶ consume ─▶ kill -9 ─▶ start ─▶ make room ─▶ publish
//!        all that was confirmed and not acknowledged is there in the end, and nothing else
//! ```
//!
//! Runs with `LEVERET_FULL=1` only, as root: it mounts a tmpfs, and an ext4 image by a loop device
//! (left out where there are no loop devices). Where it cannot mount anything it fails.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use leveret::client::{Client, Incoming};
use leveret::ids::ChannelNumber;
use leveret::wire::{
    Method, Properties, ShortBytes, ShortString, basic, confirm, connection, queue,
};

const QUEUE: &str = "letters";
const BODY_OCTETS: usize = 20_000;
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_full_disk_loses_nothing_and_ends_nothing() {
    if std::env::var_os("LEVERET_FULL").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = Mounted::tmpfs(folder.path().join("tmpfs"), "64m").expect("a tmpfs can be mounted");
    tell_the_story(&disk, "8MB");
    tell_the_story(&disk, "0");
    drop(disk);
    match Mounted::ext4(folder.path()) {
        Ok(disk) => {
            tell_the_story(&disk, "8MB");
            tell_the_story(&disk, "0");
        }
        Err(error) => println!("no ext4: {error}"),
    }
}

/// What was acknowledged gives its room back, in the journal too.
#[test]
fn a_small_disk_serves_as_long_as_its_queues_are_emptied() {
    if std::env::var_os("LEVERET_FULL").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = Mounted::tmpfs(folder.path().join("tmpfs"), "32m").expect("a tmpfs can be mounted");
    let address = free_address();
    let mut broker = start(&disk, address, "0");
    for round in 0..40 {
        if round == 20 {
            kill(&mut broker);
            broker = start(&disk, address, "0");
        }
        let mut publisher = Publisher::new(address);
        publisher.publish(100);
        let began = Instant::now();
        while publisher.confirmed.len() < 100 {
            publisher.wait_for_confirm();
            assert!(began.elapsed() < PATIENCE, "blocked in round {round}");
        }
        assert_eq!(take(address, usize::MAX).len(), 100, "round {round}");
    }
    kill(&mut broker);
}

/// With this limit: 0 means that the disk is found full by what does not fit any more.
fn tell_the_story(disk: &Mounted, limit: &str) {
    println!("{}, limit {limit}", disk.0.display());
    let address = free_address();
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![1; 16 << 20]).unwrap();
    let mut broker = start(disk, address, limit);
    let mut publisher = Publisher::new(address);
    publisher.publish_until_blocked();
    let filler = disk.fill();
    let confirmed = publisher.drain_confirms();
    assert!(confirmed.len() > 100, "{} confirmed", confirmed.len());
    let mut gone = take(address, 50);
    assert_eq!(gone.len(), 50, "consumers go on");
    assert!(broker.0.try_wait().unwrap().is_none(), "the broker lives");

    kill(&mut broker);
    let mut broker = start(disk, address, limit);
    fs::remove_file(filler).unwrap();
    fs::remove_file(ballast).unwrap();
    let mut publisher = Publisher { next: publisher.next, ..Publisher::new(address) };
    let began = Instant::now();
    publisher.publish(1);
    let late = publisher.wait_for_confirm();
    println!("went on {:?} after there was room", began.elapsed());

    gone.extend(take(address, usize::MAX));
    let lost: Vec<_> = confirmed.difference(&gone).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(gone.contains(&late));
    assert!(gone.iter().all(|number| *number < publisher.next), "what nobody sent");
    kill(&mut broker);
    fs::remove_dir_all(disk.0.join("data")).unwrap();
}

struct Publisher {
    client: Client,
    channel: ChannelNumber,
    /// The number of the first message of this connection.
    first: u64,
    next: u64,
    confirmed: BTreeSet<u64>,
}

impl Publisher {
    fn new(address: SocketAddr) -> Self {
        let (mut client, channel) = open(address);
        client.call(channel, confirm::Select { no_wait: false }).unwrap();
        Self { client, channel, first: 0, next: 0, confirmed: BTreeSet::new() }
    }

    fn publish(&mut self, count: u64) {
        if self.confirmed.is_empty() && self.first == 0 {
            self.first = self.next;
        }
        for _ in 0..count {
            let mut body = format!("{} ", self.next).into_bytes();
            body.resize(BODY_OCTETS, b'.');
            let routing_key = ShortBytes::clipped(QUEUE.as_bytes());
            let publish = basic::Publish { routing_key, ..Default::default() };
            let properties = Properties { delivery_mode: Some(2), ..Default::default() };
            self.client.publish(self.channel, publish, &properties, &body);
            self.next += 1;
        }
        self.client.flush().unwrap();
    }

    /// Publishes, at most ten messages ahead of the confirms.
    fn publish_until_blocked(&mut self) {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let waiting = self.next - self.first - self.confirmed.len() as u64;
            self.publish(10_u64.saturating_sub(waiting));
            if let Some(incoming) = self.client.receive(PATIENCE).unwrap()
                && let Some(reason) = self.learn(&incoming)
            {
                assert!(reason.starts_with("low on disk: "), "{reason}");
                println!("blocked after {}: {reason}", self.next);
                return;
            }
        }
        panic!("not blocked in {PATIENCE:?}");
    }

    /// Takes note of a confirm; the reason if it is connection.blocked.
    fn learn(&mut self, incoming: &Incoming) -> Option<String> {
        match &incoming.method {
            Method::Basic(basic::Method::Ack(ack)) => {
                let last = self.first + ack.delivery_tag - 1;
                let from = if ack.multiple { self.first } else { last };
                self.confirmed.extend(from..=last);
                None
            }
            Method::Connection(connection::Method::Blocked(blocked)) => {
                Some(blocked.reason.to_string())
            }
            _ => None,
        }
    }

    /// Everything that was confirmed so far.
    fn drain_confirms(&mut self) -> BTreeSet<u64> {
        while let Some(incoming) = self.client.receive(Duration::from_millis(500)).unwrap() {
            self.learn(&incoming);
        }
        self.confirmed.clone()
    }

    fn wait_for_confirm(&mut self) -> u64 {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(incoming) = self.client.receive(PATIENCE).unwrap() {
                self.learn(&incoming);
            }
            if let Some(number) = self.confirmed.first() {
                return *number;
            }
        }
        panic!("not confirmed in {PATIENCE:?}");
    }
}

/// Gets and acknowledges so many messages, or all.
fn take(address: SocketAddr, count: usize) -> BTreeSet<u64> {
    let (mut client, channel) = open(address);
    let mut taken = BTreeSet::new();
    while taken.len() < count {
        let queue = ShortString::clipped(QUEUE);
        let answer = client.call(channel, basic::Get { queue, no_ack: false }).unwrap();
        let (Method::Basic(basic::Method::GetOk(got)), Some((_, body))) =
            (answer.method, answer.content)
        else {
            break;
        };
        let number = String::from_utf8_lossy(&body).split(' ').next().unwrap().parse().unwrap();
        assert!(taken.insert(number) || got.redelivered);
        let delivery_tag = got.delivery_tag;
        client.send(channel, basic::Ack { delivery_tag, multiple: false });
    }
    // The answer to this comes after the acknowledgements have had their effect.
    client.call(channel, basic::Qos::default()).unwrap();
    taken
}

fn open(address: SocketAddr) -> (Client, ChannelNumber) {
    let mut client = Client::connect(address, "guest", "guest").unwrap();
    let channel = client.open_channel(1).unwrap();
    let queue = ShortString::clipped(QUEUE);
    let declare = queue::Declare { queue, durable: true, ..Default::default() };
    client.call(channel, declare).unwrap();
    (client, channel)
}

/// A filesystem of 64 MiB.
struct Mounted(PathBuf);

impl Mounted {
    fn tmpfs(at: PathBuf, size: &str) -> Result<Self, String> {
        fs::create_dir(&at).unwrap();
        let size = format!("size={size}");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", &at.to_string_lossy()])?;
        Ok(Self(at))
    }

    fn ext4(folder: &Path) -> Result<Self, String> {
        let (image, at) = (folder.join("image"), folder.join("ext4"));
        File::create(&image).unwrap().set_len(64 << 20).unwrap();
        fs::create_dir(&at).unwrap();
        run("mkfs.ext4", &["-q", "-m", "0", &image.to_string_lossy()])?;
        run("mount", &["-o", "loop", &image.to_string_lossy(), &at.to_string_lossy()])?;
        Ok(Self(at))
    }

    /// Takes all room that is left.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).unwrap();
        for size in [1 << 20, 4096] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A process that was killed lets go of its files soon.
        for _ in 0..50 {
            if run("umount", &[&self.0.to_string_lossy()]).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {said}")) }
}

/// A broker that does not outlive its test.
struct Broker(Child);

impl Drop for Broker {
    fn drop(&mut self) {
        // It fails only when it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(disk: &Mounted, address: SocketAddr, limit: &str) -> Broker {
    let broker = Command::new(env!("CARGO_BIN_EXE_leveret"))
        .args(["--listen", &address.to_string(), "--management", "off", "--log", "error"])
        .args(["--disk-free-limit", limit, "--data-dir"])
        .arg(disk.0.join("data"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut broker = Broker(broker);
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(broker.0.try_wait().unwrap().is_none(), "the broker ended by itself");
        assert!(began.elapsed() < PATIENCE, "the broker does not listen");
        thread::sleep(Duration::from_millis(10));
    }
    broker
}

/// Kills a broker that must be alive until then.
fn kill(broker: &mut Broker) {
    broker.0.kill().unwrap();
    let status = broker.0.wait().unwrap();
    assert_eq!(status.signal(), Some(9), "it ended by itself: {status}");
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
