//! Lines on their way to standard error. Whoever logs never waits for it.
//!
//! ```text
//!   any thread ── push ──▶ queue, bounded ──▶ writer thread ──▶ standard error
//!                   └ full: dropped, and counted     └ says how many were dropped
//! ```
//!
//! Standard error may be a pipe that is not read, a file on a full disk or a slow terminal. The
//! graver a line, the more room it finds: a flood of warnings leaves room for errors.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::time::Duration;

use log::Level;
use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// Bytes that may wait before lines of a level are dropped.
const fn room(level: Level) -> usize {
    match level {
        Level::Trace | Level::Debug | Level::Info => 512 * 1024,
        Level::Warn => 768 * 1024,
        Level::Error => 1024 * 1024,
    }
}

/// Bytes of one write at most: a pipe takes as many in one piece (PIPE_BUF), so that lines of
/// others who write to it never stand within ours.
const WRITE_BYTES_MAX: usize = 4096;

/// Lines that wait to be written, bounded in bytes.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    news: Condvar,
    idle: Condvar,
}

#[derive(Debug)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    dropped: u64,
    /// The writer has something that it has taken and not written.
    writing: bool,
    /// The process's last line is there: nothing follows it.
    closed: bool,
}

/// What the writer takes: the lines that waited, and how many have been dropped behind them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Batch {
    lines: VecDeque<Vec<u8>>,
    dropped: u64,
}

impl Queue {
    pub(super) const fn new() -> Self {
        let state =
            State { lines: VecDeque::new(), bytes: 0, dropped: 0, writing: false, closed: false };
        Self { state: Mutex::new(state), news: Condvar::new(), idle: Condvar::new() }
    }

    /// Adds a line with its end, or counts it as dropped.
    pub(super) fn push(&self, level: Level, line: Vec<u8>) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        if state.bytes + line.len() > room(level) {
            state.dropped += 1;
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line);
        self.news.notify_one();
    }

    /// Adds the process's last line, whatever waits: what other threads log behind it is left out.
    pub(super) fn push_last(&self, line: Vec<u8>) {
        let mut state = self.state.lock();
        state.closed = true;
        state.bytes += line.len();
        state.lines.push_back(line);
        self.news.notify_one();
    }

    /// Waits until there is something to write, and takes it all.
    fn take(&self) -> Batch {
        let mut state = self.state.lock();
        state.writing = false;
        while state.lines.is_empty() && state.dropped == 0 {
            self.idle.notify_all();
            self.news.wait(&mut state);
        }
        state.writing = true;
        state.bytes = 0;
        Batch { lines: mem::take(&mut state.lines), dropped: mem::take(&mut state.dropped) }
    }

    /// Waits until everything is written, at most so long.
    pub(super) fn wait_until_written(&self, at_most: Duration) {
        let deadline = std::time::Instant::now() + at_most;
        let mut state = self.state.lock();
        while (state.writing || !state.lines.is_empty())
            && !self.idle.wait_until(&mut state, deadline).timed_out()
        {}
    }

    /// Writes lines as long as the process lives.
    pub(super) fn write_all(&self) {
        loop {
            let Batch { lines, dropped } = self.take();
            write(lines);
            if dropped > 0 {
                log::warn!("{dropped} lines of the log were dropped: standard error was not read");
            }
        }
    }
}

/// Writes lines, as many at a time as fit into one write.
fn write(lines: VecDeque<Vec<u8>>) {
    let mut joined = Vec::with_capacity(WRITE_BYTES_MAX);
    for line in lines {
        if joined.len() + line.len() > WRITE_BYTES_MAX {
            write_bytes(&joined);
            joined.clear();
        }
        joined.extend_from_slice(&line);
    }
    write_bytes(&joined);
}

/// Writes bytes to standard error. Where that is closed, or its disk full, there is nowhere to say
/// so: they are lost.
fn write_bytes(mut bytes: &[u8]) {
    // Its lock is not taken: a thread that panics may want it.
    let to = io::stderr();
    while !bytes.is_empty() {
        match rustix::io::write(&to, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Whoever shares the pipe has made it so that it does not block.
            Err(Errno::AGAIN) => {
                let mut polled = [PollFd::new(&to, PollFlags::OUT)];
                if poll(&mut polled, None).is_err_and(|error| error != Errno::INTR) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(octet: u8, bytes: usize) -> Vec<u8> {
        vec![octet; bytes]
    }

    #[test]
    fn what_finds_no_room_is_counted_and_the_graver_finds_more() {
        let queue = Queue::new();
        let piece = 1024;
        for (level, octet) in [(Level::Info, b'i'), (Level::Warn, b'w'), (Level::Error, b'e')] {
            for _ in 0..2000 {
                queue.push(level, line(octet, piece));
            }
        }
        let Batch { lines, dropped } = queue.take();
        let count = |octet| lines.iter().filter(|line| line[0] == octet).count();
        assert_eq!((count(b'i'), count(b'w'), count(b'e')), (512, 256, 256));
        assert_eq!(dropped, 6000 - 1024);
        queue.push(Level::Info, line(b'i', piece));
        assert_eq!(queue.take(), Batch { lines: [line(b'i', piece)].into(), dropped: 0 });
    }

    #[test]
    fn nobody_waits_longer_than_asked_for_a_writer_that_is_stuck() {
        let queue = Queue::new();
        queue.wait_until_written(Duration::from_secs(3600));
        queue.push(Level::Error, b"last words\n".to_vec());
        queue.wait_until_written(Duration::from_millis(1));
        drop(queue.take());
        queue.wait_until_written(Duration::from_millis(1));
        assert!(queue.state.lock().writing);
    }
}
