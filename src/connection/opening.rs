//! The steps of the handshake. A client that fails one is closed without a word, as by RabbitMQ:
//! nobody has said yet who it is. The log says why.

use std::time::Duration;

use log::{debug, warn};

use crate::broker::{Command, Exception, OpenConnection};
use crate::ids::{ChannelNumber, Timestamp};
use crate::wire::{
    Field, Frame, FrameKind, Method, PROTOCOL_HEADER, PackedTable, ReplyCode, ShortString, Table,
    connection,
};

use super::closing::close;
use super::content::refusal;
use super::handshake::{self, Greeting, judge};
use super::logins::Attempt;
use super::sasl::{Claim, LoginError, Origin, admitted, claim, offered};
use super::{Connection, Stage};

/// Who has logged in.
#[derive(Debug)]
pub(super) struct Login {
    user: ShortString,
    client_properties: PackedTable,
}

/// Who says to be somebody, while that is found out.
#[derive(Debug)]
pub(super) struct Claimant {
    name: ShortString,
    /// The name as it came, for the log.
    shown: String,
    mechanism: ShortString,
    client_properties: PackedTable,
}

impl Connection {
    /// The protocol header. Returns whether it is there and accepted.
    pub(super) fn greet(&mut self, read: &mut Vec<u8>) -> bool {
        match judge(read) {
            Greeting::Incomplete => false,
            Greeting::Accepted => {
                read.drain(..PROTOCOL_HEADER.len());
                let certificate = self.certificate_name.as_deref();
                let offered = offered(&self.options.mechanisms, certificate);
                let start = handshake::start(&self.options.identity, offered);
                self.answer(start);
                self.stage = Stage::Start;
                true
            }
            Greeting::Refused(what) => {
                warn!("{} {} refused: it speaks {what}", self.id, self.peer);
                read.clear();
                self.outgoing.raw(&PROTOCOL_HEADER);
                self.finish_lingering();
                false
            }
        }
    }

    /// A frame before connection.open.
    pub(super) fn opening_frame(
        &mut self,
        now: Timestamp,
        frame: &Frame<'_>,
        commands: &mut Vec<Command>,
    ) -> Result<(), Exception> {
        match frame.kind {
            FrameKind::Heartbeat => return Ok(()),
            FrameKind::Method if frame.channel == ChannelNumber(0) => {}
            FrameKind::Method | FrameKind::Header | FrameKind::Body => {
                let text = format!("frame on channel {} before connection.open", frame.channel);
                return Err(Exception::new(ReplyCode::UnexpectedFrame, text));
            }
        }
        let method = Method::decode(frame.payload).map_err(refusal)?;
        let Method::Connection(method) = method else { return Err(unexpected(&method)) };
        match (std::mem::replace(&mut self.stage, Stage::Finished), method) {
            (Stage::Start, connection::Method::StartOk(method)) => self.start_ok(now, method),
            (Stage::Tune(login), connection::Method::TuneOk(method)) => {
                self.tune_ok(login, &method)?;
            }
            (Stage::Open(login), connection::Method::Open(method)) => {
                commands.push(self.open(login, method));
            }
            (_, connection::Method::Close(_)) => {
                self.answer(connection::CloseOk::default());
                self.finish_lingering();
            }
            (_, method) => return Err(unexpected(&method.into())),
        }
        Ok(())
    }

    /// connection.start-ok: who the client says it is.
    fn start_ok(&mut self, now: Timestamp, method: connection::StartOk) {
        let connection::StartOk { client_properties, mechanism, response, .. } = method;
        let origin = Origin {
            allowed: &self.options.mechanisms,
            peer: self.peer.ip(),
            certificate_name: self.certificate_name.as_deref(),
        };
        let logins = &self.options.logins;
        let mut claimant = Claimant {
            name: ShortString::default(),
            shown: String::new(),
            mechanism,
            client_properties: (&client_properties).into(),
        };
        match claim(logins, &claimant.mechanism, &response, origin) {
            Ok(Claim::Certificate(name)) => {
                claimant.name = name;
                self.identified(now, claimant);
            }
            Ok(Claim::Password { name, shown, password }) => {
                let waker = self.waker.clone();
                let attempt = logins.attempt(&name, &password, origin.peer, waker);
                (claimant.name, claimant.shown) = (name, shown);
                let until = now.after(self.options.login_max);
                self.attempted(now, attempt, Box::new(claimant), until);
            }
            Err(error) => self.login_failed(now, &error, &claimant),
        }
    }

    /// Looks whether the password has been hashed.
    pub(super) fn settle_login(&mut self, now: Timestamp) {
        match std::mem::replace(&mut self.stage, Stage::Finished) {
            Stage::Login { until, ticket, claimant } => {
                let attempt = self.options.logins.settle(ticket);
                if !matches!(attempt, Attempt::Pending(_)) {
                    self.resumed = true;
                    // The client has waited for us: that is not taken off its time.
                    let left = Duration::from_millis(until.0.saturating_sub(now.0));
                    let waited = self.options.login_max.saturating_sub(left);
                    self.opened_by = self.opened_by.after(waited);
                }
                self.attempted(now, attempt, claimant, until);
            }
            other => self.stage = other,
        }
    }

    fn attempted(
        &mut self,
        now: Timestamp,
        attempt: Attempt,
        claimant: Box<Claimant>,
        until: Timestamp,
    ) {
        match attempt {
            Attempt::Right(_) => self.identified(now, *claimant),
            Attempt::Wrong => {
                let error = LoginError::InvalidCredentials(claimant.shown.clone());
                self.login_failed(now, &error, &claimant);
            }
            Attempt::Pending(ticket) => self.stage = Stage::Login { until, ticket, claimant },
        }
    }

    /// The client is who it says.
    fn identified(&mut self, now: Timestamp, claimant: Claimant) {
        let user = match admitted(&self.options.logins, claimant.name.clone(), self.peer.ip()) {
            Ok(user) => user,
            Err(error) => return self.login_failed(now, &error, &claimant),
        };
        let Claimant { mechanism, client_properties, .. } = claimant;
        self.stranger = None;
        self.waker = None;
        debug!("{} {} logged in as '{user}' by {mechanism}", self.id, self.peer);
        self.facts.mechanism = mechanism.to_string();
        self.answer(self.options.tuning.offer());
        self.stage = Stage::Tune(Login { user, client_properties });
    }

    fn login_failed(&mut self, now: Timestamp, error: &LoginError, claimant: &Claimant) {
        let Claimant { name, mechanism, client_properties, .. } = claimant;
        warn!("{} {} login refused: {error}", self.id, self.peer);
        let until = now.after(self.options.penalty);
        self.stage = Stage::Penalty { until };
        let often = self.options.logins.fails_often(name, self.peer.ip());
        if !often && may_be_told(error, &client_properties.unpack()) {
            let text = format!(
                "Login was refused using authentication mechanism {mechanism}. For details see \
                 the broker logfile."
            );
            self.answer(close(&Exception::new(ReplyCode::AccessRefused, text)));
            self.stage = Stage::Closing { until, in_step: true };
        }
    }

    /// connection.tune-ok: the limits.
    fn tune_ok(&mut self, login: Login, method: &connection::TuneOk) -> Result<(), Exception> {
        let tuned = self
            .options
            .tuning
            .settle(method)
            .map_err(|text| Exception::new(ReplyCode::NotAllowed, text))?;
        self.tuned = tuned;
        self.outgoing.set_frame_max(tuned.frame_max);
        self.facts.frame_max = tuned.frame_max;
        self.facts.heartbeat_seconds = tuned.heartbeat_seconds;
        self.heartbeat.negotiate(tuned.heartbeat_seconds);
        self.stage = Stage::Open(login);
        Ok(())
    }

    /// connection.open: what follows is the broker's.
    fn open(&mut self, login: Login, method: connection::Open) -> Command {
        self.stage = Stage::Running;
        Command::Open(Box::new(OpenConnection {
            peer: self.peer.to_string(),
            user: login.user,
            virtual_host: method.virtual_host,
            client_properties: login.client_properties.unpack(),
            channel_max: self.tuned.channel_max,
            facts: self.facts.clone(),
        }))
    }

    /// Sends a method of the handshake, or of the end.
    pub(super) fn answer(&mut self, method: impl Into<Method>) {
        self.outgoing.method(ChannelNumber(0), &method.into());
    }
}

/// Only wrong names and passwords are answered, and only to a client that asks for it.
fn may_be_told(error: &LoginError, client_properties: &Table) -> bool {
    let capable = match client_properties.get("capabilities") {
        Some(Field::Table(capabilities)) => {
            capabilities.get("authentication_failure_close") == Some(&Field::Boolean(true))
        }
        _ => false,
    };
    match error {
        LoginError::InvalidCredentials(_) | LoginError::NotLoopback(_) => capable,
        LoginError::UnknownMechanism(_) | LoginError::Malformed(_) => false,
    }
}

fn unexpected(method: &Method) -> Exception {
    let text = format!("unexpected method {} during the handshake", method.name());
    Exception::new(ReplyCode::ChannelError, text)
}
