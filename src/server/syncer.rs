//! The threads that wait for the disk, so that the router does not: the syncer, which makes the
//! journal durable, and the checkpointer, which writes snapshots.
//!
//! A failed sync is final: the kernel may report success the next time with the data gone. So
//! nothing is retried and nothing confirmed any more: the process ends.

use crossbeam_channel::{Receiver, Sender};

use crate::store::{CheckpointJob, SyncRequest};

use super::fatal;
use super::inbox::Input;

/// Runs sync requests until there is nobody to send any. While one runs, those that come gather;
/// the newest covers the others.
pub(super) fn run(requests: &Receiver<SyncRequest>, inbox: &Sender<Input>) {
    while let Ok(first) = requests.recv() {
        let request = requests.try_iter().last().unwrap_or(first);
        if let Err(error) = request.run() {
            fatal(&error);
        }
        if inbox.send(Input::Synced(request.point)).is_err() {
            return;
        }
    }
}

/// Runs checkpoint jobs until there is nobody to send any.
pub(super) fn run_checkpoints(jobs: &Receiver<CheckpointJob>, inbox: &Sender<Input>) {
    while let Ok(job) = jobs.recv() {
        if let Err(error) = job.run() {
            fatal(&error);
        }
        if inbox.send(Input::CheckpointDone).is_err() {
            return;
        }
    }
}
