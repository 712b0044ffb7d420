//! Whether a publish is allowed.

use crate::ids::ExchangeId;
use crate::message::Message;
use crate::wire::PropertiesView;

use super::Broker;
use super::access::{Access, Operation, Tag};
use super::call::Call;
use super::command::Publish;
use super::connections::Connection;
use super::exception::{
    Exception, access_refused, no_exchange, not_implemented, precondition_failed,
};
use super::permission::Object;

/// The longest time to live that RabbitMQ takes: ten years, in milliseconds.
const EXPIRATION_MAX: u64 = 315_360_000_000;

/// Property flags (section 4.2.6.1): which values follow.
const EXPIRATION_FLAG: u16 = 1 << 8;
const USER_ID_FLAG: u16 = 1 << 4;

/// Whether a publish is allowed, in the order of RabbitMQ's checks; returns its exchange. `known` is
/// the exchange if the publish before it was allowed to go there.
pub(super) fn check(
    broker: &mut Broker,
    call: &Call<'_>,
    publish: &Publish,
    known: Option<ExchangeId>,
) -> Result<ExchangeId, Exception> {
    let message = &publish.message;
    if u64::from(message.body_length()) > broker.options.message_bytes_max {
        return Err(oversized(broker, u64::from(message.body_length())));
    }
    if publish.immediate {
        return Err(not_implemented("immediate=true"));
    }
    let exchange = match known {
        Some(exchange) => exchange,
        None => check_exchange(broker, call, message.exchange())?,
    };
    if message.property_flags() & (EXPIRATION_FLAG | USER_ID_FLAG) != 0 {
        check_properties(message, &broker.connections[call.connection], &broker.access)?;
    }
    Ok(exchange)
}

/// Whether the client may publish to the exchange of this name, which it returns.
fn check_exchange(
    broker: &mut Broker,
    call: &Call<'_>,
    name: &str,
) -> Result<ExchangeId, Exception> {
    let vhost = broker.connections[call.connection].vhost;
    match broker.exchange_named(vhost, name).map(|exchange| exchange.id) {
        Some(exchange) => broker.permit_publish(call, exchange)?,
        None => broker.permit(call, Operation::Write, Object::Exchange(name))?,
    }
    let exchange = broker
        .exchange_named(vhost, name)
        .ok_or_else(|| no_exchange(name, &broker.vhosts[vhost].name))?;
    if exchange.declared.internal {
        return Err(access_refused(format!(
            "cannot publish to internal exchange '{name}' in vhost '{}'",
            broker.vhosts[vhost].name
        )));
    }
    Ok(exchange.id)
}

/// The refusal of a body that is too long.
pub(super) fn oversized(broker: &Broker, size: u64) -> Exception {
    precondition_failed(format!(
        "message size {size} is larger than configured max size {}",
        broker.options.message_bytes_max
    ))
}

fn check_properties(
    message: &Message,
    connection: &Connection,
    access: &Access,
) -> Result<(), Exception> {
    let user = &connection.user;
    let Ok(properties) = PropertiesView::parse(message.properties()) else { return Ok(()) };
    if let Some(expiration) = properties.expiration() {
        let text = String::from_utf8_lossy(expiration);
        let valid = !expiration.is_empty()
            && expiration.iter().all(u8::is_ascii_digit)
            && text.parse::<u64>().is_ok_and(|number| number <= EXPIRATION_MAX);
        if !valid {
            return Err(precondition_failed(format!(
                "invalid expiration '{text}': a number of milliseconds from 0 to {EXPIRATION_MAX} \
                 is expected"
            )));
        }
    }
    match properties.user_id() {
        Some(claimed) if claimed != user.as_bytes() && !impersonates(access, connection) => {
            Err(precondition_failed(format!(
                "user_id property set to '{}' but authenticated user was '{user}'",
                String::from_utf8_lossy(claimed)
            )))
        }
        _ => Ok(()),
    }
}

/// Whether a user may publish under other names.
fn impersonates(access: &Access, connection: &Connection) -> bool {
    let user = access.users.get(&connection.user);
    connection.facts.owner || user.is_some_and(|user| user.has(Tag::Impersonator))
}
