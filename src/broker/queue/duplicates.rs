//! Duplicates in a queue (`x-message-deduplication`): by header, which places have it.
//!
//! ```text
//!   publish, header "a" ──▶ "a" is in the queue? ── yes ──▶ dropped
//!                                │ no
//!                                ▼
//!   by header   "a" ──▶ place 7       place 7 ──▶ "a"   by place
//!                                └── acknowledged, dead, purged: "a" may come again
//! ```
//!
//! A message is in the queue while it is ready, with a consumer, or waits to be delivered again.
//! Nothing of this is on disk: it follows from the messages, which a restart looks through.
//!
//! Bounded: when [`BYTES_MAX`] are used, further messages are taken without being remembered.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::ids::{Ordinal, QueueId};
use crate::message::Message;
use crate::store::StoreError;
use crate::wire::{PropertiesView, Table};

use super::{Item, Queue};

/// The octets that one queue's headers may take, their places included.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What a header takes beside its own octets, roughly.
const ENTRY_BYTES: u64 = 128;

/// The header that tells duplicates.
const DEDUPLICATION_HEADER: &str = "x-deduplication-header";

/// What tells a message from others: its deduplication header as it would be on the wire, so that
/// values of different types differ.
pub(crate) fn deduplication_key(message: &Message) -> Option<Vec<u8>> {
    let headers = PropertiesView::parse(message.properties()).ok()?.headers()?;
    let header = Table::find(headers, DEDUPLICATION_HEADER)?;
    let mut encoded = Vec::new();
    Table::from_iter([(Default::default(), header)]).encode(&mut encoded);
    Some(encoded)
}

/// A level's number and an ordinal in it.
type Place = (QueueId, Ordinal);

/// The deduplication headers of the messages that are in a queue.
#[derive(Debug, Default)]
pub(super) struct Duplicates {
    by_header: HashMap<Arc<[u8]>, Place>,
    by_place: HashMap<Place, Entry>,
    bytes: u64,
}

#[derive(Debug)]
struct Entry {
    header: Arc<[u8]>,
    /// Not ready: a purge leaves it.
    taken: bool,
}

impl Duplicates {
    fn contains(&self, header: &[u8]) -> bool {
        self.by_header.contains_key(header)
    }

    /// A message is in the queue from now on.
    fn insert(&mut self, place: Place, header: Vec<u8>) {
        let cost = header.len() as u64 + ENTRY_BYTES;
        if self.bytes + cost > BYTES_MAX || self.contains(&header) {
            return;
        }
        self.bytes += cost;
        let header: Arc<[u8]> = header.into();
        self.by_header.insert(header.clone(), place);
        self.by_place.insert(place, Entry { header, taken: false });
    }

    /// A message is in the queue no more.
    fn remove(&mut self, place: Place) {
        if let Some(Entry { header, .. }) = self.by_place.remove(&place) {
            self.bytes = self.bytes.saturating_sub(header.len() as u64 + ENTRY_BYTES);
            self.by_header.remove(&header);
        }
    }

    fn set_taken(&mut self, place: Place, taken: bool) {
        if let Some(entry) = self.by_place.get_mut(&place) {
            entry.taken = taken;
        }
    }

    /// The ready messages are no more.
    fn purge(&mut self) {
        let Self { by_header, by_place, bytes } = self;
        by_place.retain(|_, Entry { header, taken }| {
            if !*taken {
                *bytes = bytes.saturating_sub(header.len() as u64 + ENTRY_BYTES);
                by_header.remove(header);
            }
            *taken
        });
    }
}

impl Queue {
    /// Whether a message with this one's deduplication header is in the queue.
    #[inline]
    pub(crate) fn has_duplicate(&self, message: &Message) -> bool {
        let Some(duplicates) = &self.duplicates else { return false };
        deduplication_key(message).is_some_and(|header| duplicates.contains(&header))
    }

    /// A message is in the queue from now on.
    #[inline]
    pub(super) fn note_header(&mut self, place: Place, message: &Message) {
        if let Some(duplicates) = &mut self.duplicates
            && let Some(header) = deduplication_key(message)
        {
            duplicates.insert(place, header);
        }
    }

    /// A message is ready no more, or again.
    #[inline]
    pub(super) fn note_taken(&mut self, item: &Item, taken: bool) {
        if let Some(duplicates) = &mut self.duplicates {
            duplicates.set_taken((item.level, item.ordinal), taken);
        }
    }

    /// A message is in the queue no more, or dead.
    #[inline]
    pub(crate) fn forget_header(&mut self, item: &Item) {
        if let Some(duplicates) = &mut self.duplicates {
            duplicates.remove((item.level, item.ordinal));
        }
    }

    /// The ready messages are in the queue no more.
    pub(super) fn forget_ready_headers(&mut self) {
        if let Some(duplicates) = &mut self.duplicates {
            duplicates.purge();
        }
    }

    /// Looks through all messages for their headers: recovery.
    pub(crate) fn find_headers(&mut self) -> Result<(), StoreError> {
        let Some(mut duplicates) = self.duplicates.take() else { return Ok(()) };
        let mut note = |level: QueueId, ordinal: Ordinal, message: &Message| {
            if let Some(header) = deduplication_key(message) {
                duplicates.insert((level, ordinal), header);
            }
        };
        for level in self.levels() {
            for item in level.ready_items().chain(&level.pending) {
                if let Some(message) = self.message(item)? {
                    note(level.id, item.ordinal, &message);
                }
            }
            level.log().scan(|stored| note(level.id, stored.ordinal, &stored.message))?;
        }
        self.duplicates = Some(duplicates);
        Ok(())
    }
}
