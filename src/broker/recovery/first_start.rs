//! What only the first start of a data directory does, and how the others are told from it.

use std::sync::Arc;

use super::super::Broker;
use super::super::replayed::BrokerError;
use crate::store::{InUse, Recovery, StoreError};

impl Broker {
    /// A directory that has held users, or may have, never begins without them.
    pub(super) fn check_users(&self, recovery: &Recovery) -> Result<(), BrokerError> {
        if self.access.begun || recovery.is_new() || recovery.may_lack_users() {
            return Ok(());
        }
        Err(BrokerError::NoUsers { directory: self.store.name() })
    }

    /// Makes the vhost and the user of a first start, if this is one.
    pub(super) fn begin_access(&mut self) -> Result<(), BrokerError> {
        if !self.access.begun && self.options.defaults {
            self.make_defaults().map_err(|refused| BrokerError::Definition(refused.to_string()))?;
        }
        for vhost in 0..self.vhosts.len() {
            self.apply_policies(vhost);
        }
        Ok(())
    }

    /// Says whether the journal is still where the next start will find it, on any thread.
    pub fn journal_in_use(&mut self) -> Arc<InUse> {
        self.store.journal().in_use()
    }

    /// Makes what the start has journaled durable. In a new directory that comes before any client:
    /// from then on an empty one is not taken for new any more, whatever the fsync policy.
    ///
    /// # Errors
    /// Those of the disk, also if it is full.
    pub fn settle_start(&mut self) -> Result<(), StoreError> {
        if self.store.is_new() {
            self.store.journal().write()?;
            self.store.journal().sync_request().run()?;
        }
        Ok(())
    }
}
