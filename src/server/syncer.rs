//! The threads that wait for the disk, so that the router does not: the syncer, which makes the
//! journal durable, and the checkpointer, which writes snapshots.
//!
//! A failed sync is final: the kernel may report success the next time with the data gone. So
//! nothing is retried and nothing confirmed any more: the process ends.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use log::{info, warn};

use crate::ids::SyncPoint;
use crate::store::{CheckpointJob, SyncRequest};

use super::fatal;
use super::inbox::{Inlet, Input};
use super::vitals::Vitals;

/// How long to leave it when there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs sync requests until there is nobody to send any. While one runs, those that come gather;
/// the newest covers the others.
pub(super) fn run(requests: &Receiver<SyncRequest>, inbox: &Inlet, vitals: &Vitals) {
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
        vitals.synced(began.elapsed(), request.point.0.saturating_sub(synced.0));
        synced = request.point;
        if inbox.send(Input::Synced(request.point)).is_err() {
            break;
        }
    }
    log(vitals);
}

/// Says how well confirms have shared syncs.
fn log(vitals: &Vitals) {
    let (times, entries) = (vitals.sync_microseconds.counted(), vitals.sync_entries.counted());
    let syncs = times.count.max(1);
    info!(
        "{} syncs of {} entries, {} at a time, {} us each, {} us at most",
        times.count,
        entries.sum,
        entries.sum / syncs,
        times.sum / syncs,
        times.most
    );
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
