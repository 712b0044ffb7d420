//! A small blocking AMQP client on the broker's own codec: for tests and benches.
//!
//! It does one thing at a time: it sends a method and waits for the answer, or it takes what comes.
//! What comes while it waits for something else is kept for later.
//!
//! Left out: heartbeats (it asks for none), TLS, more than what a caller sees of a close.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::ids::ChannelNumber;
use crate::wire::{
    FRAME_END, FRAME_OVERHEAD, Field, FrameKind, Method, PROTOCOL_HEADER, Properties, ShortString,
    Table, WireError, basic, channel, connection, parse_frame, write_body_frame_header,
    write_content_header, write_method_frame,
};

/// What the client asks of frames; the broker offers the same.
const FRAME_MAX: u32 = 131_072;

/// The least that the specification allows (section 4.2.3).
const FRAME_MIN: u32 = 4096;

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The socket failed, or closed.
    #[error("the connection is lost: {0}")]
    Io(#[from] io::Error),
    /// The broker sent what is no AMQP.
    #[error("the broker sent {0}")]
    Wire(#[from] WireError),
    /// The broker closed the channel or the connection.
    #[error("closed by the broker: {0}")]
    Closed(Box<Method>),
}

/// Who logs in, and where to.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The user's name.
    pub user: &'a str,
    /// The password.
    pub password: &'a str,
    /// The vhost to open.
    pub virtual_host: &'a str,
}

/// What the broker has sent.
#[derive(Debug)]
pub struct Incoming {
    /// On which channel.
    pub channel: ChannelNumber,
    /// The method.
    pub method: Method,
    /// Its content: properties and body, for deliver, get-ok and return.
    pub content: Option<(Properties, Vec<u8>)>,
}

/// A connection to a broker.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    waiting: VecDeque<Incoming>,
    frame_max: u32,
}

impl Client {
    /// Connects and logs in to the vhost `/`.
    ///
    /// # Errors
    ///
    /// When nobody listens, or the broker refuses.
    pub fn connect(
        address: impl ToSocketAddrs,
        user: &str,
        password: &str,
    ) -> Result<Self, ClientError> {
        Self::log_in(address, &Login { user, password, virtual_host: "/" })
    }

    /// Connects and logs in.
    ///
    /// # Errors
    ///
    /// As [`Self::connect`].
    pub fn log_in(address: impl ToSocketAddrs, login: &Login<'_>) -> Result<Self, ClientError> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream,
            input: Vec::new(),
            output: PROTOCOL_HEADER.to_vec(),
            waiting: VecDeque::new(),
            frame_max: FRAME_MAX,
        };
        client.flush()?;
        let zero = ChannelNumber(0);
        client.expect(zero, |method| {
            matches!(method, Method::Connection(connection::Method::Start(_)))
        })?;
        let capabilities =
            ["connection.blocked", "consumer_cancel_notify", "authentication_failure_close"]
                .map(|name| (ShortString::clipped(name), Field::Boolean(true)));
        let capabilities = Field::Table(capabilities.into_iter().collect());
        let Login { user, password, virtual_host } = login;
        let start_ok = connection::StartOk {
            client_properties: Table::from_iter([(
                ShortString::clipped("capabilities"),
                capabilities,
            )]),
            mechanism: ShortString::clipped("PLAIN"),
            response: format!("\0{user}\0{password}").into_bytes(),
            locale: ShortString::clipped("en_US"),
        };
        let answer = client.call(zero, start_ok)?;
        if let Method::Connection(connection::Method::Tune(tune)) = answer.method {
            client.tune(&tune);
        }
        client.call(zero, connection::Open { virtual_host: ShortString::clipped(virtual_host) })?;
        Ok(client)
    }

    /// Takes the broker's limits where they are below the client's own; 0 is no limit.
    fn tune(&mut self, offer: &connection::Tune) {
        if offer.frame_max > 0 {
            self.frame_max = offer.frame_max.clamp(FRAME_MIN, FRAME_MAX);
        }
        let channel_max = if offer.channel_max > 0 { offer.channel_max.min(2047) } else { 2047 };
        let frame_max = self.frame_max;
        let tune_ok = connection::TuneOk { channel_max, frame_max, heartbeat: 0 };
        self.send(ChannelNumber(0), tune_ok);
    }

    /// The largest frame that may be sent, in octets, its eight own ones included.
    pub fn frame_max(&self) -> u32 {
        self.frame_max
    }

    /// Gives the socket away, for who sends and reads frames himself, with what was read of it
    /// and not yet asked for.
    pub fn into_stream(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.input)
    }

    /// Opens a channel.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub fn open_channel(&mut self, number: u16) -> Result<ChannelNumber, ClientError> {
        self.call(ChannelNumber(number), channel::Open {})?;
        Ok(ChannelNumber(number))
    }

    /// Sends a method and waits for the next method on its channel that is not a delivery, a
    /// confirm or a return.
    ///
    /// # Errors
    ///
    /// When the connection is lost, or the broker closes it or the channel.
    pub fn call(
        &mut self,
        channel: ChannelNumber,
        method: impl Into<Method>,
    ) -> Result<Incoming, ClientError> {
        self.send(channel, method);
        self.flush()?;
        self.expect(channel, |method| {
            !matches!(
                method,
                Method::Basic(
                    basic::Method::Deliver(_)
                        | basic::Method::Return(_)
                        | basic::Method::Ack(_)
                        | basic::Method::Nack(_)
                        | basic::Method::Cancel(_)
                )
            )
        })
    }

    /// Puts a method into the output; [`Self::flush`] sends it.
    pub fn send(&mut self, channel: ChannelNumber, method: impl Into<Method>) {
        write_method_frame(&mut self.output, channel, &method.into());
    }

    /// Puts a message into the output.
    pub fn publish(
        &mut self,
        channel: ChannelNumber,
        publish: basic::Publish,
        properties: &Properties,
        body: &[u8],
    ) {
        self.send(channel, publish);
        let mut bytes = Vec::new();
        properties.encode(&mut bytes);
        write_content_header(&mut self.output, channel, &bytes, body.len() as u64);
        for part in body.chunks((self.frame_max - FRAME_OVERHEAD) as usize) {
            let size = u32::try_from(part.len()).unwrap_or(u32::MAX);
            write_body_frame_header(&mut self.output, channel, size);
            self.output.extend_from_slice(part);
            self.output.push(FRAME_END);
        }
    }

    /// Sends the output.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub fn flush(&mut self) -> Result<(), ClientError> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    /// The next thing that the broker sends; `None` when nothing comes for so long.
    ///
    /// # Errors
    ///
    /// When the connection is lost or closed, or the channel of what came is closed.
    pub fn receive(&mut self, timeout: Duration) -> Result<Option<Incoming>, ClientError> {
        if let Some(incoming) = self.waiting.pop_front() {
            return Ok(Some(incoming));
        }
        self.stream.set_read_timeout(Some(timeout))?;
        match self.read() {
            Ok(incoming) => Ok(Some(incoming)),
            Err(ClientError::Io(error))
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits for a method of a kind; keeps the others.
    fn expect(
        &mut self,
        channel: ChannelNumber,
        wanted: impl Fn(&Method) -> bool,
    ) -> Result<Incoming, ClientError> {
        let place = self.waiting.iter().position(|it| it.channel == channel && wanted(&it.method));
        if let Some(incoming) = place.and_then(|place| self.waiting.remove(place)) {
            return Ok(incoming);
        }
        self.stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        loop {
            let incoming = self.read()?;
            if incoming.channel == channel && wanted(&incoming.method) {
                return Ok(incoming);
            }
            self.waiting.push_back(incoming);
        }
    }

    fn read(&mut self) -> Result<Incoming, ClientError> {
        let (channel, method) = self.read_method()?;
        match &method {
            Method::Connection(connection::Method::Close(_))
            | Method::Channel(channel::Method::Close(_)) => {
                return Err(ClientError::Closed(Box::new(method)));
            }
            _ => {}
        }
        let has_content = matches!(
            method,
            Method::Basic(
                basic::Method::Deliver(_) | basic::Method::GetOk(_) | basic::Method::Return(_)
            )
        );
        let content = if has_content { Some(self.read_content()?) } else { None };
        Ok(Incoming { channel, method, content })
    }

    fn read_method(&mut self) -> Result<(ChannelNumber, Method), ClientError> {
        loop {
            let (kind, channel, payload) = self.read_frame()?;
            if kind == FrameKind::Method {
                return Ok((channel, Method::decode(&payload)?));
            }
        }
    }

    fn read_content(&mut self) -> Result<(Properties, Vec<u8>), ClientError> {
        let (_, _, header) = self.read_frame()?;
        let (fixed, properties) =
            header.split_at_checked(12).ok_or_else(|| WireError::syntax("a short header"))?;
        let size = fixed[4..].iter().fold(0_u64, |size, octet| size << 8 | u64::from(*octet));
        let mut body = Vec::new();
        while (body.len() as u64) < size {
            let (_, _, part) = self.read_frame()?;
            body.extend_from_slice(&part);
        }
        Ok((Properties::decode(properties)?, body))
    }

    fn read_frame(&mut self) -> Result<(FrameKind, ChannelNumber, Vec<u8>), ClientError> {
        loop {
            let parsed = parse_frame(&self.input, FRAME_MAX)?
                .map(|(frame, taken)| (frame.kind, frame.channel, frame.payload.to_vec(), taken));
            if let Some((kind, channel, payload, taken)) = parsed {
                self.input.drain(..taken);
                return Ok((kind, channel, payload));
            }
            let mut buffer = [0; 65_536];
            let count = self.stream.read(&mut buffer)?;
            if count == 0 {
                return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
            }
            self.input.extend_from_slice(&buffer[..count]);
        }
    }
}
