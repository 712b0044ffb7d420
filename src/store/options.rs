//! The sizes that a store keeps to.

/// Sizes that a store keeps to.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// The size of a log's first segment, in octets; each further one is twice as long.
    pub segment_bytes_min: u64,
    /// The most that a segment grows to, in octets, unless a single message is longer.
    pub segment_bytes_max: u64,
    /// So many octets in the journal ask for a checkpoint.
    pub journal_bytes_max: u64,
    /// So many octets of a new journal file are written with zeros before it is used.
    pub journal_bytes_prepared: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            segment_bytes_min: 64 << 10,
            segment_bytes_max: 8 << 20,
            journal_bytes_max: 128 << 20,
            journal_bytes_prepared: 4 << 20,
        }
    }
}

impl StoreOptions {
    /// Sizes with which segments and journals change all the time: for tests.
    pub const TINY: Self = Self {
        segment_bytes_min: 4 << 10,
        segment_bytes_max: 16 << 10,
        journal_bytes_max: 64 << 10,
        journal_bytes_prepared: 16 << 10,
    };
}
