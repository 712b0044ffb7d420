//! What the queues share that one message went to: its bytes are counted and stored once.
//!
//! ```text
//!   queue a ─┐                        ┌─ memory: what it was charged, once
//!   queue b ─┼─▶ one message, Shared ─┤
//!   queue c ─┘                        └─ disk: where its body is, once it had to be written
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

/// Where the store keeps a body that several queues share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyPlace {
    /// The number of the segment of bodies.
    pub segment: u64,
    /// The byte in it where the record begins.
    pub offset: u32,
    /// The record's checksum: a reference finds the record that it was made for, or none.
    pub checksum: u32,
}

/// What the holders of one message have in common.
#[derive(Debug, Default)]
pub struct Shared {
    charge: OnceLock<Charge>,
    place: Mutex<Option<BodyPlace>>,
}

/// Bytes that were taken of a budget, and go back to it when the message is dropped by all.
#[derive(Debug)]
struct Charge {
    bytes: u64,
    returned: Arc<AtomicU64>,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.returned.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

impl Shared {
    /// The message's bytes were taken of a budget, unless they were before. They are added to
    /// `returned` when the last holder drops the message.
    pub fn charge(&self, bytes: u64, returned: &Arc<AtomicU64>) {
        self.charge.get_or_init(|| Charge { bytes, returned: Arc::clone(returned) });
    }

    /// Whether its bytes were taken of a budget.
    pub fn is_charged(&self) -> bool {
        self.charge.get().is_some()
    }

    /// Where its body was stored last. It may have been freed since.
    pub fn place(&self) -> Option<BodyPlace> {
        *self.place.lock()
    }

    /// Its body is stored there.
    pub fn store(&self, place: BodyPlace) {
        *self.place.lock() = Some(place);
    }
}
