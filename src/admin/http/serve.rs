//! The threads: one that accepts, and one for each client, up to a limit.
//!
//! They share nothing with those that move messages: a client that is slow, silent or hostile
//! holds one of these threads for a bounded time, and nothing else.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use log::{debug, error, warn};

use super::body::{Body, ENDED};
use super::head::{Framing, Head};
use super::seats::{Seat, Seats};
use super::{HttpError, Response};
#[cfg(feature = "tls")]
use crate::server::{EncryptedStream, Encryption};

/// How long a client may leave its connection unused.
const IDLE_MAX: Duration = Duration::from_secs(15);
/// How long a whole request may take to come.
const REQUEST_MAX: Duration = Duration::from_secs(20);
/// How long a client may take no octet of a response.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// How long a whole response may take to be taken.
const SEND_MAX: Duration = Duration::from_secs(60);
/// How many octets of a response are written at once.
const SENT_AT_ONCE: usize = 64 * 1024;
/// How long to leave it when nobody can be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Peer {
    /// A client at this address.
    Address(IpAddr),
    /// The same over TLS.
    Encrypted(IpAddr),
    /// A process of the data directory's owner, through the control socket.
    Owner,
}

impl Peer {
    /// The address; the owner has none.
    pub(in super::super) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) | Self::Encrypted(address) => Some(address),
            Self::Owner => None,
        }
    }

    /// Whether nobody on the way can read what is said.
    pub(in super::super) fn is_encrypted(self) -> bool {
        matches!(self, Self::Encrypted(_))
    }
}

/// Where clients come from.
#[derive(Debug)]
pub(in super::super) enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A TCP port with TLS.
    #[cfg(feature = "tls")]
    Tls(TcpListener, Encryption),
    /// A Unix socket.
    Unix(UnixListener),
}

/// A client's stream.
pub(in super::super) trait Transport: Read + Write + Send {
    /// Bounds the next read.
    fn read_within(&mut self, at_most: Duration) -> io::Result<()>;
    /// Bounds every write.
    fn write_within(&self, at_most: Duration) -> io::Result<()>;
    /// Says that nothing more will be written.
    fn end(&mut self);
}

macro_rules! transport {
    ($stream:ty) => {
        impl Transport for $stream {
            fn read_within(&mut self, at_most: Duration) -> io::Result<()> {
                // A time-out of zero would be none.
                self.set_read_timeout(Some(at_most.max(Duration::from_millis(1))))
            }

            fn write_within(&self, at_most: Duration) -> io::Result<()> {
                self.set_write_timeout(Some(at_most))
            }

            fn end(&mut self) {
                // It fails when the client is gone already.
                let _ = self.shutdown(Shutdown::Write);
            }
        }
    };
}

transport!(TcpStream);
transport!(UnixStream);

#[cfg(feature = "tls")]
impl Transport for EncryptedStream {
    fn read_within(&mut self, at_most: Duration) -> io::Result<()> {
        Self::read_within(self, at_most);
        Ok(())
    }

    fn write_within(&self, at_most: Duration) -> io::Result<()> {
        Self::write_within(self, at_most)
    }

    fn end(&mut self) {
        // It fails when the client is gone already.
        let _ = Self::end(self);
    }
}

/// A stream, what was read of it and not used, and until when the request has to be there.
pub(super) struct Pipe<'s> {
    pub(super) stream: &'s mut dyn Transport,
    pub(super) buffer: Vec<u8>,
    deadline: Instant,
}

impl<'s> Pipe<'s> {
    pub(super) fn new(stream: &'s mut dyn Transport) -> Self {
        Self { stream, buffer: Vec::new(), deadline: Instant::now() + IDLE_MAX }
    }

    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)
    }

    /// Sends a response without a request.
    fn respond(
        &mut self,
        response: &Response,
        keep_alive: bool,
        encrypted: bool,
    ) -> io::Result<()> {
        self.send(&response.head(keep_alive, encrypted), &response.body)
    }

    /// Sends a head and a body, within a time that bounds how long a client that reads slowly can
    /// hold them.
    fn send(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        let deadline = Instant::now() + SEND_MAX;
        for part in [head, body] {
            let mut rest = part;
            while !rest.is_empty() {
                if Instant::now() >= deadline {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                match self.stream.write(&rest[..rest.len().min(SENT_AT_ONCE)]) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(octets) => rest = &rest[octets..],
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// The next head; `None` when the client has no more to ask.
    fn head(&mut self) -> Result<Option<Head>, HttpError> {
        self.deadline = Instant::now() + IDLE_MAX;
        let mut begun = false;
        loop {
            if !self.buffer.is_empty() && !begun {
                begun = true;
                self.deadline = Instant::now() + REQUEST_MAX;
            }
            if let Some((head, octets)) = Head::parse(&self.buffer)? {
                self.buffer.drain(..octets);
                return Ok(Some(head));
            }
            if self.left().is_zero() {
                return if begun { Err(ENDED) } else { Ok(None) };
            }
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => return if begun { Err(error) } else { Ok(None) },
            }
        }
    }
}

/// Who answers requests.
pub(in super::super) trait Answers: Send + Sync {
    /// Answers one; the body is read if it is wanted.
    fn answer(&self, peer: Peer, head: &Head, body: &mut Body<'_, '_>) -> Response;
}

/// Accepts clients for as long as the process lives, each in a thread of its own.
pub(in super::super) fn serve(listener: &Listener, answers: &Arc<dyn Answers>) {
    let seats = Arc::new(Seats::default());
    loop {
        match accept(listener, &seats) {
            Ok(arrival) => admit(arrival, answers),
            Err(error) => {
                warn!("management cannot accept a client: {error}");
                thread::sleep(PAUSE);
            }
        }
    }
}

/// A client that has come: its stream, and its seat if there was one.
struct Arrival {
    stream: Box<dyn Transport>,
    peer: Peer,
    seat: Option<Seat>,
}

fn accept(listener: &Listener, seats: &Arc<Seats>) -> io::Result<Arrival> {
    let (stream, peer, seat): (Box<dyn Transport>, _, _) = match listener {
        Listener::Tcp(listener) => {
            let (stream, address) = accept_tcp(listener)?;
            let seat = seats.take(&stream, Some(address));
            (Box::new(stream), Peer::Address(address), seat)
        }
        #[cfg(feature = "tls")]
        Listener::Tls(listener, encryption) => {
            let (stream, address) = accept_tcp(listener)?;
            let seat = seats.take(&stream, Some(address));
            (Box::new(encryption.accept(stream)?), Peer::Encrypted(address), seat)
        }
        Listener::Unix(listener) => {
            let stream = listener.accept()?.0;
            let seat = seats.take(&stream, None);
            (Box::new(stream), Peer::Owner, seat)
        }
    };
    Ok(Arrival { stream, peer, seat })
}

fn accept_tcp(listener: &TcpListener) -> io::Result<(TcpStream, IpAddr)> {
    let (stream, peer) = listener.accept()?;
    // It only costs time when it fails.
    let _ = stream.set_nodelay(true);
    Ok((stream, peer.ip()))
}

fn admit(arrival: Arrival, answers: &Arc<dyn Answers>) {
    let Arrival { mut stream, peer, seat } = arrival;
    let Some(seat) = seat else {
        // A handshake of TLS would take a thread.
        if !peer.is_encrypted() {
            // A new socket takes a short answer without waiting; the client may be gone.
            let busy = refusal(&BUSY);
            let _ = stream.write_all(&[busy.head(false, false), busy.body].concat());
        }
        return;
    };
    let answers = Arc::clone(answers);
    let thread = thread::Builder::new().name("management".to_owned());
    let spawned = thread.spawn(move || {
        let client = Client { peer, seat: Some(&seat) };
        let talk = AssertUnwindSafe(|| talk(stream.as_mut(), client, &*answers));
        if catch_unwind(talk).is_err() {
            error!("a request to management has failed; the others go on");
        }
    });
    if let Err(error) = spawned {
        warn!("management has no thread for a client: {error}");
    }
}

/// The answer to a client without a seat.
const BUSY: HttpError = HttpError::new(503, "too many clients");

/// A client of whom requests are answered.
#[derive(Clone, Copy)]
struct Client<'s> {
    peer: Peer,
    /// Its seat; tests have none.
    seat: Option<&'s Seat>,
}

impl Client<'_> {
    fn is_encrypted(self) -> bool {
        self.peer.is_encrypted()
    }
}

/// As [`talk`], for `fuzz/`.
#[cfg(fuzzing)]
pub(super) fn talk_on(stream: &mut dyn Transport, answers: &dyn Answers) {
    talk(stream, Client { peer: Peer::Owner, seat: None }, answers);
}

/// Answers the requests of one client.
fn talk(stream: &mut dyn Transport, client: Client<'_>, answers: &dyn Answers) {
    if let Err(error) = stream.write_within(WRITE_MAX) {
        return debug!("a client of management is gone: {error}");
    }
    let mut pipe = Pipe::new(stream);
    while step(&mut pipe, client, answers) {}
    pipe.stream.end();
    // What a client still sends is read for a moment, lest the kernel takes our answer back.
    let mut rest = [0; 4096];
    let soon = pipe.stream.read_within(Duration::from_millis(100));
    for _ in 0..16 {
        if soon.is_err() || !pipe.stream.read(&mut rest).is_ok_and(|octets| octets > 0) {
            return;
        }
    }
}

/// Answers one request. Returns whether there may be another.
fn step(pipe: &mut Pipe<'_>, client: Client<'_>, answers: &dyn Answers) -> bool {
    if let Some(seat) = client.seat {
        seat.waiting();
    }
    let (head, framing) = match next(pipe) {
        Ok(Some(found)) => found,
        Ok(None) => return false,
        Err(error) => {
            // Nobody to tell if this fails too.
            let _ = pipe.respond(&refusal(&error), false, client.is_encrypted());
            return false;
        }
    };
    let only_health = client.seat.is_some_and(Seat::is_for_health);
    if let Some(seat) = client.seat {
        seat.answering();
    }
    if only_health && !is_health_check(&head) {
        let _ = pipe.respond(&refusal(&BUSY), false, client.is_encrypted());
        return false;
    }
    let mut body = Body::new(pipe, framing, head.expects_continue());
    let mut response = answers.answer(client.peer, &head, &mut body);
    let keep_alive = body.is_done() && head.keeps_alive() && !only_health;
    let octets = response.head(keep_alive, client.is_encrypted());
    if head.method == "HEAD" {
        response.body.clear();
    }
    pipe.send(&octets, &response.body).is_ok() && keep_alive
}

/// The next request, which has one host and one way to read its body.
fn next(pipe: &mut Pipe<'_>) -> Result<Option<(Head, Framing)>, HttpError> {
    let Some(head) = pipe.head()? else { return Ok(None) };
    head.host()?;
    let framing = head.framing()?;
    Ok(Some((head, framing)))
}

/// Whether a request is one of those by which others find out whether the broker is well.
fn is_health_check(head: &Head) -> bool {
    let path: Vec<_> = head.path.iter().map(String::as_str).collect();
    matches!(
        path.as_slice(),
        ["api", "health", "checks", ..]
            | ["api", "healthchecks", ..]
            | ["api", "aliveness-test", _]
    )
}

/// An error as RabbitMQ writes it.
fn refusal(error: &HttpError) -> Response {
    let name = if error.status == 503 { "unavailable" } else { "bad_request" };
    let value = serde_json::json!({ "error": name, "reason": error.reason });
    Response::json(error.status, &value)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    struct Wire {
        input: Cursor<Vec<u8>>,
        output: Vec<u8>,
    }

    impl Read for Wire {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            // A few octets at a time, as a slow client sends them.
            let length = into.len().min(7);
            self.input.read(&mut into[..length])
        }
    }

    impl Write for Wire {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.output.write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Transport for Wire {
        fn read_within(&mut self, _: Duration) -> io::Result<()> {
            Ok(())
        }

        fn write_within(&self, _: Duration) -> io::Result<()> {
            Ok(())
        }

        fn end(&mut self) {}
    }

    struct Echo;

    impl Answers for Echo {
        fn answer(&self, _: Peer, head: &Head, body: &mut Body<'_, '_>) -> Response {
            let octets = body.read(100).map(|body| [head.method.as_bytes(), &body].concat());
            octets.map_or_else(
                |error| refusal(&error),
                |octets| Response::new(200, "text/plain", octets),
            )
        }
    }

    fn said(input: &str) -> String {
        let mut wire = Wire { input: Cursor::new(input.as_bytes().to_vec()), output: Vec::new() };
        talk(&mut wire, Client { peer: Peer::Owner, seat: None }, &Echo);
        String::from_utf8(wire.output).unwrap()
    }

    fn statuses(input: &str) -> Vec<String> {
        let said = said(input);
        let lines = said.split("HTTP/1.1 ").skip(1);
        lines.map(|line| line[..3].to_owned()).collect()
    }

    #[test]
    fn requests_follow_each_other_on_one_connection() {
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(statuses(&get.repeat(3)), ["200", "200", "200"]);
        let close = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        assert_eq!(statuses(&close.repeat(3)), ["200"]);
        assert_eq!(statuses(&"GET / HTTP/1.0\r\n\r\n".repeat(2)), ["200"]);
    }

    #[test]
    fn a_request_is_for_one_host() {
        let get = |hosts: &str| statuses(&format!("GET / HTTP/1.1\r\n{hosts}\r\n"));
        assert_eq!(get("Host: a\r\n"), ["200"]);
        assert_eq!(get(""), ["400"]);
        assert_eq!(get("Host: a\r\nHost: a\r\n"), ["400"]);
        assert_eq!(get("Host: a\r\nhost: b\r\n"), ["400"]);
        assert_eq!(get("Host: a, b\r\n"), ["400"]);
        assert_eq!(get("Host: a b\r\n"), ["400"]);
        assert_eq!(get("Host: u@a\r\n"), ["400"]);
        // Before 1.1 there was no Host, and some load balancers still ask so.
        assert_eq!(statuses("GET / HTTP/1.0\r\n\r\n"), ["200"]);
    }

    #[test]
    fn a_body_comes_whole_by_length_and_by_chunks() {
        let sized = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
        assert!(said(sized).ends_with("PUThello"));
        let chunks = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
            3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n";
        assert!(said(&chunks.repeat(2)).ends_with("PUThello"));
        assert_eq!(statuses(&chunks.repeat(2)), ["200", "200"]);
    }

    #[test]
    fn a_body_that_is_not_as_it_says_ends_the_conversation() {
        let put = |headers: &str, body: &str| {
            statuses(&format!("PUT / HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}"))
        };
        let chunked = "Transfer-Encoding: chunked\r\n";
        assert_eq!(put("Content-Length: 500\r\n", ""), ["413"]);
        assert_eq!(put("Content-Length: 50\r\n", "short"), ["408"]);
        assert_eq!(put(chunked, "ffffffffffffffffff\r\n"), ["400"]);
        assert_eq!(put(chunked, "ffffffffffff\r\n"), ["413"]);
        assert_eq!(put(chunked, "-1\r\n"), ["400"]);
        assert_eq!(put(chunked, "1\r\nab\r\n"), ["400"]);
        assert_eq!(put(chunked, &"a".repeat(1000)), ["400"]);
        assert_eq!(put(chunked, &"10\r\n0123456789abcdef\r\n".repeat(10)), ["413"]);
    }

    #[test]
    fn a_client_that_waits_is_told_to_go_on() {
        let put =
            "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab";
        assert_eq!(statuses(put), ["100", "200"]);
    }

    #[test]
    fn head_has_the_headers_of_get_and_no_body() {
        let said = said("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(said.contains("Content-Length: 4\r\n") && said.ends_with("\r\n\r\n"), "{said}");
    }
}
