//! A connection's thread: one loop around poll(2) on its socket and its outbox's bell.
//!
//! ```text
//!        ┌─▶ outbox ─▶ Connection ─▶ write until the socket is full
//!        │   poll: readable, writable, bell, deadline
//!        └── read ─▶ Connection ─▶ commands ─▶ inbox   (blocks while the router is behind)
//! ```

use std::io::{self, ErrorKind, IoSlice};
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::SendError;
use log::info;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt;

use crate::broker::{Command, Output, Traffic};
use crate::connection::{Connection, Stranger, Wanted};
use crate::ids::{ConnectionId, Timestamp};

use super::inbox::Input;
use super::linger;
use super::outbox::Outbox;
use super::rim::Rim;
use super::transport::Transport;

/// Room for a read at first, in octets: enough to log in, and for who only acknowledges. It is
/// four times as much whenever a read has filled it.
const READ_OCTETS_MIN: usize = 1024;

/// Room for a read once a client has filled the smaller ones, in octets.
const READ_OCTETS_MAX: usize = 64 * 1024;

/// Runs of octets in one vectored write at most (Linux takes 1,024).
const RUNS_MAX: usize = 64;

/// How long a client may leave its socket full before it is dropped.
const STALLED_MAX: Duration = Duration::from_secs(30);

/// The pause after a ring for another connection with the same bell.
const ANOTHERS_RING: Duration = Duration::from_millis(1);

/// After how long a silence the kernel asks whether the peer is there, how often, and how many
/// times without an answer it takes for a no.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// Serves one client until it is gone. The router always hears of that: also when this panics,
/// which the thread's end keeps from going further. Returns the socket if the client has closed
/// first and may still be writing.
pub(super) fn run(
    rim: &Rim,
    id: ConnectionId,
    transport: Transport,
    (peer, stranger): (SocketAddr, Stranger),
    outbox: Arc<Outbox>,
) -> Option<Transport> {
    info!("{id} {peer} connected");
    if rim.inbox.send(Input::Connected(id, Arc::clone(&outbox))).is_err() {
        return None;
    }
    let mut session = begin(rim, id, transport, (peer, stranger), outbox);
    let lingers = match session.talk() {
        Ok(lingers) => {
            info!("{id} {peer} disconnected");
            lingers
        }
        Err(error) => {
            info!("{id} {peer} disconnected: {error}");
            false
        }
    };
    lingers.then(|| session.into_transport())
}

/// The session of a client that has just come. It is not put together where the thread sleeps:
/// what that leaves on the stack, 4 KiB, would be kept for every connection as long as it lives.
#[inline(never)]
fn begin(
    rim: &Rim,
    id: ConnectionId,
    transport: Transport,
    (peer, stranger): (SocketAddr, Stranger),
    outbox: Arc<Outbox>,
) -> Box<Session<'_>> {
    let traffic = Arc::new(Traffic::default());
    let host = transport.stream().local_addr();
    let host = host.map(|address| address.to_string()).unwrap_or_default();
    let mut connection = Connection::new(id, peer, Arc::clone(&rim.options), rim.clock.now())
        .with_facts(host, Arc::clone(&traffic));
    connection.set_stranger(stranger);
    let nudged = Arc::downgrade(&outbox);
    connection.set_waker(Arc::new(move || {
        if let Some(outbox) = nudged.upgrade() {
            outbox.nudge();
        }
    }));
    Box::new(Session {
        rim,
        id,
        transport,
        connection,
        outbox,
        traffic,
        farewell: Farewell { rim, id, behind: false, said: false },
        read: Vec::with_capacity(READ_OCTETS_MIN),
        commands: Vec::new(),
        outputs: Vec::new(),
        stalled: None,
    })
}

/// A client's socket with its conversation.
struct Session<'a> {
    rim: &'a Rim,
    id: ConnectionId,
    transport: Transport,
    connection: Connection,
    outbox: Arc<Outbox>,
    traffic: Arc<Traffic>,
    farewell: Farewell<'a>,
    /// What has been read and not handled: less than a frame.
    read: Vec<u8>,
    commands: Vec<Command>,
    outputs: Vec<Output>,
    /// Since when the socket has been full.
    stalled: Option<Timestamp>,
}

/// Sends [`Command::Gone`] when the session ends, however it does.
struct Farewell<'a> {
    rim: &'a Rim,
    id: ConnectionId,
    /// The client has published: its commands go to the lane behind.
    behind: bool,
    /// It has been sent.
    said: bool,
}

impl Session<'_> {
    /// Serves the client. Returns whether it may still be writing.
    fn talk(&mut self) -> io::Result<bool> {
        prepare(self.transport.stream())?;
        loop {
            self.write()?;
            self.hand_over()?;
            if self.connection.is_finished() && self.stalled.is_none() {
                if self.connection.lingers() {
                    return Ok(true);
                }
                return self.hang_up().map(|()| false);
            }
            if self.wait()? && !self.read()? {
                self.connection.end_of_file();
                return Ok(false);
            }
            self.connection.tick(self.rim.clock.now(), &mut self.commands);
            if self.connection.take_resumed() {
                let now = self.rim.clock.now();
                self.connection.receive(now, &mut self.read, &mut self.commands);
            }
            self.hand_over()?;
        }
    }

    /// Writes what the broker has for the client, as far as the socket takes it.
    fn write(&mut self) -> io::Result<()> {
        if self.outbox.take(&mut self.outputs) {
            self.connection.stop();
        }
        self.connection.send(&mut self.outputs);
        loop {
            let now = self.rim.clock.now();
            self.connection.fill(now);
            let result = if self.connection.outgoing().is_empty() {
                if self.transport.flush()? {
                    self.stalled = None;
                    return Ok(());
                }
                Err(ErrorKind::WouldBlock.into())
            } else {
                let runs = self.connection.outgoing().runs().take(RUNS_MAX);
                self.transport.write(&runs.map(IoSlice::new).collect::<Vec<_>>())
            };
            match result {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.stalled = None;
                    self.traffic.sent(written);
                    self.connection.wrote(now, written);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let since = *self.stalled.get_or_insert(now);
                    if now >= since.after(STALLED_MAX) {
                        return Err(io::Error::new(ErrorKind::TimedOut, "it does not read"));
                    }
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sleeps until there is something to do. Returns whether the socket is to be read.
    fn wait(&mut self) -> io::Result<bool> {
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, self.connection.wants_input());
        wanted.set(PollFlags::OUT, self.stalled.is_some());
        let asleep = self.outbox.fall_asleep();
        let timeout = if asleep { self.timeout() } else { Some(Duration::ZERO) };
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut polled =
            [PollFd::new(&self.transport, wanted), PollFd::new(&self.outbox, PollFlags::IN)];
        let result = poll(&mut polled, timeout.as_ref());
        let [socket, bell] = polled.map(|fd| fd.revents());
        let rung = self.outbox.wake_up();
        if asleep && !rung && !bell.is_empty() && socket.is_empty() {
            thread::sleep(ANOTHERS_RING);
        }
        match result {
            Ok(_) => Ok(socket.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR)),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn timeout(&self) -> Option<Duration> {
        let stalled = self.stalled.map(|since| since.after(STALLED_MAX));
        let deadline = self.connection.deadline().into_iter().chain(stalled).min()?;
        Some(self.rim.clock.until(deadline))
    }

    /// Reads once. Returns whether the client may have more to say.
    fn read(&mut self) -> io::Result<bool> {
        if let Some(going_on) = self.read_body()? {
            return Ok(going_on);
        }
        if self.read.capacity() > READ_OCTETS_MAX && self.read.is_empty() {
            self.read = Vec::with_capacity(READ_OCTETS_MAX);
        } else if self.read.len() == self.read.capacity() {
            self.read.reserve(READ_OCTETS_MIN);
        }
        match self.transport.read(&mut self.read)? {
            None => return Ok(false),
            Some(0) => return Ok(true),
            Some(octets) => self.traffic.received(octets),
        }
        if let Some(name) = self.transport.client_name() {
            info!("{} has the certificate of {}", self.id, name.escape_debug());
            self.connection.set_certificate_name(name);
        }
        let capacity = self.read.capacity();
        if self.read.len() == capacity && capacity < READ_OCTETS_MAX {
            self.read.reserve_exact(capacity * 3);
        }
        let now = self.rim.clock.now();
        self.connection.receive(now, &mut self.read, &mut self.commands);
        Ok(true)
    }

    /// Reads once if more of a long body is next. Returns as [`Self::read`], or `None` if anything
    /// else is to be read.
    fn read_body(&mut self) -> io::Result<Option<bool>> {
        if !self.read.is_empty() {
            return Ok(None);
        }
        let (result, body) = match self.connection.wanted() {
            Wanted::Anything => return Ok(None),
            Wanted::Head(octets) => (self.transport.read_at_most(octets, &mut self.read), false),
            Wanted::Body(into, octets) => (self.transport.read_at_most(octets, into), true),
        };
        let Some(result) = result else { return Ok(None) };
        let Some(octets) = result? else { return Ok(Some(false)) };
        self.traffic.received(octets);
        let now = self.rim.clock.now();
        if body {
            self.connection.received_body(now, octets, &mut self.commands);
        } else {
            self.connection.receive(now, &mut self.read, &mut self.commands);
        }
        Ok(Some(true))
    }

    /// Hands the router what has come.
    fn hand_over(&mut self) -> io::Result<()> {
        self.connection.report_drained(&mut self.commands);
        if self.commands.is_empty() {
            return Ok(());
        }
        let next = Vec::with_capacity(self.commands.len());
        let batch = mem::replace(&mut self.commands, next);
        let farewell = &mut self.farewell;
        farewell.said |= matches!(batch.last(), Some(Command::Gone));
        farewell.behind = farewell.behind || batch.iter().any(|command| command.is_publish());
        farewell.send(batch).map_err(|_| io::Error::other("the broker has stopped"))
    }

    /// Closes the socket after everything is written. What the client has sent besides is read
    /// first: closing over it would make the kernel throw away what we have written. Its room is on
    /// the stack only while it is needed.
    #[inline(never)]
    fn hang_up(&mut self) -> io::Result<()> {
        self.transport.close()?;
        linger::throw_away(&self.transport).map(drop)
    }

    /// Lets go of everything but the socket; the router hears that the client is gone.
    fn into_transport(self: Box<Self>) -> Transport {
        self.transport
    }
}

impl Farewell<'_> {
    fn send(&self, batch: Vec<Command>) -> Result<(), SendError<Input>> {
        let input = Input::Batch(self.id, batch);
        if self.behind { self.rim.inbox.send_behind(input) } else { self.rim.inbox.send(input) }
    }
}

/// Sets the socket up. A peer whose machine is gone is found out by the kernel too: a client may
/// have asked for no heartbeats.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?;
    Ok(())
}

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        if !self.said {
            // It fails only when the broker has stopped.
            let _ = self.send(vec![Command::Gone]);
        }
    }
}
