//! The arguments of queues that mean something: their values, and on which queue types.

use std::time::Duration;

use super::super::fsync::FsyncPolicy;
use super::QueueType::{self, Classic, Quorum, Stream};
use super::{ArgumentError, Problem, value};
use crate::wire::{Field, Table};

/// Ten years in milliseconds: RabbitMQ's longest time to live.
const EXPIRY_MS_MAX: i64 = 315_360_000_000;
/// RabbitMQ's largest segment of a stream, in octets.
const SEGMENT_BYTES_MAX: i64 = 3_000_000_000;

/// An argument of queue.declare.
struct Known {
    name: &'static str,
    check: Check,
    on: &'static [QueueType],
}

/// What an argument's value must be.
enum Check {
    Integer(i64, i64),
    /// An integer up to 255, whose excess has a text of its own.
    Priority,
    Boolean,
    Text,
    /// One of these texts; else this reason.
    OneOf(&'static [&'static str], &'static str),
    /// One of these texts; else it is an unsupported queue type.
    Type,
    /// A text such as `7D`.
    Age,
    /// An [`FsyncPolicy`] as text.
    Fsync,
    /// 2: the format of RabbitMQ's files, of which 1 is gone.
    Version,
    /// Accepted, or checked where it is parsed.
    Anything,
}

const fn known(name: &'static str, check: Check, on: &'static [QueueType]) -> Known {
    Known { name, check, on }
}

const ANY_COUNT: Check = Check::Integer(0, i64::MAX);

/// Every known argument, in the order in which RabbitMQ looks at them.
#[rustfmt::skip]
const KNOWN: &[Known] = &[
    known("x-expires", Check::Integer(1, EXPIRY_MS_MAX), &[Classic, Quorum]),
    known("x-message-ttl", Check::Integer(0, EXPIRY_MS_MAX), &[Classic, Quorum]),
    known("x-dead-letter-exchange", Check::Anything, &[Classic, Quorum]),
    known("x-dead-letter-routing-key", Check::Text, &[Classic, Quorum]),
    known("x-dead-letter-strategy",
        Check::OneOf(&["at-most-once", "at-least-once"], "invalid_dlx_strategy"), &[Quorum]),
    known("x-max-length", ANY_COUNT, &[Classic, Quorum]),
    known("x-max-length-bytes", ANY_COUNT, &[Classic, Quorum, Stream]),
    known("x-max-in-memory-length", ANY_COUNT, &[Quorum]),
    known("x-max-in-memory-bytes", ANY_COUNT, &[Quorum]),
    known("x-max-priority", Check::Priority, &[Classic]),
    known("x-overflow",
        Check::OneOf(&["drop-head", "reject-publish", "reject-publish-dlx",
            "drop-lowest-priority", "block"], "invalid_overflow"),
        &[Classic, Quorum]),
    known("x-queue-mode", Check::Anything, &[Classic]),
    known("x-queue-version", Check::Version, &[Classic]),
    known("x-single-active-consumer", Check::Boolean, &[Classic, Quorum]),
    known("x-queue-type", Check::Type, &[Classic, Quorum, Stream]),
    known("x-delivery-limit", Check::Integer(i64::MIN, i64::MAX), &[Classic, Quorum]),
    known("x-delayed-retry-type", Check::OneOf(&["disabled", "all", "failed", "returned"],
        "invalid_delayed_retry_type"), &[Classic, Quorum]),
    known("x-delayed-retry-min", Check::Integer(0, EXPIRY_MS_MAX), &[Classic, Quorum]),
    known("x-delayed-retry-max", Check::Integer(0, EXPIRY_MS_MAX), &[Classic, Quorum]),
    known("x-consumer-timeout", ANY_COUNT, &[Classic, Quorum]),
    known("x-quorum-initial-group-size", Check::Integer(1, i64::MAX), &[Quorum]),
    known("x-queue-leader-locator", Check::Text, &[Classic, Quorum, Stream]),
    known("x-max-age", Check::Age, &[Stream]),
    known("x-stream-max-segment-size-bytes", Check::Integer(0, SEGMENT_BYTES_MAX), &[Stream]),
    known("x-stream-filter-size-bytes", Check::Integer(16, 255), &[Stream]),
    known("x-initial-cluster-size", Check::Integer(1, i64::MAX), &[Stream]),
    // Of RabbitMQ's plugins.
    known("x-message-deduplication", Check::Boolean, &[Classic, Quorum]),
    // Leveret's own.
    known("x-fsync", Check::Fsync, &[Classic, Quorum, Stream]),
];

/// Checks the value of each known argument that is there.
pub(super) fn check(table: &Table) -> Result<(), ArgumentError> {
    for known in KNOWN {
        if let Some(field) = table.get(known.name) {
            known.check.apply(known.name, field)?;
        }
    }
    Ok(())
}

/// Checks that no known argument is there that belongs to other types of queue.
pub(super) fn check_support(table: &Table, queue_type: QueueType) -> Result<(), ArgumentError> {
    let stray = KNOWN
        .iter()
        .find(|known| !known.on.contains(&queue_type) && table.get(known.name).is_some());
    stray.map_or(Ok(()), |known| {
        Err(ArgumentError { argument: known.name, problem: Problem::Unsupported(queue_type) })
    })
}

/// The names of the arguments that mean something for this type of queue.
pub(super) fn supported(queue_type: QueueType) -> impl Iterator<Item = &'static str> {
    KNOWN.iter().filter(move |known| known.on.contains(&queue_type)).map(|known| known.name)
}

/// The refusal of a value that should have been an integer.
pub(super) fn not_integer(argument: &'static str, field: &Field) -> ArgumentError {
    let reason = format!("\"expected integer, got {}\"", value::type_name(field));
    ArgumentError::value(argument, reason)
}

impl Check {
    fn apply(&self, argument: &'static str, field: &Field) -> Result<(), ArgumentError> {
        let problem = match self {
            Self::Anything => None,
            Self::Boolean => match field {
                Field::Boolean(_) => None,
                other => Some(unacceptable_type(other)),
            },
            Self::Integer(..) | Self::Priority | Self::Version => {
                let number = value::integer(field).ok_or_else(|| not_integer(argument, field))?;
                self.number_problem(number)
            }
            Self::Text | Self::OneOf(..) | Self::Type | Self::Age | Self::Fsync => match field {
                Field::LongString(octets) => self.text_problem(octets),
                other => Some(unacceptable_type(other)),
            },
        };
        problem.map_or(Ok(()), |reason| Err(ArgumentError::value(argument, reason)))
    }

    fn number_problem(&self, number: i64) -> Option<String> {
        let (least, most) = match *self {
            Self::Integer(least, most) => (least, most),
            Self::Priority => (0, 255),
            _ => (2, 2),
        };
        if (least..=most).contains(&number) {
            return None;
        }
        Some(match self {
            _ if number < 0 => format!("{{value_negative,{number}}}"),
            Self::Priority => format!("{{max_value_exceeded,{number}}}"),
            Self::Version => format!("\"unsupported queue version '{number}'\""),
            _ if number == 0 => "{value_zero,0}".to_owned(),
            _ if number < least => format!("{{value_too_small,{number}}}"),
            _ => format!("{{value_too_large,{number}}}"),
        })
    }

    fn text_problem(&self, octets: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(octets);
        match self {
            Self::OneOf(texts, reason) if !texts.contains(&&*text) => Some((*reason).to_owned()),
            Self::Type if QueueType::named(&text).is_none() => {
                Some(format!("\"unsupported queue type '{text}'\""))
            }
            Self::Age if age(&text).is_none() => Some("invalid_max_age".to_owned()),
            Self::Fsync => text.parse::<FsyncPolicy>().err().map(|reason| format!("\"{reason}\"")),
            _ => None,
        }
    }
}

/// A positive number of years, months, days, hours, minutes or seconds as text, such as `7D`. A
/// year is 365 days and a month 30, as in RabbitMQ.
#[must_use]
pub fn age(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let seconds: u64 = match unit {
        'Y' => 365 * 24 * 60 * 60,
        'M' => 30 * 24 * 60 * 60,
        'D' => 24 * 60 * 60,
        'h' => 60 * 60,
        'm' => 60,
        's' => 1,
        _ => return None,
    };
    let digits = &text[..text.len() - 1]; // all units are ASCII
    let number = digits.parse::<u64>().ok().filter(|number| *number > 0)?;
    digits
        .bytes()
        .all(|digit| digit.is_ascii_digit())
        .then(|| Duration::from_secs(number.saturating_mul(seconds)))
}

fn unacceptable_type(field: &Field) -> String {
    format!("{{unacceptable_type,{}}}", value::type_name(field))
}
