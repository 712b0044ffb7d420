//! What the queues share that one message went to: its bytes are counted and stored once.
//!
//! ```text
//!   queue a ─┐                        ┌─ memory: how many queues keep it there
//!   queue b ─┼─▶ one message, Shared ─┤
//!   queue c ─┘                        └─ disk: where its body is, once it had to be written
//! ```

use std::sync::atomic::{AtomicU32, Ordering};

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
    residents: AtomicU32,
    place: Mutex<Option<BodyPlace>>,
}

impl Shared {
    /// One more queue keeps the message in memory. Returns whether it is the first.
    pub fn hold(&self) -> bool {
        self.residents.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// A queue keeps it in memory no more. Returns whether it was the last.
    pub fn release(&self) -> bool {
        self.residents.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Whether a queue keeps it in memory.
    pub fn is_held(&self) -> bool {
        self.residents.load(Ordering::Relaxed) > 0
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
