//! What each method does: one file for each class, one function for each method.
//!
//! A function checks in RabbitMQ's order, changes the state, replies; a refusal is its error.

pub(super) mod basic;
pub(super) mod channel;
pub(super) mod confirm;
pub(super) mod connection;
mod declared;
mod default_type;
pub(super) mod exchange;
pub(super) mod moving;
pub(super) mod queue;
pub(super) mod tx;

use crate::wire::{Method, ReplyCode, access, exchange as wire_exchange, queue as wire_queue};

pub(super) use declared::{declared_exchange, declared_queue, queue_arguments};
pub(super) use default_type::DefaultTypes;

use super::Broker;
use super::call::Call;
use super::exception::Exception;

/// Handles a method on an open channel.
pub(super) fn on_channel(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: Method,
) -> Result<(), Exception> {
    if tells_of_durable(&method) && broker.defines() {
        broker.promise(broker.options.fsync);
    }
    match method {
        Method::Access(access::Method::Request(_)) => {
            broker.reply(call, access::RequestOk { ticket: 1 });
            Ok(())
        }
        Method::Basic(method) => basic::handle(broker, call, method),
        Method::Channel(method) => channel::handle(broker, call, method),
        Method::Confirm(method) => confirm::handle(broker, call, method),
        Method::Exchange(method) => exchange::handle(broker, call, method),
        Method::Queue(method) => queue::handle(broker, call, method),
        Method::Tx(method) => tx::handle(broker, call, &method),
        Method::Connection(_) | Method::Access(_) => Err(unexpected()),
    }
}

/// Whether the answer to a method tells that something durable is there, or is not, be it the work
/// of another client: then it waits until that is synced.
fn tells_of_durable(method: &Method) -> bool {
    match method {
        Method::Queue(wire_queue::Method::Declare(declare)) => declare.durable || declare.passive,
        Method::Exchange(wire_exchange::Method::Declare(declare)) => {
            declare.durable || declare.passive
        }
        other => matches!(other, Method::Queue(_) | Method::Exchange(_)),
    }
}

/// The refusal of a method that only a server sends, or that does not belong on a channel.
fn unexpected() -> Exception {
    Exception::new(ReplyCode::CommandInvalid, "unimplemented method")
}
