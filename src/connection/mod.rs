//! One client's conversation, without a socket: octets in, commands out; outputs in, octets out.
//!
//! ```text
//!   receive(octets) ──▶ handshake ──▶ Command::Open
//!                  └──▶ frames ─────▶ Command::Method, Command::Publish ──▶ broker
//!   octets ◀── outgoing ◀── fill ◀── send(outputs) ◀────────────────────────── broker
//! ```
//!
//! The states of a connection:
//!
//! ```text
//!   Header ─▶ Start ─▶ Tune ─▶ Open ─▶ Running ─▶ Leaving ──────────────▶ Finished
//!                │ (Login: a password     │       connection.close came;     ▲
//!                │  is being hashed)      │                                  │
//!                │ wrong login            │                                  │
//!                ▼                        │       the broker says close-ok   │
//!             Penalty                     └──────▶ Closing ──────────────────┤
//!                │ silent for 3 s                  connection.close sent,    │
//!                └───────────────────────────────  close-ok is awaited  ─────┘
//!
//!   Finished: the socket is closed at once, or, where the client closed first, once it has closed
//!   its side: what it still writes until then is read and thrown away (server/linger.rs).
//! ```
//!
//! A channel's state is the broker's. Here is only the content that a channel is in the middle of.

mod allowance;
mod assembler;
mod closing;
mod content;
mod handshake;
mod heartbeat;
mod input;
mod logins;
mod opening;
mod options;
mod output;
mod running;
mod sasl;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::broker::{Command, ConnectionFacts, Exception, Output, Traffic};
use crate::ids::{ChannelNumber, ConnectionId, Timestamp};
use crate::wire::{FRAME_OVERHEAD, Method, ReplyCode, channel, connection};

pub use allowance::Allowance;
pub use handshake::{CLUSTER, COMPATIBLE_VERSION, Identity, PLATFORM, PRODUCT, Tuning};
pub use logins::{Attempt, Busy, LoginRules, Logins, NoHash, Stranger, Ticket, Waker};
pub use options::ConnectionOptions;
pub use output::Outgoing;
pub use running::Wanted;
pub use sasl::Mechanism;

use assembler::Assembler;
use handshake::INITIAL_FRAME_MAX;
use heartbeat::Heartbeat;
use opening::{Claimant, Login};

/// Octets that are encoded ahead of the socket.
const OUTGOING_OCTETS_MAX: usize = 128 * 1024;

/// Octets of outputs that may wait for a client that does not read, before we stop to read from it.
/// Many a client writes for a long time before it reads.
const UNREAD_OCTETS_MAX: u64 = 16 * 1024 * 1024;

/// What an output costs besides its message, in octets.
const OUTPUT_OCTETS: u64 = 128;

/// One client's conversation.
pub struct Connection {
    id: ConnectionId,
    peer: SocketAddr,
    facts: ConnectionFacts,
    options: Arc<ConnectionOptions>,
    /// The user that the client's certificate names.
    certificate_name: Option<String>,
    /// Counted among those who have not logged in.
    stranger: Option<Stranger>,
    opened_by: Timestamp,
    stage: Stage,
    /// Wakes the thread when a password has been hashed.
    waker: Option<Waker>,
    /// A password has been hashed: what came meanwhile is to be handled.
    resumed: bool,
    /// The client closed first: it may still be writing when the conversation is over.
    lingers: bool,
    /// The broker wants nothing more to be read.
    paused: bool,
    tuned: Tuning,
    heartbeat: Heartbeat,
    assembler: Assembler,
    /// A body frame that is longer than what has come of it.
    partial: Option<Partial>,
    /// Outputs that are not encoded.
    outputs: VecDeque<Output>,
    /// What they cost.
    unread: u64,
    /// How many deliveries of the first of them are encoded.
    encoded: usize,
    outgoing: Outgoing,
    /// Octets of deliveries in `outgoing`.
    delivering: u64,
    /// Octets of deliveries that have been written and not reported to the broker.
    drained: u64,
}

/// Where the conversation is.
#[derive(Debug)]
enum Stage {
    /// Nothing has come, or not the whole protocol header.
    Header,
    /// connection.start is sent.
    Start,
    /// connection.start-ok has come, and its password is being hashed.
    Login { until: Timestamp, ticket: Ticket, claimant: Box<Claimant> },
    /// connection.tune is sent.
    Tune(Login),
    /// connection.tune-ok has come.
    Open(Login),
    /// The vhost has been asked for: from now the broker answers.
    Running,
    /// The client's connection.close is with the broker.
    Leaving,
    /// connection.close is sent. `in_step` says whether close-ok can be found in what comes.
    Closing { until: Timestamp, in_step: bool },
    /// A login has failed: nothing is said until then.
    Penalty { until: Timestamp },
    /// Write what is left, then close the socket.
    Finished,
}

/// A body frame of which some octets of payload, or only its end, have not come.
#[derive(Clone, Copy, Debug)]
struct Partial {
    channel: ChannelNumber,
    missing: usize,
}

impl Connection {
    /// A conversation that begins now, with a client at `peer`.
    pub fn new(
        id: ConnectionId,
        peer: SocketAddr,
        options: Arc<ConnectionOptions>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            peer,
            certificate_name: None,
            stranger: None,
            facts: ConnectionFacts::default(),
            opened_by: now.after(options.handshake_max),
            stage: Stage::Header,
            waker: None,
            resumed: false,
            lingers: false,
            paused: false,
            tuned: Tuning { frame_max: INITIAL_FRAME_MAX, ..options.tuning },
            heartbeat: Heartbeat::new(now),
            assembler: Assembler::new(
                options.body_octets_max,
                options.kept_octets_max,
                Arc::clone(&options.kept_in_all),
            ),
            partial: None,
            outputs: VecDeque::new(),
            unread: 0,
            encoded: 0,
            outgoing: Outgoing::new(INITIAL_FRAME_MAX),
            delivering: 0,
            drained: 0,
            options,
        }
    }

    /// The client has shown a certificate that is in order and names this user: it may log in by
    /// EXTERNAL. To be called before anything is received.
    pub fn set_certificate_name(&mut self, name: String) {
        self.certificate_name = Some(name);
    }

    /// Keeps the client's place among those who have not logged in, until it has.
    pub fn set_stranger(&mut self, stranger: Stranger) {
        self.stranger = Some(stranger);
    }

    /// What to call when [`Self::tick`] has something to do before [`Self::deadline`].
    pub fn set_waker(&mut self, waker: Waker) {
        self.waker = Some(waker);
    }

    /// Whether what has been read is to be handled although no more has come: the first time that
    /// this is asked after a password has been hashed.
    pub fn take_resumed(&mut self) -> bool {
        std::mem::take(&mut self.resumed)
    }

    /// The same with what is told to people of its socket: our address, and its traffic.
    #[must_use]
    pub fn with_facts(self, host: String, traffic: Arc<Traffic>) -> Self {
        let facts = ConnectionFacts { host, traffic, ..self.facts };
        Self { facts, ..self }
    }

    /// Handles what has been read and adds the commands that it means. What is not a whole frame
    /// yet stays in `read`, to which the next octets are to be appended.
    pub fn receive(&mut self, now: Timestamp, read: &mut Vec<u8>, commands: &mut Vec<Command>) {
        self.heartbeat.received(now);
        while !read.is_empty() && self.step(now, read, commands) {}
    }

    /// One step of [`Self::receive`]: returns whether there may be more to do with what is there.
    fn step(&mut self, now: Timestamp, read: &mut Vec<u8>, commands: &mut Vec<Command>) -> bool {
        match self.stage {
            Stage::Header => self.greet(read),
            Stage::Login { .. } if read.len() > INITIAL_FRAME_MAX as usize => {
                let text = "frames before the answer to connection.start-ok";
                self.refuse(now, &Exception::new(ReplyCode::UnexpectedFrame, text), commands);
                false
            }
            Stage::Login { .. } => false,
            Stage::Start | Stage::Tune(_) | Stage::Open(_) | Stage::Running => {
                self.step_frames(now, read, commands)
            }
            Stage::Closing { in_step: true, .. } => self.step_frames(now, read, commands),
            Stage::Closing { in_step: false, .. } | Stage::Leaving => {
                read.clear();
                false
            }
            Stage::Penalty { .. } | Stage::Finished => {
                read.clear();
                false
            }
        }
    }

    /// Takes over what the broker has for the client. Nothing is sent behind a close.
    pub fn send(&mut self, outputs: &mut Vec<Output>) {
        if matches!(self.stage, Stage::Running | Stage::Leaving) {
            self.unread += outputs.iter().map(cost).sum::<u64>();
            for output in outputs.drain(..) {
                match output {
                    Output::Pause => self.paused = true,
                    Output::Resume => self.paused = false,
                    other => self.outputs.push_back(other),
                }
            }
        }
        outputs.clear();
    }

    /// Encodes outputs as far as they may be ahead of the socket.
    pub fn fill(&mut self, now: Timestamp) {
        while self.outgoing.octets() < OUTGOING_OCTETS_MAX {
            let Some(output) = self.outputs.pop_front() else { return };
            self.unread = self.unread.saturating_sub(cost(&output));
            self.encode(now, output);
        }
    }

    /// What is to be written to the socket.
    pub fn outgoing(&mut self) -> &mut Outgoing {
        &mut self.outgoing
    }

    /// So many octets of [`Self::outgoing`] have been written.
    pub fn wrote(&mut self, now: Timestamp, octets: usize) {
        self.outgoing.advance(octets);
        self.heartbeat.sent(now);
        if self.outgoing.is_empty() {
            self.drained += std::mem::take(&mut self.delivering);
        }
    }

    /// Adds a report of the deliveries that have been written, if there is something to go with it
    /// or enough to be worth a command of its own. What is not reported is at most a quarter of
    /// the limit, so it never holds up a consumer.
    pub fn report_drained(&mut self, commands: &mut Vec<Command>) {
        let worth_it = self.drained >= self.options.outbox_bytes_max / 4;
        if self.drained > 0
            && matches!(self.stage, Stage::Running)
            && (worth_it || !commands.is_empty())
        {
            commands.push(Command::Drained(std::mem::take(&mut self.drained)));
        }
    }

    /// Whether there is nothing to write, now or after [`Self::fill`].
    pub fn is_written(&self) -> bool {
        self.outgoing.is_empty() && self.outputs.is_empty()
    }

    /// Whether the socket is to be read: not while a client leaves too much unread itself, or an
    /// alarm holds it up.
    pub fn wants_input(&self) -> bool {
        self.unread < UNREAD_OCTETS_MAX && !(self.paused && matches!(self.stage, Stage::Running))
    }

    /// Whether the conversation is over and everything is written.
    pub fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Finished) && self.is_written()
    }

    /// Whether the client may still be writing when the conversation is over, because it closed
    /// first. Closing the socket then would reset the connection: the client would lose close-ok.
    pub fn lingers(&self) -> bool {
        self.lingers
    }

    /// Encodes one output, or a part of it and puts the rest back.
    fn encode(&mut self, now: Timestamp, output: Output) {
        match output {
            Output::Method(number, method) => {
                log::trace!("{}.{number} < {method}", self.id);
                self.outgoing.method(number, &method);
                match method {
                    Method::Connection(connection::Method::Close(_)) => self.await_close_ok(now),
                    Method::Connection(connection::Method::CloseOk(_)) => self.finish_lingering(),
                    Method::Channel(channel::Method::Close(_)) => {
                        self.assembler.close_channel(number);
                    }
                    _ => {}
                }
            }
            Output::Deliver(run) => {
                while self.encoded < run.messages.len()
                    && self.outgoing.octets() < OUTGOING_OCTETS_MAX
                {
                    self.outgoing.deliver(&run, self.encoded);
                    self.delivering += run.messages[self.encoded].message.size();
                    self.encoded += 1;
                }
                if self.encoded < run.messages.len() {
                    self.outputs.push_front(Output::Deliver(run));
                } else {
                    self.encoded = 0;
                }
            }
            Output::GetOk { channel, delivery_tag, message_count, delivery } => {
                self.outgoing.get_ok(channel, delivery_tag, message_count, &delivery);
            }
            Output::Return { channel, message } => {
                self.outgoing.return_unroutable(channel, &message);
            }
            Output::Pause | Output::Resume => {} // taken when they came
        }
    }

    /// The longest payload of a frame from the client, in octets.
    fn payload_max(&self) -> u32 {
        self.tuned.frame_max.saturating_sub(FRAME_OVERHEAD)
    }
}

/// What an output costs while it waits, in octets. Deliveries are bounded by the broker.
fn cost(output: &Output) -> u64 {
    match output {
        Output::Deliver(_) | Output::Pause | Output::Resume => 0,
        Output::Method(..) => OUTPUT_OCTETS,
        Output::GetOk { delivery, .. } => OUTPUT_OCTETS + delivery.message.size(),
        Output::Return { message, .. } => OUTPUT_OCTETS + message.size(),
    }
}
