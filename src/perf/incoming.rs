//! What a broker sends, read in place: deliveries and confirms without an allocation.
//!
//! ```text
//!             basic.deliver         header            body frames: whole, or in parts as they come
//!   Method ────────────────▶ Header ──────▶ Body ──▶ Part ──▶ Body ... ──▶ Method, and a Delivery
//! ```
//!
//! Left out: basic.return and basic.get-ok, which nothing here asks for.

use crate::wire::{
    FRAME_END, FRAME_OVERHEAD, Frame, FrameKind, Method, Reader, WireError, parse_frame,
    parse_frame_header,
};

use super::stamp::{STAMP_OCTETS, Stamp};

/// Octets before a frame's payload.
const FRAME_HEADER: usize = FRAME_OVERHEAD as usize - 1;

const DELIVER: [u8; 4] = [0, 60, 0, 60];
const ACK: [u8; 4] = [0, 60, 0, 80];
const NACK: [u8; 4] = [0, 60, 0, 120];

/// What has come.
#[derive(Debug)]
pub(super) enum Event {
    /// A message, with its whole body.
    Delivery(Delivery),
    /// A publish was taken, or all up to it.
    Confirm(Confirm),
    /// Anything else.
    Method(Box<Method>),
}

/// A message that was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    /// The consumer tag, which is a number here.
    pub(super) slot: usize,
    /// The delivery tag.
    pub(super) tag: u64,
    /// Whether it may have been delivered before.
    pub(super) redelivered: bool,
    /// What the body begins with, if it is one of ours.
    pub(super) stamp: Option<Stamp>,
}

/// basic.ack or basic.nack from the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Confirm {
    /// The number of the publish.
    pub(super) tag: u64,
    /// All up to it too.
    pub(super) multiple: bool,
    /// The broker could not take it.
    pub(super) refused: bool,
}

/// Where in a message the reading is.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Method,
    Header(Delivery),
    Body {
        delivery: Delivery,
        size: u64,
        missing: u64,
    },
    Part {
        delivery: Delivery,
        size: u64,
        missing: u64,
        left: u64,
    },
}

impl Incoming {
    /// Reads on. Returns how many octets were used, and what they were if that was something; no
    /// octets and nothing when more must come first.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<(usize, Option<Event>), WireError> {
        match self.state {
            State::Body { delivery, size, missing } => self.body(bytes, delivery, size, missing),
            State::Part { delivery, size, missing, left } => {
                self.part(bytes, delivery, [size, missing, left])
            }
            State::Method | State::Header(_) => {
                let Some((frame, taken)) = parse_frame(bytes, u32::MAX)? else {
                    return Ok((0, None));
                };
                Ok((taken, self.frame(frame)?))
            }
        }
    }

    fn frame(&mut self, frame: Frame<'_>) -> Result<Option<Event>, WireError> {
        match (frame.kind, self.state) {
            (FrameKind::Heartbeat, _) => Ok(None),
            (FrameKind::Method, State::Method) => self.method(frame.payload),
            (FrameKind::Header, State::Header(delivery)) => {
                let mut reader = Reader::new(frame.payload);
                reader.take(4)?;
                let size = reader.u64()?;
                Ok(self.go_on(delivery, size, size))
            }
            _ => Err(WireError::frame("a frame that is not due")),
        }
    }

    fn method(&mut self, payload: &[u8]) -> Result<Option<Event>, WireError> {
        let mut reader = Reader::new(payload);
        let id = reader.take(4)?;
        if id == DELIVER {
            let slot = number(reader.short()?)?;
            let tag = reader.u64()?;
            let redelivered = reader.u8()? != 0;
            self.state = State::Header(Delivery { slot, tag, redelivered, stamp: None });
            return Ok(None);
        }
        if id == ACK || id == NACK {
            let (tag, bits) = (reader.u64()?, reader.u8()?);
            let confirm = Confirm { tag, multiple: bits & 1 != 0, refused: id == NACK };
            return Ok(Some(Event::Confirm(confirm)));
        }
        Ok(Some(Event::Method(Box::new(Method::decode(payload)?))))
    }

    /// A body frame: all of it if it is there, else its beginning.
    fn body(
        &mut self,
        bytes: &[u8],
        mut delivery: Delivery,
        size: u64,
        missing: u64,
    ) -> Result<(usize, Option<Event>), WireError> {
        let Some(header) = parse_frame_header(bytes, u32::MAX)? else { return Ok((0, None)) };
        let payload = &bytes[FRAME_HEADER..];
        let length = header.size as usize;
        if header.kind == FrameKind::Heartbeat {
            let whole = payload.len() > length;
            return Ok((if whole { FRAME_HEADER + length + 1 } else { 0 }, None));
        }
        if header.kind != FrameKind::Body || u64::from(header.size) > missing {
            return Err(WireError::frame("a frame that is not due"));
        }
        if missing == size {
            if payload.len() < length.min(STAMP_OCTETS) {
                return Ok((0, None));
            }
            delivery.stamp = Stamp::read(&payload[..length.min(payload.len())]);
        }
        let missing = missing - u64::from(header.size);
        let rest = [size, missing, header.size.into()];
        let (taken, event) = self.part(payload, delivery, rest)?;
        Ok((FRAME_HEADER + taken, event))
    }

    /// The rest of a body frame: `left` octets and the one that ends it.
    fn part(
        &mut self,
        bytes: &[u8],
        delivery: Delivery,
        [size, missing, left]: [u64; 3],
    ) -> Result<(usize, Option<Event>), WireError> {
        let length = usize::try_from(left).unwrap_or(usize::MAX);
        match bytes.get(length) {
            Some(&FRAME_END) => Ok((length + 1, self.go_on(delivery, size, missing))),
            Some(_) => Err(WireError::frame("a frame without its end")),
            None => {
                let left = left - bytes.len() as u64;
                self.state = State::Part { delivery, size, missing, left };
                Ok((bytes.len(), None))
            }
        }
    }

    fn go_on(&mut self, delivery: Delivery, size: u64, missing: u64) -> Option<Event> {
        if missing > 0 {
            self.state = State::Body { delivery, size, missing };
            return None;
        }
        self.state = State::Method;
        Some(Event::Delivery(delivery))
    }
}

/// Reads the number that a consumer tag is.
fn number(tag: &[u8]) -> Result<usize, WireError> {
    let wrong = || WireError::syntax("a consumer tag that nobody gave");
    tag.iter().try_fold(0_usize, |number, octet| {
        let digit = octet.checked_sub(b'0').filter(|digit| *digit < 10).ok_or_else(wrong)?;
        number.checked_mul(10).and_then(|ten| ten.checked_add(digit.into())).ok_or_else(wrong)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ChannelNumber;
    use crate::wire::{
        HEARTBEAT, write_body_frame_header, write_content_header, write_method_frame,
    };

    const CHANNEL: ChannelNumber = ChannelNumber(1);

    fn deliver(out: &mut Vec<u8>, tag: u64, body: &[u8]) {
        let line = format!("basic.deliver consumer_tag=\"12\" delivery_tag={tag} exchange=\"x\"");
        write_method_frame(out, CHANNEL, &line.parse().unwrap());
        write_content_header(out, CHANNEL, &[0, 0], body.len() as u64);
        for part in body.chunks(20) {
            write_body_frame_header(out, CHANNEL, u32::try_from(part.len()).unwrap());
            out.extend_from_slice(part);
            out.push(FRAME_END);
        }
    }

    /// What comes of octets that arrive so many at a time.
    fn read(bytes: &[u8], at_a_time: usize) -> Result<Vec<String>, WireError> {
        let (mut incoming, mut events) = (Incoming::default(), Vec::new());
        let (mut start, mut end) = (0, 0);
        while end < bytes.len() {
            end = bytes.len().min(end + at_a_time);
            loop {
                let (taken, event) = incoming.next(&bytes[start..end])?;
                start += taken;
                if taken == 0 {
                    break;
                }
                events.extend(event.map(|event| format!("{event:?}")));
            }
        }
        assert_eq!(start, bytes.len(), "{at_a_time} at a time");
        Ok(events)
    }

    #[test]
    fn the_same_comes_out_however_it_is_cut() {
        let mut bytes = Vec::new();
        let stamp = Stamp { publisher: 3, sequence: 4, time: 5 }.to_octets();
        deliver(&mut bytes, 1, &stamp);
        deliver(&mut bytes, 2, &[&stamp[..], &[b'x'; 90]].concat());
        bytes.extend_from_slice(&HEARTBEAT);
        deliver(&mut bytes, 3, b"");
        write_method_frame(
            &mut bytes,
            CHANNEL,
            &"basic.ack delivery_tag=9 multiple=true".parse().unwrap(),
        );
        write_method_frame(&mut bytes, CHANNEL, &"basic.nack delivery_tag=10".parse().unwrap());
        write_method_frame(&mut bytes, CHANNEL, &"channel.close-ok".parse().unwrap());
        let events = read(&bytes, bytes.len()).unwrap();
        assert_eq!(events.len(), 6, "{events:#?}");
        assert!(events[0].contains("slot: 12, tag: 1, redelivered: false, stamp: Some"));
        assert!(events[2].contains("tag: 3, redelivered: false, stamp: None"));
        assert!(events[3].contains("tag: 9, multiple: true, refused: false"));
        assert!(events[4].contains("tag: 10, multiple: false, refused: true"));
        for at_a_time in 1..60 {
            assert_eq!(read(&bytes, at_a_time).unwrap(), events);
        }
    }

    #[test]
    fn frames_that_are_not_due_are_refused() {
        let mut bytes = Vec::new();
        write_content_header(&mut bytes, CHANNEL, &[0, 0], 5);
        assert!(read(&bytes, 100).is_err());
        bytes.clear();
        deliver(&mut bytes, 1, &[0; 16]);
        let last = bytes.len() - 1;
        bytes[last] = 0;
        assert!(read(&bytes, 1000).is_err());
    }
}
