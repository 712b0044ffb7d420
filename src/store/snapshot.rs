//! A snapshot: the world at a checkpoint, as a journal that begins it.
//!
//! ```text
//!   | header | define .. | queue .. | publish .. | end |
//! ```
//!
//! It is gathered in memory by the router, between two turns, and written by another thread. Bodies
//! of 8 KiB and more are not copied for it. It holds definitions, the state of each durable queue's
//! log, and the persistent messages that wait in memory: not the backlog, which is in the logs.

use super::codec::Source;
use super::directory::{Directory, NewFile, snapshot_path};
use super::entry::{self, Decoded, Outstanding, Place};
use super::error::StoreError;
use super::header::{FileHeader, FileKind, Previous};
use super::journal::EntryWriter;
use super::log_state::LogState;
use super::offset;
use super::record::{self, FIRST_RECORD, Step};
use super::sample;
use crate::clock::Sample;
use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;

/// The world as it was when the journal's generation began that has the snapshot's number.
pub struct Snapshot {
    writer: EntryWriter,
    generation: u64,
    next_body: u64,
}

impl Snapshot {
    pub(super) fn new(generation: u64, queue_max: QueueId, next_body: u64) -> Self {
        let writer =
            EntryWriter::new(FileKind::Snapshot, generation, Previous::default(), queue_max);
        Self { writer, generation, next_body }
    }

    /// What was put so far, in octets.
    pub(super) fn length(&self) -> u64 {
        self.writer.gather.len() as u64
    }

    /// A definition: an AMQP method (class id, method id, arguments) that makes it, and the queue
    /// it is about, 0 if none.
    pub fn define(&mut self, virtual_host: &str, queue: QueueId, method: &[u8]) {
        self.writer.saw(queue);
        self.writer.put(0, |gather| entry::put_define(gather, virtual_host, queue, method));
    }

    /// What the clocks show.
    pub fn sample(&mut self, sample: &Sample) {
        self.writer.put(0, |gather| sample::put(gather, sample));
    }

    /// What a user, a vhost, a policy and so on is: before all other definitions.
    pub fn change(&mut self, table: &[u8]) {
        self.writer.put(0, |gather| entry::put_change(gather, table));
    }

    /// An exchange has seen a deduplication header, which counts until a moment or without end.
    pub fn remember(
        &mut self,
        virtual_host: &str,
        exchange: &str,
        until: Option<Timestamp>,
        header: &[u8],
    ) {
        self.writer.put(0, |gather| {
            entry::put_remember(gather, (virtual_host, exchange), until, header);
        });
    }

    /// A durable queue: after its definition, before the messages in it. Its log must be flushed.
    pub fn queue(
        &mut self,
        id: QueueId,
        next_ordinal: Ordinal,
        log: &LogState,
        outstanding: &[Outstanding],
    ) {
        self.writer.saw(id);
        self.writer.put(0, |gather| entry::put_queue(gather, id, next_ordinal, log, outstanding));
    }

    /// A queue's messages of another priority, under the number `id`: before that number's entry.
    pub fn level(&mut self, queue: QueueId, priority: u8, id: QueueId) {
        self.writer.saw(id);
        self.writer.put(0, |gather| entry::put_level(gather, queue, priority, id));
    }

    /// Where the consumer of a stream with this tag goes on.
    pub fn remember_offset(&mut self, queue: QueueId, consumer_tag: &str, next: Ordinal) {
        self.writer.put(0, |gather| offset::put(gather, queue, consumer_tag, next));
    }

    /// How many deliveries of a message were given back without having failed.
    pub fn give_back(&mut self, queue: QueueId, ordinal: Ordinal, times: u32) {
        self.writer.put(0, |gather| entry::put_give_back(gather, queue, (ordinal, ordinal), times));
    }

    /// A persistent message that is in these queues and not in their logs.
    pub fn publish(&mut self, places: &[Place], message: &Message, published: Timestamp) {
        self.writer.put(0, |gather| entry::put_publish(gather, places, message, published));
    }

    /// All messages of a queue below an ordinal may have been delivered before.
    pub fn redeliver(&mut self, queue: QueueId, before: Ordinal) {
        self.writer.put(0, |gather| entry::put_redeliver(gather, queue, before));
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Writes and syncs the file; it gets its name when it is whole.
    pub(super) fn write(mut self, directory: &Directory) -> Result<(), StoreError> {
        let (queue_max, next_body) = (self.writer.queue_max, self.next_body);
        self.writer.put(0, |gather| entry::put_end(gather, queue_max, next_body));
        let path = snapshot_path(self.generation);
        directory.health.check()?;
        let file = NewFile::create(directory, &path)?;
        // An error here is not final: nothing relies on the file before it has its name.
        let written = self.writer.gather.write(|slices| file.file.write_vectored_at(slices, 0));
        written.map_err(|source| StoreError::io("write", &path, source))?;
        file.publish(directory)
    }
}

/// What a whole snapshot says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// The highest queue id that it saw.
    pub queue_max: QueueId,
    /// The number that the next segment of bodies would have got.
    pub next_body: u64,
    pub entries: u32,
}

/// Reads a snapshot of this generation through.
///
/// # Errors
/// The octet from which on it is damaged.
pub(super) fn verify(bytes: &[u8], generation: u64) -> Result<Whole, usize> {
    let header = FileHeader::decode(FileKind::Snapshot, bytes);
    let (_, seed) = header.filter(|(header, _)| header.generation == generation).ok_or(0_usize)?;
    let mut at = FIRST_RECORD;
    let mut entries = 0;
    while let Step::Record(record) = record::step(bytes, at, seed, entries) {
        if record.sequence != entries {
            return Err(at);
        }
        entries += 1;
        if record.payload.end == bytes.len() {
            let decoded = entry::decode(bytes, Source::new(bytes, record.payload));
            return match decoded {
                Some(Decoded::End { queue_max, next_body }) => {
                    Ok(Whole { queue_max, next_body, entries })
                }
                _ => Err(at),
            };
        }
        at = record.payload.end;
    }
    Err(at)
}
