//! The content of one basic.publish, from its frames to a message (AMQP 0-9-1, section 4.2.6).
//!
//! ```text
//!   method  | 60 40 | ticket | exchange | routing key | bits |
//!   header  | class u16 | weight u16 = 0 | body size u64 | property flags, properties .. |
//!   body    | octets .. |  (none if the body is empty, else one or more)
//! ```

use std::ops::Range;
use std::sync::Arc;

use crate::broker::{Command, Exception, Publish};
use crate::ids::ChannelNumber;
use crate::message::{Message, Parts, Span};
use crate::wire::{
    FRAME_OVERHEAD, Frame, FrameKind, PropertiesView, PublishView, ReplyCode, WireError, basic,
    parse_frame,
};

/// The longest body that may be declared at all, in octets (RabbitMQ's MAX_MSG_SIZE).
pub(super) const BODY_OCTETS_MAX: u64 = 512 * 1024 * 1024;

/// Octets of a content header before the properties.
const CONTENT_HEADER_OCTETS: usize = 12;

/// The value of delivery-mode that means persistent.
const PERSISTENT: u8 = 2;

/// What a content header frame says.
#[derive(Clone, Copy, Debug)]
pub(super) struct ContentHeader<'a> {
    /// The body's length in octets.
    pub body_size: u64,
    /// Property flags and values, checked.
    pub properties: &'a [u8],
    /// Whether delivery-mode is 2.
    pub persistent: bool,
}

impl<'a> ContentHeader<'a> {
    /// Parses and checks the payload of a content header frame that follows a basic.publish.
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, Exception> {
        let Some((&head, properties)) = payload.split_first_chunk::<CONTENT_HEADER_OCTETS>() else {
            return Err(Exception::new(ReplyCode::FrameError, "content header is cut short"));
        };
        let [c0, c1, w0, w1, size @ ..] = head;
        let (class, weight) = (u16::from_be_bytes([c0, c1]), u16::from_be_bytes([w0, w1]));
        let expected = basic::Publish::ID.class;
        if class != expected {
            return Err(unexpected_frame(format!(
                "expected content header for class {expected}, got one for class {class} instead"
            )));
        }
        if weight != 0 {
            return Err(unexpected_frame(format!(
                "expected content header for class {expected}, got one of weight {weight} instead"
            )));
        }
        let body_size = u64::from_be_bytes(size);
        if body_size > BODY_OCTETS_MAX {
            return Err(Exception::new(
                ReplyCode::FrameError,
                format!("message size {body_size} is larger than max size {BODY_OCTETS_MAX}"),
            ));
        }
        let wrong = |error| WireError { method: Some(basic::Publish::ID), ..error };
        let view = PropertiesView::parse(properties).map_err(|error| refusal(wrong(error)))?;
        Ok(Self { body_size, properties, persistent: view.delivery_mode() == Some(PERSISTENT) })
    }
}

/// A whole publish at the head of `bytes[at..]`, which begin at the payload of its method frame and
/// lie in `arena`: the message is made of ranges, nothing is copied. Returns the command and where
/// the frames after it begin; `None` if its content is not all there in a header and at most one
/// body frame. `before` is the command that goes before it.
pub(super) fn whole_publish(
    arena: &Arc<Vec<u8>>,
    method: &Frame<'_>,
    at: usize,
    before: Option<&Command>,
    (body_octets_max, payload_max): (u64, u32),
) -> Result<Option<(Command, usize)>, Exception> {
    let Some(header) = frame_at(arena, at, payload_max) else { return Ok(None) };
    if header.kind != FrameKind::Header || header.channel != method.channel {
        return Ok(None);
    }
    // In the order in which they come: of two that are wrong the first is told.
    let view = PublishView::parse(method.payload).map_err(refusal)?;
    let content = ContentHeader::parse(header.payload)?;
    let mut end = at + frame_octets(&header);
    if content.body_size > body_octets_max {
        return Ok(None);
    }
    let mut body: &[u8] = &[];
    if content.body_size > 0 {
        let Some(frame) = frame_at(arena, end, payload_max) else { return Ok(None) };
        let length = frame.payload.len() as u64;
        if frame.kind != FrameKind::Body
            || frame.channel != method.channel
            || length != content.body_size
        {
            return Ok(None);
        }
        body = frame.payload;
        end += frame_octets(&frame);
    }
    let payload = offset(arena, method.payload);
    let parts = Parts {
        exchange: span(payload, view.exchange),
        routing_key: span(payload, view.routing_key),
        properties: span(offset(arena, content.properties), 0..content.properties.len()),
        body: span(offset(arena, body), 0..body.len()),
    };
    let message = Message::new(Arc::clone(arena) as _, parts, content.persistent);
    let repeats = matches!(before, Some(Command::Publish(channel, before))
        if *channel == method.channel
            && before.message.routing_key() == message.routing_key()
            && before.message.exchange_octets() == message.exchange_octets());
    let PublishView { mandatory, immediate, .. } = view;
    let publish = Publish { mandatory, immediate, repeats, message };
    Ok(Some((Command::Publish(method.channel, publish), end)))
}

/// A message in the making, whose frames come one by one: it gets bytes of its own.
#[derive(Debug)]
pub(super) struct Draft {
    mandatory: bool,
    immediate: bool,
    persistent: bool,
    parts: Parts,
    bytes: Vec<u8>,
}

impl Draft {
    /// Begins with the payload of a basic.publish.
    pub(super) fn new(payload: &[u8]) -> Result<Self, Exception> {
        let view = PublishView::parse(payload).map_err(refusal)?;
        let mut draft = Self {
            mandatory: view.mandatory,
            immediate: view.immediate,
            persistent: false,
            parts: Parts::default(),
            bytes: Vec::new(),
        };
        draft.parts.exchange = draft.put(&payload[view.exchange]);
        draft.parts.routing_key = draft.put(&payload[view.routing_key]);
        Ok(draft)
    }

    /// Adds the content header.
    pub(super) fn set_header(&mut self, header: &ContentHeader<'_>) {
        self.persistent = header.persistent;
        self.parts.properties = self.put(header.properties);
        self.parts.body.start = self.parts.properties.start + self.parts.properties.length;
    }

    /// Adds octets of the body, of which `missing` are still to come with these.
    pub(super) fn extend(&mut self, octets: &[u8], missing: u64) {
        self.room(octets.len(), missing).extend_from_slice(octets);
    }

    /// The octets so far, with room for so many more of the `missing` ones, or for less if there is
    /// some. The buffer grows with what has arrived, never by what was promised, and ends without
    /// slack.
    pub(super) fn room(&mut self, octets: usize, missing: u64) -> &mut Vec<u8> {
        let free = self.bytes.capacity() - self.bytes.len();
        if free < octets {
            let missing = usize::try_from(missing).unwrap_or(usize::MAX);
            let more = missing.min(self.bytes.len().max(octets));
            self.bytes.reserve_exact(more);
        }
        &mut self.bytes
    }

    /// Octets kept so far.
    pub(super) fn octets(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The message, when its body is complete.
    pub(super) fn finish(mut self, channel: ChannelNumber) -> Command {
        let start = self.parts.body.start;
        self.parts.body = span(0, start as usize..self.bytes.len());
        let message = Message::new(Arc::new(self.bytes), self.parts, self.persistent);
        let (mandatory, immediate) = (self.mandatory, self.immediate);
        let publish = Publish { mandatory, immediate, repeats: false, message };
        Command::Publish(channel, publish)
    }

    fn put(&mut self, octets: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(octets);
        span(0, start..self.bytes.len())
    }
}

/// 505 for a content frame that is not the one whose turn it is.
pub(super) fn unexpected_frame(text: impl Into<String>) -> Exception {
    Exception {
        method: Some(basic::Publish::ID),
        ..Exception::new(ReplyCode::UnexpectedFrame, text)
    }
}

/// What the codec found wrong, as a refusal.
pub(super) fn refusal(error: WireError) -> Exception {
    Exception { method: error.method, ..Exception::new(error.code, error.text) }
}

/// Octets of a frame with header and end.
pub(super) fn frame_octets(frame: &Frame<'_>) -> usize {
    frame.payload.len() + FRAME_OVERHEAD as usize
}

fn frame_at(bytes: &[u8], at: usize, payload_max: u32) -> Option<Frame<'_>> {
    parse_frame(bytes.get(at..)?, payload_max).ok().flatten().map(|(frame, _)| frame)
}

/// Where in `arena` the slice `part` of it begins.
fn offset(arena: &[u8], part: &[u8]) -> usize {
    if part.is_empty() { 0 } else { part.as_ptr().addr() - arena.as_ptr().addr() }
}

/// A range of a buffer, which is never longer than a body and its header: below 4 GiB.
fn span(base: usize, range: Range<usize>) -> Span {
    let octets = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    Span { start: octets(base + range.start), length: octets(range.len()) }
}
