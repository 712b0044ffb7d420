//! Frames of an open connection.

use std::sync::Arc;

use crate::broker::{Command, Exception};
use crate::ids::{ChannelNumber, Timestamp};
use crate::wire::{
    FRAME_END, FRAME_OVERHEAD, Frame, FrameHeader, FrameKind, Method, PublishView, ReplyCode,
    basic, channel, connection, parse_frame, parse_frame_header,
};

use super::content::{refusal, whole_publish};
use super::input::{extent, first, take_arena};
use super::{Connection, Partial, Stage};

/// Octets of a body from which it is worth reading them to where they stay.
const LONG_OCTETS: u64 = 16 * 1024;

/// Octets to make room for at a time.
const DIRECT_OCTETS: usize = 128 * 1024;

/// What a read is to bring.
#[derive(Debug)]
pub enum Wanted<'a> {
    /// Whatever there is, for [`Connection::receive`].
    Anything,
    /// At most so many octets, for [`Connection::receive`]: the head of a body frame.
    Head(usize),
    /// At most so many octets of a body, to be appended here and told of by
    /// [`Connection::received_body`].
    Body(&'a mut Vec<u8>, usize),
}

/// Whether a method has a content, other than basic.publish, which a client sends.
fn brings_content(method: &Method) -> bool {
    matches!(
        method,
        Method::Basic(
            basic::Method::Deliver(_) | basic::Method::GetOk(_) | basic::Method::Return(_)
        )
    )
}

impl Connection {
    /// Handles the whole frames of a read, or the beginning of a body frame that is not. Returns
    /// whether there may be more to do.
    pub(super) fn step_frames(
        &mut self,
        now: Timestamp,
        read: &mut Vec<u8>,
        commands: &mut Vec<Command>,
    ) -> bool {
        if let Some(partial) = self.partial {
            return self.continue_body(now, partial, read, commands);
        }
        let extent = if matches!(self.stage, Stage::Start) {
            // What comes behind the login is not looked at before it is known.
            first(read, self.payload_max())
        } else {
            extent(read, self.payload_max())
        };
        if extent.octets == 0 {
            return self.begin_body(now, read, commands);
        }
        let result = if extent.content {
            let arena = take_arena(read, extent.octets);
            self.frames(now, &arena, Some(&arena), commands)
        } else {
            let result = self.frames(now, &read[..extent.octets], None, commands);
            read.drain(..extent.octets);
            result
        };
        if let Err(refusal) = result {
            self.refuse(now, &refusal, commands);
        }
        true
    }

    /// Handles frames that are all there; contents among them lie in `arena`.
    fn frames(
        &mut self,
        now: Timestamp,
        bytes: &[u8],
        arena: Option<&Arc<Vec<u8>>>,
        commands: &mut Vec<Command>,
    ) -> Result<(), Exception> {
        let mut at = 0;
        while let Some((frame, octets)) =
            parse_frame(&bytes[at..], self.payload_max()).map_err(refusal)?
        {
            at += octets;
            match self.stage {
                Stage::Running => at = self.running_frame(&frame, at, arena, commands)?,
                Stage::Start | Stage::Tune(_) | Stage::Open(_) => {
                    self.opening_frame(now, &frame, commands)?;
                }
                Stage::Closing { .. } => self.closing_frame(&frame),
                Stage::Header | Stage::Login { .. } | Stage::Leaving => return Ok(()),
                Stage::Penalty { .. } | Stage::Finished => return Ok(()),
            }
        }
        Ok(())
    }

    /// Handles a frame, and those after it that belong to its content. Returns where the next one
    /// begins; `at` is where the one after this frame does.
    fn running_frame(
        &mut self,
        frame: &Frame<'_>,
        at: usize,
        arena: Option<&Arc<Vec<u8>>>,
        commands: &mut Vec<Command>,
    ) -> Result<usize, Exception> {
        let Frame { kind, channel, payload } = *frame;
        if channel == ChannelNumber(0) {
            self.channel_zero_frame(frame, commands)?;
            return Ok(at);
        }
        match kind {
            FrameKind::Method if PublishView::is_publish(payload) => {
                return self.publish(frame, at, arena, commands);
            }
            FrameKind::Method => self.method(channel, payload, commands)?,
            FrameKind::Header => commands.extend(self.assembler.header(channel, payload)?),
            FrameKind::Body => {
                self.assembler.begin_body(channel, payload.len() as u64)?;
                self.assembler.extend(channel, payload)?;
                commands.extend(self.assembler.end_body(channel));
            }
            FrameKind::Heartbeat => {
                let text = format!("heartbeat on channel {channel}");
                return Err(Exception::new(ReplyCode::UnexpectedFrame, text));
            }
        }
        Ok(at)
    }

    /// Frames of channel 0 are methods of class connection, and heartbeats.
    fn channel_zero_frame(
        &mut self,
        frame: &Frame<'_>,
        commands: &mut Vec<Command>,
    ) -> Result<(), Exception> {
        match frame.kind {
            FrameKind::Heartbeat if frame.payload.is_empty() => Ok(()),
            FrameKind::Heartbeat => {
                Err(Exception::new(ReplyCode::FrameError, "heartbeat with a payload"))
            }
            FrameKind::Header | FrameKind::Body => Err(Exception::new(
                ReplyCode::UnexpectedFrame,
                "expected method frame, got non method frame instead",
            )),
            FrameKind::Method => {
                let method = Method::decode(frame.payload).map_err(refusal)?;
                // What a client calls a secret is in no log.
                if !matches!(method, Method::Connection(connection::Method::UpdateSecret(_))) {
                    log::trace!("{}.0 > {method}", self.id);
                }
                if matches!(method, Method::Connection(connection::Method::Close(_))) {
                    self.stage = Stage::Leaving;
                }
                commands.push(Command::Method(ChannelNumber(0), method));
                Ok(())
            }
        }
    }

    fn method(
        &mut self,
        channel: ChannelNumber,
        payload: &[u8],
        commands: &mut Vec<Command>,
    ) -> Result<(), Exception> {
        self.assembler.expect_method(channel)?;
        let method = Method::decode(payload).map_err(refusal)?;
        log::trace!("{}.{channel} > {method}", self.id);
        if brings_content(&method) {
            // Its content is not waited for: only a server sends such a method.
            let refusal = Exception::new(ReplyCode::CommandInvalid, "unimplemented method");
            return Err(Exception { method: Some(method.id()), ..refusal });
        }
        if matches!(method, Method::Channel(channel::Method::CloseOk(_))) {
            self.assembler.reopen_channel(channel);
        }
        commands.push(Command::Method(channel, method));
        Ok(())
    }

    /// A basic.publish: with its content if that is there, else the assembler waits for it.
    fn publish(
        &mut self,
        frame: &Frame<'_>,
        at: usize,
        arena: Option<&Arc<Vec<u8>>>,
        commands: &mut Vec<Command>,
    ) -> Result<usize, Exception> {
        if let Some(arena) = arena
            && self.assembler.is_free(frame.channel)
        {
            let limits = (self.options.body_octets_max, self.payload_max());
            let before = commands.last();
            if let Some((command, end)) = whole_publish(arena, frame, at, before, limits)? {
                commands.push(command);
                return Ok(end);
            }
        }
        self.assembler.publish(frame.channel, frame.payload)?;
        Ok(at)
    }

    /// What the next read is best made to bring. A long body is read to where it stays:
    ///
    /// ```text
    ///   socket  .. body | end | header 7 | body ............................. | end | header ..
    ///              ────▶ draft           ──────────────────────────────▶ draft
    ///                    └── 8 octets ──▶ read                            └── 8 octets ──▶ read
    /// ```
    pub fn wanted(&mut self) -> Wanted<'_> {
        let Some(Partial { channel, missing }) = self.partial else { return Wanted::Anything };
        if !matches!(self.stage, Stage::Running) {
            return Wanted::Anything;
        }
        if missing == 0 && self.assembler.missing(channel) >= LONG_OCTETS {
            return Wanted::Head(FRAME_OVERHEAD as usize);
        }
        if (missing as u64) < LONG_OCTETS {
            return Wanted::Anything;
        }
        match self.assembler.room(channel, DIRECT_OCTETS.min(missing)) {
            Some(into) => {
                let most = missing.min(into.capacity() - into.len());
                Wanted::Body(into, most)
            }
            None => Wanted::Anything,
        }
    }

    /// So many octets have been read to where [`Wanted::Body`] said.
    pub fn received_body(&mut self, now: Timestamp, octets: usize, commands: &mut Vec<Command>) {
        self.heartbeat.received(now);
        let Some(Partial { channel, missing }) = &mut self.partial else { return };
        let channel = *channel;
        *missing = missing.saturating_sub(octets);
        if let Err(refusal) = self.assembler.extended(channel, octets as u64) {
            self.refuse(now, &refusal, commands);
        }
    }

    /// The first frame of a read is not all there, or not a frame. A body frame is taken as it
    /// comes: it need not fit into a buffer.
    fn begin_body(
        &mut self,
        now: Timestamp,
        read: &mut Vec<u8>,
        commands: &mut Vec<Command>,
    ) -> bool {
        let header = parse_frame(read, self.payload_max())
            .and_then(|_| parse_frame_header(read, self.payload_max()));
        let (channel, size) = match header {
            Err(error) => {
                self.lose_step(now, &refusal(error), commands);
                read.clear();
                return false;
            }
            Ok(Some(FrameHeader { kind: FrameKind::Body, channel, size }))
                if matches!(self.stage, Stage::Running | Stage::Closing { .. }) =>
            {
                (channel, size)
            }
            Ok(_) => return false,
        };
        if matches!(self.stage, Stage::Running)
            && let Err(refusal) = self.assembler.begin_body(channel, size.into())
        {
            self.refuse(now, &refusal, commands);
        }
        read.drain(..FRAME_OVERHEAD as usize - 1);
        self.partial = Some(Partial { channel, missing: size as usize });
        true
    }

    /// More of a body frame. Returns whether it is complete.
    fn continue_body(
        &mut self,
        now: Timestamp,
        partial: Partial,
        read: &mut Vec<u8>,
        commands: &mut Vec<Command>,
    ) -> bool {
        let Partial { channel, missing } = partial;
        let octets = missing.min(read.len());
        if matches!(self.stage, Stage::Running)
            && let Err(refusal) = self.assembler.extend(channel, &read[..octets])
        {
            self.refuse(now, &refusal, commands);
        }
        let end = read.get(octets).copied();
        read.drain(..read.len().min(octets + 1));
        self.partial = Some(Partial { channel, missing: missing - octets });
        match end {
            None => false,
            Some(FRAME_END) => {
                self.partial = None;
                if matches!(self.stage, Stage::Running) {
                    commands.extend(self.assembler.end_body(channel));
                }
                true
            }
            Some(other) => {
                let text = format!("a frame ends with {other}, not with {FRAME_END}");
                let refusal = Exception::new(ReplyCode::FrameError, text);
                self.lose_step(now, &refusal, commands);
                read.clear();
                false
            }
        }
    }
}
