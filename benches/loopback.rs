//! The whole broker over loopback: a client publishes and consumes, a batch at a time.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use log::LevelFilter;
use tempfile::TempDir;

use leveret::broker::FsyncPolicy;
use leveret::client::Client;
use leveret::config::Config;
use leveret::ids::ChannelNumber;
use leveret::server::Server;
use leveret::wire::{Properties, ShortBytes, ShortString, basic, queue};

const MESSAGES: u64 = 1000;
const QUEUE: &str = "bench";
const PATIENCE: Duration = Duration::from_secs(10);

fn transient_messages(criterion: &mut Criterion) {
    let directory = TempDir::new().expect("a temporary directory");
    let server = Server::start(&Config {
        data_dir: directory.path().join("data"),
        listen: vec!["127.0.0.1:0".to_owned()],
        fsync: FsyncPolicy::Always,
        log: LevelFilter::Off,
        tiny_files: false,
    })
    .expect("a server");
    let mut client = Client::connect(server.addresses()[0], "guest", "guest").expect("a client");
    let channel = client.open_channel(1).expect("a channel");
    let name = ShortString::clipped(QUEUE);
    client.call(channel, queue::Declare { queue: name.clone(), ..Default::default() }).expect("ok");
    let consume = basic::Consume { queue: name, no_ack: true, ..Default::default() };
    client.call(channel, consume).expect("ok");

    let mut group = criterion.benchmark_group("loopback");
    group.throughput(Throughput::Elements(MESSAGES));
    for octets in [16, 1024, 64 * 1024] {
        let body = vec![b'x'; octets];
        group.bench_function(format!("{octets} octets, no ack"), |bencher| {
            bencher.iter(|| round(&mut client, channel, &body));
        });
    }
    group.finish();
    drop(client);
    server.stop();
}

/// Publishes some messages and takes them.
fn round(client: &mut Client, channel: ChannelNumber, body: &[u8]) {
    let routing_key = ShortBytes::clipped(QUEUE.as_bytes());
    let publish = basic::Publish { routing_key, ..Default::default() };
    for _ in 0..MESSAGES / 10 {
        for _ in 0..10 {
            client.publish(channel, publish.clone(), &Properties::default(), body);
        }
        client.flush().expect("written");
    }
    for _ in 0..MESSAGES {
        client.receive(PATIENCE).expect("read").expect("a delivery");
    }
}

criterion_group!(benches, transient_messages);
criterion_main!(benches);
