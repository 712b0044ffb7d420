//! Rates, made of samples: the broker counts, this remembers what the counters were.
//!
//! ```text
//!   every 5 s   counters ──▶ | -60 s | .. | -10 s | -5 s |  one series for each thing, bounded
//!                                            └── rate ──┘
//! ```
//!
//! Queues, exchanges, channels and connections are sampled only while somebody looks; the whole
//! broker always, so that its charts have a past. A thing that is gone is forgotten with the next
//! sample.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::ids::Timestamp;

use super::answer::Refusal;
use super::routes::Ask;

/// Seconds between samples.
pub(super) const INTERVAL_SECONDS: u64 = 5;
/// How long after a look things are still sampled, in milliseconds.
const LOOKING_MILLISECONDS: u64 = 60_000;
/// Samples of the whole broker: an hour.
const OVERVIEW_SAMPLES_MAX: usize = 721;
/// Samples of each other thing: a minute.
const SAMPLES_MAX: usize = 13;
/// Above so many things of a kind only their last two samples are kept.
const THINGS_MAX: usize = 2000;
/// The most points of a chart.
const POINTS_MAX: u64 = 500;

/// What a series is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The broker.
    Overview,
    /// A queue.
    Queue(u64),
    /// An exchange.
    Exchange(u64),
    /// A channel of a connection.
    Channel(u64, u16),
    /// A connection.
    Connection(u64),
}

/// Names and values of counters, always in the same order for a kind of thing.
pub(super) type Counters = Vec<(&'static str, u64)>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rates {
    series: Mutex<BTreeMap<Key, VecDeque<Sample>>>,
    looked: Mutex<Timestamp>,
}

#[derive(Clone, Debug)]
struct Sample {
    at: Timestamp,
    /// The wall clock, which is what is shown: milliseconds since the Unix epoch.
    wall: u64,
    values: Box<[u64]>,
}

/// The part of the past that a chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    age: u64,
    step: u64,
}

impl Window {
    /// The window that a request asks for with `lengths_age` and `lengths_incr`, `msg_rates_age`, ..
    ///
    /// # Errors
    ///
    /// 400 for numbers that are none, or ask for too much.
    pub(super) fn asked(ask: &Ask, prefix: &str) -> Result<Option<Self>, Refusal> {
        let Some(age) = ask.query(&format!("{prefix}_age")) else { return Ok(None) };
        let step = ask.query(&format!("{prefix}_incr")).unwrap_or("5");
        let (age, step): (Option<u64>, Option<u64>) = (age.parse().ok(), step.parse().ok());
        match (age, step) {
            (Some(age), Some(step)) if step > 0 && age / step <= POINTS_MAX && age < 1 << 32 => {
                Ok(Some(Self { age, step }))
            }
            _ => Err(Refusal::bad_request(format!("{prefix}_age is out of range"))),
        }
    }
}

impl Rates {
    /// Notes that somebody looks at things.
    pub(super) fn look(&self, now: Timestamp) {
        *self.looked.lock() = now;
    }

    /// Whether anybody has looked lately.
    pub(super) fn is_looked_at(&self, now: Timestamp) -> bool {
        let looked = *self.looked.lock();
        looked > Timestamp(0) && now <= Timestamp(looked.0.saturating_add(LOOKING_MILLISECONDS))
    }

    /// Takes a sample of everything; what is not in it is forgotten.
    pub(super) fn sample(
        &self,
        (now, wall): (Timestamp, u64),
        things: impl Iterator<Item = (Key, Counters)>,
    ) {
        let mut series = self.series.lock();
        let before = std::mem::take(&mut *series);
        let small = before.len() <= THINGS_MAX;
        let mut before = before;
        for (key, counters) in things {
            let mut samples = before.remove(&key).unwrap_or_default();
            let values = counters.into_iter().map(|(_, value)| value).collect();
            samples.push_front(Sample { at: now, wall, values });
            samples.truncate(match key {
                Key::Overview => OVERVIEW_SAMPLES_MAX,
                _ if small => SAMPLES_MAX,
                _ => 2,
            });
            series.insert(key, samples);
        }
    }

    /// The counters as JSON: each with its rate, and with its past if that is asked for.
    pub(super) fn describe(
        &self,
        key: Key,
        counters: &[(&'static str, u64)],
        window: Option<Window>,
    ) -> Map<String, Value> {
        let series = self.series.lock();
        described(series.get(&key), counters, window)
    }

    /// The same of several things together. A part says which of its values count, and for which of
    /// the counters.
    pub(super) fn describe_sum(
        &self,
        parts: &[Part<'_>],
        counters: &[(&'static str, u64)],
        window: Option<Window>,
    ) -> Map<String, Value> {
        let series = self.series.lock();
        let mut sums: BTreeMap<Reverse<(Timestamp, u64)>, Box<[u64]>> = BTreeMap::new();
        for part in parts {
            for sample in series.get(&part.key).into_iter().flatten() {
                let sum = sums.entry(Reverse((sample.at, sample.wall)));
                let sum = sum.or_insert_with(|| vec![0; counters.len()].into_boxed_slice());
                for (from, to) in part.places {
                    if let (Some(value), Some(total)) = (sample.values.get(*from), sum.get_mut(*to))
                    {
                        *total = total.saturating_add(*value);
                    }
                }
            }
        }
        let samples: VecDeque<_> = sums
            .into_iter()
            .map(|(Reverse((at, wall)), values)| Sample { at, wall, values })
            .collect();
        described(Some(&samples), counters, window)
    }
}

/// A thing that is a part of a sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    /// The thing.
    pub(super) key: Key,
    /// The place of each value that counts, and the place of the counter that it counts for.
    pub(super) places: &'a [(usize, usize)],
}

fn described(
    samples: Option<&VecDeque<Sample>>,
    counters: &[(&'static str, u64)],
    window: Option<Window>,
) -> Map<String, Value> {
    let mut described = Map::new();
    for (place, (name, value)) in counters.iter().enumerate() {
        let details = details(samples, place, window);
        described.insert((*name).to_owned(), json!(value));
        described.insert(format!("{name}_details"), details);
    }
    described
}

fn details(samples: Option<&VecDeque<Sample>>, place: usize, window: Option<Window>) -> Value {
    let empty = VecDeque::new();
    let samples = samples.unwrap_or(&empty);
    let value = |sample: &Sample| sample.values.get(place).copied().unwrap_or_default();
    let rate = match (samples.front(), samples.get(1)) {
        (Some(last), Some(before)) => per_second(last, before, value),
        _ => 0.0,
    };
    let Some(window) = window else { return json!({ "rate": rate }) };
    let mut shown: Vec<&Sample> = Vec::new();
    let newest = samples.front().map_or(0, |sample| sample.at.0);
    for sample in samples {
        let age = newest.saturating_sub(sample.at.0);
        let due = shown.last().is_none_or(|last| {
            last.at.0.saturating_sub(sample.at.0) + 500 >= window.step.saturating_mul(1000)
        });
        if due && age <= window.age.saturating_mul(1000) {
            shown.push(sample);
        }
    }
    let average_rate = match (shown.first(), shown.last()) {
        (Some(last), Some(first)) => per_second(last, first, value),
        _ => 0.0,
    };
    let count = shown.len().max(1) as f64;
    let average = shown.iter().map(|sample| value(sample) as f64).sum::<f64>() / count;
    let points = shown.iter().map(|it| json!({ "sample": value(it), "timestamp": it.wall }));
    let points: Vec<_> = points.collect();
    json!({ "rate": rate, "samples": points, "avg_rate": average_rate, "avg": average })
}

/// How much a value has grown from one sample to a later one, in a second; less is negative.
fn per_second(later: &Sample, earlier: &Sample, value: impl Fn(&Sample) -> u64) -> f64 {
    let seconds = later.at.0.saturating_sub(earlier.at.0) as f64 / 1000.0;
    if seconds <= 0.0 {
        return 0.0;
    }
    let rate = (value(later) as f64 - value(earlier) as f64) / seconds;
    (rate * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_came_since_the_sample_before() {
        let rates = Rates::default();
        for (at, value) in [(0, 0), (5_000, 50), (10_000, 200)] {
            let things = [(Key::Overview, vec![("publish", value)])];
            rates.sample((Timestamp(at), at), things.into_iter());
        }
        let described = rates.describe(Key::Overview, &[("publish", 201)], None);
        assert_eq!(described["publish"], 201);
        assert_eq!(described["publish_details"], json!({"rate": 30.0}));
        let window = Window::asked(&Ask::probe("x_age=60&x_incr=5"), "x").unwrap();
        let described = rates.describe(Key::Overview, &[("publish", 201)], window);
        let details = &described["publish_details"];
        assert_eq!(details["samples"].as_array().unwrap().len(), 3);
        assert_eq!(details["samples"][0], json!({"sample": 200, "timestamp": 10_000}));
        assert_eq!(details["avg_rate"], 20.0);
    }

    #[test]
    fn what_is_gone_is_forgotten_and_what_is_kept_is_bounded() {
        let rates = Rates::default();
        rates.sample((Timestamp(1), 1), [(Key::Queue(1), vec![("x", 1)])].into_iter());
        for at in 0..100 {
            rates.sample((Timestamp(at), at), [(Key::Queue(2), vec![("x", 1)])].into_iter());
        }
        let series = rates.series.lock();
        assert_eq!(series.keys().copied().collect::<Vec<_>>(), [Key::Queue(2)]);
        assert_eq!(series[&Key::Queue(2)].len(), SAMPLES_MAX);
    }

    #[test]
    fn a_window_is_bounded() {
        for query in ["x_age=1000000&x_incr=1", "x_age=a", "x_age=60&x_incr=0", "x_age=-1"] {
            assert!(Window::asked(&Ask::probe(query), "x").is_err(), "{query}");
        }
    }
}
