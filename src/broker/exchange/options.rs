//! What the arguments of an exchange say, for the types that have arguments of their own.

use std::time::Duration;

use super::ExchangeKind;
use crate::broker::arguments::value;
use crate::wire::{Field, ShortString, Table};

/// The messages that `x-recent-history` keeps if nothing else is asked for, as RabbitMQ.
const HISTORY_LENGTH: u64 = 20;
/// The headers that `x-message-deduplication` remembers at most.
const CACHE_SIZE_MAX: u64 = 1_000_000;

/// The options of an exchange, by its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Options {
    /// It has none.
    None,
    /// What `x-consistent-hash` hashes.
    HashOn(HashOn),
    /// `x-recent-history`.
    RecentHistory {
        /// How many messages are kept.
        length: u64,
    },
    /// `x-federation-upstream`.
    FederationUpstream {
        /// A message that came over so many links goes no further.
        hops_max: i64,
        /// The name of the downstream cluster, if it is told.
        downstream_name: Option<Vec<u8>>,
        /// The vhost there.
        downstream_vhost: Option<Vec<u8>>,
    },
    /// `x-message-deduplication`.
    Deduplication {
        /// How many headers are remembered.
        size: u64,
        /// For how long; without it, until newer ones need the room.
        ttl: Option<Duration>,
    },
    /// `x-delayed-message`: the type that routes when the delay is over, and its options.
    Delayed(ExchangeKind, Box<Self>),
}

/// Of what a hash is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashOn {
    /// All routing keys.
    RoutingKeys,
    /// The value of this header.
    Header(ShortString),
    /// The property correlation-id.
    CorrelationId,
    /// The property message-id.
    MessageId,
    /// The property timestamp.
    Timestamp,
}

impl Options {
    /// Checks and parses the arguments of an exchange.
    ///
    /// # Errors
    /// The text of a 406 PRECONDITION_FAILED, in the words of RabbitMQ and of the plugins.
    pub fn parse(kind: ExchangeKind, arguments: &Table) -> Result<Self, String> {
        Ok(match kind {
            ExchangeKind::ConsistentHash => Self::HashOn(hash_on(arguments)?),
            ExchangeKind::RecentHistory => Self::RecentHistory { length: history(arguments)? },
            ExchangeKind::FederationUpstream => Self::FederationUpstream {
                hops_max: hops_max(arguments)?,
                downstream_name: text(arguments, "x-downstream-name"),
                downstream_vhost: text(arguments, "x-downstream-vhost"),
            },
            ExchangeKind::Deduplication => deduplication(arguments)?,
            ExchangeKind::Delayed => {
                let kind = delayed_kind(arguments)?;
                Self::Delayed(kind, Box::new(Self::parse(kind, arguments)?))
            }
            ExchangeKind::Direct
            | ExchangeKind::Fanout
            | ExchangeKind::Topic
            | ExchangeKind::Headers
            | ExchangeKind::ModulusHash
            | ExchangeKind::Random
            | ExchangeKind::LocalRandom => Self::None,
        })
    }

    /// The kind that routes, and its own options.
    #[must_use]
    pub fn routing(&self, kind: ExchangeKind) -> (ExchangeKind, &Self) {
        match self {
            Self::Delayed(kind, options) => (*kind, options),
            _ => (kind, self),
        }
    }
}

/// The arguments that a redeclaration has to give as they are, beside those of every exchange.
#[must_use]
pub fn compared(kind: ExchangeKind) -> &'static [&'static str] {
    match kind {
        ExchangeKind::Delayed => &["alternate-exchange", "x-delayed-type"],
        ExchangeKind::FederationUpstream => &["alternate-exchange", "x-max-hops"],
        ExchangeKind::Deduplication => &["alternate-exchange", "x-cache-size", "x-cache-ttl"],
        _ => &["alternate-exchange"],
    }
}

fn hash_on(arguments: &Table) -> Result<HashOn, String> {
    match (arguments.get("hash-header"), arguments.get("hash-property")) {
        (None, None) => Ok(HashOn::RoutingKeys),
        (Some(_), Some(_)) => {
            Err("hash-header and hash-property are mutually exclusive".to_owned())
        }
        (Some(Field::LongString(name)), None) => std::str::from_utf8(name)
            .ok()
            .and_then(|name| ShortString::new(name).ok())
            .map(HashOn::Header)
            .ok_or_else(|| "hash-header must be the name of a header".to_owned()),
        (Some(other), None) => {
            Err(format!("hash-header must be a string, got {}", value::type_name(other)))
        }
        (None, Some(property)) => match value::plain(property).as_str() {
            "correlation_id" => Ok(HashOn::CorrelationId),
            "message_id" => Ok(HashOn::MessageId),
            "timestamp" => Ok(HashOn::Timestamp),
            other => Err(format!("Unsupported property: {other}")),
        },
    }
}

fn history(arguments: &Table) -> Result<u64, String> {
    let Some(field) = arguments.get("x-recent-history-length") else { return Ok(HISTORY_LENGTH) };
    positive(field).ok_or_else(|| {
        let term = value::term(field);
        format!("Invalid argument {term}, 'x-recent-history-length' must be a positive integer")
    })
}

fn hops_max(arguments: &Table) -> Result<i64, String> {
    match arguments.get("x-max-hops").map(value::integer) {
        None => Err("Argument x-max-hops missing".to_owned()),
        Some(None) => Err("Argument x-max-hops must be of type long".to_owned()),
        Some(Some(hops)) => Ok(hops),
    }
}

fn deduplication(arguments: &Table) -> Result<Options, String> {
    let size = arguments
        .get("x-cache-size")
        .and_then(positive_or_digits)
        .ok_or("Missing or invalid argument, 'x-cache-size' must be an integer greater than 0")?;
    if size > CACHE_SIZE_MAX {
        return Err(format!("Invalid argument, 'x-cache-size' must not exceed {CACHE_SIZE_MAX}"));
    }
    let ttl = match arguments.get("x-cache-ttl") {
        None => None,
        Some(field) => Some(Duration::from_millis(
            positive_or_digits(field)
                .ok_or("Invalid argument, 'x-cache-ttl' must be an integer greater than 0")?,
        )),
    };
    match arguments.get("x-cache-persistence").map(value::plain).as_deref() {
        None | Some("disk" | "memory") => Ok(Options::Deduplication { size, ttl }),
        Some(_) => {
            Err("Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'".into())
        }
    }
}

fn delayed_kind(arguments: &Table) -> Result<ExchangeKind, String> {
    let Some(Field::LongString(name)) = arguments.get("x-delayed-type") else {
        let text = "Invalid argument, 'x-delayed-type' must be an existing exchange type";
        return Err(text.to_owned());
    };
    let name = String::from_utf8_lossy(name);
    ExchangeKind::named(&name)
        .filter(|kind| *kind != ExchangeKind::Delayed)
        .ok_or_else(|| format!("unknown exchange type '{name}'"))
}

fn positive(field: &Field) -> Option<u64> {
    value::integer(field).and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0)
}

fn positive_or_digits(field: &Field) -> Option<u64> {
    match field {
        Field::LongString(digits) => {
            std::str::from_utf8(digits).ok()?.parse().ok().filter(|number| *number > 0)
        }
        other => positive(other),
    }
}

fn text(arguments: &Table, name: &str) -> Option<Vec<u8>> {
    match arguments.get(name) {
        Some(Field::LongString(text)) => Some(text.clone()),
        _ => None,
    }
}
