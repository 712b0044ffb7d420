//! HTTP/1.1, as much of it as management needs, with a bound on everything.
//!
//! ```text
//!   accept ─▶ thread (as many as there are seats) ─▶ head ─▶ answer ─▶ response ─▶ next head …
//!                                                 │         └ reads the body, if it is allowed to
//!                                                 └ deadlines: idle, and for the whole request
//! ```
//!
//! The parser of heads is `httparse`. Left out: pipelining beyond one request at a time, trailers,
//! compression, HTTP/2.

mod body;
#[cfg(fuzzing)]
mod fuzzing;
mod head;
mod response;
mod seats;
mod serve;

pub(super) use body::Body;
#[cfg(fuzzing)]
pub use fuzzing::fuzz_http;
pub(super) use head::Head;
pub(super) use response::Response;
pub(super) use serve::{Answers, Listener, Peer, serve};

/// A request that cannot be answered as it is: the status, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HttpError {
    /// The status code.
    pub(super) status: u16,
    /// What is wrong, in words of our own.
    pub(super) reason: &'static str,
}

impl HttpError {
    pub(super) const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason }
    }
}
