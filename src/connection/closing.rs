//! Ends: refusals, deadlines, and what is awaited at the end.

use std::time::Duration;

use log::{debug, info, warn};

use crate::broker::{Command, Exception};
use crate::ids::{ChannelNumber, Timestamp};
use crate::wire::{Frame, FrameKind, Method, connection};

use super::{Connection, Stage};

/// How long close-ok is awaited at most (RabbitMQ's CLOSING_TIMEOUT), in seconds.
const CLOSING_SECONDS_MAX: u16 = 30;

/// How long a client that is out of step has to read why (RabbitMQ's SILENT_CLOSE_DELAY): its
/// close-ok cannot be found.
const OUT_OF_STEP: Duration = Duration::from_secs(3);

impl Connection {
    /// The client has broken the protocol. Once it is open it is told why and the broker lets go
    /// of it at once; before, it is closed without a word.
    pub(super) fn refuse(
        &mut self,
        now: Timestamp,
        refusal: &Exception,
        commands: &mut Vec<Command>,
    ) {
        match self.stage {
            Stage::Running => {
                warn!("{} {} closed: {}", self.id, self.peer, refusal.reply_text());
                self.answer(close(refusal));
                self.await_close_ok(now);
                commands.push(Command::Gone);
            }
            Stage::Closing { .. } | Stage::Leaving | Stage::Penalty { .. } => {}
            Stage::Header | Stage::Start | Stage::Login { .. } => self.refuse_opening(refusal),
            Stage::Tune(_) | Stage::Open(_) | Stage::Finished => self.refuse_opening(refusal),
        }
    }

    fn refuse_opening(&mut self, refusal: &Exception) {
        let text = refusal.reply_text();
        warn!("{} {} closed during the handshake: {text}", self.id, self.peer);
        self.stop_now();
    }

    /// As [`Self::refuse`], when the frames after this cannot be told apart: close-ok will not be
    /// found.
    pub(super) fn lose_step(
        &mut self,
        now: Timestamp,
        refusal: &Exception,
        commands: &mut Vec<Command>,
    ) {
        self.refuse(now, refusal, commands);
        if let Stage::Closing { until, in_step } = &mut self.stage {
            *until = now.after(OUT_OF_STEP).min(*until);
            *in_step = false;
        }
    }

    /// A frame after our connection.close: only its answer counts, or a close that has crossed it.
    pub(super) fn closing_frame(&mut self, frame: &Frame<'_>) {
        if frame.kind != FrameKind::Method || frame.channel != ChannelNumber(0) {
            return;
        }
        match Method::decode(frame.payload) {
            Ok(Method::Connection(connection::Method::CloseOk(_))) => {
                debug!("{} {} has answered the close", self.id, self.peer);
                // It has read our close, so nothing is lost by ending now; some clients notice a
                // forced close only by the end of the stream.
                self.finish();
            }
            Ok(Method::Connection(connection::Method::Close(_))) => {
                self.answer(connection::CloseOk::default());
                self.finish_lingering();
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// Does what is due by now: heartbeats, and ends for who keeps us waiting. Called after
    /// everything that has come is received.
    pub fn tick(&mut self, now: Timestamp, commands: &mut Vec<Command>) {
        match self.stage {
            Stage::Header | Stage::Start | Stage::Tune(_) | Stage::Open(_) => {
                if now >= self.opened_by {
                    info!("{} {} closed: handshake timeout", self.id, self.peer);
                    self.stop_now();
                }
            }
            Stage::Login { until, .. } => {
                self.settle_login(now);
                if now >= until && matches!(self.stage, Stage::Login { .. }) {
                    info!("{} {} closed: too many logins are under way", self.id, self.peer);
                    self.stop_now();
                }
            }
            Stage::Penalty { until } | Stage::Closing { until, .. } => {
                if now >= until {
                    self.stop_now();
                }
            }
            Stage::Running | Stage::Leaving => self.keep_alive(now, commands),
            Stage::Finished => {}
        }
    }

    fn keep_alive(&mut self, now: Timestamp, commands: &mut Vec<Command>) {
        if !self.wants_input() {
            // Whom we do not read from is not silent.
            self.heartbeat.received(now);
        }
        if self.heartbeat.silent_at().is_some_and(|at| now >= at) {
            let seconds = self.tuned.heartbeat_seconds;
            warn!("{} {} closed: missed heartbeats, timeout {seconds}s", self.id, self.peer);
            self.stop_now();
            commands.push(Command::Gone);
        } else if self.heartbeat.due_at().is_some_and(|at| now >= at) {
            self.heartbeat.sent(now);
            if self.is_written() {
                self.outgoing.shrink();
                self.outputs.shrink_to_fit();
                self.outgoing.heartbeat();
            }
        }
    }

    /// The client has closed its socket.
    pub fn end_of_file(&self) {
        if matches!(self.stage, Stage::Running) {
            warn!("{} {} has gone without connection.close", self.id, self.peer);
        }
    }

    /// When [`Self::tick`] has to be called at the latest.
    pub fn deadline(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Header | Stage::Start | Stage::Tune(_) | Stage::Open(_) => Some(self.opened_by),
            Stage::Login { until, .. } => Some(until),
            Stage::Penalty { until } | Stage::Closing { until, .. } => Some(until),
            Stage::Running | Stage::Leaving => {
                let silent = self.heartbeat.silent_at().filter(|_| self.wants_input());
                silent.into_iter().chain(self.heartbeat.due_at()).min()
            }
            Stage::Finished => None,
        }
    }

    /// The broker stops. A client that is open gets connection.close from it; the others are not
    /// waited for.
    pub fn stop(&mut self) {
        match self.stage {
            Stage::Running | Stage::Leaving | Stage::Closing { in_step: true, .. } => {}
            Stage::Header | Stage::Start | Stage::Login { .. } => self.stop_now(),
            Stage::Tune(_) | Stage::Open(_) => self.stop_now(),
            Stage::Closing { in_step: false, .. } | Stage::Penalty { .. } => self.stop_now(),
            Stage::Finished => {}
        }
    }

    /// connection.close has been sent: nothing else will be, and close-ok is awaited.
    pub(super) fn await_close_ok(&mut self, now: Timestamp) {
        let seconds = match self.tuned.heartbeat_seconds {
            0 => CLOSING_SECONDS_MAX,
            seconds => seconds.min(CLOSING_SECONDS_MAX),
        };
        let until = now.after(Duration::from_secs(seconds.into()));
        self.forget_outputs();
        self.stage = Stage::Closing { until, in_step: true };
    }

    /// The conversation is over when what is encoded is written.
    pub(super) fn finish(&mut self) {
        self.forget_outputs();
        self.stage = Stage::Finished;
    }

    /// As [`Self::finish`], where the client closed first and may still be writing.
    pub(super) fn finish_lingering(&mut self) {
        self.lingers = true;
        self.finish();
    }

    /// The conversation is over, whatever is not written.
    fn stop_now(&mut self) {
        self.finish();
        self.outgoing.clear();
    }

    fn forget_outputs(&mut self) {
        self.outputs.clear();
        self.encoded = 0;
        self.unread = 0;
    }
}

/// connection.close for a refusal.
pub(super) fn close(refusal: &Exception) -> connection::Close {
    let method = refusal.method.unwrap_or_default();
    connection::Close {
        reply_code: refusal.code.code(),
        reply_text: refusal.reply_text(),
        class_id: method.class,
        method_id: method.method,
    }
}
