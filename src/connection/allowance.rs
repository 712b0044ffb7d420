//! Octets that all connections together may keep of contents that are not complete.

use std::sync::atomic::{AtomicU64, Ordering};

/// An amount that many share: each takes what it needs, and gives it back.
#[derive(Debug)]
pub struct Allowance {
    max: u64,
    taken: AtomicU64,
}

impl Allowance {
    /// So many octets in all.
    pub const fn new(max: u64) -> Self {
        Self { max, taken: AtomicU64::new(0) }
    }

    /// The whole of it, in octets.
    pub(super) const fn max(&self) -> u64 {
        self.max
    }

    /// Takes so many octets. Returns whether there were as many; else none are taken.
    pub(super) fn take(&self, octets: u64) -> bool {
        // Others may see for a moment what is not taken in the end: one that would just have fitted
        // is refused then, which near the limit can happen to anybody.
        let taken = self.taken.fetch_add(octets, Ordering::Relaxed).saturating_add(octets);
        let fits = taken <= self.max;
        if !fits {
            self.give_back(octets);
        }
        fits
    }

    /// Gives octets back that were taken.
    pub(super) fn give_back(&self, octets: u64) {
        self.taken.fetch_sub(octets, Ordering::Relaxed);
    }

    /// How much of it is taken.
    #[cfg(test)]
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}
