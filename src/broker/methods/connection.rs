//! Class connection, as far as it gets past the handshake: close and update-secret on channel 0.

use crate::ids::ChannelNumber;
use crate::wire::{Method, connection};

use super::super::Broker;
use super::super::effect::{Effects, Output};
use super::super::exception::{Exception, channel_error};
use super::super::work::After;

/// Handles a method on channel 0.
pub(in super::super) fn handle(
    broker: &mut Broker,
    place: usize,
    method: &Method,
    effects: &mut Effects,
) -> Result<(), Exception> {
    let id = broker.connections[place].id;
    let mut answer = |answer: Method| effects.send(id, Output::Method(ChannelNumber(0), answer));
    match method {
        Method::Connection(connection::Method::Close(_)) => {
            // Exclusive queues are gone before close-ok: clients rely on it.
            broker.flush_deliveries(effects);
            broker.release_connection_then(place, After::CloseConnection, effects);
            Ok(())
        }
        Method::Connection(connection::Method::CloseOk(_)) => Ok(()),
        Method::Connection(connection::Method::UpdateSecret(_)) => {
            // There is no secret that expires: the new one is taken note of by answering.
            answer(connection::UpdateSecretOk::default().into());
            Ok(())
        }
        _ => Err(channel_error("unexpected method in connection state running")),
    }
}
