//! What reaches the router.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use crate::broker::Command;
use crate::broker::report::{Query, Report};
use crate::ids::{ConnectionId, SyncPoint};

use super::outbox::Outbox;

/// Inputs that may wait for the router; who has another one waits.
const INPUTS_MAX: usize = 128;

/// How many commands a question counts for: few of them fit into a turn.
const QUERY_COMMANDS: usize = 1024;

/// Something for the router to do.
#[derive(Debug)]
pub(super) enum Input {
    /// A connection begins; what the broker has for it goes to this outbox.
    Connected(ConnectionId, Arc<Outbox>),
    /// What one read of a connection has brought. The last batch of every connection ends with
    /// [`Command::Gone`].
    Batch(ConnectionId, Vec<Command>),
    /// A question, and where the answer goes: a channel with room for it.
    Query(Query, Sender<Report>),
    /// A connection is to be closed, for this reason.
    Disconnect(ConnectionId, String),
    /// The syncer is done up to there.
    Synced(SyncPoint),
    /// The checkpoint that was under way is done.
    CheckpointDone,
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
            Self::Query(..) => QUERY_COMMANDS,
            Self::Connected(..) | Self::Disconnect(..) => 1,
            Self::Synced(_) | Self::CheckpointDone => 1,
            Self::Stop | Self::Finish => 1,
        }
    }
}

/// The router's inbox: where to put inputs, and where it takes them.
pub(super) fn inbox() -> (Sender<Input>, Receiver<Input>) {
    crossbeam_channel::bounded(INPUTS_MAX)
}
