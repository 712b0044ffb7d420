//! The opening of a connection (AMQP 0-9-1, sections 2.2.4 and 4.2.2).
//!
//! ```text
//!   client                                server
//!     | AMQP 0 0 9 1                        |
//!     |------------------------------------>|
//!     |                    connection.start | what we are, how to log in
//!     |<------------------------------------|
//!     | connection.start-ok                 | who the client is
//!     |------------------------------------>|
//!     |                     connection.tune | 2047 channels, 131072 octets, 60 seconds
//!     |<------------------------------------|
//!     | connection.tune-ok, connection.open | what it takes of that, and its vhost
//!     |------------------------------------>|
//!     |                  connection.open-ok | (from the broker)
//!     |<------------------------------------|
//! ```

use crate::wire::{Field, ShortString, Table, connection};

use super::sasl::Mechanism;

/// The product we say we are: clients of RabbitMQ look for this very word.
pub const PRODUCT: &str = "RabbitMQ";

/// The version of RabbitMQ whose behaviour we follow: clients branch on it.
pub const COMPATIBLE_VERSION: &str = "4.3.0";

/// What clients and tools are told that this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The product.
    pub product: String,
    /// Its version: clients branch on it.
    pub version: String,
    /// What its cluster is called.
    pub cluster: String,
}

/// What a broker calls its cluster if nobody else does.
pub const CLUSTER: &str = "leveret";

impl Default for Identity {
    fn default() -> Self {
        Self {
            product: PRODUCT.to_owned(),
            version: COMPATIBLE_VERSION.to_owned(),
            cluster: CLUSTER.to_owned(),
        }
    }
}

/// What we really are, for people.
pub const PLATFORM: &str = concat!("Leveret ", env!("CARGO_PKG_VERSION"), ", Rust");

/// The longest frame before the limit is negotiated, in octets with header and end: room for
/// tokens as passwords, none for floods by strangers.
pub(super) const INITIAL_FRAME_MAX: u32 = 8192;

/// The least frame_max that a client may ask for (AMQP 0-9-1, section 4.2.3; RabbitMQ: 8192).
pub(super) const FRAME_MIN_SIZE: u32 = 4096;

/// What the first octets of a connection turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// Not enough octets to say.
    Incomplete,
    /// AMQP 0-9-1 or 0-9, which it is compatible with.
    Accepted,
    /// Something else: what, for the log.
    Refused(&'static str),
}

/// Judges the protocol header.
pub(super) fn judge(bytes: &[u8]) -> Greeting {
    let known = bytes.len().min(4);
    if bytes[..known] != b"AMQP"[..known] {
        return Greeting::Refused(match bytes {
            [b'G', b'E', b'T', b' ', ..] | [b'P', b'O', b'S', b'T', ..] => {
                "HTTP: this is the AMQP port"
            }
            [0x16, 0x03, ..] => "TLS: this port takes plain AMQP",
            _ => "something that is not AMQP",
        });
    }
    match bytes.get(4..8) {
        None => Greeting::Incomplete,
        Some([0, 0, 9, 1] | [1, 1, 0, 9]) => Greeting::Accepted,
        Some([_, 1, 0, 0]) => Greeting::Refused("AMQP 1.0: only AMQP 0-9-1 is spoken here"),
        Some(_) => Greeting::Refused("another version of AMQP than 0-9-1"),
    }
}

/// connection.start: what we are and how to log in.
pub(super) fn start(
    identity: &Identity,
    offered: impl Iterator<Item = Mechanism>,
) -> connection::Start {
    let mechanisms: Vec<_> = offered.map(Mechanism::name).collect();
    connection::Start {
        version_major: 0,
        version_minor: 9,
        server_properties: server_properties(identity),
        mechanisms: mechanisms.join(" ").into(),
        locales: b"en_US".to_vec(),
    }
}

fn server_properties(identity: &Identity) -> Table {
    let capabilities = CAPABILITIES.iter().map(|name| (name, Field::Boolean(true)));
    let capabilities = Field::Table(capabilities.map(entry).collect());
    let text = |value: &str| Field::LongString(value.as_bytes().to_vec());
    [
        (&"capabilities", capabilities),
        (&"cluster_name", text(&identity.cluster)),
        (&"copyright", text("The contributors of Leveret")),
        (&"information", text("Licensed under MIT or Apache-2.0")),
        (&"platform", text(PLATFORM)),
        (&"product", text(&identity.product)),
        (&"version", text(&identity.version)),
    ]
    .into_iter()
    .map(entry)
    .collect()
}

fn entry((name, value): (&&'static str, Field)) -> (ShortString, Field) {
    (ShortString::clipped(name), value)
}

/// RabbitMQ's extensions that the broker has.
const CAPABILITIES: [&str; 9] = [
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
    "direct_reply_to",
];

/// Limits that both sides keep: offered by connection.tune, settled by connection.tune-ok.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The most channels open at a time.
    pub channel_max: u16,
    /// The longest frame in octets, header and end included.
    pub frame_max: u32,
    /// Each side sends something at least this often; 0 is never.
    pub heartbeat_seconds: u16,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { channel_max: 2047, frame_max: 131_072, heartbeat_seconds: 60 }
    }
}

impl Tuning {
    /// The connection.tune that offers these limits.
    pub fn offer(&self) -> connection::Tune {
        connection::Tune {
            channel_max: self.channel_max,
            frame_max: self.frame_max,
            heartbeat: self.heartbeat_seconds,
        }
    }

    /// What the client made of the offer, or why it may not, in RabbitMQ's words. 0, "no limit", is
    /// above any limit that we have. The heartbeat is the client's to choose.
    pub fn settle(&self, answer: &connection::TuneOk) -> Result<Self, String> {
        check("channel_max", answer.channel_max.into(), 1, self.channel_max.into())?;
        check("frame_max", answer.frame_max, FRAME_MIN_SIZE, self.frame_max)?;
        Ok(Self {
            channel_max: answer.channel_max,
            frame_max: answer.frame_max,
            heartbeat_seconds: answer.heartbeat,
        })
    }
}

fn check(name: &str, value: u32, minimum: u32, maximum: u32) -> Result<(), String> {
    if value == 0 || value > maximum {
        let shown = if value == 0 { "0 (no limit)".to_owned() } else { value.to_string() };
        Err(format!(
            "negotiated {name} = {shown} is higher than the maximum allowed value ({maximum})"
        ))
    } else if value < minimum {
        Err(format!(
            "negotiated {name} = {value} is lower than the minimum allowed value ({minimum})"
        ))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::PROTOCOL_HEADER;

    #[test]
    fn a_protocol_header_is_judged_as_soon_as_it_can_be() {
        for length in 0..8 {
            assert_eq!(judge(&PROTOCOL_HEADER[..length]), Greeting::Incomplete);
        }
        assert_eq!(judge(&PROTOCOL_HEADER), Greeting::Accepted);
        assert_eq!(judge(b"AMQP\x01\x01\x00\x09"), Greeting::Accepted);
        for (bytes, what) in [
            (&b"GET / HTTP/1.1"[..], "HTTP"),
            (b"\x16\x03\x01\x02\x00", "TLS"),
            (b"AMQP\x00\x01\x00\x00", "AMQP 1.0"),
            (b"AMQP\x03\x01\x00\x00", "AMQP 1.0"),
            (b"AMQP\x00\x00\x08\x00", "another version"),
            (b"AMQX", "something"),
            (b"\0", "something"),
        ] {
            let Greeting::Refused(found) = judge(bytes) else { unreachable!("{bytes:?}") };
            assert!(found.starts_with(what), "{bytes:?}: {found}");
        }
    }

    #[test]
    fn tune_ok_takes_limits_from_the_minimum_to_the_offer() {
        let check = |channel_max, frame_max| {
            let answer = connection::TuneOk { channel_max, frame_max, heartbeat: 7 };
            Tuning::default().settle(&answer)
        };
        for (channel_max, frame_max) in [(2047, 131_072), (1, 4096), (100, 8192)] {
            let settled = check(channel_max, frame_max).unwrap();
            assert_eq!(settled, Tuning { channel_max, frame_max, heartbeat_seconds: 7 });
        }
        for (channel_max, frame_max, reason) in [
            (0, 131_072, "channel_max = 0 (no limit) is higher"),
            (2048, 131_072, "channel_max = 2048 is higher"),
            (2047, 0, "frame_max = 0 (no limit) is higher"),
            (2047, 131_073, "frame_max = 131073 is higher"),
            (2047, 4095, "frame_max = 4095 is lower"),
        ] {
            assert!(check(channel_max, frame_max).unwrap_err().contains(reason));
        }
    }

    #[test]
    fn server_properties_say_what_clients_look_for() {
        let properties = server_properties(&Identity::default());
        let text = |key| match properties.get(key) {
            Some(Field::LongString(text)) => String::from_utf8(text.clone()).unwrap(),
            other => unreachable!("{key}: {other:?}"),
        };
        assert_eq!(text("product"), "RabbitMQ");
        assert_eq!(text("version").split('.').count(), 3);
        assert!(text("platform").starts_with("Leveret "));
        let Some(Field::Table(capabilities)) = properties.get("capabilities") else {
            unreachable!("no capabilities")
        };
        assert_eq!(capabilities.len(), 9);
        assert!(capabilities.iter().all(|(_, value)| *value == Field::Boolean(true)));
    }
}
