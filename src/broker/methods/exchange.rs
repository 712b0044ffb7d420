//! Class exchange: declare, delete, and RabbitMQ's bind and unbind of one exchange to another.

use crate::wire::{ShortString, exchange};

use super::super::Broker;
use super::super::access::Operation;
use super::super::arguments::Differences;
use super::super::call::Call;
use super::super::exception::{Exception, access_refused, no_exchange, precondition_failed};
use super::super::exchange::{Binding, Destination, compared};
use super::super::permission::Object;
use super::super::vhost::{Exchange, ExchangeDeclaration, strip_line_ends};
use super::declared::{declared_exchange, exchange_kind};
use super::unexpected;

/// Handles a method of the class.
pub(super) fn handle(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: exchange::Method,
) -> Result<(), Exception> {
    match method {
        exchange::Method::Declare(method) => declare(broker, call, method),
        exchange::Method::Delete(method) => delete(broker, call, &method),
        exchange::Method::Bind(method) => bind(broker, call, method),
        exchange::Method::Unbind(method) => unbind(broker, call, &method),
        _ => Err(unexpected()),
    }
}

/// The refusal of everything that would change the default exchange.
pub(super) fn refuse_default(name: &str) -> Result<(), Exception> {
    if name.is_empty() {
        return Err(access_refused("operation not permitted on the default exchange"));
    }
    Ok(())
}

fn declare(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: exchange::Declare,
) -> Result<(), Exception> {
    let vhost = broker.connections[call.connection].vhost;
    let vhost_name = broker.vhosts[vhost].name.clone();
    let (name, no_wait) = (strip_line_ends(&method.exchange), method.no_wait);
    if method.passive {
        refuse_default(&name)?;
        broker.permit_any(call, Object::Exchange(&name))?;
        broker.exchange_named(vhost, &name).ok_or_else(|| no_exchange(&name, &vhost_name))?;
    } else {
        exchange_kind(&method)?;
        refuse_default(&name)?;
        broker.permit(call, Operation::Configure, Object::Exchange(&name))?;
        let subject = format!("exchange '{name}' in vhost '{vhost_name}'");
        let declared = declared_exchange(vhost, method, &subject)?;
        if let Some(current) = broker.exchange_named(vhost, &name) {
            assert_equivalent(current, &declared, &subject)?;
        } else if name.starts_with("amq.") {
            return Err(access_refused(format!(
                "exchange name '{name}' contains reserved prefix 'amq.*'"
            )));
        } else {
            if let Some(alternate) = &declared.alternate {
                broker.permit(call, Operation::Read, Object::Exchange(&name))?;
                broker.permit(call, Operation::Write, Object::Exchange(alternate))?;
            }
            broker.add_exchange(declared);
        }
    }
    if !no_wait {
        broker.reply(call, exchange::DeclareOk::default());
    }
    Ok(())
}

/// Whether an exchange may be declared again like this: it must be what it is.
fn assert_equivalent(
    current: &Exchange,
    declared: &ExchangeDeclaration,
    subject: &str,
) -> Result<(), Exception> {
    let current = &current.declared;
    let differences = Differences::default()
        .property("type", &current.kind.name(), &declared.kind.name())
        .property("durable", &current.durable, &declared.durable)
        .property("auto_delete", &current.auto_delete, &declared.auto_delete)
        .property("internal", &current.internal, &declared.internal)
        .arguments(
            &current.arguments.unpack(),
            &declared.arguments.unpack(),
            compared(current.kind).iter().copied(),
        );
    differences.text(subject).map_or(Ok(()), |text| Err(precondition_failed(text)))
}

fn delete(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: &exchange::Delete,
) -> Result<(), Exception> {
    let vhost = broker.connections[call.connection].vhost;
    let vhost_name = broker.vhosts[vhost].name.clone();
    let name = strip_line_ends(&method.exchange);
    refuse_default(&name)?;
    if name.starts_with("amq.") {
        return Err(access_refused(format!(
            "deletion of system exchange '{name}' in vhost '{vhost_name}' not allowed"
        )));
    }
    broker.permit(call, Operation::Configure, Object::Exchange(&name))?;
    if let Some(exchange) = broker.exchange_named(vhost, &name) {
        if method.if_unused && !exchange.bindings.is_empty() {
            return Err(precondition_failed(format!(
                "exchange '{name}' in vhost '{vhost_name}' in use"
            )));
        }
        broker.remove_exchange(exchange.id);
    }
    if !method.no_wait {
        broker.reply(call, exchange::DeleteOk::default());
    }
    Ok(())
}

fn bind(broker: &mut Broker, call: &mut Call<'_>, method: exchange::Bind) -> Result<(), Exception> {
    let vhost = broker.connections[call.connection].vhost;
    let vhost_name = broker.vhosts[vhost].name.clone();
    let destination = strip_line_ends(&method.destination);
    let source = strip_line_ends(&method.source);
    permit_binding(broker, call, &destination, &source, &method.routing_key)?;
    let find = |name: &str| {
        let exchange = broker.exchange_named(vhost, name);
        exchange.map(|exchange| exchange.id).ok_or_else(|| no_exchange(name, &vhost_name))
    };
    let destination = find(&destination)?;
    let source = find(&source)?;
    let binding = Binding {
        destination: Destination::Exchange(destination),
        key: method.routing_key,
        arguments: (&method.arguments).into(),
    };
    broker
        .add_binding(source, binding)
        .map_err(|invalid| precondition_failed(invalid.to_string()))?;
    if !method.no_wait {
        broker.reply(call, exchange::BindOk::default());
    }
    Ok(())
}

/// Whether the user may bind these exchanges, or unbind them, in RabbitMQ's order.
fn permit_binding(
    broker: &Broker,
    call: &Call<'_>,
    destination: &ShortString,
    source: &ShortString,
    key: &ShortString,
) -> Result<(), Exception> {
    broker.permit(call, Operation::Write, Object::Exchange(destination))?;
    refuse_default(destination)?;
    refuse_default(source)?;
    broker.permit_binding(call, source, key.as_bytes())
}

fn unbind(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: &exchange::Unbind,
) -> Result<(), Exception> {
    let vhost = broker.connections[call.connection].vhost;
    let destination = strip_line_ends(&method.destination);
    let source = strip_line_ends(&method.source);
    permit_binding(broker, call, &destination, &source, &method.routing_key)?;
    let find = |name: &str| broker.exchange_named(vhost, name).map(|exchange| exchange.id);
    if let (Some(destination), Some(source)) = (find(&destination), find(&source)) {
        let destination = Destination::Exchange(destination);
        broker.remove_binding(source, destination, &method.routing_key, &method.arguments);
    }
    if !method.no_wait {
        broker.reply(call, exchange::UnbindOk::default());
    }
    Ok(())
}
