//! Where messages rest: queue logs, the journal, and what is left of both after a crash.
//!
//! ```text
//!                          files                          kept until
//!   router ──▶ queue logs  queues/7/00000003.segment      all is settled   a backlog waits here
//!          ──▶ bodies      bodies/00000005.segment        no log refers    long ones of many queues
//!          ──▶ journal     journal/0002.journal           two checkpoints  promises are made here
//!          ──▶ snapshots   snapshots/0000000000000005..   two more         recovery begins here
//! ```
//!
//! *The queue log is where messages wait; the journal is what makes them durable.* The router
//! writes both, with one call each a turn; it never waits for the disk to sync. A [`SyncRequest`]
//! syncs the journal, a [`CheckpointJob`] the logs and a snapshot, on threads of their own. So
//! however many queues a turn touched, one fdatasync makes all of it durable.
//!
//! What is promised, when `SyncRequest::run` has returned for a point: everything journaled up to
//! it is there after any crash. What was only written is there if the process alone died.
//!
//! - A failed write or sync is never tried again; from then on everything is refused
//!   ([`StoreError::Stopped`]). Only a full disk is met before anything is written to it.
//! - One bad record costs one record. It is copied to `bad/`, reported and counted.
//! - Recovery changes nothing that it could not do again: a crash while recovering is like one
//!   crash.
//! - Nothing is removed because it could not be read, and a store that cannot tell its definitions
//!   refuses to open. It changes nothing before it is [accepted](Store::accept), so a start that is
//!   refused is refused again.
//! - A directory that once held something never counts as empty: see `directory/marks.rs`.
//!
//! The format of the files is told, with an example, in `docs/reference/storage-format.md`.
//!
//! The files of this module are listed below in reading order: each uses only those above it.
//!
//! Left out: replication and encryption. A disk that says it has synced and has not cannot be told
//! from one that has.

mod options;

mod codec;

mod header;

mod record;

mod content;

mod mapping;

mod disk;

mod error;

mod files;

mod directory;

mod segment;

mod log_state;

mod reader;

mod bodies;

mod log;

mod offset;

mod sample;

mod entry;

mod room;

mod in_use;

mod sync;

mod journal_file;

mod journal;

mod moves;

mod survey;

mod inventory;

mod snapshot;

mod checkpoint;

mod recovery;

#[expect(clippy::module_inception, reason = "the type that the module is named for")]
mod store;

mod inspect;

#[cfg(test)]
mod tests;

pub use checkpoint::CheckpointJob;
pub use directory::SyncFile;
pub use disk::{Disk, DiskFile, Fault, MemoryDisk, Overlay, ReadOnlyDisk, RealDisk};
pub use entry::{Entry, Outstanding, Place};
pub use error::StoreError;
pub use in_use::InUse;
pub use inspect::{
    Damage, Inspection, JournalFile, PlainFile, Problem, RawRecord, SegmentFile, SnapshotFile,
    inspect, raw_records,
};
pub use journal::Journal;
pub use log::{Cursor, Gap, QueueLog, Views};
pub use log_state::LogState;
pub use mapping::Mapping;
pub use offset::StreamOffset;
pub use options::StoreOptions;
pub use reader::Stored;
pub use recovery::{Entries, Recovery};
pub use segment::Location;
pub use snapshot::Snapshot;
pub use store::Store;
pub use sync::SyncRequest;
