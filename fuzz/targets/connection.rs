//! A connection: however the bytes are cut into reads, they mean the same.
//!
//! The first byte says whether the handshake is done before, the second how long reads are.
#![no_main]

use std::sync::{Arc, LazyLock};

use leveret::broker::Command;
use leveret::broker::access::{Hashing, PasswordHash, SALT_OCTETS, User, Users};
use leveret::connection::{Connection, ConnectionOptions, Logins};
use leveret::ids::{ChannelNumber, ConnectionId, Timestamp};
use leveret::wire::{Method, PROTOCOL_HEADER, ShortString, write_method_frame};
use libfuzzer_sys::fuzz_target;

const OPENING: [&str; 3] = [
    "connection.start-ok mechanism=\"PLAIN\" response=\"\0guest\0guest\" locale=\"en_US\"",
    "connection.tune-ok channel_max=2047 frame_max=131072 heartbeat=60",
    "connection.open virtual_host=\"/\"",
];

static USERS: LazyLock<Arc<Users>> = LazyLock::new(|| {
    let hash = PasswordHash::new(Hashing::Sha256, [0; SALT_OCTETS], b"guest");
    let guest =
        User { password: Some(hash), tags: vec![], max_connections: None, max_channels: None };
    Arc::new([(ShortString::clipped("guest"), guest)].into())
});

/// Without a worker: passwords are compared at once.
fn options() -> Arc<ConnectionOptions> {
    let logins = Logins::new(Arc::clone(&USERS), [], Hashing::Sha256, [0; 32]);
    let mut options = ConnectionOptions::new(Arc::new(logins));
    options.body_octets_max = 1000;
    Arc::new(options)
}

fn handshake() -> Vec<u8> {
    let mut bytes = PROTOCOL_HEADER.to_vec();
    for line in OPENING {
        let method: Method = line.parse().expect("a method");
        write_method_frame(&mut bytes, ChannelNumber(0), &method);
    }
    bytes
}

/// What the connection asks of the broker and writes to the client.
fn talk(reads: impl Iterator<Item = Vec<u8>>) -> (Vec<String>, Vec<u8>) {
    let now = Timestamp(1_000_000);
    let peer = ([127, 0, 0, 1], 1).into();
    let mut connection = Connection::new(ConnectionId(1), peer, options(), now);
    let (mut read, mut commands, mut written) = (Vec::new(), Vec::new(), Vec::new());
    for bytes in reads {
        read.extend_from_slice(&bytes);
        connection.receive(now, &mut read, &mut commands);
        connection.fill(now);
        let octets = connection.outgoing().octets();
        connection.outgoing().runs().for_each(|run| written.extend_from_slice(run));
        connection.wrote(now, octets);
    }
    connection.tick(now, &mut commands);
    (commands.iter().map(show).collect(), written)
}

fn show(command: &Command) -> String {
    match command {
        Command::Publish(channel, publish) => {
            let message = &publish.message;
            format!("{channel} {:?} {:?}", message.routing_key(), message.body())
        }
        Command::Method(channel, method) => format!("{channel} {method}"),
        Command::Oversized(channel, octets) => format!("{channel} oversized {octets}"),
        Command::Open(open) => format!("open {}", open.virtual_host),
        Command::Gone => "gone".to_owned(),
        _ => "other".to_owned(),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [opened, length, rest @ ..] = bytes else { return };
    let before = if opened % 2 == 1 { handshake() } else { Vec::new() };
    let all = [&before[..], rest].concat();
    let length = usize::from(*length).max(1);
    let (asked, written) = talk(std::iter::once(all.clone()));
    let (asked_in_parts, written_in_parts) = talk(all.chunks(length).map(<[u8]>::to_vec));
    assert_eq!(asked, asked_in_parts, "in reads of {length} bytes it means something else");
    if asked.is_empty() {
        // What fails before connection.open ends without what was not written by then.
        assert!(written_in_parts.starts_with(&written));
    } else if !asked.iter().any(|command| command == "gone") {
        // Of two things that are wrong in one read either may be the one that is told.
        assert_eq!(written, written_in_parts, "in reads of {length} bytes");
    }
});
