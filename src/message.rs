//! A message as the broker handles it: a handle on bytes that somebody else keeps.
//!
//! ```text
//!   backing (a read buffer, or a mapped segment)
//!   | .. | exchange | .. | routing key | .. | flags + properties | .. | body .............. | .. |
//!          ^ span          ^ span             ^ span                    ^ span
//! ```
//!
//! A message is moved, not copied: from the connection that published it through the router to the
//! connection that delivers it, its bytes stay where one read put them, or where the queue log has
//! them mapped. The properties are kept as they came, so they leave byte for byte as they came.

use std::fmt;
use std::sync::Arc;

mod shared;

pub use shared::{BodyPlace, Shared};

/// Bytes that stay in place as long as somebody holds the `Arc` around them.
pub trait Backing: Send + Sync {
    /// The bytes of `span`, which the holder knows to be inside.
    fn slice(&self, span: Span) -> &[u8];

    /// What the holders of a message that went to several queues share; None for any other.
    fn shared(&self) -> Option<&Shared> {
        None
    }
}

impl Backing for Vec<u8> {
    fn slice(&self, span: Span) -> &[u8] {
        &self[span.start as usize..][..span.length as usize]
    }
}

/// Stands before the exchange of a dead letter. No name begins with it: names are UTF-8.
const REBORN: u8 = 0xff;

/// A range of a backing, in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first octet.
    pub start: u32,
    /// How many octets.
    pub length: u32,
}

/// Where the four parts of a message are in its backing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The name of the exchange it was published to: UTF-8, at most 255 octets.
    pub exchange: Span,
    /// Its routing key: any octets, at most 255.
    pub routing_key: Span,
    /// Property flags and property values, as in a content header frame from its 13th octet on.
    pub properties: Span,
    /// The body.
    pub body: Span,
}

/// Where the properties of an [`Overlaid`] are. No span of a file or a buffer begins there.
const OVERLAID: u32 = u32::MAX;

/// A backing with the properties in another place.
struct Overlaid {
    below: Arc<dyn Backing>,
    properties: Vec<u8>,
}

impl Backing for Overlaid {
    fn slice(&self, span: Span) -> &[u8] {
        if span.start == OVERLAID { &self.properties } else { self.below.slice(span) }
    }
}

/// The backing of a message that went to several queues.
struct SharedBacking {
    below: Arc<dyn Backing>,
    shared: Shared,
}

impl Backing for SharedBacking {
    fn slice(&self, span: Span) -> &[u8] {
        self.below.slice(span)
    }

    fn shared(&self) -> Option<&Shared> {
        Some(&self.shared)
    }
}

/// A published message: routing facts, properties and body. Cloning shares the bytes.
#[derive(Clone)]
pub struct Message {
    backing: Arc<dyn Backing>,
    parts: Parts,
    property_flags: u16,
    persistent: bool,
    /// Whether the backing has something that its holders share.
    is_shared: bool,
}

impl Message {
    /// A message whose parts lie in `backing`; `persistent` is delivery-mode 2.
    pub fn new(backing: Arc<dyn Backing>, parts: Parts, persistent: bool) -> Self {
        let property_flags = match backing.slice(parts.properties) {
            [high, low, ..] => u16::from_be_bytes([*high, *low]),
            _ => 0,
        };
        Self { backing, parts, property_flags, persistent, is_shared: false }
    }

    /// A message with bytes of its own: for tests, and for messages that the broker makes itself.
    pub fn from_parts(
        exchange: &str,
        routing_key: &[u8],
        properties: &[u8],
        body: &[u8],
        persistent: bool,
    ) -> Self {
        Self::assemble([exchange.as_bytes(), routing_key, properties, body], persistent)
    }

    /// A dead message as the broker publishes it anew, with the history that it wrote itself.
    pub fn reborn(exchange: &str, routing_key: &[u8], properties: &[u8], dead: &Self) -> Self {
        let marked = [&[REBORN], exchange.as_bytes()].concat();
        Self::assemble([&marked, routing_key, properties, dead.body()], dead.persistent)
    }

    fn assemble(octets: [&[u8]; 4], persistent: bool) -> Self {
        let [exchange, routing_key, properties, body] = octets;
        let mut bytes = Vec::with_capacity(octets.iter().map(|part| part.len()).sum());
        let mut put = |part: &[u8]| {
            let start = length_u32(bytes.len());
            bytes.extend_from_slice(part);
            Span { start, length: length_u32(part.len()) }
        };
        let parts = Parts {
            exchange: put(exchange),
            routing_key: put(routing_key),
            properties: put(properties),
            body: put(body),
        };
        Self::new(Arc::new(bytes), parts, persistent)
    }

    /// The same message with octets of its own: for one that may stay long, where the backing may
    /// be much larger than the message.
    #[must_use]
    pub fn compact(&self) -> Self {
        let (exchange, key) = (self.exchange(), self.routing_key());
        Self::from_parts(exchange, key, self.properties(), self.body(), self.persistent)
    }

    /// The same message with other properties; the other octets stay where they are.
    #[must_use]
    pub fn with_properties(&self, properties: Vec<u8>) -> Self {
        let length = length_u32(properties.len());
        let backing = Overlaid { below: Arc::clone(&self.backing), properties };
        let properties = Span { start: OVERLAID, length };
        Self::new(Arc::new(backing), Parts { properties, ..self.parts }, self.persistent)
    }

    /// The same message for several queues: what they keep of it in common is counted and stored
    /// once.
    #[must_use]
    pub fn for_several(&self) -> Self {
        if self.is_shared {
            return self.clone();
        }
        let (below, shared) = (Arc::clone(&self.backing), Shared::default());
        let backing = Arc::new(SharedBacking { below, shared });
        Self { backing, is_shared: true, ..self.clone() }
    }

    /// What its holders share, if it went to several queues.
    pub fn shared(&self) -> Option<&Shared> {
        if self.is_shared { self.backing.shared() } else { None }
    }

    /// The same message for a queue that keeps all its messages, whatever their publisher asks.
    #[must_use]
    pub fn kept(&self) -> Self {
        Self { persistent: true, ..self.clone() }
    }

    /// The exchange it was published to; empty for the default exchange.
    pub fn exchange(&self) -> &str {
        // Decoded as UTF-8 at the door; a record from disk carries a checksum.
        let octets = self.exchange_octets();
        std::str::from_utf8(octets.strip_prefix(&[REBORN]).unwrap_or(octets)).unwrap_or_default()
    }

    /// The exchange as it is kept: marked if the broker itself published the message there.
    pub fn exchange_octets(&self) -> &[u8] {
        self.backing.slice(self.parts.exchange)
    }

    /// Whether the broker published it there itself, as a dead letter.
    pub fn is_reborn(&self) -> bool {
        self.exchange_octets().first() == Some(&REBORN)
    }

    /// The routing key it was published with.
    pub fn routing_key(&self) -> &[u8] {
        self.backing.slice(self.parts.routing_key)
    }

    /// Property flags and values as the publisher sent them.
    pub fn properties(&self) -> &[u8] {
        self.backing.slice(self.parts.properties)
    }

    /// The flags that say which properties it has (section 4.2.6.1). They are at hand: asking for
    /// them does not touch the message's octets, which another processor may have in its cache.
    pub fn property_flags(&self) -> u16 {
        self.property_flags
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.backing.slice(self.parts.body)
    }

    /// The body's length in octets.
    pub fn body_length(&self) -> u32 {
        self.parts.body.length
    }

    /// Octets of all parts together: what it costs to keep or to send.
    pub fn size(&self) -> u64 {
        let Parts { exchange, routing_key, properties, body } = self.parts;
        [exchange, routing_key, properties, body].iter().map(|span| u64::from(span.length)).sum()
    }

    /// Whether it was published with delivery-mode 2.
    pub fn persistent(&self) -> bool {
        self.persistent
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("exchange", &self.exchange())
            .field("routing_key", &String::from_utf8_lossy(self.routing_key()))
            .field("body_length", &self.body_length())
            .field("persistent", &self.persistent)
            .finish()
    }
}

/// A length as the 32 bits that AMQP and the store give it. Bodies are limited to 512 MiB and
/// frames far below that before anything gets here, so the limit cannot be reached.
fn length_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
