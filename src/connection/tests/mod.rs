//! A client and a connection without a socket between them.

mod contents;
mod endings;
mod handshake;
mod nesting;
mod refusals;
mod sending;

use std::sync::Arc;

use crate::broker::access::{Hashing, PasswordHash, SALT_OCTETS, User};
use crate::broker::{Command, Output};
use crate::ids::{ChannelNumber, ConnectionId, Timestamp};
use crate::wire::{
    FrameKind, Method, PROTOCOL_HEADER, Properties, ShortString, parse_frame, write_content_header,
    write_method_frame, write_with_frame,
};

use super::{Connection, ConnectionOptions, Logins};

const START_OK: &str = "connection.start-ok mechanism=\"PLAIN\" response=\"\0guest\0guest\" \
                        locale=\"en_US\"";
const TUNE_OK: &str = "connection.tune-ok channel_max=2047 frame_max=131072 heartbeat=60";
const OPEN: &str = "connection.open virtual_host=\"/\"";
const PUBLISH: &str = "basic.publish exchange=\"logs\" routing_key=\"key\" mandatory=true";

/// The user guest, from the machine itself.
pub(super) fn guest_only() -> Logins {
    guest_with(Hashing::Sha256)
}

fn guest_with(hashing: Hashing) -> Logins {
    let hash = PasswordHash::new(hashing, [0; SALT_OCTETS], b"guest");
    let guest =
        User { password: Some(hash), tags: vec![], max_connections: None, max_channels: None };
    let users = Arc::new([(ShortString::clipped("guest"), guest)].into());
    Logins::new(users, ["guest".to_owned()], Hashing::Sha256, [0; 32])
}

/// A client that writes octets and reads transcript lines.
struct Peer {
    now: Timestamp,
    connection: Connection,
    read: Vec<u8>,
    commands: Vec<Command>,
}

impl Peer {
    fn from(address: &str) -> Self {
        Self::with_bodies(address, 1000)
    }

    /// Whose bodies may be so long.
    fn with_bodies(address: &str, octets: u64) -> Self {
        Self::with_logins(address, octets, Arc::new(guest_only()))
    }

    fn with_logins(address: &str, octets: u64, logins: Arc<Logins>) -> Self {
        let options =
            ConnectionOptions { body_octets_max: octets, ..ConnectionOptions::new(logins) };
        let now = Timestamp(1_000_000);
        let peer = address.parse().unwrap();
        let connection = Connection::new(ConnectionId(1), peer, Arc::new(options), now);
        Self { now, connection, read: Vec::new(), commands: Vec::new() }
    }

    fn open_with(tune_ok: &str) -> Self {
        let mut peer = Self::from("127.0.0.1:4711");
        peer.open_channel_zero(tune_ok);
        peer
    }

    /// Says all that goes before the first channel.
    fn open_channel_zero(&mut self, tune_ok: &str) {
        self.write(&PROTOCOL_HEADER);
        for line in [START_OK, tune_ok, OPEN] {
            self.write(&method(0, line));
        }
        self.written();
        assert!(matches!(self.commands.pop(), Some(Command::Open(_))));
    }

    fn open() -> Self {
        Self::open_with(TUNE_OK)
    }

    fn write(&mut self, octets: &[u8]) {
        self.read.extend_from_slice(octets);
        self.connection.receive(self.now, &mut self.read, &mut self.commands);
    }

    fn send(&mut self, output: Output) {
        self.connection.send(&mut vec![output]);
    }

    fn wait(&mut self, seconds: u64) {
        self.now = Timestamp(self.now.0 + seconds * 1000);
        self.connection.tick(self.now, &mut self.commands);
    }

    /// The octets that the connection has to write.
    fn octets(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        loop {
            self.connection.fill(self.now);
            let run: Vec<u8> = self.connection.outgoing().runs().flatten().copied().collect();
            if run.is_empty() {
                return octets;
            }
            // Written in two parts, to stop in the middle of anything.
            octets.extend_from_slice(&run);
            self.connection.wrote(self.now, run.len() / 2);
            self.connection.wrote(self.now, run.len() - run.len() / 2);
        }
    }

    /// The frames that the connection has to write, as lines.
    fn written(&mut self) -> Vec<String> {
        let octets = self.octets();
        let mut lines = Vec::new();
        let mut at = 0;
        while let Some((frame, length)) = parse_frame(&octets[at..], 131_064).unwrap() {
            at += length;
            let channel = frame.channel;
            lines.push(match frame.kind {
                FrameKind::Method => {
                    format!("{channel} {}", Method::decode(frame.payload).unwrap())
                }
                FrameKind::Header => format!("{channel} header {:?}", &frame.payload[4..]),
                FrameKind::Body => format!("{channel} body {}", frame.payload.len()),
                FrameKind::Heartbeat => format!("{channel} heartbeat"),
            });
        }
        assert_eq!(at, octets.len());
        lines
    }

    /// The commands since the last call, as lines.
    fn asked(&mut self) -> Vec<String> {
        self.commands.drain(..).map(|command| show(&command)).collect()
    }
}

fn show(command: &Command) -> String {
    match command {
        Command::Open(open) => {
            format!("open {} {} {}", open.user, open.virtual_host, open.channel_max)
        }
        Command::Method(channel, method) => format!("{channel} {method}"),
        Command::Publish(channel, publish) => {
            let message = &publish.message;
            format!(
                "{channel} publish {} {} mandatory={} persistent={} properties={:?} body={}",
                message.exchange(),
                String::from_utf8_lossy(message.routing_key()),
                publish.mandatory,
                message.persistent(),
                message.properties(),
                String::from_utf8_lossy(message.body()),
            )
        }
        Command::Oversized(channel, octets) => format!("{channel} oversized {octets}"),
        Command::Move(channel, order) => format!("{channel} move {order:?}"),
        Command::Drained(octets) => format!("drained {octets}"),
        Command::Gone => "gone".to_owned(),
    }
}

fn method(channel: u16, line: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let method = line.parse::<Method>().unwrap_or_else(|error| unreachable!("{line}: {error:?}"));
    write_method_frame(&mut out, ChannelNumber(channel), &method);
    out
}

/// A content header for a persistent message.
fn header(channel: u16, body_size: u64) -> Vec<u8> {
    let mut properties = Vec::new();
    Properties { delivery_mode: Some(2), ..Default::default() }.encode(&mut properties);
    let mut out = Vec::new();
    write_content_header(&mut out, ChannelNumber(channel), &properties, body_size);
    out
}

fn frame(kind: FrameKind, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_with_frame(&mut out, kind, ChannelNumber(channel), |out| out.extend_from_slice(payload));
    out
}

fn body(channel: u16, payload: &str) -> Vec<u8> {
    frame(FrameKind::Body, channel, payload.as_bytes())
}

fn published(channel: u16, body: &str) -> String {
    format!(
        "{channel} publish logs key mandatory=true persistent=true properties=[16, 0, 2] \
         body={body}"
    )
}

fn plain(response: &str, close_wanted: bool) -> Vec<u8> {
    method(
        0,
        &format!(
            "connection.start-ok client_properties={{capabilities: \
             {{authentication_failure_close: {close_wanted}}}}} mechanism=\"PLAIN\" \
             response=\"{response}\" locale=\"en_US\""
        ),
    )
}
