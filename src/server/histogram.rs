//! A histogram in fixed buckets: one thread counts, anybody may look.
//!
//! ```text
//!   bounds     ≤ 100   ≤ 1000   ≤ 10000   above
//!   counts        3       12         0        1      sum 9900
//! ```
//!
//! Counting is two additions without a lock, so that it can be done once in each turn.

use std::sync::atomic::{AtomicU64, Ordering};

/// See the module.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is above them all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
    most: AtomicU64,
}

/// What was counted so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The bound of each bucket with how many values are not above it, the bounds ascending.
    pub buckets: Vec<(u64, u64)>,
    /// How many values there were.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The greatest.
    pub most: u64,
}

impl Histogram {
    /// Nothing counted yet; `bounds` ascend.
    pub(super) fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0), most: AtomicU64::new(0) }
    }

    /// Counts one value.
    pub(super) fn count(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
        if value > self.most.load(Ordering::Relaxed) {
            self.most.store(value, Ordering::Relaxed);
        }
    }

    /// What was counted so far. The count is that of the buckets; the sum may be one value ahead.
    pub fn counted(&self) -> Counted {
        let mut count = 0;
        let mut counts = self.counts.iter().map(|counter| {
            count += counter.load(Ordering::Relaxed);
            count
        });
        let buckets = self.bounds.iter().copied().zip(counts.by_ref()).collect();
        counts.for_each(drop);
        let sum = self.sum.load(Ordering::Relaxed);
        Counted { buckets, count, sum, most: self.most.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_all_that_is_not_above_its_bound() {
        let histogram = Histogram::new(&[10, 100]);
        for value in [0, 10, 11, 100, 101, 5000] {
            histogram.count(value);
        }
        let counted = histogram.counted();
        assert_eq!(counted.buckets, [(10, 2), (100, 4)]);
        assert_eq!((counted.count, counted.sum, counted.most), (6, 5222, 5000));
    }
}
