//! Hears a client out that has closed first: what it still writes is read and thrown away.
//!
//! ```text
//!   client      close  publish publish ..                        FIN
//!   broker             close-ok  (reads, throws away)  FIN            closed
//!                      |<- GRACE ->|<---- at most QUIET without an octet, LINGER in all ---->|
//! ```
//!
//! A client may send connection.close ahead of publishes that wait in its own buffers. Closing the
//! socket under them would reset the connection: the kernel throws close-ok away, the client's next
//! write fails, and some clients never get over that. RabbitMQ reads on for up to 30 seconds.
//!
//! By then the router has forgotten the client and its place is free for others: only the socket and
//! the thread are left. There are a limited number of these; beyond it sockets are closed at once.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::rim::Rim;
use super::transport::Transport;

/// How long a client has to close its socket before we say that nothing more comes from here. One
/// that reads an end of file right behind close-ok may take it for a failure: some clients look at
/// both in two threads.
const GRACE: Duration = Duration::from_millis(200);

/// How long it may write nothing before its socket is closed.
const QUIET: Duration = Duration::from_secs(3);

/// How long it may go on writing (RabbitMQ's CLOSING_TIMEOUT).
const LINGER: Duration = Duration::from_secs(30);

/// Reads of 4 KiB between two looks at the time.
const READS_MAX: usize = 256;

/// Reads until the client closes its socket, the time is over, or the broker stops.
pub(super) fn hear_out(rim: &Rim, mut transport: Transport) {
    if !rim.seats.linger() {
        drop(throw_away(&transport));
        return;
    }
    // An error means that the client is gone, which is what is waited for.
    drop(wait(rim, &mut transport));
    rim.seats.stop_lingering();
}

fn wait(rim: &Rim, transport: &mut Transport) -> io::Result<()> {
    let began = Instant::now();
    let mut heard = began;
    let mut open = true;
    loop {
        let now = Instant::now();
        if open && now >= began + GRACE {
            transport.close()?;
            open = false;
        }
        let end = (began + LINGER).min(heard + QUIET);
        if now >= end {
            return Ok(());
        }
        let until = if open { began + GRACE } else { end };
        let timeout = Timespec::try_from(until.saturating_duration_since(now)).ok();
        let mut polled =
            [PollFd::new(&*transport, PollFlags::IN), PollFd::new(&rim.closed, PollFlags::IN)];
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [socket, closed] = polled.map(|fd| fd.revents());
        if !closed.is_empty() {
            return Ok(());
        }
        if !socket.is_empty() {
            heard = Instant::now();
            if !throw_away(transport)? {
                return Ok(());
            }
        }
    }
}

/// Reads what is there. Returns whether the client may write more.
pub(super) fn throw_away(transport: &Transport) -> io::Result<bool> {
    let mut rest = [0; 4096];
    // Bounded, as the client may write as fast as this reads: the caller looks at the time again.
    for _ in 0..READS_MAX {
        match rustix::io::read(transport, &mut rest) {
            Ok(0) => return Ok(false),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}
