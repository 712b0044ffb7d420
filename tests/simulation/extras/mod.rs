//! What goes on beside the clients of [`super::commands`]: queues of other kinds, an exchange that
//! delays and one that tells duplicates, and an operator.
//!
//! ```text
//!   ttl ── expired ──▶ over ◀── due ── later (delays)      each message is in one of them
//!   stream                                                 all of it, in order, at its offset
//!   unique, once ──▶ kept                                  each header once
//!   narrow (4 messages, block) ──▶ taker                   what is confirmed and not taken
//!   alice, vhost v, policy on `ruled`                      as the operator was answered
//! ```
//!
//! One client publishes to all of it but `narrow`, which has a publisher that may be held.

mod check;
mod client;
mod operator;

use std::collections::BTreeMap;

pub(crate) use check::check;
pub(crate) use client::{HELD, Side, begin, begin_turn, command, is_beside};
pub(crate) use operator::{Operator, change};

/// How long a message may wait in `ttl`, in milliseconds.
pub(crate) const TTL: u64 = 200;
/// How many messages fill `narrow`.
pub(crate) const NARROW: usize = 4;
/// How many different headers there are.
pub(crate) const HEADERS: u64 = 12;

/// Where a message was published to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To `ttl`.
    Expiring,
    /// To `later`.
    Delayed,
    /// To `stream`.
    Streamed,
    /// To `unique`, with a header.
    Unique(u64),
    /// To `once`, with a header.
    Once(u64),
    /// To `narrow`.
    Blocking,
}

/// A message that was published beside.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub kind: Kind,
    /// The turn that took it; none is known for a publisher that may be held.
    pub turn: Option<u64>,
    pub confirmed: bool,
    /// When its time is over, and what was unknown of the time then.
    pub due: (u64, u64),
    /// The turn that took it out.
    pub taken: Option<u64>,
}

impl Sent {
    /// Whether it must be there when all turns up to `sure` are.
    pub(crate) fn is_sure(&self, sure: u64) -> bool {
        self.confirmed || self.turn.is_some_and(|turn| turn <= sure)
    }
}

/// What is known of all this.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    pub sent: BTreeMap<u64, Sent>,
    pub published: u64,
    /// The message at each offset of the stream that a reader has seen.
    pub offsets: BTreeMap<u64, u64>,
    pub operator: Operator,
    /// The connections that have published to `narrow`.
    pub publishers: usize,
    /// Questions for a message of `narrow` that were under way when everything stopped.
    pub unseen_gets: usize,
}

/// The number of a message that was published beside.
pub(crate) fn number(message: &leveret::message::Message) -> Result<u64, String> {
    let body = message.body();
    let digits = body.strip_prefix(b"side ").and_then(|text| std::str::from_utf8(text).ok());
    let digits = digits.and_then(|text| text.split(' ').next()?.parse().ok());
    digits.ok_or_else(|| format!("a body that nobody sent: {:?}", String::from_utf8_lossy(body)))
}

/// The offset in a stream's message.
pub(crate) fn offset(message: &leveret::message::Message) -> Result<u64, String> {
    use leveret::wire::{Field, Properties};
    let properties = Properties::decode(message.properties()).map_err(|error| error.to_string())?;
    match properties.headers.as_ref().and_then(|headers| headers.get("x-stream-offset")) {
        Some(Field::I64(offset)) => u64::try_from(*offset).map_err(|error| error.to_string()),
        other => Err(format!("a stream's message with the offset {other:?}")),
    }
}
