//! The load: publishers with confirms, and consumers that settle in all the ways there are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use leveret::client::{Client, ClientError};
use leveret::ids::ChannelNumber;
use leveret::wire::{
    Field, Method, Properties, ShortBytes, ShortString, Table, basic, confirm, queue,
};

use crate::ledger::{Ledger, Name, body, name};
use crate::random::Random;

/// The third has priorities, and loses its messages in all the ways there are to [`DEAD`].
pub(crate) const QUEUES: [&str; 3] = ["first", "second", "third"];
const DEAD: &str = "dead";
const PUBLISHERS: u64 = 4;
const CONSUMERS: u64 = 4;

/// How long a client waits for something to come before it looks whether it should stop.
const PATIENCE: Duration = Duration::from_millis(200);

/// Clients that go on until the broker dies or they are told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts the clients; `cycle` makes their names unique. In every third nobody consumes, so
    /// that a backlog grows.
    pub(crate) fn start(
        address: SocketAddr,
        cycle: u64,
        ledger: &Arc<Ledger>,
        random: &mut Random,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for number in 0..PUBLISHERS {
            let (ledger, stop, seed) = (ledger.clone(), stop.clone(), random.next());
            let publisher = cycle * PUBLISHERS + number;
            threads.push(thread::spawn(move || {
                // The end of the connection is the end of the publisher: that is what a kill does.
                publish(address, publisher, &ledger, &stop, Random(seed)).ok();
            }));
        }
        let consumers = if cycle % 3 == 2 { 0 } else { CONSUMERS };
        for number in 0..consumers {
            let (ledger, stop, seed) = (ledger.clone(), stop.clone(), random.next());
            let consumer = cycle * CONSUMERS + number;
            threads.push(thread::spawn(move || {
                consume(address, consumer, &ledger, &stop, Random(seed)).ok();
            }));
        }
        Self { stop, threads }
    }

    /// Waits for the clients; what one of them found wrong fails the test.
    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

/// Publishes with up to 100 unconfirmed messages until the broker dies.
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
    let window = 1 + random.below(100) as usize;
    let mut unconfirmed: BTreeMap<u64, Name> = BTreeMap::new();
    let mut numbers = [0; QUEUES.len()];
    let mut tag = 0;
    while !stop.load(Ordering::Relaxed) {
        while unconfirmed.len() < window {
            let place = random.below(QUEUES.len() as u64) as usize;
            let name = (place, publisher, numbers[place]);
            numbers[place] += 1;
            tag += 1;
            ledger.sent(name);
            unconfirmed.insert(tag, name);
            send(&mut client, channel, name, length(&mut random));
        }
        client.flush()?;
        let Some(incoming) = client.receive(PATIENCE)? else { continue };
        if let Method::Basic(basic::Method::Ack(ack)) = incoming.method {
            let later = unconfirmed.split_off(&(ack.delivery_tag + 1));
            let mut acked = std::mem::replace(&mut unconfirmed, later);
            if !ack.multiple {
                let name = acked.remove(&ack.delivery_tag);
                unconfirmed.append(&mut acked);
                acked.extend(name.map(|name| (ack.delivery_tag, name)));
            }
            ledger.confirmed(acked.into_values());
        }
    }
    Ok(())
}

/// From 10 octets to 1 MiB, mostly short.
fn length(random: &mut Random) -> usize {
    let length = match random.below(300) {
        0 => 10 + random.below((1 << 20) - 9),
        1..=15 => 10 + random.below(60_000),
        _ => 10 + random.below(600),
    };
    length as usize
}

/// Puts a persistent message into the client's output.
pub(crate) fn send(client: &mut Client, channel: ChannelNumber, name: Name, length: usize) {
    let publish = basic::Publish {
        routing_key: ShortBytes::clipped(QUEUES[name.0].as_bytes()),
        ..Default::default()
    };
    let priority = Some((name.2 % 7) as u8);
    let properties = Properties { delivery_mode: Some(2), priority, ..Default::default() };
    client.publish(channel, publish, &properties, &body(name, length));
}

/// Consumes from all queues: acknowledges most, requeues some, leaves some until the end.
fn consume(
    address: SocketAddr,
    consumer: u64,
    ledger: &Ledger,
    stop: &AtomicBool,
    mut random: Random,
) -> Result<(), ClientError> {
    let mut client = Client::connect(address, "guest", "guest")?;
    let channel = client.open_channel(1)?;
    let qos = basic::Qos { prefetch_count: 1 + random.below(100) as u16, ..Default::default() };
    client.call(channel, qos.clone())?;
    for name in QUEUES {
        let queue = ShortString::clipped(name);
        client.call(channel, basic::Consume { queue, ..Default::default() })?;
    }
    let mut acked = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let Some(incoming) = client.receive(PATIENCE)? else { continue };
        let (Method::Basic(basic::Method::Deliver(deliver)), Some((_, body))) =
            (incoming.method, incoming.content)
        else {
            continue;
        };
        let name = name(&body);
        ledger.delivered(consumer, name, deliver.redelivered);
        let delivery_tag = deliver.delivery_tag;
        match random.below(30) {
            0 => client.send(channel, basic::Reject { delivery_tag, requeue: true }),
            1 => {
                let nack = basic::Nack { delivery_tag, multiple: false, requeue: true };
                client.send(channel, nack);
            }
            2 => {}
            _ => {
                acked.push(name);
                client.send(channel, basic::Ack { delivery_tag, multiple: false });
            }
        }
        client.flush()?;
        if random.below(50) == 0 {
            // When this is answered, everything before it was worked off.
            client.call(channel, qos.clone())?;
            ledger.settled(acked.drain(..));
        }
    }
    Ok(())
}

/// Declares the queues of the load.
pub(crate) fn declare(address: SocketAddr) {
    let mut client = Client::connect(address, "guest", "guest").unwrap();
    let channel = client.open_channel(1).unwrap();
    for name in QUEUES {
        let queue = ShortString::clipped(name);
        let arguments = if name == QUEUES[2] { hard() } else { Table::default() };
        let declare = queue::Declare { queue, durable: true, arguments, ..Default::default() };
        client.call(channel, declare).unwrap();
    }
    let queue = ShortString::clipped(DEAD);
    let declare = queue::Declare { queue, durable: true, ..Default::default() };
    client.call(channel, declare).unwrap();
}

/// The arguments of a queue in which a message has little time, room and patience.
fn hard() -> Table {
    let text = |text: &str| Field::LongString(text.as_bytes().to_vec());
    let arguments = [
        ("x-max-priority", Field::I32(3)),
        ("x-max-length", Field::I32(200)),
        ("x-message-ttl", Field::I32(150)),
        ("x-delivery-limit", Field::I32(1)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(DEAD)),
    ];
    arguments.into_iter().map(|(name, value)| (ShortString::clipped(name), value)).collect()
}

/// Takes everything that is left.
pub(crate) fn drain(address: SocketAddr, ledger: &Ledger) {
    let mut client = Client::connect(address, "guest", "guest").unwrap();
    let channel = client.open_channel(1).unwrap();
    for queue in QUEUES.into_iter().chain([DEAD]) {
        loop {
            let queue = ShortString::clipped(queue);
            let answer = client.call(channel, basic::Get { queue, no_ack: true }).unwrap();
            let (Method::Basic(basic::Method::GetOk(got)), Some((_, body))) =
                (answer.method, answer.content)
            else {
                break;
            };
            ledger.delivered(u64::MAX, name(&body), got.redelivered);
        }
    }
}
