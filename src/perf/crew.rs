//! A thread with some connections: it sleeps in one poll(2) until one of them has something to do.
//!
//! ```text
//!   ┌─▶ each peer's turn: read, publish or acknowledge, write; nothing waits
//!   └── poll: readable, writable if a peer wishes so, the next moment that a peer is due
//! ```

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::control::Control;
use super::error::PerfError;
use super::latency::Latency;

/// How long a thread sleeps at most: then it looks whether the run is over.
const NAP: Duration = Duration::from_millis(20);

/// A connection that publishes or consumes.
pub(super) trait Peer {
    /// Does what can be done without waiting. `readable`: there is something to read.
    ///
    /// # Errors
    ///
    /// When the connection is lost, or the broker ends it.
    fn turn(&mut self, run: &mut Turn<'_>, readable: bool) -> Result<Wish, PerfError>;

    /// What is waited for.
    fn socket(&self) -> &TcpStream;
}

/// What a turn works with.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    /// The run.
    pub(super) control: &'a Control,
    /// Where the thread's times are counted.
    pub(super) latency: &'a mut Latency,
}

/// What a peer waits for, beside something to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing.
    Read,
    /// Room to write.
    Write,
    /// A moment, in nanoseconds of the run.
    Wake(u64),
    /// It is done and does not want another turn.
    Done,
}

/// Gives turns to the peers until all are done, or the run has failed. Returns them with the times
/// they measured.
pub(super) fn run<P: Peer>(
    mut peers: Vec<P>,
    control: &Control,
) -> Result<(Vec<P>, Latency), PerfError> {
    let mut latency = Latency::new();
    let mut wishes = vec![(Wish::Read, false); peers.len()];
    while !control.fails() {
        for (peer, (wish, readable)) in peers.iter_mut().zip(&mut wishes) {
            if *wish != Wish::Done {
                let mut turn = Turn { control, latency: &mut latency };
                *wish = peer.turn(&mut turn, *readable)?;
            }
        }
        if wishes.iter().all(|(wish, _)| *wish == Wish::Done) {
            break;
        }
        wait(&peers, &mut wishes, control.now())?;
    }
    Ok((peers, latency))
}

/// Sleeps until a wish comes true, and notes who can read.
fn wait<P: Peer>(peers: &[P], wishes: &mut [(Wish, bool)], now: u64) -> Result<(), PerfError> {
    let mut nap = NAP;
    let mut polled = Vec::with_capacity(peers.len());
    for (peer, (wish, _)) in peers.iter().zip(&*wishes) {
        let wanted = match wish {
            Wish::Read => PollFlags::IN,
            Wish::Write => PollFlags::IN | PollFlags::OUT,
            Wish::Wake(time) => {
                nap = nap.min(Duration::from_nanos(time.saturating_sub(now)));
                PollFlags::IN
            }
            // The socket may be closed on the other side: that wakes nobody any more.
            Wish::Done => continue,
        };
        polled.push(PollFd::new(peer.socket(), wanted));
    }
    let timeout = Timespec::try_from(nap).ok();
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(PerfError::Io("poll", io::Error::from(error))),
    }
    let asked = wishes.iter_mut().filter(|(wish, _)| *wish != Wish::Done);
    for ((_, readable), polled) in asked.zip(&polled) {
        let signs = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        *readable = polled.revents().intersects(signs);
    }
    Ok(())
}
