//! The follower's thread: carries lines of the log to the router, which publishes them.
//!
//! Nobody who logs waits for it: what it does not take in time is not published.

use crossbeam_channel::Receiver;

use crate::logging::LogLine;

use super::inbox::{Inlet, Input};

/// Lines that are carried together at most.
const LINES_MAX: usize = 64;

/// Carries lines until the router has ended.
pub(super) fn run(lines: &Receiver<LogLine>, inbox: &Inlet) {
    while let Ok(first) = lines.recv() {
        let gathered = [first].into_iter().chain(lines.try_iter().take(LINES_MAX - 1)).collect();
        if inbox.send(Input::Logged(gathered)).is_err() {
            return;
        }
    }
}
