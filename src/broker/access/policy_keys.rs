//! The keys of policies: what their values may be, and what they mean.

use std::time::Duration;

use crate::wire::{Field, ShortBytes, ShortString, Table};

use super::super::arguments::{Overflow, age};
use super::super::fsync::FsyncPolicy;

/// A key of a policy's definition.
struct Key {
    name: &'static str,
    /// What its values are called in a refusal.
    title: &'static str,
    check: Check,
    /// Whether an operator policy may have it.
    operator: bool,
}

/// What a key's value must be.
enum Check {
    /// An integer in this range.
    Integer(i64, i64),
    /// Any text of at most 255 octets.
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A text such as `7D`.
    Age,
    /// An fsync policy.
    Fsync,
    /// Accepted, as by RabbitMQ; without effect on a single broker.
    Anything,
}

/// The most milliseconds that RabbitMQ takes for a time to live: ten years.
const EXPIRY_MS_MAX: i64 = 315_360_000_000;
const COUNT: Check = Check::Integer(0, i64::MAX);

const fn key(name: &'static str, title: &'static str, check: Check, operator: bool) -> Key {
    Key { name, title, check, operator }
}

/// Every key that is known. Those of clusters are kept for definitions that travel, and have no
/// effect here.
#[rustfmt::skip]
const KEYS: &[Key] = &[
    key("alternate-exchange", "alternate exchange name", Check::Text, false),
    key("dead-letter-exchange", "dead letter exchange name", Check::Text, false),
    key("dead-letter-routing-key", "dead letter routing key", Check::Text, false),
    key("dead-letter-strategy", "dead letter strategy",
        Check::OneOf(&["at-most-once", "at-least-once"]), false),
    key("message-ttl", "message TTL", Check::Integer(0, EXPIRY_MS_MAX), true),
    key("expires", "queue expiry", Check::Integer(1, EXPIRY_MS_MAX), true),
    key("max-length", "maximum length", COUNT, true),
    key("max-length-bytes", "maximum length in bytes", COUNT, true),
    key("max-in-memory-length", "maximum memory in bytes", COUNT, true),
    key("max-in-memory-bytes", "maximum memory in bytes", COUNT, true),
    key("overflow", "overflow value",
        Check::OneOf(&["drop-head", "reject-publish", "reject-publish-dlx", "drop-lowest-priority",
            "block"]), true),
    key("delivery-limit", "delivery limit", Check::Integer(i64::MIN, i64::MAX), true),
    key("consumer-timeout", "consumer timeout", COUNT, true),
    key("fsync", "fsync policy", Check::Fsync, false),
    key("queue-mode", "queue-mode value", Check::OneOf(&["default", "lazy"]), false),
    key("queue-version", "queue-version value", Check::Integer(1, 2), true),
    key("max-age", "max age", Check::Age, false),
    key("stream-max-segment-size-bytes", "segment size", Check::Integer(0, 3_000_000_000), false),
    key("queue-leader-locator", "queue leader locator value",
        Check::OneOf(&["client-local", "balanced", "random", "least-leaders"]), false),
    key("queue-master-locator", "queue master locator value", Check::Text, false),
    key("initial-cluster-size", "cluster size", COUNT, false),
    key("target-group-size", "target quorum queue group size", COUNT, true),
    key("ha-mode", "ha-mode", Check::Anything, false),
    key("ha-params", "ha-params", Check::Anything, false),
    key("ha-sync-mode", "ha-sync-mode", Check::Anything, false),
    key("ha-sync-batch-size", "ha-sync-batch-size", Check::Anything, false),
    key("ha-promote-on-shutdown", "ha-promote-on-shutdown", Check::Anything, false),
    key("ha-promote-on-failure", "ha-promote-on-failure", Check::Anything, false),
    key("federation-upstream", "federation upstream", Check::Anything, false),
    key("federation-upstream-set", "federation upstream set", Check::Anything, false),
];

/// Checks a definition. The refusal is in RabbitMQ's words, its values as Erlang writes them.
pub(super) fn check(definition: &Table, operator: bool) -> Result<(), String> {
    if definition.is_empty() {
        return Err("no policy provided".to_owned());
    }
    for (name, value) in definition.iter() {
        let known = KEYS.iter().find(|key| key.name == &**name && (key.operator || !operator));
        let Some(known) = known else {
            return Err(format!(
                "[{{<<\"{name}\">>,{}}}] are not recognised policy settings",
                term(value)
            ));
        };
        if !known.check.passes(value) {
            return Err(format!("{} is not a valid {}", term(value), known.title));
        }
    }
    Ok(())
}

/// Of a policy's number and an operator policy's the one that holds: the stricter.
pub(super) fn smaller(key: &str, own: i64, operator: i64) -> i64 {
    match (key, own, operator) {
        // A negative delivery limit is none.
        ("delivery-limit", _, limit) if own < 0 => limit,
        ("delivery-limit", own, ..0) => own,
        _ => own.min(operator),
    }
}

impl Check {
    fn passes(&self, value: &Field) -> bool {
        match self {
            Self::Integer(low, high) => {
                value.as_integer().is_some_and(|number| (*low..=*high).contains(&number))
            }
            Self::Text => text(value).is_some_and(|text| text.len() <= 255),
            Self::OneOf(allowed) => text(value).is_some_and(|text| allowed.contains(&text)),
            Self::Fsync => text(value).is_some_and(|text| text.parse::<FsyncPolicy>().is_ok()),
            Self::Age => text(value).is_some_and(|text| age(text).is_some()),
            Self::Anything => true,
        }
    }
}

/// A value as Erlang would write it.
fn term(value: &Field) -> String {
    match value {
        Field::LongString(octets) => format!("<<\"{}\">>", String::from_utf8_lossy(octets)),
        Field::Array(items) => {
            format!("[{}]", items.iter().map(term).collect::<Vec<_>>().join(","))
        }
        Field::Table(table) => {
            let entries =
                table.iter().map(|(key, value)| format!("<<\"{key}\">> => {}", term(value)));
            format!("#{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Field::Void => "null".to_owned(),
        Field::Boolean(value) => value.to_string(),
        other => other.as_integer().map_or_else(|| other.to_string(), |number| number.to_string()),
    }
}

fn text(value: &Field) -> Option<&str> {
    match value {
        Field::LongString(octets) => std::str::from_utf8(octets).ok(),
        _ => None,
    }
}

/// The settings that have an effect. `None` is: the policy says nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySettings {
    /// `alternate-exchange`; an exchange's own argument wins.
    pub alternate_exchange: Option<ShortString>,
    /// `dead-letter-exchange`; a queue's own argument wins.
    pub dead_letter_exchange: Option<ShortString>,
    /// `dead-letter-routing-key`; a queue's own argument wins.
    pub dead_letter_routing_key: Option<ShortBytes>,
    /// `message-ttl`; the smaller of this and a queue's own argument holds, as for all numbers.
    pub message_ttl: Option<Duration>,
    /// `expires`.
    pub expires: Option<Duration>,
    /// `max-length`, in messages.
    pub max_length: Option<u64>,
    /// `max-length-bytes`, in octets of bodies.
    pub max_length_bytes: Option<u64>,
    /// `overflow`; a queue's own argument wins.
    pub overflow: Option<Overflow>,
    /// `delivery-limit`; negative is no limit.
    pub delivery_limit: Option<i64>,
    /// `fsync`; a queue's own argument wins.
    pub fsync: Option<FsyncPolicy>,
    /// `max-age` of a stream.
    pub max_age: Option<Duration>,
    /// `stream-max-segment-size-bytes`; a stream's own argument wins.
    pub segment_bytes: Option<u64>,
}

impl PolicySettings {
    /// Understands a definition that has been checked.
    pub(super) fn of(definition: &Table) -> Self {
        let string = |key| definition.get(key).and_then(text);
        let number = |key| definition.get(key).and_then(Field::as_integer);
        let count = |key| number(key).and_then(|number| u64::try_from(number).ok());
        let name = |key| string(key).map(ShortString::clipped);
        Self {
            alternate_exchange: name("alternate-exchange"),
            dead_letter_exchange: name("dead-letter-exchange"),
            dead_letter_routing_key: string("dead-letter-routing-key")
                .map(|key| ShortBytes::clipped(key.as_bytes())),
            message_ttl: count("message-ttl").map(Duration::from_millis),
            expires: count("expires").map(Duration::from_millis),
            max_length: count("max-length"),
            max_length_bytes: count("max-length-bytes"),
            overflow: string("overflow").map(|overflow| match overflow {
                "reject-publish" => Overflow::RejectPublish,
                "reject-publish-dlx" => Overflow::RejectPublishDlx,
                "drop-lowest-priority" => Overflow::DropLowestPriority,
                "block" => Overflow::Block,
                _ => Overflow::DropHead,
            }),
            delivery_limit: number("delivery-limit"),
            fsync: string("fsync").and_then(|policy| policy.parse().ok()),
            max_age: string("max-age").and_then(age),
            segment_bytes: count("stream-max-segment-size-bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(key: &str, value: Field) -> Table {
        [(ShortString::clipped(key), value)].into_iter().collect()
    }

    fn string(text: &str) -> Field {
        Field::LongString(text.as_bytes().to_vec())
    }

    #[test]
    fn values_are_checked_in_rabbitmqs_words() {
        for (key, value, text) in [
            ("message-ttl", Field::I64(-1), "-1 is not a valid message TTL"),
            ("expires", Field::I64(0), "0 is not a valid queue expiry"),
            ("max-length", string("10"), "<<\"10\">> is not a valid maximum length"),
            ("overflow", string("drop"), "<<\"drop\">> is not a valid overflow value"),
            (
                "max-priority",
                Field::I64(5),
                "[{<<\"max-priority\">>,5}] are not recognised policy settings",
            ),
        ] {
            assert_eq!(check(&definition(key, value), false).unwrap_err(), text);
        }
        assert_eq!(check(&Table::default(), false).unwrap_err(), "no policy provided");
        assert_eq!(check(&definition("fsync", string("interval=5ms")), false), Ok(()));
    }

    #[test]
    fn an_operator_sets_limits_only() {
        assert_eq!(check(&definition("max-length", Field::I64(5)), true), Ok(()));
        assert!(check(&definition("dead-letter-exchange", string("x")), true).is_err());
    }
}
