//! The whole broker in this process, over real sockets.

mod endings;
mod logins;
#[cfg(feature = "tls")]
mod tls;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use log::LevelFilter;
use tempfile::TempDir;

use super::*;
use crate::broker::access::{Hashing, NewPassword, PasswordHash, SALT_OCTETS, VhostSettings};
use crate::client::{Client, ClientError};
use crate::config::PasswordHashing;
use crate::ids::ChannelNumber;
use crate::wire::{Method, PROTOCOL_HEADER, Properties, ShortBytes, ShortString, basic, queue};

const QUEUE: &str = "letters";

fn config(directory: &TempDir) -> Config {
    Config {
        data_dir: directory.path().join("data"),
        listen: vec!["127.0.0.1:0".to_owned()],
        password_hashing: PasswordHashing::Rabbitmq,
        disk_free_limit: 0,
        memory_high_watermark: 0.0,
        management: "off".to_owned(),
        metrics: "off".to_owned(),
        log: LevelFilter::Off,
        ..Config::default()
    }
}

fn start(directory: &TempDir) -> Server {
    Server::start(&config(directory)).unwrap()
}

fn open(server: &Server) -> (Client, ChannelNumber) {
    let mut client = Client::connect(server.addresses()[0], "guest", "guest").unwrap();
    let channel = client.open_channel(1).unwrap();
    (client, channel)
}

fn declare(client: &mut Client, channel: ChannelNumber) -> u32 {
    let queue = ShortString::clipped(QUEUE);
    let declare = queue::Declare { queue, durable: true, ..Default::default() };
    match client.call(channel, declare).unwrap().method {
        Method::Queue(queue::Method::DeclareOk(ok)) => ok.message_count,
        other => unreachable!("{other}"),
    }
}

fn publish(client: &mut Client, channel: ChannelNumber, body: &[u8]) {
    let routing_key = ShortBytes::clipped(QUEUE.as_bytes());
    let publish = basic::Publish { routing_key, ..Default::default() };
    let properties = Properties { delivery_mode: Some(2), ..Default::default() };
    client.publish(channel, publish, &properties, body);
}

fn get(client: &mut Client, channel: ChannelNumber) -> Option<Vec<u8>> {
    let queue = ShortString::clipped(QUEUE);
    let get = basic::Get { queue, no_ack: true };
    client.call(channel, get).unwrap().content.map(|(_, body)| body)
}

#[test]
fn messages_of_all_sizes_come_back_as_they_went() {
    let directory = TempDir::new().unwrap();
    let server = start(&directory);
    let (mut client, channel) = open(&server);
    declare(&mut client, channel);
    let bodies: Vec<_> = [0, 1, 4_000, 16_384, 131_064, 131_065, 3_000_000]
        .iter()
        .map(|length| (0..*length).map(|at| u8::try_from(at % 251).unwrap()).collect::<Vec<_>>())
        .collect();
    bodies.iter().for_each(|body| publish(&mut client, channel, body));
    for body in &bodies {
        assert!(get(&mut client, channel).as_ref() == Some(body), "{} octets", body.len());
    }
    assert_eq!(get(&mut client, channel), None);
    drop(client);
    server.stop();
}

#[test]
fn a_broker_that_stops_says_so_and_keeps_what_is_durable() {
    let directory = TempDir::new().unwrap();
    let server = start(&directory);
    let (mut client, channel) = open(&server);
    declare(&mut client, channel);
    publish(&mut client, channel, b"kept");
    // The answer to this comes after the message is in its queue.
    assert_eq!(declare(&mut client, channel), 1);
    let stopping = thread::spawn(move || server.stop());
    let Err(ClientError::Closed(close)) = client.receive(Duration::from_secs(10)) else {
        unreachable!("no close")
    };
    assert!(close.to_string().contains("reply_code=320"), "{close}");
    drop(client);
    stopping.join().unwrap();

    let server = start(&directory);
    let (mut client, channel) = open(&server);
    assert_eq!(get(&mut client, channel).as_deref(), Some(&b"kept"[..]));
    drop(client);
    server.stop();
}

#[test]
fn a_client_in_the_handshake_does_not_hold_up_the_end() {
    let directory = TempDir::new().unwrap();
    let server = start(&directory);
    let mut stranger = TcpStream::connect(server.addresses()[0]).unwrap();
    stranger.write_all(&PROTOCOL_HEADER).unwrap();
    // connection.start: so it is being served.
    stranger.read_exact(&mut [0; 7]).unwrap();
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < STOPPING_MAX);
}

#[test]
fn an_octet_too_many_before_the_handshake_ends_with_our_protocol_header() {
    let directory = TempDir::new().unwrap();
    let server = start(&directory);
    let mut stranger = TcpStream::connect(server.addresses()[0]).unwrap();
    stranger.write_all(b"GET /index.html HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stranger.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, PROTOCOL_HEADER);
    server.stop();
}

#[test]
fn what_cannot_start_says_why() {
    let directory = TempDir::new().unwrap();
    let server = start(&directory);
    let error = Server::start(&config(&directory)).unwrap_err();
    assert!(matches!(error, ServerError::Store(_)), "{error}");
    let other = TempDir::new().unwrap();
    let taken = vec![server.addresses()[0].to_string()];
    let error = Server::start(&Config { listen: taken, ..config(&other) }).unwrap_err();
    assert!(error.to_string().starts_with("cannot listen on 127.0.0.1:"), "{error}");
    server.stop();
}

/// A user with this password who may do everything in `/`.
fn put_user(server: &Server, user: &str, password: &[u8], hashing: Hashing) {
    let name = ShortString::clipped(user);
    let hash = PasswordHash::new(hashing, [7; SALT_OCTETS], password);
    let everything = || ".*".to_owned();
    server
        .change(vec![
            Change::PutUser { name: name.clone(), password: NewPassword::Hash(hash), tags: vec![] },
            Change::SetPermissions {
                user: name,
                vhost: ShortString::clipped("/"),
                configure: everything(),
                write: everything(),
                read: everything(),
            },
        ])
        .unwrap();
}

#[test]
fn a_user_who_was_made_logs_in_and_one_who_was_deleted_is_out() {
    let directory = TempDir::new().unwrap();
    let server = start(&directory);
    let connect = |password| Client::connect(server.addresses()[0], "alice", password);
    assert!(connect("secret").is_err());
    for hashing in [Hashing::Sha256, Hashing::Pbkdf2] {
        put_user(&server, "alice", b"secret", hashing);
        assert!(connect("wrong").is_err());
        assert!(connect("").is_err());
        drop(connect("secret").unwrap());
    }
    let mut client = connect("secret").unwrap();
    server.change(vec![Change::DeleteUser { name: ShortString::clipped("alice") }]).unwrap();
    let Err(ClientError::Closed(close)) = client.receive(Duration::from_secs(10)) else {
        unreachable!("no close")
    };
    assert!(close.to_string().contains("CONNECTION_FORCED - user 'alice' is deleted"), "{close}");
    assert!(connect("secret").is_err());
    drop(client);
    server.stop();
}

#[test]
fn changes_that_cannot_all_be_are_none() {
    let directory = TempDir::new().unwrap();
    let server = start(&directory);
    let vhost = |name| Change::PutVhost {
        name: ShortString::clipped(name),
        settings: VhostSettings::default(),
    };
    let refused = server.change(vec![vhost("a"), vhost("")]);
    assert!(matches!(refused, Err(ChangeRefused::Invalid(_))), "{refused:?}");
    let gone = server.change(vec![Change::DeleteVhost { name: ShortString::clipped("a") }]);
    assert_eq!(gone, Err(ChangeRefused::NotFound("vhost 'a' not found".to_owned())));
    server.stop();
}

#[test]
fn a_batch_with_a_binding_to_nowhere_makes_nothing() {
    let directory = TempDir::new().unwrap();
    let server = start(&directory);
    let name = ShortString::clipped;
    let declare = queue::Declare { queue: name("q"), durable: true, ..Default::default() };
    let declare = Change::DeclareQueue { vhost: name("/"), declare };
    let bind = queue::Bind { queue: name("q"), exchange: name("nowhere"), ..Default::default() };
    let bind = Change::BindQueue { vhost: name("/"), bind };
    let refused = server.change(vec![declare.clone(), bind]);
    let text = "binding of queue 'q' to 'nowhere' in vhost '/': no exchange 'nowhere' in vhost '/'";
    assert_eq!(refused, Err(ChangeRefused::NotFound(text.to_owned())));
    let (mut client, channel) = open(&server);
    let passive = queue::Declare { queue: name("q"), passive: true, ..Default::default() };
    assert!(client.call(channel, passive.clone()).is_err());
    drop(client);
    let bind = queue::Bind { queue: name("q"), exchange: name("amq.topic"), ..Default::default() };
    server.change(vec![declare, Change::BindQueue { vhost: name("/"), bind }]).unwrap();
    let (mut client, channel) = open(&server);
    client.call(channel, passive).unwrap();
    drop(client);
    server.stop();
}
