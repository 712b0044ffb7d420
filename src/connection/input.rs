//! From reads to frames: where a read's whole frames end, and how a read becomes an arena.
//!
//! ```text
//!   read   | frame | frame | frame | fra           (capacity)   |
//!          |<------ extent ------->|
//!   arena  | frame | frame | frame |          read | fra
//! ```
//!
//! An arena is a read that messages hold on to. A large one is handed over as it is; of a small one
//! a copy is made that fits, so that a message that waits never pins an empty buffer.

use std::sync::Arc;

use crate::wire::{FrameKind, parse_frame};

/// How far a read can be handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Octets of the whole frames that it begins with.
    pub octets: usize,
    /// Whether there is a content among them.
    pub content: bool,
}

/// Finds the whole frames at the beginning of `bytes`. What is wrong behind them is left for later.
pub(super) fn extent(bytes: &[u8], payload_max: u32) -> Extent {
    let mut extent = Extent::default();
    while let Ok(Some((frame, octets))) = parse_frame(&bytes[extent.octets..], payload_max) {
        extent.octets += octets;
        extent.content |= frame.kind == FrameKind::Header;
    }
    extent
}

/// The first frame of them, if it is whole.
pub(super) fn first(bytes: &[u8], payload_max: u32) -> Extent {
    let octets = parse_frame(bytes, payload_max).ok().flatten().map_or(0, |(_, octets)| octets);
    Extent { octets, content: false }
}

/// Takes the first `octets` of a read as an arena and leaves the rest in it.
pub(super) fn take_arena(read: &mut Vec<u8>, octets: usize) -> Arc<Vec<u8>> {
    let capacity = read.capacity();
    if octets < capacity - capacity / 4 {
        let arena = read[..octets].to_vec();
        read.drain(..octets);
        return Arc::new(arena);
    }
    let mut rest = Vec::with_capacity(capacity);
    rest.extend_from_slice(&read[octets..]);
    let mut arena = std::mem::replace(read, rest);
    arena.truncate(octets);
    Arc::new(arena)
}
