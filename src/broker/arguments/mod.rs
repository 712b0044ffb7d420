//! Arguments of declarations and consumers, parsed once at the door into typed options.
//!
//! ```text
//!   Table --parse--> QueueArguments { message_ttl: Option<Duration>, .., table }
//!           |                           options for the broker         for listings, snapshots
//!           +-> ArgumentError           and redeclarations
//! ```
//!
//! Arguments that nobody knows are kept and ignored, as RabbitMQ does. Which ones are known, what
//! they may be and on which queue types they work is one table, in `known`. Texts are those of
//! RabbitMQ, down to their Erlang terms: people search for them.

mod difference;
mod known;
pub mod value;

use std::fmt;
use std::time::Duration;

use crate::wire::{Field, PackedTable, ShortBytes, ShortString, Table};

use super::fsync::FsyncPolicy;

pub use self::difference::Differences;
pub use self::known::age;

/// What a queue's `x-queue-type` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum QueueType {
    /// An ordinary queue.
    #[default]
    Classic,
    /// RabbitMQ's replicated queue.
    Quorum,
    /// RabbitMQ's append-only log.
    Stream,
}

impl QueueType {
    /// The type that `x-queue-type` calls `name`, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Classic, Self::Quorum, Self::Stream].into_iter().find(|kind| kind.name() == name)
    }

    /// What `x-queue-type` calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }
}

/// What happens when a queue is at its maximum length (`x-overflow`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overflow {
    /// The oldest messages are dropped or dead-lettered.
    #[default]
    DropHead,
    /// New messages are refused: nacked where the publisher wants confirms.
    RejectPublish,
    /// As `RejectPublish`, and dead-lettered.
    RejectPublishDlx,
    /// The oldest messages of the lowest priority are dropped or dead-lettered.
    DropLowestPriority,
    /// Publishers are held back until there is room.
    Block,
}

impl Overflow {
    /// Whether it is a message in the queue that goes, rather than the new one that is refused.
    #[must_use]
    pub fn drops(self) -> bool {
        matches!(self, Self::DropHead | Self::DropLowestPriority)
    }

    /// Whether it is the new message that is refused.
    #[must_use]
    pub fn refuses(self) -> bool {
        matches!(self, Self::RejectPublish | Self::RejectPublishDlx)
    }
}

/// Which messages wait before they are delivered again, and how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DelayedRetry {
    /// Those whose delivery failed.
    pub failed: bool,
    /// Those that a consumer gave back.
    pub returned: bool,
    /// How long after the first failure; after the second twice as long, and so on.
    pub least: Duration,
    /// But no longer than this.
    pub most: Option<Duration>,
}

/// The arguments of queue.declare. `None` is: not limited, not wanted.
#[derive(Clone, Debug, Default)]
pub struct QueueArguments {
    /// All arguments as they came.
    pub table: PackedTable,
    /// `x-queue-type`; classic if absent.
    pub queue_type: QueueType,
    /// `x-message-ttl`: how long a message may wait.
    pub message_ttl: Option<Duration>,
    /// `x-expires`: how long the queue may be unused; not zero.
    pub expires: Option<Duration>,
    /// `x-max-length`: the most ready messages.
    pub max_length: Option<u64>,
    /// `x-max-length-bytes`: the most octets of ready bodies.
    pub max_length_bytes: Option<u64>,
    /// `x-overflow`.
    pub overflow: Overflow,
    /// `x-dead-letter-exchange`: where dead messages are published to; empty is the default
    /// exchange.
    pub dead_letter_exchange: Option<ShortString>,
    /// `x-dead-letter-routing-key`: with which key; `None` is the message's own. Never without an
    /// exchange.
    pub dead_letter_routing_key: Option<ShortBytes>,
    /// `x-max-priority`: the highest priority; `None` (also for 0) is no priorities.
    pub max_priority: Option<u8>,
    /// `x-delivery-limit`: how often a delivery may fail; `Some(None)` is as often as it likes.
    pub delivery_limit: Option<Option<u32>>,
    /// `x-delayed-retry-type`, `-min` and `-max`: how long messages wait that came back.
    pub delayed_retry: Option<DelayedRetry>,
    /// `x-single-active-consumer`: one consumer at a time.
    pub single_active_consumer: bool,
    /// `x-message-deduplication`: a message is dropped while one with its header is in the queue.
    pub deduplicates: bool,
    /// `x-fsync`: what a confirm of a message in this queue means; `None` is the broker's policy.
    pub fsync: Option<FsyncPolicy>,
    /// `x-consumer-timeout`: how long a consumer may keep a delivery; zero is for ever.
    pub consumer_timeout: Option<Duration>,
    /// `x-max-age`: how long a stream keeps messages.
    pub max_age: Option<Duration>,
    /// `x-stream-max-segment-size-bytes`: octets of a stream's segments.
    pub segment_bytes: Option<u64>,
}

impl QueueArguments {
    /// Checks and parses a queue's arguments.
    ///
    /// # Errors
    /// A known argument of the wrong type, out of range, or for another type of queue.
    pub fn parse(table: &Table) -> Result<Self, ArgumentError> {
        known::check(table)?;
        let queue_type = text(table, "x-queue-type").and_then(QueueType::named);
        let queue_type = queue_type.unwrap_or_default();
        known::check_support(table, queue_type)?;
        let arguments = Self {
            table: table.into(),
            queue_type,
            message_ttl: number(table, "x-message-ttl").map(Duration::from_millis),
            expires: number(table, "x-expires").map(Duration::from_millis),
            max_length: number(table, "x-max-length"),
            max_length_bytes: number(table, "x-max-length-bytes"),
            overflow: match text(table, "x-overflow") {
                Some("reject-publish") => Overflow::RejectPublish,
                Some("reject-publish-dlx") => Overflow::RejectPublishDlx,
                Some("drop-lowest-priority") => Overflow::DropLowestPriority,
                Some("block") => Overflow::Block,
                _ => Overflow::DropHead,
            },
            dead_letter_exchange: exchange_name(table, "x-dead-letter-exchange")?,
            dead_letter_routing_key: routing_key(table, "x-dead-letter-routing-key")?,
            max_priority: number(table, "x-max-priority")
                .and_then(|highest| u8::try_from(highest).ok())
                .filter(|highest| *highest > 0),
            delivery_limit: table
                .get("x-delivery-limit")
                .and_then(value::integer)
                .map(|limit| (limit >= 0).then(|| u32::try_from(limit).unwrap_or(u32::MAX))),
            delayed_retry: delayed_retry(table),
            single_active_consumer: boolean(table, "x-single-active-consumer"),
            deduplicates: boolean(table, "x-message-deduplication"),
            fsync: text(table, "x-fsync").and_then(|policy| policy.parse().ok()),
            consumer_timeout: number(table, "x-consumer-timeout").map(Duration::from_millis),
            max_age: text(table, "x-max-age").and_then(age),
            segment_bytes: number(table, "x-stream-max-segment-size-bytes"),
        };
        if arguments.dead_letter_routing_key.is_some() && arguments.dead_letter_exchange.is_none() {
            let reason = "routing_key_but_no_dlx_defined";
            return Err(ArgumentError::value("x-dead-letter-routing-key", reason));
        }
        Ok(arguments)
    }

    /// Adds the known arguments that a redeclaration gives differently. Arguments that are unknown,
    /// or known for other types of queue, may differ.
    #[must_use]
    pub fn compare(&self, received: &Table, differences: Differences) -> Differences {
        differences.arguments(&self.table.unpack(), received, known::supported(self.queue_type))
    }
}

/// The arguments of exchange.declare.
#[derive(Clone, Debug, Default)]
pub struct ExchangeArguments {
    /// `alternate-exchange`: where messages go that no binding matches.
    pub alternate_exchange: Option<ShortString>,
}

impl ExchangeArguments {
    /// Checks and parses an exchange's arguments.
    ///
    /// # Errors
    /// An `alternate-exchange` that is no name.
    pub fn parse(table: &Table) -> Result<Self, ArgumentError> {
        let alternate_exchange = exchange_name(table, "alternate-exchange")?;
        Ok(Self { alternate_exchange })
    }
}

/// The arguments of basic.consume.
#[derive(Clone, Debug, Default)]
pub struct ConsumerArguments {
    /// `x-priority`: higher ones are served first; 0 if absent.
    pub priority: i64,
    /// `x-consumer-timeout`: how long a delivery may be kept; zero is for ever, whatever the queue
    /// says.
    pub timeout: Option<Duration>,
}

impl ConsumerArguments {
    /// Checks and parses a consumer's arguments.
    ///
    /// # Errors
    /// An `x-priority` that is no integer, an `x-consumer-timeout` that is none or negative.
    pub fn parse(table: &Table) -> Result<Self, ArgumentError> {
        let priority = match table.get("x-priority") {
            None => 0,
            Some(field) => {
                value::integer(field).ok_or_else(|| known::not_integer("x-priority", field))?
            }
        };
        let timeout =
            match table.get("x-consumer-timeout").map(|field| (field, value::integer(field))) {
                None => None,
                Some((field, None)) => return Err(known::not_integer("x-consumer-timeout", field)),
                Some((_, Some(milliseconds))) => match u64::try_from(milliseconds) {
                    Ok(milliseconds) => Some(Duration::from_millis(milliseconds)),
                    Err(_) => {
                        let reason = format!("{{value_negative,{milliseconds}}}");
                        return Err(ArgumentError::value("x-consumer-timeout", reason));
                    }
                },
            };
        Ok(Self { priority, timeout })
    }
}

/// An argument that cannot be accepted: 406 PRECONDITION_FAILED.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArgumentError {
    argument: &'static str,
    problem: Problem,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Problem {
    /// Something is wrong with its value, said as an Erlang term.
    Value(String),
    /// A name was expected, and this type came.
    Type(&'static str),
    /// It means something for other types of queue only.
    Unsupported(QueueType),
}

impl ArgumentError {
    /// The refusal of a value, with the reason as an Erlang term.
    pub(super) fn value(argument: &'static str, reason: impl Into<String>) -> Self {
        Self { argument, problem: Problem::Value(reason.into()) }
    }

    /// RabbitMQ's text for it; `subject` is as in `queue 'q' in vhost '/'`.
    #[must_use]
    pub fn text(&self, subject: impl fmt::Display) -> String {
        let argument = self.argument;
        match &self.problem {
            Problem::Value(reason) => format!("invalid arg '{argument}' for {subject}: {reason}"),
            Problem::Type(name) => {
                format!("invalid type '{name}' for arg '{argument}' in {subject}")
            }
            Problem::Unsupported(queue_type) => {
                let queue_type = queue_type.name();
                format!(
                    "invalid arg '{argument}' for {subject} of queue type rabbit_{queue_type}_queue"
                )
            }
        }
    }
}

/// A number that is not negative.
fn number(table: &Table, argument: &str) -> Option<u64> {
    table.get(argument).and_then(value::integer).and_then(|number| u64::try_from(number).ok())
}

fn delayed_retry(table: &Table) -> Option<DelayedRetry> {
    let (failed, returned) = match text(table, "x-delayed-retry-type")? {
        "all" => (true, true),
        "failed" => (true, false),
        "returned" => (false, true),
        _ => return None,
    };
    let least = Duration::from_millis(number(table, "x-delayed-retry-min")?);
    let most = number(table, "x-delayed-retry-max").map(Duration::from_millis);
    Some(DelayedRetry { failed, returned, least, most })
}

fn boolean(table: &Table, argument: &str) -> bool {
    matches!(table.get(argument), Some(Field::Boolean(true)))
}

fn text<'t>(table: &'t Table, argument: &str) -> Option<&'t str> {
    match table.get(argument) {
        Some(Field::LongString(octets)) => std::str::from_utf8(octets).ok(),
        _ => None,
    }
}

/// The name of an exchange that may or may not exist.
fn exchange_name(
    table: &Table,
    argument: &'static str,
) -> Result<Option<ShortString>, ArgumentError> {
    let octets = match table.get(argument) {
        None => return Ok(None),
        Some(Field::LongString(octets)) => octets,
        Some(other) => {
            let problem = Problem::Type(value::type_name(other));
            return Err(ArgumentError { argument, problem });
        }
    };
    let name = std::str::from_utf8(octets).ok().and_then(|name| ShortString::new(name).ok());
    name.map(Some).ok_or_else(|| ArgumentError::value(argument, "invalid_exchange_name"))
}

fn routing_key(table: &Table, argument: &'static str) -> Result<Option<ShortBytes>, ArgumentError> {
    let Some(Field::LongString(octets)) = table.get(argument) else { return Ok(None) };
    let key = ShortBytes::new(octets);
    key.map(Some).map_err(|_| ArgumentError::value(argument, "invalid_routing_key"))
}

#[cfg(test)]
mod tests;
