//! A line for each message or record, as text or as JSON.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::clock::WallClock;
use crate::ids::Timestamp;
use crate::message::Message;
use crate::wire::Properties;

/// No more of a body is printed, in octets.
const BODY_BYTES_MAX: usize = 4096;

/// Prints lines.
pub(super) struct Lines<'a> {
    pub json: bool,
    pub bodies: bool,
    /// From the broker's time to the wall clock's, where that is known.
    pub wall: WallClock,
    pub out: &'a mut dyn Write,
}

impl Lines<'_> {
    /// Prints one line: what stands before, as names and values, and a message.
    pub(super) fn print(
        &mut self,
        facts: &[(&str, Value)],
        message: Option<(&Message, Timestamp)>,
    ) -> io::Result<()> {
        let mut all: Vec<(&str, Value)> = facts.to_vec();
        if let Some((message, published)) = message {
            all.extend(self.facts(message, published));
        }
        if self.json {
            let object: Map<_, _> =
                all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            return writeln!(self.out, "{}", Value::Object(object));
        }
        let words: Vec<_> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
        writeln!(self.out, "{}", words.join(" "))
    }

    fn facts(&self, message: &Message, published: Timestamp) -> Vec<(&'static str, Value)> {
        let properties = Properties::decode(message.properties());
        let properties =
            properties.map_or_else(|error| error.to_string(), |found| found.to_string());
        let mut facts = vec![
            ("published", json!(self.wall.of(published))),
            ("persistent", json!(message.persistent())),
            ("exchange", json!(message.exchange())),
            ("routing_key", json!(String::from_utf8_lossy(message.routing_key()))),
            ("properties", json!(properties.trim())),
            ("body_octets", json!(message.body_length())),
        ];
        if self.bodies {
            let body = message.body();
            let shown = &body[..body.len().min(BODY_BYTES_MAX)];
            facts.push(match std::str::from_utf8(shown) {
                Ok(text) => ("body", json!(text)),
                Err(_) => ("body_hex", json!(hex(shown))),
            });
        }
        facts
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
