//! How long messages took: a histogram, and what is told of it.

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest time that is told apart, in nanoseconds: an hour.
const LONGEST: u64 = 3_600_000_000_000;

/// Digits that are kept of each value.
const DIGITS: u8 = 3;

/// Times in nanoseconds, to three digits.
#[derive(Debug)]
pub(super) struct Latency {
    histogram: Option<Histogram<u64>>,
    /// The last value and how often it came: messages of one batch share theirs.
    run: (u64, u64),
}

impl Latency {
    /// No times yet.
    pub(super) fn new() -> Self {
        Self { histogram: Histogram::new_with_bounds(1, LONGEST, DIGITS).ok(), run: (0, 0) }
    }

    /// Counts a time in nanoseconds.
    pub(super) fn note(&mut self, nanoseconds: u64) {
        if self.run.0 != nanoseconds {
            self.settle();
            self.run = (nanoseconds, 0);
        }
        self.run.1 += 1;
    }

    /// Adds the times that somebody else counted.
    pub(super) fn add(&mut self, mut other: Self) {
        other.settle();
        if let (Some(own), Some(other)) = (&mut self.histogram, &other.histogram) {
            // The bounds are the same, so nothing can be refused.
            own.add(other).ok();
        }
    }

    /// What is told of the times; `None` if there are none.
    pub(super) fn summary(&mut self) -> Option<Summary> {
        self.settle();
        let histogram = self.histogram.as_ref().filter(|histogram| !histogram.is_empty())?;
        let at = |quantile| microseconds(histogram.value_at_quantile(quantile));
        Some(Summary {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: microseconds(histogram.max()),
        })
    }

    fn settle(&mut self) {
        let (nanoseconds, count) = std::mem::take(&mut self.run);
        if let Some(histogram) = self.histogram.as_mut().filter(|_| count > 0) {
            histogram.saturating_record_n(nanoseconds, count);
        }
    }
}

/// Quantiles in microseconds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    /// How many times were counted.
    pub(super) count: u64,
    /// Half of them are at most this.
    pub(super) p50: f64,
    /// Nine of ten.
    pub(super) p90: f64,
    /// 99 of 100.
    pub(super) p99: f64,
    /// 999 of 1,000.
    pub(super) p999: f64,
    /// The longest.
    pub(super) max: f64,
}

fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_in_microseconds() {
        let (mut first, mut second) = (Latency::new(), Latency::new());
        assert!(first.summary().is_none());
        for microseconds in 1..=500 {
            first.note(microseconds * 1000);
            second.note((microseconds + 500) * 1000);
        }
        first.add(second);
        let summary = first.summary().unwrap();
        assert_eq!(summary.count, 1000);
        for (value, expected) in [
            (summary.p50, 500.0),
            (summary.p90, 900.0),
            (summary.p99, 990.0),
            (summary.p999, 999.0),
            (summary.max, 1000.0),
        ] {
            assert!((value - expected).abs() <= expected / 500.0, "{value} for {expected}");
        }
    }
}
