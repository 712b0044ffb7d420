//! Vital signs: what the threads of the rim know of themselves, for metrics and for the log.
//!
//! ```text
//!   router   ── turns ────▶ ┐
//!   syncer   ── syncs ────▶ ├ Vitals ──▶ /metrics
//!   watchdog ── measures ─▶ ┘
//! ```

use std::time::Duration;

use parking_lot::Mutex;

use crate::broker::Measures;

use super::histogram::Histogram;

/// Bounds of times, in microseconds: 1, 2.5 and 5 of each power of ten from 10 µs to 10 s.
const MICROSECONDS: &[u64] = &[
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
    500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// Bounds of numbers of things that share something: powers of four.
const GROUPS: &[u64] = &[1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536];

/// See the module.
#[derive(Debug)]
pub struct Vitals {
    /// How long a turn of the router took, in microseconds, its writing included.
    pub turn_microseconds: Histogram,
    /// How many commands shared a turn.
    pub turn_commands: Histogram,
    /// How long a sync of the journal took, in microseconds.
    pub sync_microseconds: Histogram,
    /// How many entries of the journal shared a sync.
    pub sync_entries: Histogram,
    measures: Mutex<Measures>,
}

impl Vitals {
    /// The disk and the memory as the watchdog saw them last, with their limits.
    pub fn measures(&self) -> Measures {
        *self.measures.lock()
    }

    /// A turn is over.
    pub(super) fn turned(&self, took: Duration, commands: usize) {
        self.turn_microseconds.count(microseconds(took));
        self.turn_commands.count(commands as u64);
    }

    /// A sync is done.
    pub(super) fn synced(&self, took: Duration, entries: u64) {
        self.sync_microseconds.count(microseconds(took));
        self.sync_entries.count(entries);
    }

    /// The watchdog has looked.
    pub(super) fn measured(&self, measures: Measures) {
        *self.measures.lock() = measures;
    }
}

impl Default for Vitals {
    fn default() -> Self {
        Self {
            turn_microseconds: Histogram::new(MICROSECONDS),
            turn_commands: Histogram::new(GROUPS),
            sync_microseconds: Histogram::new(MICROSECONDS),
            sync_entries: Histogram::new(GROUPS),
            measures: Mutex::default(),
        }
    }
}

fn microseconds(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
