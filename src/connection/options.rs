//! What connections are told from outside.

use std::sync::Arc;
use std::time::Duration;

use super::allowance::Allowance;
use super::handshake::{Identity, Tuning};
use super::logins::Logins;
use super::sasl::Mechanism;

/// What a connection is told from outside, the same for all.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// Who may log in.
    pub logins: Arc<Logins>,
    /// What clients are told that this is.
    pub identity: Identity,
    /// The ways to log in.
    pub mechanisms: Vec<Mechanism>,
    /// What connection.tune offers.
    pub tuning: Tuning,
    /// From the first octet to connection.open, in all; without the time that the client waits for
    /// its password to be hashed.
    pub handshake_max: Duration,
    /// How long that may take.
    pub login_max: Duration,
    /// How long a failed login is left without an answer: guessing is to take time.
    pub penalty: Duration,
    /// The longest body that is kept, in octets; for a longer one see [`crate::broker::Command::Oversized`].
    pub body_octets_max: u64,
    /// The most octets of incomplete contents on all channels of a connection together.
    pub kept_octets_max: u64,
    /// What all connections together may keep of incomplete contents.
    pub kept_in_all: Arc<Allowance>,
    /// As in [`crate::broker::BrokerOptions`]: a quarter of it is reported at a time.
    pub outbox_bytes_max: u64,
}

impl ConnectionOptions {
    /// The usual ones, for these users.
    pub fn new(logins: Arc<Logins>) -> Self {
        Self {
            logins,
            identity: Identity::default(),
            mechanisms: Mechanism::ALL.to_vec(),
            tuning: Tuning::default(),
            handshake_max: Duration::from_secs(10),
            login_max: Duration::from_secs(60),
            penalty: Duration::from_secs(3),
            body_octets_max: 16 * 1024 * 1024,
            kept_octets_max: 128 * 1024 * 1024,
            kept_in_all: Arc::new(Allowance::new(KEPT_IN_ALL_MAX)),
            outbox_bytes_max: 1024 * 1024,
        }
    }

    /// The same on a machine with so many octets of memory: incomplete contents may take a quarter
    /// of it at most.
    #[must_use]
    pub fn with_memory(self, memory: u64) -> Self {
        let kept_in_all = Arc::new(Allowance::new(KEPT_IN_ALL_MAX.min(memory / 4)));
        Self { kept_in_all, ..self }
    }
}

/// The most octets of incomplete contents of all connections, however much memory there is.
const KEPT_IN_ALL_MAX: u64 = 1024 * 1024 * 1024;
