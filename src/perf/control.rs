//! What all threads of a run share: its clock, its phase, and a tally for each connection.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// A run, as its threads see it.
#[derive(Debug)]
pub(super) struct Control {
    began: Instant,
    measures: AtomicBool,
    publishes: AtomicBool,
    consumes: AtomicBool,
    fails: AtomicBool,
    /// By publisher.
    pub(super) publishers: Vec<Tally>,
    /// By consumer.
    pub(super) consumers: Vec<Tally>,
}

impl Control {
    /// Begins a run: everybody publishes and consumes, nothing is measured.
    pub(super) fn new(publishers: u32, consumers: u32) -> Self {
        Self {
            began: Instant::now(),
            measures: AtomicBool::new(false),
            publishes: AtomicBool::new(true),
            consumes: AtomicBool::new(true),
            fails: AtomicBool::new(false),
            publishers: (0..publishers).map(|_| Tally::default()).collect(),
            consumers: (0..consumers).map(|_| Tally::default()).collect(),
        }
    }

    /// Nanoseconds since the run began.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Turns measuring of latencies on or off.
    pub(super) fn set_measures(&self, on: bool) {
        self.measures.store(on, Ordering::Relaxed);
    }

    /// Ends publishing.
    pub(super) fn stop_publishing(&self) {
        self.publishes.store(false, Ordering::Relaxed);
    }

    /// Ends consuming.
    pub(super) fn stop_consuming(&self) {
        self.consumes.store(false, Ordering::Relaxed);
    }

    /// Ends everything at once: something went wrong.
    pub(super) fn fail(&self) {
        self.fails.store(true, Ordering::Relaxed);
    }

    /// Whether latencies are measured.
    pub(super) fn measures(&self) -> bool {
        self.measures.load(Ordering::Relaxed)
    }

    /// Whether publishers go on.
    pub(super) fn publishes(&self) -> bool {
        self.publishes.load(Ordering::Relaxed)
    }

    /// Whether consumers go on.
    pub(super) fn consumes(&self) -> bool {
        self.consumes.load(Ordering::Relaxed)
    }

    /// Whether something went wrong.
    pub(super) fn fails(&self) -> bool {
        self.fails.load(Ordering::Relaxed)
    }
}

/// What one connection has done; it alone writes it. Aligned so that two do not share a cache
/// line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Tally {
    messages: AtomicU64,
    confirmed: AtomicU64,
}

impl Tally {
    /// Tells how many messages were published or consumed so far.
    pub(super) fn set_messages(&self, count: u64) {
        self.messages.store(count, Ordering::Relaxed);
    }

    /// Tells how many messages were confirmed so far.
    pub(super) fn set_confirmed(&self, count: u64) {
        self.confirmed.store(count, Ordering::Relaxed);
    }

    /// Messages published or consumed so far.
    pub(super) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Messages confirmed so far.
    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Relaxed)
    }
}
