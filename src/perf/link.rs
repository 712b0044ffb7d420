//! A connection after its login: a socket that never waits, what was read and what is to be
//! written.
//!
//! ```text
//!            close()        channel.close-ok       connection.close-ok
//!   Open ─────────────▶ Channel ────────────▶ Connection ────────────▶ Gone
//! ```
//!
//! What is behind channel.close-ok is done: the broker has taken all that was published before.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::client::Client;
use crate::ids::ChannelNumber;
use crate::wire::{Method, ShortString, channel, connection, write_method_frame};

use super::error::PerfError;
use super::incoming::{Event, Incoming};

/// The channel of every publisher and consumer.
pub(super) const CHANNEL: ChannelNumber = ChannelNumber(1);

/// Room for what is read, in octets; more than a frame.
const READ_OCTETS: usize = 256 * 1024;

/// A connection to the broker, past its login.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    frame_max: u32,
    input: Box<[u8]>,
    start: usize,
    end: usize,
    incoming: Incoming,
    output: Vec<u8>,
    farewell: Farewell,
}

/// How far the ending is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    Open,
    Channel,
    Connection,
    Gone,
}

impl Link {
    /// Takes over a connection, on which [`CHANNEL`] is open.
    pub(super) fn new(client: Client) -> Result<Self, PerfError> {
        let frame_max = client.frame_max();
        let (stream, read) = client.into_stream();
        stream.set_nonblocking(true).map_err(PerfError::Lost)?;
        let mut input = read;
        let end = input.len();
        input.resize(end.max(READ_OCTETS), 0);
        Ok(Self {
            stream,
            frame_max,
            input: input.into_boxed_slice(),
            start: 0,
            end,
            incoming: Incoming::default(),
            output: Vec::new(),
            farewell: Farewell::Open,
        })
    }

    /// The socket, to be waited for.
    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The largest frame that may be sent, in octets, its eight own ones included.
    pub(super) fn frame_max(&self) -> u32 {
        self.frame_max
    }

    /// Reads what is there, as far as there is room. Returns whether there may be more.
    pub(super) fn read(&mut self) -> Result<bool, PerfError> {
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let room = &mut self.input[self.end..];
        if room.is_empty() {
            return Err(PerfError::Lost(ErrorKind::InvalidData.into()));
        }
        let wanted = room.len();
        match self.stream.read(room) {
            Ok(0) => Err(PerfError::Lost(ErrorKind::UnexpectedEof.into())),
            Ok(octets) => {
                self.end += octets;
                Ok(octets == wanted)
            }
            Err(error) if is_patience(error.kind()) => Ok(false),
            Err(error) => Err(PerfError::Lost(error)),
        }
    }

    /// The next thing in what was read; `None` when more must be read first.
    pub(super) fn next(&mut self) -> Result<Option<Event>, PerfError> {
        loop {
            let (taken, event) = self.incoming.next(&self.input[self.start..self.end])?;
            self.start += taken;
            if event.is_some() || taken == 0 {
                return Ok(event);
            }
        }
    }

    /// Puts a method into the output.
    pub(super) fn send(&mut self, channel: ChannelNumber, method: impl Into<Method>) {
        write_method_frame(&mut self.output, channel, &method.into());
    }

    /// Writes the output as far as the socket takes it. Returns whether that was all.
    pub(super) fn flush(&mut self) -> Result<bool, PerfError> {
        let output = std::mem::take(&mut self.output);
        let written = self.write(&output)?;
        self.output = output;
        self.output.drain(..written);
        Ok(self.output.is_empty())
    }

    /// Writes octets as far as the socket takes them. Returns how many it took.
    pub(super) fn write(&mut self, octets: &[u8]) -> Result<usize, PerfError> {
        if octets.is_empty() {
            return Ok(0);
        }
        match self.stream.write(octets) {
            Ok(written) => Ok(written),
            Err(error) if is_patience(error.kind()) => Ok(0),
            Err(error) => Err(PerfError::Lost(error)),
        }
    }

    /// Begins to end the conversation in order. Does nothing the second time.
    pub(super) fn close(&mut self) {
        if self.farewell == Farewell::Open {
            self.farewell = Farewell::Channel;
            let reply_text = ShortString::clipped("bye");
            self.send(
                CHANNEL,
                channel::Close { reply_code: 200, reply_text, ..Default::default() },
            );
        }
    }

    /// Whether the conversation is over.
    pub(super) fn is_gone(&self) -> bool {
        self.farewell == Farewell::Gone
    }

    /// Takes a method that belongs to the ending.
    ///
    /// # Errors
    ///
    /// Everything else: the broker ends the conversation, or says what it should not.
    pub(super) fn take_farewell(&mut self, method: &Method) -> Result<(), PerfError> {
        match (self.farewell, method) {
            (Farewell::Channel, Method::Channel(channel::Method::CloseOk(_))) => {
                self.farewell = Farewell::Connection;
                let reply_text = ShortString::clipped("bye");
                let close = connection::Close { reply_code: 200, reply_text, ..Default::default() };
                self.send(ChannelNumber(0), close);
            }
            (Farewell::Connection, Method::Connection(connection::Method::CloseOk(_))) => {
                self.farewell = Farewell::Gone;
            }
            _ => return Err(PerfError::from_method(method)),
        }
        Ok(())
    }
}

/// Whether a failure of a socket that never waits only means: later.
fn is_patience(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
