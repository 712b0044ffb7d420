//! The counters of each kind of thing, always in the same order: samples are kept without names.

use serde_json::{Map, Value};

use crate::admin::rates::{Counters, Key, Part, Rates, Window};
use crate::broker::MessageStats;
use crate::broker::report::{ChannelRow, ConnectionRow, ExchangeRow, OverviewReport, QueueRow};

/// What `message_stats` holds.
fn of_messages(stats: &MessageStats) -> Counters {
    stats.entries().chain([("deliver_get", stats.deliver_get())]).collect()
}

/// Lengths: not counted, but sampled like counters.
fn of_lengths(ready: u64, unacknowledged: u64) -> [(&'static str, u64); 3] {
    [
        ("messages", ready + unacknowledged),
        ("messages_ready", ready),
        ("messages_unacknowledged", unacknowledged),
    ]
}

/// The whole broker's.
pub(in super::super) fn of_overview(report: &OverviewReport) -> Counters {
    let mut counters = of_messages(&report.statistics.messages);
    counters.extend(of_lengths(report.ready, report.unacknowledged));
    counters.extend(report.statistics.churn.entries());
    counters
}

/// Those of several queues and exchanges together.
pub(super) fn of_sum(stats: &MessageStats, ready: u64, unacknowledged: u64) -> Counters {
    of_messages(stats).into_iter().chain(of_lengths(ready, unacknowledged)).collect()
}

/// Where the counters of a queue are in [`of_sum`]: all but what was published into it.
pub(super) fn places_of_queue() -> Vec<(usize, usize)> {
    let counters = of_sum(&MessageStats::default(), 0, 0);
    let places = counters.iter().enumerate().filter(|(_, (name, _))| *name != "publish");
    places.map(|(place, _)| (place, place)).collect()
}

/// Where the counters of an exchange are in [`of_sum`]: what came to it was published.
pub(super) fn places_of_exchange() -> Vec<(usize, usize)> {
    let counters = of_sum(&MessageStats::default(), 0, 0);
    let place = |wanted: &str| counters.iter().position(|(name, _)| *name == wanted);
    let places = [(0, "publish"), (0, "publish_in"), (1, "publish_out")];
    places.into_iter().filter_map(|(from, name)| Some((from, place(name)?))).collect()
}

/// A queue's.
pub(in super::super) fn of_queue(row: &QueueRow) -> Counters {
    let mut counters = of_messages(&row.stats);
    counters.extend(of_lengths(row.ready, row.unacknowledged));
    counters
}

/// An exchange's.
pub(in super::super) fn of_exchange(row: &ExchangeRow) -> Counters {
    vec![("publish_in", row.stats.publish_in), ("publish_out", row.stats.publish_out)]
}

/// A channel's.
pub(in super::super) fn of_channel(row: &ChannelRow) -> Counters {
    of_messages(&row.stats)
}

/// A connection's.
pub(in super::super) fn of_connection(row: &ConnectionRow) -> Counters {
    row.traffic.entries().collect()
}

/// Counters with rates, by where RabbitMQ has them.
pub(in super::super) struct Described {
    /// What goes into `message_stats`; what never happened is left out.
    pub(in super::super) message_stats: Value,
    /// Lengths, churn, traffic.
    pub(in super::super) others: Map<String, Value>,
}

/// Describes counters; `lengths` is the past of lengths, `rates` that of everything else.
pub(in super::super) fn describe(
    known: &Rates,
    key: Key,
    counters: &[(&'static str, u64)],
    lengths: Option<Window>,
    rates: Option<Window>,
) -> Described {
    let describe = |window| known.describe(key, counters, window);
    sorted(describe, counters, (lengths, rates), key == Key::Overview)
}

/// The same of several things together.
pub(super) fn describe_sum(
    known: &Rates,
    parts: &[Part<'_>],
    counters: &[(&'static str, u64)],
    lengths: Option<Window>,
    rates: Option<Window>,
) -> Described {
    let describe = |window| known.describe_sum(parts, counters, window);
    sorted(describe, counters, (lengths, rates), true)
}

/// Puts what is described where RabbitMQ has it; `whole` keeps counters that are 0.
fn sorted(
    describe: impl Fn(Option<Window>) -> Map<String, Value>,
    counters: &[(&'static str, u64)],
    (lengths, rates): (Option<Window>, Option<Window>),
    whole: bool,
) -> Described {
    let is_length = |name: &str| name.starts_with("messages");
    let mut described = describe(rates);
    if lengths.is_some() {
        described.extend(describe(lengths).into_iter().filter(|(name, _)| is_length(name)));
    }
    let is_stat = |name: &str| {
        let names = MessageStats::default();
        let name = name.trim_end_matches("_details");
        name == "deliver_get" || names.entries().any(|(known, _)| known == name)
    };
    let (mut stats, mut others) = (Map::new(), Map::new());
    for (name, value) in described {
        let counter = name.trim_end_matches("_details");
        let happened = counters.iter().any(|(known, value)| *known == counter && *value > 0);
        if !is_stat(&name) {
            others.insert(name, value);
        } else if happened || whole {
            stats.insert(name, value);
        }
    }
    Described { message_stats: Value::Object(stats), others }
}
