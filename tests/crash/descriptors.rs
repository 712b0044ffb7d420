//! A broker that may have few files open: it lives, serves and starts again.

use std::net::TcpStream;
use std::time::Duration;

use leveret::client::Client;
use leveret::ids::ChannelNumber;
use leveret::wire::{Method, Properties, ShortBytes, ShortString, basic, confirm, queue};

use crate::process::Home;

/// Far more logs than there may be files.
const QUEUES: usize = 150;
const DESCRIPTORS: &str = "64";
/// With these in each queue, more is there than stays in memory: every queue has a log.
const MESSAGES: u64 = 10;
const BODY_OCTETS: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn queues_with_backlogs_need_few_descriptors() {
    let home = Home::new();
    let mut broker = home.start_limited(DESCRIPTORS);
    let (mut client, channel) = open(&home);
    declare_all(&mut client, channel);
    client.call(channel, confirm::Select { no_wait: false }).unwrap();
    // The descriptors that are left for connections are taken, and more are asked for.
    let crowd: Vec<_> = (0..100).map(|_| TcpStream::connect(home.address)).collect();
    publish(&mut client, channel, 0..MESSAGES / 2);
    drop(crowd);
    publish(&mut client, channel, MESSAGES / 2..MESSAGES);
    assert!(broker.ended().is_none(), "{}", home.last_words());

    let logs = std::fs::read_dir(home.data().join("queues")).unwrap().count();
    assert!(logs > 100, "only {logs} queues have a log");

    for _ in 0..2 {
        broker.kill();
        broker = home.start_limited(DESCRIPTORS);
    }
    let (mut client, channel) = open(&home);
    for number in 0..QUEUES {
        let bodies: Vec<u64> = std::iter::from_fn(|| take(&mut client, channel, number)).collect();
        assert_eq!(bodies, (0..MESSAGES).collect::<Vec<_>>(), "queue {number}");
    }
    assert!(broker.ended().is_none(), "{}", home.last_words());
}

fn open(home: &Home) -> (Client, ChannelNumber) {
    let mut client = Client::connect(home.address, "guest", "guest").unwrap();
    let channel = client.open_channel(1).unwrap();
    (client, channel)
}

fn name(number: usize) -> ShortString {
    ShortString::clipped(&format!("queue {number}"))
}

fn declare_all(client: &mut Client, channel: ChannelNumber) {
    for number in 0..QUEUES {
        let declare = queue::Declare { queue: name(number), durable: true, ..Default::default() };
        client.call(channel, declare).unwrap();
    }
}

/// Publishes to each queue, and waits for the confirms. Each queue gets a body of its own: one that
/// several queues share is kept once, and would fill no logs.
fn publish(client: &mut Client, channel: ChannelNumber, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let properties = Properties { delivery_mode: Some(2), ..Default::default() };
        let mut body = number.to_be_bytes().to_vec();
        body.resize(BODY_OCTETS, b'.');
        for queue in 0..QUEUES {
            let routing_key = ShortBytes::clipped(name(queue).as_bytes());
            let publish = basic::Publish { routing_key, ..Default::default() };
            client.publish(channel, publish, &properties, &body);
            client.flush().unwrap();
            let answer = client.receive(PATIENCE).unwrap().expect("a confirm").method;
            let confirmed = matches!(answer, Method::Basic(basic::Method::Ack(_)));
            assert!(confirmed, "{answer:?}");
        }
    }
}

/// The number of a queue's next message.
fn take(client: &mut Client, channel: ChannelNumber, number: usize) -> Option<u64> {
    let get = basic::Get { queue: name(number), no_ack: true };
    let (_, body) = client.call(channel, get).unwrap().content?;
    Some(u64::from_be_bytes(body[..8].try_into().unwrap()))
}
