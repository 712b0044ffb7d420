//! A listener's thread: accepts clients and gives each a thread of its own.

use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use log::{error, info, warn};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::wire::PROTOCOL_HEADER;

use super::linger;
use super::outbox::Outbox;
use super::proxy;
use super::rim::Rim;
use super::socket;
use super::transport::{Secure, Transport};

/// A connection's stack, in octets: nothing in it recurses deeper than a table does.
const STACK_OCTETS: usize = 256 * 1024;

/// How long to leave it when there are no descriptors or no memory for another client.
const PAUSE: Duration = Duration::from_millis(50);

/// How often to complain at most about the same thing.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// An address at which clients come in.
#[derive(Debug)]
pub(super) struct Entrance {
    /// Its socket.
    pub(super) listener: TcpListener,
    /// What encrypts its connections; `None` leaves them as they are.
    pub(super) secure: Secure,
}

/// Accepts clients until the rim is closed.
pub(super) fn run(door: &Entrance, rim: &Arc<Rim>) {
    let mut complaints = Complaints::default();
    while wait(&door.listener, rim) {
        match door.listener.accept() {
            Ok((stream, peer)) => admit(rim, &door.secure, stream, peer, &mut complaints),
            Err(error) if is_passing(&error) => {}
            Err(error) => {
                complaints.add(|| error!("cannot accept connections: {error}"));
                thread::sleep(PAUSE);
            }
        }
    }
}

/// Sleeps until there is a client. Returns `false` when no more are to be accepted.
fn wait(listener: &TcpListener, rim: &Rim) -> bool {
    let mut polled =
        [PollFd::new(listener, PollFlags::IN), PollFd::new(&rim.closed, PollFlags::IN)];
    match poll(&mut polled, None) {
        Ok(_) | Err(Errno::INTR) => polled[1].revents().is_empty(),
        Err(error) => {
            error!("cannot wait for connections: {error}");
            thread::sleep(PAUSE);
            true
        }
    }
}

/// Whether an error of accept(2) concerns one client only, which is gone.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted
    )
}

/// Gives a client a thread, or turns it away: then the others go on.
fn admit(
    rim: &Arc<Rim>,
    secure: &Secure,
    stream: TcpStream,
    peer: SocketAddr,
    complaints: &mut Complaints,
) {
    let Some(connections) = rim.seats.take() else {
        complaints.add(|| warn!("{peer} turned away: too many connections"));
        return turn_away(stream);
    };
    let seat = Seat(Arc::clone(rim));
    let Some(stranger) = rim.options.logins.enter(rim.seats.strangers_max()) else {
        complaints.add(|| warn!("{peer} turned away: too many have not logged in"));
        return turn_away(stream);
    };
    let outbox = match rim.bells.bell(connections) {
        Ok(bell) => Arc::new(Outbox::new(bell)),
        Err(error) => {
            complaints.add(|| warn!("{peer} turned away: {error}"));
            return turn_away(stream);
        }
    };
    let id = rim.next_id();
    let thread = thread::Builder::new().name(id.to_string()).stack_size(STACK_OCTETS);
    let secure = secure.clone();
    let spawned = thread.spawn(move || {
        let rim = Arc::clone(&seat.0);
        let lingering = match greet(&rim, &secure, stream, peer) {
            Ok((transport, client)) => socket::run(&rim, id, transport, (client, stranger), outbox),
            Err(error) => {
                info!("{peer} turned away: {error}");
                None
            }
        };
        drop(seat);
        if let Some(transport) = lingering {
            linger::hear_out(&rim, transport);
        }
    });
    if let Err(error) = spawned {
        complaints.add(|| warn!("{peer} turned away: no thread for it: {error}"));
    }
}

/// Finds out who the client is, and how its octets travel. What that takes on the stack is given
/// back before the thread sleeps, and so never counts for an idle connection.
#[inline(never)]
fn greet(
    rim: &Rim,
    secure: &Secure,
    stream: TcpStream,
    peer: SocketAddr,
) -> io::Result<(Transport, SocketAddr)> {
    let client = if proxy::is_trusted(&rim.proxies, peer) {
        proxy::read_header(&stream, peer)?
    } else {
        peer
    };
    Ok((secure.transport(stream)?, client))
}

/// The answer of a server that cannot take a client: a protocol header and the end
/// (AMQP 0-9-1, section 4.2.2).
fn turn_away(mut stream: TcpStream) {
    // Eight octets always fit into a new socket; the client may be gone already.
    let _ = stream.write_all(&PROTOCOL_HEADER);
}

/// A taken seat, given back when its client is gone.
struct Seat(Arc<Rim>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.seats.leave();
    }
}

/// Keeps a flood of clients from being a flood of lines.
#[derive(Default)]
struct Complaints(Option<Instant>);

impl Complaints {
    fn add(&mut self, log: impl FnOnce()) {
        if self.0.is_none_or(|last| last.elapsed() >= COMPLAINT_INTERVAL) {
            self.0 = Some(Instant::now());
            log();
        }
    }
}
