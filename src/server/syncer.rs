//! The threads that wait for the disk, so that the router does not: the syncer, which makes the
//! journal durable, and the checkpointer, which writes snapshots.
//!
//! A failed sync is final: the kernel may report success the next time with the data gone. So
//! nothing is retried and nothing confirmed any more: the process ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use log::warn;

use crate::ids::SyncPoint;
use crate::store::{CheckpointJob, SyncRequest};

use super::fatal;
use super::inbox::{Inlet, Input};

/// How long to leave it when there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// What the syncer has done since the start: how well confirms share a sync.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    syncs: AtomicU64,
    entries: AtomicU64,
    microseconds: AtomicU64,
    microseconds_max: AtomicU64,
}

impl Statistics {
    fn count(&self, entries: u64, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.entries.fetch_add(entries, Ordering::Relaxed);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
        self.microseconds_max.fetch_max(microseconds, Ordering::Relaxed);
    }

    /// How many syncs there were.
    pub(super) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// How many entries of the journal they made durable.
    pub(super) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// How long a sync took, on average and at most.
    pub(super) fn latency(&self) -> (Duration, Duration) {
        let mean = self.microseconds.load(Ordering::Relaxed) / self.syncs().max(1);
        let most = self.microseconds_max.load(Ordering::Relaxed);
        (Duration::from_micros(mean), Duration::from_micros(most))
    }

    fn log(&self) {
        let (mean, most) = self.latency();
        let (syncs, entries) = (self.syncs(), self.entries());
        let group = entries / syncs.max(1);
        log::info!(
            "{syncs} syncs of {entries} entries, {group} at a time, {} us each, {} us at most",
            mean.as_micros(),
            most.as_micros()
        );
    }
}

/// Runs sync requests until there is nobody to send any. While one runs, those that come gather;
/// the newest covers the others.
pub(super) fn run(requests: &Receiver<SyncRequest>, inbox: &Inlet, statistics: &Arc<Statistics>) {
    let mut synced = SyncPoint::default();
    while let Ok(first) = requests.recv() {
        let request = requests.try_iter().last().unwrap_or(first);
        let began = Instant::now();
        while let Err(error) = request.run() {
            if !error.is_passing() {
                fatal(&error);
            }
            // Nothing was synced, only not opened: some descriptor becomes free.
            warn!("{error}");
            thread::sleep(PAUSE);
        }
        statistics.count(request.point.0.saturating_sub(synced.0), began.elapsed());
        synced = request.point;
        if inbox.send(Input::Synced(request.point)).is_err() {
            break;
        }
    }
    statistics.log();
}

/// Runs checkpoint jobs until there is nobody to send any.
pub(super) fn run_checkpoints(jobs: &Receiver<CheckpointJob>, inbox: &Inlet) {
    while let Ok(job) = jobs.recv() {
        let report = match job.run() {
            Ok(()) => Input::CheckpointDone,
            Err(error) if error.is_passing() => Input::CheckpointFailed(error),
            Err(error) => fatal(&error),
        };
        if inbox.send(report).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_what_one_sync_makes_durable() {
        let statistics = Statistics::default();
        statistics.count(100, Duration::from_micros(80));
        statistics.count(300, Duration::from_micros(120));
        assert_eq!((statistics.syncs(), statistics.entries()), (2, 400));
        assert_eq!(statistics.latency(), (Duration::from_micros(100), Duration::from_micros(120)));
    }
}
