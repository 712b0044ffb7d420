//! A connection without a socket: management asks for changes in AMQP's own methods.
//!
//! ```text
//!   handler ─ call(queue.declare) ─▶ Line ─▶ router ─▶ declare-ok, or channel.close ─▶ handler
//! ```
//!
//! So what is allowed over HTTP is what is allowed over AMQP, and the refusals have the same texts.

use std::collections::VecDeque;

use crate::broker::{Command, ConnectionFacts, Delivery, Move, OpenConnection, Output, Publish};
use crate::ids::{ChannelNumber, DeliveryTag};
use crate::message::Message;
use crate::server::{Door, Line};
use crate::wire::{
    Method, ReplyCode, ShortString, Table, basic, channel, confirm, connection, queue,
};

use super::answer::Refusal;
use super::guard::Caller;

const CHANNEL: ChannelNumber = ChannelNumber(1);

/// A conversation in somebody's name, with one channel.
#[derive(Debug)]
pub(super) struct Session {
    line: Line,
    waiting: VecDeque<Output>,
}

/// A message that was fetched.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) tag: DeliveryTag,
    /// How many are ready behind it.
    pub(super) message_count: u32,
    pub(super) delivery: Delivery,
}

impl Session {
    /// Opens a vhost in the name of a caller.
    ///
    /// # Errors
    ///
    /// As [`Self::call`]: they may not have access to it.
    pub(super) fn open(door: &Door, caller: &Caller, vhost: &ShortString) -> Result<Self, Refusal> {
        let line = door.line().map_err(|_| Refusal::unavailable())?;
        let mut session = Self { line, waiting: VecDeque::new() };
        session.line.send(Command::Open(Box::new(OpenConnection {
            peer: "management".to_owned(),
            user: caller.user.clone(),
            virtual_host: vhost.clone(),
            client_properties: Table::default(),
            channel_max: 1,
            facts: ConnectionFacts {
                internal: true,
                owner: caller.is_owner(),
                ..Default::default()
            },
        })))?;
        session.answer()?;
        session.call(channel::Open {})?;
        Ok(session)
    }

    /// Asks for something and waits for the answer.
    ///
    /// # Errors
    ///
    /// 404, 401 or 400 for what AMQP refuses with channel.close or connection.close.
    pub(super) fn call(&mut self, method: impl Into<Method>) -> Result<Method, Refusal> {
        self.line.send(Command::Method(CHANNEL, method.into()))?;
        match self.answer()? {
            Output::Method(_, method) => Ok(method),
            // An alarm: what follows would wait for its end.
            Output::Pause => Err(Refusal::unavailable()),
            Output::Deliver(_) | Output::GetOk { .. } | Output::Return { .. } | Output::Resume => {
                Err(unexpected())
            }
        }
    }

    /// Publishes a message and waits until it is confirmed. Returns whether it reached a queue.
    ///
    /// # Errors
    ///
    /// 400 if a queue refuses it; else as [`Self::call`].
    pub(super) fn publish(&mut self, message: Message) -> Result<bool, Refusal> {
        self.call(confirm::Select { no_wait: false })?;
        let publish = Publish { mandatory: true, immediate: false, repeats: false, message };
        self.line.send(Command::Publish(CHANNEL, publish))?;
        let mut routed = true;
        loop {
            match self.answer()? {
                Output::Return { .. } => routed = false,
                Output::Method(_, Method::Basic(basic::Method::Ack(_))) => return Ok(routed),
                Output::Method(_, Method::Basic(basic::Method::Nack(_))) => {
                    return Err(Refusal::bad_request("rejected by a queue that is full"));
                }
                Output::Pause => return Err(Refusal::unavailable()),
                _ => return Err(unexpected()),
            }
        }
    }

    /// Fetches a message; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub(super) fn get(
        &mut self,
        queue: &ShortString,
        no_ack: bool,
    ) -> Result<Option<Fetched>, Refusal> {
        let get = basic::Get { queue: queue.clone(), no_ack };
        self.line.send(Command::Method(CHANNEL, get.into()))?;
        match self.answer()? {
            Output::GetOk { delivery_tag, message_count, delivery, .. } => {
                Ok(Some(Fetched { tag: delivery_tag, message_count, delivery }))
            }
            Output::Method(_, Method::Basic(basic::Method::GetEmpty(_))) => Ok(None),
            _ => Err(unexpected()),
        }
    }

    /// Moves at most so many ready messages to the end of another queue. Returns how many: 0 if
    /// there are none, or there is no room for them.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub(super) fn move_ready(
        &mut self,
        from: &ShortString,
        to: &ShortString,
        most: u32,
    ) -> Result<u32, Refusal> {
        let order = Move { from: from.clone(), to: to.clone(), most };
        self.line.send(Command::Move(CHANNEL, order))?;
        match self.answer()? {
            Output::Method(_, Method::Queue(queue::Method::PurgeOk(ok))) => Ok(ok.message_count),
            Output::Pause => Err(Refusal::unavailable()),
            _ => Err(unexpected()),
        }
    }

    /// Settles what was fetched, and waits until that is done.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub(super) fn settle(&mut self, method: impl Into<Method>) -> Result<(), Refusal> {
        self.line.send(Command::Method(CHANNEL, method.into()))?;
        // The answer to this comes after what was asked before is done.
        self.call(channel::Flow { active: true }).map(drop)
    }

    /// The next thing that the broker says.
    fn answer(&mut self) -> Result<Output, Refusal> {
        loop {
            if let Some(output) = self.waiting.pop_front() {
                return check(output);
            }
            self.waiting.extend(self.line.receive()?);
        }
    }
}

/// Makes refusals of closes.
fn check(output: Output) -> Result<Output, Refusal> {
    let (code, text) = match &output {
        Output::Method(_, Method::Channel(channel::Method::Close(close))) => {
            (close.reply_code, &close.reply_text)
        }
        Output::Method(_, Method::Connection(connection::Method::Close(close))) => {
            (close.reply_code, &close.reply_text)
        }
        _ => return Ok(output),
    };
    Err(if code == ReplyCode::NotFound.code() {
        Refusal::not_found()
    } else if [ReplyCode::AccessRefused, ReplyCode::NotAllowed].iter().any(|it| it.code() == code) {
        Refusal::not_authorised(text.to_string())
    } else {
        Refusal::bad_request(format!("{code} {text}"))
    })
}

fn unexpected() -> Refusal {
    Refusal::bad_request("the broker has said something else than was expected")
}
