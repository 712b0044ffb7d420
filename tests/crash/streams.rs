//! A stream under kill -9: what is confirmed stays, at the offset where it was first seen.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use leveret::client::{Client, ClientError};
use leveret::wire::{
    Field, Method, Properties, ShortBytes, ShortString, Table, basic, confirm, queue,
};

use crate::full;
use crate::process::Home;
use crate::random::Random;

const STREAM: &str = "stream";
/// Publishes that wait for their confirm, at most.
const WINDOW: u64 = 10;
/// Between two windows. All of the stream is read twice a cycle: at full speed the last cycles
/// would read millions of messages and the test would measure patience, not promises.
const PAUSE: Duration = Duration::from_millis(1);

#[test]
fn a_stream_keeps_what_is_confirmed_where_it_was() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = Random(seed);
    let home = Home::new();
    let mut broker = home.start(false);
    declare(home.address);
    let (mut known, mut next) = (Vec::new(), 0);
    for _ in 0..if full() { 40 } else { 4 } {
        let confirmed = Arc::new(AtomicU64::new(next));
        let stop = Arc::new(AtomicBool::new(false));
        let publisher = thread::spawn({
            let (address, confirmed, stop) = (home.address, confirmed.clone(), stop.clone());
            move || publish(address, next, &confirmed, &stop)
        });
        thread::sleep(Duration::from_millis(20 + random.below(300)));
        let seen = read(home.address);
        assert!(seen.starts_with(&known), "the beginning has changed");
        broker.kill();
        stop.store(true, Ordering::Relaxed);
        let sent = publisher.join().unwrap();
        broker = home.start(random.below(2) == 0);
        known = read(home.address);
        assert!(known.starts_with(&seen), "what a consumer saw is not there any more");
        let confirmed = confirmed.load(Ordering::Relaxed);
        let expected = known.iter().filter(|number| (next..confirmed).contains(*number));
        assert!(expected.copied().eq(next..confirmed), "what was confirmed is missing or moved");
        assert!(known.is_sorted_by(|one, other| one < other), "out of order");
        next = sent;
    }
    assert!(known.len() > 100, "too little happened to prove anything");
}

fn declare(address: SocketAddr) {
    let mut client = Client::connect(address, "guest", "guest").unwrap();
    let channel = client.open_channel(1).unwrap();
    let text = |text: &str| Field::LongString(text.as_bytes().to_vec());
    let arguments = Table::from_iter([(ShortString::clipped("x-queue-type"), text("stream"))]);
    let queue = ShortString::clipped(STREAM);
    let declare = queue::Declare { queue, durable: true, arguments, ..Default::default() };
    client.call(channel, declare).unwrap();
}

/// Publishes numbers from `next` on until the broker dies; says which would have been the next.
fn publish(address: SocketAddr, mut next: u64, confirmed: &AtomicU64, stop: &AtomicBool) -> u64 {
    let mut try_to = || -> Result<(), ClientError> {
        let first = next;
        let mut client = Client::connect(address, "guest", "guest")?;
        let channel = client.open_channel(1)?;
        client.call(channel, confirm::Select { no_wait: false })?;
        while !stop.load(Ordering::Relaxed) {
            while next < confirmed.load(Ordering::Relaxed) + WINDOW {
                let key = ShortBytes::clipped(STREAM.as_bytes());
                let publish = basic::Publish { routing_key: key, ..Default::default() };
                let mut body = next.to_be_bytes().to_vec();
                body.resize(8 + usize::try_from(next % 700).unwrap(), b'.');
                client.publish(channel, publish, &Properties::default(), &body);
                next += 1;
            }
            client.flush()?;
            thread::sleep(PAUSE);
            let Some(incoming) = client.receive(Duration::from_millis(200))? else { continue };
            // One publisher's confirms on one channel come in order.
            if let Method::Basic(basic::Method::Ack(ack)) = incoming.method {
                confirmed.store(first + ack.delivery_tag, Ordering::Relaxed);
            }
        }
        Ok(())
    };
    try_to().ok(); // the end of the connection is the end of the publisher
    next
}

/// All that is in the stream now; offsets are those of the messages that are there.
fn read(address: SocketAddr) -> Vec<u64> {
    let mut client = Client::connect(address, "guest", "guest").unwrap();
    let channel = client.open_channel(1).unwrap();
    let queue = ShortString::clipped(STREAM);
    let declare = queue::Declare { queue: queue.clone(), passive: true, ..Default::default() };
    let answer = client.call(channel, declare).unwrap();
    let Method::Queue(queue::Method::DeclareOk(declared)) = answer.method else {
        panic!("{}", answer.method)
    };
    client.call(channel, basic::Qos { prefetch_count: 1000, ..Default::default() }).unwrap();
    let first = Field::LongString(b"first".to_vec());
    let arguments = Table::from_iter([(ShortString::clipped("x-stream-offset"), first)]);
    client.call(channel, basic::Consume { queue, arguments, ..Default::default() }).unwrap();
    let mut numbers = Vec::new();
    while numbers.len() < declared.message_count as usize {
        let incoming = client.receive(Duration::from_secs(10)).unwrap().expect("a message");
        let (Method::Basic(basic::Method::Deliver(deliver)), Some((properties, body))) =
            (incoming.method, incoming.content)
        else {
            continue;
        };
        let offset = Field::I64(i64::try_from(numbers.len()).unwrap());
        assert_eq!(properties.headers.unwrap().get("x-stream-offset"), Some(&offset));
        numbers.push(u64::from_be_bytes(*body.first_chunk().unwrap()));
        if deliver.delivery_tag % 500 == 0 {
            let delivery_tag = deliver.delivery_tag;
            client.send(channel, basic::Ack { delivery_tag, multiple: true });
            client.flush().unwrap();
        }
    }
    numbers
}
