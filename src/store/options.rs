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
    /// So many are enough for one if there is time: the next start has less to replay then.
    pub journal_bytes_early: u64,
    /// So many octets of a new journal file are written with zeros before it is used.
    pub journal_bytes_prepared: u64,
    /// So many octets stay reserved at the journal's end. They are used when nothing else is left:
    /// on a full disk what makes room (acknowledgements, purges, deletions) has to be written too.
    pub journal_bytes_spare: u64,
    /// A body of at least so many bytes that goes to several queues is written once, and their logs
    /// refer to it. Below that a copy costs less than a reference.
    pub shared_bytes_min: u32,
    /// The most files of queue logs that are kept open to be written.
    pub open_files_max: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            segment_bytes_min: 64 << 10,
            segment_bytes_max: 8 << 20,
            journal_bytes_max: 128 << 20,
            journal_bytes_early: 32 << 20,
            journal_bytes_prepared: 4 << 20,
            journal_bytes_spare: 8 << 20,
            shared_bytes_min: 4 << 10,
            open_files_max: 1024,
        }
    }
}

impl StoreOptions {
    /// The same for a disk of so many octets: on a small one the journals, of which there are up to
    /// three, and the beginnings of logs leave most of it to messages.
    #[must_use]
    pub fn for_disk(self, octets: u64) -> Self {
        let segment_bytes_max = self.segment_bytes_max.min(octets / 64).max(self.segment_bytes_min);
        Self {
            segment_bytes_max,
            journal_bytes_max: self.journal_bytes_max.min(octets / 16),
            journal_bytes_prepared: self.journal_bytes_prepared.min(octets / 64),
            journal_bytes_spare: self.journal_bytes_spare.min(octets / 32),
            ..self
        }
    }

    /// The same where no file may be longer than so many octets (RLIMIT_FSIZE): the journal is ended
    /// long before, so that what a turn writes fits in as a rule.
    #[must_use]
    pub fn for_files(self, octets: u64) -> Self {
        Self {
            segment_bytes_min: self.segment_bytes_min.min(octets),
            segment_bytes_max: self.segment_bytes_max.min(octets),
            journal_bytes_max: self.journal_bytes_max.min(octets / 8),
            journal_bytes_early: self.journal_bytes_early.min(octets / 16),
            journal_bytes_prepared: self.journal_bytes_prepared.min(octets / 16),
            journal_bytes_spare: self.journal_bytes_spare.min(octets / 8),
            ..self
        }
    }

    /// Sizes with which segments and journals change all the time: for tests.
    pub const TINY: Self = Self {
        segment_bytes_min: 4 << 10,
        segment_bytes_max: 16 << 10,
        journal_bytes_max: 64 << 10,
        journal_bytes_early: 32 << 10,
        journal_bytes_prepared: 16 << 10,
        journal_bytes_spare: 16 << 10,
        shared_bytes_min: 64,
        open_files_max: 1024,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journals_of_a_small_disk_leave_room() {
        let usual = StoreOptions::default();
        let large = usual.for_disk(2 << 30);
        assert_eq!(large.journal_bytes_max, usual.journal_bytes_max);
        assert_eq!(large.journal_bytes_spare, usual.journal_bytes_spare);
        let disk = 32 << 20;
        let small = usual.for_disk(disk);
        let journal =
            small.journal_bytes_max + small.journal_bytes_prepared + small.journal_bytes_spare;
        assert!(3 * journal < disk / 2, "{small:?}");
        let none = usual.for_disk(0);
        assert_eq!(none.segment_bytes_max, none.segment_bytes_min);
    }
}
