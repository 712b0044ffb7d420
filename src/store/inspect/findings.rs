//! What an inspection finds, as plain data.

use std::collections::BTreeMap;

use crate::ids::{Ordinal, QueueId};

/// All that a data directory holds, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// The format that the file `version` names; None if it is missing or damaged.
    pub format: Option<u32>,
    /// Whether the last process stopped in order.
    pub clean: bool,
    /// Why a broker would refuse to start; None if it would not.
    pub refusal: Option<String>,
    /// Snapshots, oldest first.
    pub snapshots: Vec<SnapshotFile>,
    /// Journals with entries, oldest first.
    pub journals: Vec<JournalFile>,
    /// Journal files that wait to be used.
    pub spares: Vec<PlainFile>,
    /// The logs of durable queues.
    pub logs: BTreeMap<QueueId, Vec<SegmentFile>>,
    /// Bodies that several queues share.
    pub bodies: Vec<SegmentFile>,
    /// What earlier processes could not read and kept.
    pub bad: Vec<PlainFile>,
    /// Everything that is not as it was written, in the order of the files.
    pub problems: Vec<Problem>,
}

/// A file of which there is nothing more to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainFile {
    /// Its path in the data directory.
    pub path: String,
    /// Its length.
    pub octets: u64,
}

/// A snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    /// The file.
    pub file: PlainFile,
    /// The journal generation that it comes before.
    pub generation: u64,
    /// How many entries it has; None if it is damaged.
    pub entries: Option<u32>,
    /// Whether recovery begins with it.
    pub used: bool,
}

/// A journal.
#[derive(Clone, Debug)]
pub struct JournalFile {
    /// The file.
    pub file: PlainFile,
    /// The number in its name.
    pub slot: u64,
    /// Its generation.
    pub generation: u64,
    /// The generation of the journal before it.
    pub previous: u64,
    /// How many of its entries count.
    pub entries: u32,
    /// Behind the last octet that counts.
    pub end: u64,
    /// Whether octets follow that do not count: a crash left them.
    pub torn: bool,
    /// What is damaged before the end.
    pub damaged: Vec<Damage>,
    /// Whether recovery reads it.
    pub used: bool,
}

/// A segment of a queue's log.
#[derive(Clone, Debug)]
pub struct SegmentFile {
    /// The file.
    pub file: PlainFile,
    /// Its number in the log.
    pub number: u64,
    /// How many messages there are in it, settled ones too.
    pub records: u64,
    /// How many of them are persistent.
    pub persistent: u64,
    /// The first and the last one's ordinal.
    pub ordinals: Option<(Ordinal, Ordinal)>,
    /// What is damaged.
    pub damaged: Vec<Damage>,
}

/// Octets that are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The first one's place in the file.
    pub octet: u64,
    /// How many.
    pub octets: u64,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: String,
    /// The place in it, if it is in one.
    pub octet: Option<u64>,
    /// What it is.
    pub text: String,
    /// Whether recovery comes across it. If not, it is in what is settled, or in what is kept for
    /// the case that something newer is damaged.
    pub needed: bool,
}
