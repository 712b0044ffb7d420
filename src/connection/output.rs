//! From the broker's outputs to octets.
//!
//! ```text
//!   bytes   | method | header | frame header |      | 0xCE | method | header | body | ..
//!   bodies                                   | .... |
//!                                              a large body stays in its message and is written
//!                                              from there, by one vectored write with the rest
//! ```

use std::collections::VecDeque;
use std::ops::Range;

use crate::broker::{Deliveries, Delivery};
use crate::ids::{ChannelNumber, DeliveryTag};
use crate::message::Message;
use crate::wire::{
    FRAME_END, FRAME_OVERHEAD, FrameKind, HEARTBEAT, Method, MethodId, ReplyCode, basic,
    write_body_frame_header, write_content_header, write_method_frame, write_with_frame,
};

/// Bodies from this length on are not copied, in octets.
const BY_REFERENCE_OCTETS: usize = 16 * 1024;

/// What is to be written to the socket, in order.
pub struct Outgoing {
    frame_max: usize,
    bytes: Vec<u8>,
    /// Octets of `bytes` that are in `pieces`; those behind them come last.
    sealed: usize,
    pieces: VecDeque<Piece>,
    waiting: usize,
}

/// Octets to write, in one run.
enum Piece {
    Bytes(Range<usize>),
    Body(Message, Range<usize>),
}

impl Outgoing {
    /// Nothing to write yet. `frame_max` is that of connection.tune-ok.
    pub fn new(frame_max: u32) -> Self {
        let mut outgoing = Self {
            frame_max: 0,
            bytes: Vec::new(),
            sealed: 0,
            pieces: VecDeque::new(),
            waiting: 0,
        };
        outgoing.set_frame_max(frame_max);
        outgoing
    }

    /// Sets the longest frame in octets, header and end included.
    pub fn set_frame_max(&mut self, frame_max: u32) {
        self.frame_max = usize::try_from(frame_max).unwrap_or(usize::MAX);
    }

    /// Octets that wait to be written.
    pub fn octets(&self) -> usize {
        self.waiting + (self.bytes.len() - self.sealed)
    }

    /// Whether everything is written.
    pub fn is_empty(&self) -> bool {
        self.octets() == 0
    }

    /// The octets to write, as runs in order.
    pub fn runs(&mut self) -> impl Iterator<Item = &[u8]> {
        self.seal();
        let bytes = &self.bytes;
        self.pieces.iter().map(move |piece| match piece {
            Piece::Bytes(range) => &bytes[range.clone()],
            Piece::Body(message, range) => &message.body()[range.clone()],
        })
    }

    /// So many octets have been written.
    pub fn advance(&mut self, mut written: usize) {
        self.seal();
        self.waiting = self.waiting.saturating_sub(written);
        while let Some(Piece::Bytes(range) | Piece::Body(_, range)) = self.pieces.front_mut() {
            if written < range.len() {
                range.start += written;
                return;
            }
            written -= range.len();
            self.pieces.pop_front();
        }
        self.clear();
    }

    /// Forgets what has not been written.
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.bytes.clear();
        self.sealed = 0;
        self.waiting = 0;
    }

    /// Gives back what a busy time has taken: called when the connection is idle.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to(0);
        self.pieces.shrink_to(0);
    }

    /// Adds octets that are no frame: the answer to a bad protocol header.
    pub fn raw(&mut self, octets: &[u8]) {
        self.bytes.extend_from_slice(octets);
    }

    /// Adds a heartbeat.
    pub fn heartbeat(&mut self) {
        self.bytes.extend_from_slice(&HEARTBEAT);
    }

    /// Adds a method without content.
    pub fn method(&mut self, channel: ChannelNumber, method: &Method) {
        write_method_frame(&mut self.bytes, channel, method);
    }

    /// Adds the basic.deliver of the message at `place` in a run.
    pub fn deliver(&mut self, run: &Deliveries, place: usize) {
        let Some(Delivery { redelivered, message }) = run.messages.get(place) else { return };
        let tag = DeliveryTag(run.first_tag.0 + place as u64);
        self.content_method(run.channel, basic::Deliver::ID, |out| {
            put_short(out, run.consumer_tag.as_bytes());
            out.extend_from_slice(&tag.0.to_be_bytes());
            out.push(u8::from(*redelivered));
            put_short(out, message.exchange().as_bytes());
            put_short(out, message.routing_key());
        });
        self.content(run.channel, message);
    }

    /// Adds a basic.get-ok.
    pub fn get_ok(
        &mut self,
        channel: ChannelNumber,
        tag: DeliveryTag,
        message_count: u32,
        delivery: &Delivery,
    ) {
        let Delivery { redelivered, message } = delivery;
        self.content_method(channel, basic::GetOk::ID, |out| {
            out.extend_from_slice(&tag.0.to_be_bytes());
            out.push(u8::from(*redelivered));
            put_short(out, message.exchange().as_bytes());
            put_short(out, message.routing_key());
            out.extend_from_slice(&message_count.to_be_bytes());
        });
        self.content(channel, message);
    }

    /// Adds a basic.return for a message that reached no queue (312 NO_ROUTE).
    pub fn return_unroutable(&mut self, channel: ChannelNumber, message: &Message) {
        let code = ReplyCode::NoRoute;
        self.content_method(channel, basic::Return::ID, |out| {
            out.extend_from_slice(&code.code().to_be_bytes());
            put_short(out, code.name().as_bytes());
            put_short(out, message.exchange().as_bytes());
            put_short(out, message.routing_key());
        });
        self.content(channel, message);
    }

    fn content_method(
        &mut self,
        channel: ChannelNumber,
        id: MethodId,
        arguments: impl FnOnce(&mut Vec<u8>),
    ) {
        write_with_frame(&mut self.bytes, FrameKind::Method, channel, |out| {
            out.extend_from_slice(&id.class.to_be_bytes());
            out.extend_from_slice(&id.method.to_be_bytes());
            arguments(out);
        });
    }

    /// The header frame and the body frames, none for an empty body.
    fn content(&mut self, channel: ChannelNumber, message: &Message) {
        let body = message.body();
        let body_size = body.len() as u64;
        write_content_header(&mut self.bytes, channel, message.properties(), body_size);
        let payload_max = self.frame_max.saturating_sub(FRAME_OVERHEAD as usize).max(1);
        let mut start = 0;
        for payload in body.chunks(payload_max) {
            let range = start..start + payload.len();
            start = range.end;
            write_body_frame_header(&mut self.bytes, channel, length_u32(payload.len()));
            if payload.len() < BY_REFERENCE_OCTETS {
                self.bytes.extend_from_slice(payload);
            } else {
                self.seal();
                self.waiting += payload.len();
                self.pieces.push_back(Piece::Body(message.clone(), range));
            }
            self.bytes.push(FRAME_END);
        }
    }

    /// Makes what is in `bytes` so far a piece, so that something can come behind it.
    fn seal(&mut self) {
        let range = self.sealed..self.bytes.len();
        if range.is_empty() {
            return;
        }
        self.sealed = range.end;
        self.waiting += range.len();
        match self.pieces.back_mut() {
            Some(Piece::Bytes(last)) => last.end = range.end,
            Some(Piece::Body(..)) | None => self.pieces.push_back(Piece::Bytes(range)),
        }
    }
}

/// A short string of octets that came from one, so that it is never cut.
fn put_short(out: &mut Vec<u8>, octets: &[u8]) {
    let length = u8::try_from(octets.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend_from_slice(&octets[..usize::from(length)]);
}

/// The length of a payload, which is a part of a message of at most 512 MiB.
fn length_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
