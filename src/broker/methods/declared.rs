//! What a declaration makes. Methods, imports of definitions and HTTP all come here: they have the
//! same checks, the same defaults and the same texts.

use crate::ids::ConnectionId;
use crate::wire::{exchange, queue};

use super::super::arguments::{ArgumentError, ExchangeArguments, QueueArguments, QueueType};
use super::super::exception::{Exception, precondition_failed};
use super::super::exchange::{ExchangeKind, Options};
use super::super::queue::Declaration;
use super::super::vhost::{ExchangeDeclaration, strip_line_ends};

/// Checks the arguments of a declaration of a queue; `subject` is as in `queue 'q' in vhost '/'`.
pub(in super::super) fn queue_arguments(
    method: &queue::Declare,
    subject: &str,
) -> Result<QueueArguments, Exception> {
    QueueArguments::parse(&method.arguments).map_err(|error| refused(&error, subject))
}

/// The queue that a declaration with these arguments makes in a vhost. `method` has the queue's
/// name, also where the server has made it. `owner` is the connection of an exclusive queue.
///
/// # Errors
/// 406: the type of queue cannot have such properties.
pub(in super::super) fn declared_queue(
    vhost: usize,
    owner: Option<ConnectionId>,
    method: queue::Declare,
    arguments: QueueArguments,
    subject: &str,
) -> Result<Declaration, Exception> {
    if arguments.queue_type != QueueType::Classic {
        check_kept(&method, subject)?;
    }
    Ok(Declaration {
        vhost,
        durable: persists(&method),
        exclusive: owner,
        auto_delete: method.auto_delete,
        arguments,
        name: method.queue,
    })
}

/// Checks that a queue is what RabbitMQ's quorum queues and streams have to be.
fn check_kept(method: &queue::Declare, subject: &str) -> Result<(), Exception> {
    let invalid = [
        (method.auto_delete, "auto-delete"),
        (method.exclusive, "exclusive-owner"),
        (!method.durable, "non-durable"),
    ];
    match invalid.into_iter().find(|(invalid, _)| *invalid) {
        Some((_, property)) => {
            Err(precondition_failed(format!("invalid property '{property}' for {subject}")))
        }
        None => Ok(()),
    }
}

/// Whether a queue is durable: an exclusive one ends with its connection, whatever it asks for.
pub(super) fn persists(method: &queue::Declare) -> bool {
    method.durable && !method.exclusive
}

/// The exchange that a declaration makes in a vhost; `subject` is as in `exchange 'x' in vhost '/'`.
///
/// # Errors
/// 406: the type is not known, or an argument is not what it has to be.
pub(in super::super) fn declared_exchange(
    vhost: usize,
    method: exchange::Declare,
    subject: &str,
) -> Result<ExchangeDeclaration, Exception> {
    let kind = exchange_kind(&method)?;
    let alternate = ExchangeArguments::parse(&method.arguments)
        .map_err(|error| refused(&error, subject))?
        .alternate_exchange;
    let options = Options::parse(kind, &method.arguments).map_err(precondition_failed)?;
    Ok(ExchangeDeclaration {
        name: strip_line_ends(&method.exchange),
        vhost,
        kind,
        durable: method.durable,
        auto_delete: method.auto_delete,
        internal: method.internal,
        arguments: method.arguments.into(),
        options,
        alternate,
    })
}

/// The type of exchange that a declaration asks for.
///
/// # Errors
/// 406: it is not known.
pub(super) fn exchange_kind(method: &exchange::Declare) -> Result<ExchangeKind, Exception> {
    ExchangeKind::named(&method.kind)
        .ok_or_else(|| precondition_failed(format!("unknown exchange type '{}'", method.kind)))
}

fn refused(error: &ArgumentError, subject: &str) -> Exception {
    precondition_failed(error.text(subject))
}
