//! The header `x-stream-offset`, which every delivery from a stream has.
//!
//! ```text
//!   | flags | content-type | content-encoding | length | table .....| the other values |
//!                                                                   ^ | 15 | x-stream-offset | l | i64 |
//! ```
//!
//! It is put behind the others in the octets of the properties, which are not decoded for it. The
//! body stays where it is.

use crate::ids::Ordinal;
use crate::message::Message;
use crate::wire::{Field, Properties, ShortString};

use super::offset;

const NAME: &str = "x-stream-offset";
/// Property flags (section 4.2.6.1): which values come before the headers.
const CONTENT_TYPE_FLAG: u16 = 1 << 15;
const CONTENT_ENCODING_FLAG: u16 = 1 << 14;
const HEADERS_FLAG: u16 = 1 << 13;

/// A message as consumers of a stream get it.
pub(super) fn with_offset(message: &Message, ordinal: Ordinal) -> Message {
    let offset = i64::try_from(offset(ordinal)).unwrap_or(i64::MAX);
    match spliced(message.properties(), offset).or_else(|| rebuilt(message.properties(), offset)) {
        Some(properties) => message.with_properties(properties),
        None => message.clone(), // properties were checked when they came
    }
}

/// The properties with the header put in. None if they have one of that name already.
fn spliced(properties: &[u8], offset: i64) -> Option<Vec<u8>> {
    let (flags, mut at) = (u16::from_be_bytes(*properties.first_chunk()?), 2);
    for flag in [CONTENT_TYPE_FLAG, CONTENT_ENCODING_FLAG] {
        if flags & flag != 0 {
            at += 1 + usize::from(*properties.get(at)?);
        }
    }
    let (before, rest) = properties.split_at_checked(at)?;
    let (table, rest) = if flags & HEADERS_FLAG == 0 {
        ([].as_slice(), rest)
    } else {
        let (length, rest) = rest.split_first_chunk()?;
        rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?
    };
    if table.windows(NAME.len()).any(|octets| octets == NAME.as_bytes()) {
        return None;
    }
    let header = [&[15], NAME.as_bytes(), b"l", &offset.to_be_bytes()].concat();
    let length = u32::try_from(table.len() + header.len()).ok()?.to_be_bytes();
    let flags = (flags | HEADERS_FLAG).to_be_bytes();
    Some([&flags, before.get(2..)?, &length, table, &header, rest].concat())
}

/// As [`spliced`], where the publisher has brought such a header.
fn rebuilt(octets: &[u8], offset: i64) -> Option<Vec<u8>> {
    let mut properties = Properties::decode(octets).ok()?;
    let headers = properties.headers.get_or_insert_default();
    headers.remove(NAME);
    headers.insert(ShortString::clipped(NAME), Field::I64(offset));
    let mut octets = Vec::new();
    properties.encode(&mut octets);
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_added_to_whatever_properties_there_are() {
        for (properties, told) in [
            ("", "headers: {x-stream-offset: l(6)}"),
            ("headers: {}", "headers: {x-stream-offset: l(6)}"),
            (
                "content_type: \"a\", headers: {b: 1}, delivery_mode: 2",
                "content_type: \"a\", headers: {b: 1, x-stream-offset: l(6)}, delivery_mode: 2",
            ),
            ("content_encoding: \"e\", priority: 3", {
                "content_encoding: \"e\", headers: {x-stream-offset: l(6)}, priority: 3"
            }),
            ("headers: {x-stream-offset: \"x\", b: 1}", "headers: {b: 1, x-stream-offset: l(6)}"),
        ] {
            let mut octets = Vec::new();
            properties.parse::<Properties>().unwrap().encode(&mut octets);
            let message = Message::from_parts("x", b"key", &octets, b"body", true);
            let message = with_offset(&message, Ordinal(7));
            let properties = Properties::decode(message.properties()).unwrap();
            assert_eq!(properties.to_string(), told);
            assert_eq!((message.exchange(), message.body()), ("x", b"body".as_slice()));
        }
    }
}
