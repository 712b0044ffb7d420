//! Definitions as journal and snapshot tell them: methods and changes, read back.

use crate::ids::QueueId;
use crate::store::StoreError;
use crate::wire::{Table, exchange, queue};

use super::access::Change;
use super::arguments::{ExchangeArguments, QueueArguments};
use super::exchange::{ExchangeKind, Options};
use super::queue::Declaration;
use super::vhost::ExchangeDeclaration;

/// Why a broker cannot begin with a data directory.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The disk failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A definition on disk is not one: starting without it would lose what was promised.
    #[error("the data directory holds a definition that cannot be replayed: {0}")]
    Definition(String),
    /// Entries on disk are damaged, and a queue's declaration was among them.
    #[error(
        "the journal has messages for queue {0}, but what declares it is damaged; restore the data \
         directory from a copy, or see what is left with `leveret inspect`"
    )]
    Undeclared(QueueId),
    /// A directory that has held users holds none.
    #[error(
        "data directory {directory} cannot be read: it has had its first start, but the beginning          of its journal, with its users, is missing; restore it from a copy, or see what is left          with `leveret inspect {directory}`"
    )]
    NoUsers {
        /// The data directory.
        directory: String,
    },
}

/// The change that an entry tells.
pub(super) fn read_change(octets: &[u8]) -> Result<Change, BrokerError> {
    // The table's length is known from the record's.
    let table = Table::decode(octets.get(4..).unwrap_or_default())
        .map_err(|error| BrokerError::Definition(error.to_string()))?;
    Change::from_table(&table).map_err(|error| BrokerError::Definition(error.to_string()))
}

/// The queue that a definition declares.
pub(super) fn replayed_queue(
    vhost: usize,
    declare: queue::Declare,
) -> Result<Declaration, BrokerError> {
    let arguments = QueueArguments::parse(&declare.arguments)
        .map_err(|error| BrokerError::Definition(error.text(&declare.queue)))?;
    Ok(Declaration {
        name: declare.queue,
        vhost,
        durable: declare.durable,
        exclusive: None,
        auto_delete: declare.auto_delete,
        arguments,
    })
}

/// The exchange that a definition declares.
pub(super) fn replayed_exchange(
    vhost: usize,
    declare: exchange::Declare,
) -> Result<ExchangeDeclaration, BrokerError> {
    let kind = ExchangeKind::named(&declare.kind)
        .ok_or_else(|| BrokerError::Definition(format!("exchange type '{}'", declare.kind)))?;
    let alternate = ExchangeArguments::parse(&declare.arguments)
        .map_err(|error| BrokerError::Definition(error.text(&declare.exchange)))?
        .alternate_exchange;
    let options = Options::parse(kind, &declare.arguments).map_err(BrokerError::Definition)?;
    Ok(ExchangeDeclaration {
        name: declare.exchange,
        vhost,
        kind,
        durable: declare.durable,
        auto_delete: declare.auto_delete,
        internal: declare.internal,
        arguments: (&declare.arguments).into(),
        options,
        alternate,
    })
}
