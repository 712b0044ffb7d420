//! Class confirm: RabbitMQ's publisher confirms.

use crate::wire::confirm;

use super::super::Broker;
use super::super::call::Call;
use super::super::channel::Mode;
use super::super::confirms::Confirms;
use super::super::exception::{Exception, precondition_failed};
use super::unexpected;

/// Handles a method of the class.
pub(super) fn handle(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: confirm::Method,
) -> Result<(), Exception> {
    let confirm::Method::Select(select) = method else { return Err(unexpected()) };
    let mode = &mut broker.channels[call.channel].mode;
    match mode {
        Mode::Transaction(_) => {
            return Err(precondition_failed("cannot switch from tx to confirm mode"));
        }
        Mode::Confirm(_) => {} // the count goes on
        Mode::Plain => *mode = Mode::Confirm(Confirms::default()),
    }
    if !select.no_wait {
        broker.reply(call, confirm::SelectOk::default());
    }
    Ok(())
}
