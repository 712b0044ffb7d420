//! What reaches the router.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use crate::broker::access::{Change, ChangeRefused};
use crate::broker::{Command, Measures};
use crate::ids::{ConnectionId, SyncPoint};
use crate::store::StoreError;

use super::outbox::Outbox;

/// Inputs that may wait for the router; who has another one waits.
const INPUTS_MAX: usize = 128;

/// Something for the router to do.
#[derive(Debug)]
pub(super) enum Input {
    /// A connection begins; what the broker has for it goes to this outbox.
    Connected(ConnectionId, Arc<Outbox>),
    /// What one read of a connection has brought. The last batch of every connection ends with
    /// [`Command::Gone`].
    Batch(ConnectionId, Vec<Command>),
    /// The syncer is done up to there.
    Synced(SyncPoint),
    /// The checkpoint that was under way is done.
    CheckpointDone,
    /// An operator changes something: all of it or nothing. Answered when it is durable.
    Change(Vec<Change>, Sender<Result<(), ChangeRefused>>),
    /// There was no room for it.
    CheckpointFailed(StoreError),
    /// The watchdog has found something low, or no longer.
    Measured(Measures),
    /// The broker is to stop: close all connections.
    Stop,
    /// They are closed, or have had their time: close the store.
    Finish,
}

impl Input {
    /// How many commands it stands for, to bound a turn.
    pub(super) fn commands(&self) -> usize {
        match self {
            Self::Batch(_, commands) => commands.len(),
            Self::Change(changes, _) => changes.len(),
            Self::Connected(..) | Self::Synced(_) | Self::CheckpointDone => 1,
            Self::CheckpointFailed(_) | Self::Measured(_) | Self::Stop | Self::Finish => 1,
        }
    }
}

/// The router's inbox: where to put inputs, and where it takes them.
pub(super) fn inbox() -> (Sender<Input>, Receiver<Input>) {
    crossbeam_channel::bounded(INPUTS_MAX)
}
