//! kill -9 at random moments, under load, again and again: nothing that was confirmed is lost,
//! nothing unexpected appears, the order of each publisher holds.
//!
//! ```text
//!   publishers ──▶ broker (killed, started again) ──▶ consumers
//!        └────────── what was sent, what was confirmed, what came ──────────▶ checker
//! ```
//!
//! A short form runs by default; `LEVERET_FULL=1` runs 200 cycles. `CRASH_CYCLES` and `CRASH_SEED`
//! say otherwise; the seed is printed.

#![allow(
    clippy::cast_possible_truncation,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use leveret::client::{Client, ClientError};
use leveret::ids::ChannelNumber;
use leveret::wire::{Method, Properties, ShortBytes, ShortString, basic, confirm, queue};

const QUEUES: [&str; 2] = ["first", "second"];
const PUBLISHERS: u64 = 3;
const CONSUMERS: u64 = 2;

#[test]
fn nothing_confirmed_is_lost_by_kill_9() {
    let full = std::env::var_os("LEVERET_FULL").is_some();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cycles = number("CRASH_CYCLES").unwrap_or(if full { 200 } else { 4 });
    let seed = number("CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("{cycles} cycles with CRASH_SEED={seed}");
    let mut random = Random(seed);
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let ledger = Arc::new(Ledger::default());

    let mut broker = start(folder.path(), address);
    declare(address);
    for cycle in 0..cycles {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = spawn_clients(address, cycle, &ledger, &stop, &mut random);
        thread::sleep(Duration::from_millis(20 + random.below(280)));
        broker.kill().unwrap();
        broker.wait().unwrap();
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
        broker = start(folder.path(), address);
    }
    drain(address, &ledger);
    broker.kill().unwrap();
    broker.wait().unwrap();
    ledger.check();
}

/// What the clients saw.
#[derive(Default)]
struct Ledger {
    sent: Mutex<BTreeSet<Name>>,
    confirmed: Mutex<BTreeSet<Name>>,
    /// Every delivery in the order of one consumer: (consumer, message, redelivered).
    delivered: Mutex<Vec<(u64, Name, bool)>>,
}

/// A message: its queue, its publisher (unique over all cycles), its number from 0.
type Name = (usize, u64, u64);

impl Ledger {
    fn check(&self) {
        let sent = self.sent.lock().unwrap();
        let confirmed = self.confirmed.lock().unwrap();
        let delivered = self.delivered.lock().unwrap();
        let seen: BTreeSet<Name> = delivered.iter().map(|(_, name, _)| *name).collect();
        println!(
            "{} sent, {} confirmed, {} deliveries of {} messages",
            sent.len(),
            confirmed.len(),
            delivered.len(),
            seen.len()
        );
        assert!(confirmed.len() > 100, "too little happened to prove anything");
        let lost: Vec<_> = confirmed.difference(&seen).collect();
        assert!(lost.is_empty(), "{} lost: {:?}", lost.len(), &lost[..lost.len().min(20)]);
        let unexpected: Vec<_> = seen.difference(&sent).collect();
        assert!(unexpected.is_empty(), "unexpected: {unexpected:?}");
        let mut first = BTreeSet::new();
        let mut last = BTreeMap::new();
        for (consumer, name, redelivered) in delivered.iter() {
            let (queue, publisher, number) = *name;
            assert!(first.insert(*name) || *redelivered, "{name:?} came twice, not redelivered");
            if !redelivered {
                let before = last.insert((*consumer, queue, publisher), number);
                assert!(before < Some(number), "{name:?} came after {before:?}");
            }
        }
    }
}

fn spawn_clients(
    address: SocketAddr,
    cycle: u64,
    ledger: &Arc<Ledger>,
    stop: &Arc<AtomicBool>,
    random: &mut Random,
) -> Vec<thread::JoinHandle<()>> {
    let mut clients = Vec::new();
    for number in 0..PUBLISHERS {
        let (ledger, stop, seed) = (ledger.clone(), stop.clone(), random.next());
        let publisher = cycle * PUBLISHERS + number;
        clients.push(thread::spawn(move || {
            // The end of the connection is the end of the publisher: that is what a kill does.
            publish(address, publisher, &ledger, &stop, Random(seed)).ok();
        }));
    }
    for number in 0..CONSUMERS {
        let (ledger, stop, seed) = (ledger.clone(), stop.clone(), random.next());
        let consumer = cycle * CONSUMERS + number;
        clients.push(thread::spawn(move || {
            consume(address, consumer, &ledger, &stop, Random(seed)).ok();
        }));
    }
    clients
}

/// Publishes with up to 50 unconfirmed messages until the broker dies.
fn publish(
    address: SocketAddr,
    publisher: u64,
    ledger: &Ledger,
    stop: &AtomicBool,
    mut random: Random,
) -> Result<(), ClientError> {
    let mut client = Client::connect(address, "guest", "guest")?;
    let channel = client.open_channel(1)?;
    client.call(channel, confirm::Select { no_wait: false })?;
    let mut unconfirmed: BTreeMap<u64, Name> = BTreeMap::new();
    let mut numbers = [0; QUEUES.len()];
    let mut tag = 0;
    while !stop.load(Ordering::Relaxed) {
        while unconfirmed.len() < 50 {
            let place = random.below(2) as usize;
            let name = (place, publisher, numbers[place]);
            numbers[place] += 1;
            tag += 1;
            ledger.sent.lock().unwrap().insert(name);
            unconfirmed.insert(tag, name);
            let length = if random.below(200) == 0 { 300_000 } else { random.below(600) };
            send(&mut client, channel, name, length as usize);
        }
        client.flush()?;
        let Some(incoming) = client.receive(Duration::from_millis(200))? else { continue };
        if let Method::Basic(basic::Method::Ack(ack)) = incoming.method {
            let later = unconfirmed.split_off(&(ack.delivery_tag + 1));
            let mut acked = std::mem::replace(&mut unconfirmed, later);
            if !ack.multiple {
                let name = acked.remove(&ack.delivery_tag);
                unconfirmed.append(&mut acked);
                acked.extend(name.map(|name| (ack.delivery_tag, name)));
            }
            ledger.confirmed.lock().unwrap().extend(acked.into_values());
        }
    }
    Ok(())
}

fn send(client: &mut Client, channel: ChannelNumber, name: Name, length: usize) {
    let (place, publisher, number) = name;
    let mut body = format!("{place} {publisher} {number} ").into_bytes();
    body.resize(body.len() + length, b'.');
    let publish = basic::Publish {
        routing_key: ShortBytes::clipped(QUEUES[place].as_bytes()),
        ..Default::default()
    };
    let properties = Properties { delivery_mode: Some(2), ..Default::default() };
    client.publish(channel, publish, &properties, &body);
}

fn parse(body: &[u8]) -> Name {
    let text = String::from_utf8(body.to_vec()).expect("a body that somebody published");
    let mut words = text.split(' ').map(str::parse::<u64>);
    let mut word = || words.next().unwrap().unwrap();
    (word() as usize, word(), word())
}

/// Consumes from both queues: acknowledges most, requeues some, leaves some until the end.
fn consume(
    address: SocketAddr,
    consumer: u64,
    ledger: &Ledger,
    stop: &AtomicBool,
    mut random: Random,
) -> Result<(), ClientError> {
    let mut client = Client::connect(address, "guest", "guest")?;
    let channel = client.open_channel(1)?;
    let prefetch_count = 1 + random.below(100) as u16;
    client.call(channel, basic::Qos { prefetch_count, ..Default::default() })?;
    for name in QUEUES {
        let queue = ShortString::clipped(name);
        client.call(channel, basic::Consume { queue, ..Default::default() })?;
    }
    while !stop.load(Ordering::Relaxed) {
        let Some(incoming) = client.receive(Duration::from_millis(200))? else { continue };
        let (Method::Basic(basic::Method::Deliver(deliver)), Some((_, body))) =
            (incoming.method, incoming.content)
        else {
            continue;
        };
        let name = parse(&body);
        ledger.delivered.lock().unwrap().push((consumer, name, deliver.redelivered));
        let delivery_tag = deliver.delivery_tag;
        match random.below(20) {
            0 => client.send(channel, basic::Reject { delivery_tag, requeue: true }),
            1 => {}
            _ => client.send(channel, basic::Ack { delivery_tag, multiple: false }),
        }
        client.flush()?;
    }
    Ok(())
}

fn declare(address: SocketAddr) {
    let mut client = Client::connect(address, "guest", "guest").unwrap();
    let channel = client.open_channel(1).unwrap();
    for name in QUEUES {
        let queue = ShortString::clipped(name);
        client
            .call(channel, queue::Declare { queue, durable: true, ..Default::default() })
            .unwrap();
    }
}

/// Takes everything that is left.
fn drain(address: SocketAddr, ledger: &Ledger) {
    let mut client = Client::connect(address, "guest", "guest").unwrap();
    let channel = client.open_channel(1).unwrap();
    for name in QUEUES {
        loop {
            let queue = ShortString::clipped(name);
            let answer = client.call(channel, basic::Get { queue, no_ack: true }).unwrap();
            let (Method::Basic(basic::Method::GetOk(got)), Some((_, body))) =
                (answer.method, answer.content)
            else {
                break;
            };
            ledger.delivered.lock().unwrap().push((u64::MAX, parse(&body), got.redelivered));
        }
    }
}

fn start(folder: &Path, address: SocketAddr) -> Child {
    let mut broker = Command::new(env!("CARGO_BIN_EXE_leveret"))
        .args([
            "--listen",
            &address.to_string(),
            "--log",
            "warn",
            "--management",
            "off",
            "--data-dir",
        ])
        .arg(folder.join("data"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(broker.try_wait().unwrap().is_none(), "the broker ended by itself");
        assert!(began.elapsed() < Duration::from_secs(30), "the broker does not listen");
        thread::sleep(Duration::from_millis(2));
    }
    broker
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A small seeded generator (xorshift): the same seed, the same run of kills.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
