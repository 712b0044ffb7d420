//! Frames (section 4.2.3).
//!
//! ```text
//!   0      1         3         7                 7+size
//!   | type | channel | size u32 | payload ........ | 0xCE |
//!
//!   type 1 method:   | class u16 | method u16 | arguments ... |
//!   type 2 header:   | class u16 | weight u16 = 0 | body size u64 | flags u16 | property values ... |
//!   type 3 body:     | octets of the body, at most frame_max - 8 |
//!   type 8 heartbeat: nothing, on channel 0
//! ```

use byteorder::{BigEndian, ByteOrder};

use crate::ids::ChannelNumber;

use super::codec::WireError;
use super::methods::Method;

/// The octets that open a connection (section 4.2.2).
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

/// The octet that ends every frame.
pub const FRAME_END: u8 = 0xCE;

/// What a frame has beside its payload: seven octets before, one behind.
pub const FRAME_OVERHEAD: u32 = 8;

/// A whole heartbeat frame.
pub const HEARTBEAT: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, FRAME_END];

/// Octets before the payload.
const HEADER_LENGTH: usize = 7;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A method.
    Method,
    /// The header of a content.
    Header,
    /// A part of a content's body.
    Body,
    /// A sign of life.
    Heartbeat,
}

/// The seven octets before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the frame carries.
    pub kind: FrameKind,
    /// Its channel.
    pub channel: ChannelNumber,
    /// Octets of the payload.
    pub size: u32,
}

/// A frame whose payload lies in the octets it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it carries.
    pub kind: FrameKind,
    /// Its channel.
    pub channel: ChannelNumber,
    /// What it carries, as octets.
    pub payload: &'a [u8],
}

/// Reads a frame's header; `None` when its seven octets are not all there.
///
/// # Errors
///
/// 501 for an unknown type, or more payload than `payload_max`: as soon as it is announced.
pub fn parse_frame_header(
    bytes: &[u8],
    payload_max: u32,
) -> Result<Option<FrameHeader>, WireError> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER_LENGTH>() else {
        return Ok(None);
    };
    let size = BigEndian::read_u32(&header[3..]);
    let kind = match header[0] {
        1 => FrameKind::Method,
        2 => FrameKind::Header,
        3 => FrameKind::Body,
        8 => FrameKind::Heartbeat,
        other => return Err(WireError::frame(format!("unknown frame type {other}"))),
    };
    if size > payload_max {
        // RabbitMQ's words; it shows the payload's first octets, of which it has none yet.
        return Err(WireError::frame(format!(
            "type {}, all octets = <<>>: {{frame_too_large,{size},{payload_max}}}",
            header[0]
        )));
    }
    let channel = ChannelNumber(BigEndian::read_u16(&header[1..]));
    Ok(Some(FrameHeader { kind, channel, size }))
}

/// Reads the frame that the octets begin with, and how many octets it takes; `None` when it is not
/// all there.
///
/// # Errors
///
/// 501 as [`parse_frame_header`], and when the last octet is not [`FRAME_END`].
pub fn parse_frame(
    bytes: &[u8],
    payload_max: u32,
) -> Result<Option<(Frame<'_>, usize)>, WireError> {
    let Some(FrameHeader { kind, channel, size }) = parse_frame_header(bytes, payload_max)? else {
        return Ok(None);
    };
    let end = HEADER_LENGTH + usize::try_from(size).unwrap_or(usize::MAX - HEADER_LENGTH);
    let Some(last) = bytes.get(end) else { return Ok(None) };
    if *last != FRAME_END {
        return Err(WireError::frame(format!("a frame ends with {last}, not with {FRAME_END}")));
    }
    let payload = &bytes[HEADER_LENGTH..end];
    Ok(Some((Frame { kind, channel, payload }, end + 1)))
}

/// Writes a frame around what `write` writes.
pub fn write_with_frame(
    out: &mut Vec<u8>,
    kind: FrameKind,
    channel: ChannelNumber,
    write: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    write_frame_header(out, kind, channel, 0);
    write(out);
    let size = u32::try_from(out.len() - start - HEADER_LENGTH).unwrap_or(u32::MAX);
    out[start + 3..start + 7].copy_from_slice(&size.to_be_bytes());
    out.push(FRAME_END);
}

/// Writes a method frame.
pub fn write_method_frame(out: &mut Vec<u8>, channel: ChannelNumber, method: &Method) {
    write_with_frame(out, FrameKind::Method, channel, |out| method.encode(out));
}

/// Writes the header frame of a content of class basic. `properties` are flags and values.
pub fn write_content_header(
    out: &mut Vec<u8>,
    channel: ChannelNumber,
    properties: &[u8],
    body_size: u64,
) {
    write_with_frame(out, FrameKind::Header, channel, |out| {
        out.extend_from_slice(&[0, 60, 0, 0]);
        out.extend_from_slice(&body_size.to_be_bytes());
        out.extend_from_slice(properties);
    });
}

/// Writes the octets before a body frame's payload; the payload and [`FRAME_END`] are the caller's.
pub fn write_body_frame_header(out: &mut Vec<u8>, channel: ChannelNumber, size: u32) {
    write_frame_header(out, FrameKind::Body, channel, size);
}

fn write_frame_header(out: &mut Vec<u8>, kind: FrameKind, channel: ChannelNumber, size: u32) {
    let kind = match kind {
        FrameKind::Method => 1,
        FrameKind::Header => 2,
        FrameKind::Body => 3,
        FrameKind::Heartbeat => 8,
    };
    let [high, low] = channel.0.to_be_bytes();
    let [a, b, c, d] = size.to_be_bytes();
    out.extend_from_slice(&[kind, high, low, a, b, c, d]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ReplyCode, channel};

    #[test]
    fn a_frame_is_read_when_its_last_octet_is_there() {
        let mut bytes = Vec::new();
        write_method_frame(&mut bytes, ChannelNumber(7), &channel::Open {}.into());
        for end in 0..bytes.len() {
            assert_eq!(parse_frame(&bytes[..end], 4096).unwrap(), None);
        }
        bytes.extend_from_slice(&HEARTBEAT);
        let (frame, taken) = parse_frame(&bytes, 4096).unwrap().unwrap();
        assert_eq!((frame.kind, frame.channel), (FrameKind::Method, ChannelNumber(7)));
        let (frame, _) = parse_frame(&bytes[taken..], 4096).unwrap().unwrap();
        assert_eq!((frame.kind, frame.payload), (FrameKind::Heartbeat, &[][..]));
    }

    #[test]
    fn too_much_payload_is_refused_before_it_comes() {
        let error = parse_frame(&[3, 0, 1, 0, 3, 13, 64], 131_064).unwrap_err();
        assert_eq!(error.code, ReplyCode::FrameError);
        assert_eq!(error.text, "type 3, all octets = <<>>: {frame_too_large,200000,131064}");
    }

    #[test]
    fn a_wrong_end_and_a_wrong_type_are_refused() {
        let mut bytes = HEARTBEAT;
        bytes[7] = 0;
        assert_eq!(parse_frame(&bytes, 4096).unwrap_err().code, ReplyCode::FrameError);
        let error = parse_frame(&[9, 0, 0, 0, 0, 0, 0], 4096).unwrap_err();
        assert_eq!(error.code, ReplyCode::FrameError);
    }
}
