//! What each method does: one file for each class, one function for each method.
//!
//! A function checks in RabbitMQ's order, changes the state, replies; a refusal is its error.

pub(super) mod basic;
pub(super) mod channel;
pub(super) mod confirm;
pub(super) mod connection;
pub(super) mod exchange;
pub(super) mod queue;
pub(super) mod tx;

use crate::wire::{Method, ReplyCode, access};

use super::Broker;
use super::call::Call;
use super::exception::Exception;

/// Handles a method on an open channel.
pub(super) fn on_channel(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: Method,
) -> Result<(), Exception> {
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

/// The refusal of a method that only a server sends, or that does not belong on a channel.
fn unexpected() -> Exception {
    Exception::new(ReplyCode::CommandInvalid, "unimplemented method")
}
