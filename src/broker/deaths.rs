//! The history of a message's deaths, as consumers find it in its headers (RabbitMQ).
//!
//! ```text
//!   x-death               an array of tables, the latest first, one for each queue and reason:
//!                         original-expiration?, count, reason, queue, time, exchange, routing-keys
//!   x-first-death-…       reason, queue and exchange of the first death, never changed
//!   x-last-death-…        the same of the latest one
//! ```
//!
//! Only what the broker wrote itself is gone on with: a client that publishes a dead message again
//! begins a history of its own, whatever its headers say.
//!
//! Left out: keys of the `BCC` header, which is gone before the message waits anywhere.

use crate::message::Message;
use crate::wire::{Field, Properties, ShortBytes, ShortString, Table};

/// Why a message died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Rejected by a consumer, not to be requeued.
    Rejected,
    /// Its time to live was over.
    Expired,
    /// Its queue was full.
    MaxLength,
    /// Its deliveries failed too often.
    DeliveryLimit,
}

impl Reason {
    /// What `x-death` calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

/// One death.
pub(super) struct Death<'a> {
    /// The queue it died in.
    pub queue: &'a str,
    /// Why.
    pub reason: Reason,
    /// When, by the wall clock, in seconds since the Unix epoch.
    pub seconds: u64,
    /// Where it is published to now.
    pub exchange: &'a str,
    /// The key that it gets; `None` is its own.
    pub routing_key: Option<&'a [u8]>,
}

/// A dead message, as it is published anew.
pub(super) struct Reborn {
    /// The message with its history.
    pub message: Message,
    /// Further routing keys (`CC`).
    pub copies: Vec<ShortBytes>,
    history: Vec<Field>,
}

impl Reborn {
    /// Whether a queue would see the message again without a client having rejected it since: it
    /// would go round for ever.
    pub(super) fn would_cycle(&self, queue: &str) -> bool {
        let since = self.history.iter().position(|death| is(death, "queue", queue));
        since.is_some_and(|last| {
            self.history[..=last].iter().all(|death| !is(death, "reason", Reason::Rejected.name()))
        })
    }
}

/// Records a death in a message's headers, and takes out what does not outlive it: the expiration,
/// and the further keys if it gets a key of its own.
pub(super) fn bury(message: &Message, death: &Death<'_>) -> Reborn {
    // They were checked when they came.
    let mut properties = Properties::decode(message.properties()).unwrap_or_default();
    let expiration = properties.expiration.take();
    let mut headers = properties.headers.take().unwrap_or_default();
    let copies = further_keys(&headers);
    let mut history = match headers.get("x-death") {
        Some(Field::Array(deaths)) if message.is_reborn() => deaths.clone(),
        _ => Vec::new(),
    };
    let same =
        |old: &Field| is(old, "queue", death.queue) && is(old, "reason", death.reason.name());
    let record = match history.iter().position(same) {
        Some(place) => once_more(history.remove(place)),
        None => first_time(message, death, &copies, expiration.as_deref()),
    };
    history.insert(0, record);
    let facts = [death.reason.name(), death.queue, message.exchange()];
    if !message.is_reborn() {
        set_all(&mut headers, FIRST, facts);
    }
    set_all(&mut headers, LAST, facts);
    if death.routing_key.is_some() {
        headers.remove("CC");
    }
    headers.remove("x-death");
    headers.insert(ShortString::clipped("x-death"), Field::Array(history.clone()));
    properties.headers = Some(headers);
    let mut bytes = Vec::new();
    properties.encode(&mut bytes);
    let key = death.routing_key.unwrap_or_else(|| message.routing_key());
    Reborn {
        message: Message::reborn(death.exchange, key, &bytes, message),
        copies: if death.routing_key.is_some() { Vec::new() } else { copies },
        history,
    }
}

const FIRST: [&str; 3] = ["x-first-death-reason", "x-first-death-queue", "x-first-death-exchange"];
const LAST: [&str; 3] = ["x-last-death-reason", "x-last-death-queue", "x-last-death-exchange"];

fn set_all(headers: &mut Table, names: [&str; 3], values: [&str; 3]) {
    for (name, value) in names.into_iter().zip(values) {
        headers.remove(name);
        headers.insert(ShortString::clipped(name), text(value.as_bytes()));
    }
}

/// The record of a death as it is when a message dies there for the first time.
fn first_time(
    message: &Message,
    death: &Death<'_>,
    copies: &[ShortBytes],
    expiration: Option<&[u8]>,
) -> Field {
    let keys = std::iter::once(message.routing_key()).chain(copies.iter().map(|key| &**key));
    let entries = [
        ("count", Field::I64(1)),
        ("reason", text(death.reason.name().as_bytes())),
        ("queue", text(death.queue.as_bytes())),
        ("time", Field::Timestamp(death.seconds)),
        ("exchange", text(message.exchange().as_bytes())),
        ("routing-keys", Field::Array(keys.map(text).collect())),
    ];
    let expiration = expiration.map(|expiration| ("original-expiration", text(expiration)));
    let entries = expiration.into_iter().chain(entries);
    Field::Table(entries.map(|(name, value)| (ShortString::clipped(name), value)).collect())
}

/// The record of a death that has happened before: only the count changes.
fn once_more(record: Field) -> Field {
    let Field::Table(table) = record else { return record };
    let entries = table.iter().map(|(name, value)| match (&**name, value) {
        ("count", Field::I64(count)) => (name.clone(), Field::I64(count.saturating_add(1))),
        _ => (name.clone(), value.clone()),
    });
    Field::Table(entries.collect())
}

/// The keys of the `CC` header.
fn further_keys(headers: &Table) -> Vec<ShortBytes> {
    let Some(Field::Array(items)) = headers.get("CC") else { return Vec::new() };
    items
        .iter()
        .filter_map(|item| match item {
            Field::LongString(key) => ShortBytes::new(key).ok(),
            _ => None,
        })
        .collect()
}

/// Whether an entry of a death's record is this text.
fn is(record: &Field, name: &str, value: &str) -> bool {
    let Field::Table(table) = record else { return false };
    matches!(table.get(name), Some(Field::LongString(text)) if *text == value.as_bytes())
}

fn text(octets: &[u8]) -> Field {
    Field::LongString(octets.to_vec())
}
