//! Class queue: declare, bind, unbind, purge, delete.

use crate::ids::QueueId;
use crate::wire::{ShortString, queue};

use super::super::Broker;
use super::super::arguments::{Difference, QueueArguments};
use super::super::call::Call;
use super::super::exception::{
    Exception, access_refused, locked, no_exchange, no_queue, precondition_failed,
};
use super::super::exchange::{Binding, Destination};
use super::super::queue::{Declaration, Queue};
use super::super::reply_to::is_reply_to;
use super::super::vhost::strip_line_ends;
use super::exchange::refuse_default;
use super::unexpected;

/// Arguments that are checked and kept, but that this version does not act on: an operator finds
/// them in the log.
const NOT_IN_FORCE: &[&str] = &[
    "x-message-ttl",
    "x-expires",
    "x-dead-letter-exchange",
    "x-max-priority",
    "x-single-active-consumer",
    "x-delivery-limit",
];

/// Handles a method of the class.
pub(super) fn handle(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: queue::Method,
) -> Result<(), Exception> {
    match method {
        queue::Method::Declare(method) => declare(broker, call, &method),
        queue::Method::Bind(method) => bind(broker, call, method),
        queue::Method::Unbind(method) => unbind(broker, call, &method),
        queue::Method::Purge(method) => purge(broker, call, &method),
        queue::Method::Delete(method) => delete(broker, call, &method),
        _ => Err(unexpected()),
    }
}

/// The queue that a method names, which this connection may use. An empty name is the queue that
/// was last declared on the channel.
pub(super) fn usable<'a>(
    broker: &'a Broker,
    call: &Call<'_>,
    name: &ShortString,
) -> Result<&'a Queue, Exception> {
    let name = name_or_last(broker, call, name)?;
    let connection = &broker.connections[call.connection];
    let vhost_name = &broker.vhosts[connection.vhost].name;
    let queue =
        broker.queue_named(connection.vhost, &name).ok_or_else(|| no_queue(&name, vhost_name))?;
    if !queue.open_to(connection.id) {
        return Err(locked(&name, vhost_name));
    }
    Ok(queue)
}

fn name_or_last(
    broker: &Broker,
    call: &Call<'_>,
    name: &ShortString,
) -> Result<ShortString, Exception> {
    let last = &broker.channels[call.channel].last_queue;
    match (name.is_empty(), last.is_empty()) {
        (false, _) => Ok(strip_line_ends(name)),
        (true, false) => Ok(last.clone()),
        (true, true) => {
            Err(Exception::new(crate::wire::ReplyCode::NotFound, "no previously declared queue"))
        }
    }
}

fn declare(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: &queue::Declare,
) -> Result<(), Exception> {
    broker.statistics.churn.queue_declared += 1;
    let name = if is_reply_to(&method.queue) {
        return probe_reply_address(broker, call, method);
    } else if method.passive {
        if method.queue.is_empty() {
            // Here an empty name is a name, as in RabbitMQ.
            let vhost = broker.connections[call.connection].vhost;
            return Err(no_queue("", &broker.vhosts[vhost].name));
        }
        usable(broker, call, &method.queue)?.name().clone()
    } else {
        declare_active(broker, call, method)?
    };
    broker.channels[call.channel].last_queue = name.clone();
    if !method.no_wait {
        let vhost = broker.connections[call.connection].vhost;
        let (message_count, consumer_count) = broker
            .queue_named(vhost, &name)
            .map_or((0, 0), |queue| (queue.ready_count(), queue.consumer_count()));
        broker.reply(call, queue::DeclareOk { queue: name, message_count, consumer_count });
    }
    Ok(())
}

/// queue.declare of an address of direct replies asks whether somebody waits there.
fn probe_reply_address(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: &queue::Declare,
) -> Result<(), Exception> {
    let queue = method.queue.clone();
    if !broker.reply_address_exists(&queue) {
        let vhost = broker.connections[call.connection].vhost;
        return Err(no_queue(&queue, &broker.vhosts[vhost].name));
    }
    if !method.no_wait {
        broker.reply(call, queue::DeclareOk { queue, message_count: 0, consumer_count: 1 });
    }
    Ok(())
}

/// Creates the queue, or checks that it is what is asked for; returns its name.
fn declare_active(
    broker: &mut Broker,
    call: &Call<'_>,
    method: &queue::Declare,
) -> Result<ShortString, Exception> {
    let connection = &broker.connections[call.connection];
    let (vhost, owner) = (connection.vhost, connection.id);
    let vhost_name = broker.vhosts[vhost].name.clone();
    let asked = strip_line_ends(&method.queue);
    if asked.starts_with("amq.") {
        return Err(access_refused(format!(
            "queue name '{asked}' contains reserved prefix 'amq.*'"
        )));
    }
    let name = if asked.is_empty() { new_name(broker, vhost) } else { asked };
    let subject = format!("queue '{name}' in vhost '{vhost_name}'");
    let exclusive = method.exclusive.then_some(owner);
    if let Some(current) = broker.queue_named(vhost, &name) {
        if current.declared.exclusive != exclusive {
            return Err(locked(&name, &vhost_name));
        }
        assert_equivalent(current, method, &subject)?;
        return Ok(name);
    }
    let arguments = QueueArguments::parse(&method.arguments)
        .map_err(|error| precondition_failed(error.text(&subject)))?;
    for argument in NOT_IN_FORCE.iter().filter(|name| arguments.table.get(name).is_some()) {
        log::warn!("{subject}: {argument} is kept but not in force in this version");
    }
    let declared = Declaration {
        name: name.clone(),
        vhost,
        durable: persists(method),
        exclusive,
        auto_delete: method.auto_delete,
        arguments,
    };
    let id = broker.next_queue.next();
    if declared.exclusive.is_some() {
        broker.connections[call.connection].exclusive_queues.push(id);
    }
    broker.add_queue(id, declared);
    Ok(name)
}

fn new_name(broker: &mut Broker, vhost: usize) -> ShortString {
    loop {
        let name = broker.names.make("amq.gen-");
        if !broker.vhosts[vhost].queues.contains_key(name.as_str()) {
            return ShortString::clipped(&name);
        }
    }
}

/// Whether a queue is durable: an exclusive one ends with its connection, whatever it asks for.
fn persists(method: &queue::Declare) -> bool {
    method.durable && !method.exclusive
}

/// Whether a queue may be declared again like this: it must be what it is.
fn assert_equivalent(
    current: &Queue,
    method: &queue::Declare,
    subject: &str,
) -> Result<(), Exception> {
    let current = &current.declared;
    let difference = Difference::of_property("durable", &current.durable, &persists(method))
        .or_else(|| {
            Difference::of_property("auto_delete", &current.auto_delete, &method.auto_delete)
        })
        .or_else(|| current.arguments.difference(&method.arguments));
    difference.map_or(Ok(()), |difference| Err(precondition_failed(difference.text(subject))))
}

fn bind(broker: &mut Broker, call: &mut Call<'_>, method: queue::Bind) -> Result<(), Exception> {
    let routing_key = if method.queue.is_empty() && method.routing_key.is_empty() {
        broker.channels[call.channel].last_queue.clone()
    } else {
        method.routing_key
    };
    let source = strip_line_ends(&method.exchange);
    name_or_last(broker, call, &method.queue)?;
    refuse_default(&source)?;
    if is_reply_to(&method.queue) {
        return Err(access_refused(format!("'{}' cannot be bound", method.queue)));
    }
    let destination = Destination::Queue(usable(broker, call, &method.queue)?.id);
    let vhost = broker.connections[call.connection].vhost;
    let source = broker
        .exchange_named(vhost, &source)
        .ok_or_else(|| no_exchange(&source, &broker.vhosts[vhost].name))?
        .id;
    let binding = Binding { destination, key: routing_key, arguments: method.arguments };
    broker
        .add_binding(source, binding)
        .map_err(|invalid| precondition_failed(invalid.to_string()))?;
    if !method.no_wait {
        broker.reply(call, queue::BindOk::default());
    }
    Ok(())
}

fn unbind(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: &queue::Unbind,
) -> Result<(), Exception> {
    let name = name_or_last(broker, call, &method.queue)?;
    let source = strip_line_ends(&method.exchange);
    refuse_default(&source)?;
    let connection = &broker.connections[call.connection];
    let vhost = connection.vhost;
    // A missing queue, exchange or binding is as good as unbound.
    if let Some(queue) = broker.queue_named(vhost, &name) {
        if !queue.open_to(connection.id) {
            return Err(locked(&name, &broker.vhosts[vhost].name));
        }
        let destination = Destination::Queue(queue.id);
        if let Some(source) = broker.exchange_named(vhost, &source).map(|exchange| exchange.id) {
            broker.remove_binding(source, destination, &method.routing_key, &method.arguments);
        }
    }
    broker.reply(call, queue::UnbindOk::default());
    Ok(())
}

fn purge(broker: &mut Broker, call: &mut Call<'_>, method: &queue::Purge) -> Result<(), Exception> {
    let id = usable(broker, call, &method.queue)?.id;
    let message_count = purge_ready(broker, id);
    if !method.no_wait {
        broker.reply(call, queue::PurgeOk { message_count });
    }
    Ok(())
}

/// Throws the ready messages of a queue away, in the journal too.
fn purge_ready(broker: &mut Broker, id: QueueId) -> u32 {
    let Some(queue) = broker.queues.get_mut(&id) else { return 0 };
    let before = queue.next_ordinal();
    let (count, returned) = queue.purge(&mut broker.budget);
    broker.statistics.drops.purged += count;
    if queue.declared.persists() {
        let journal = broker.store.journal();
        for ordinal in returned {
            journal.settle(id, ordinal);
        }
        journal.purge(id, before);
        broker.turn.defined = true;
    }
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn delete(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: &queue::Delete,
) -> Result<(), Exception> {
    let name = name_or_last(broker, call, &method.queue)?;
    let connection = &broker.connections[call.connection];
    let vhost_name = &broker.vhosts[connection.vhost].name;
    let mut message_count = 0;
    if let Some(queue) = broker.queue_named(connection.vhost, &name) {
        if !queue.open_to(connection.id) {
            return Err(locked(&name, vhost_name));
        }
        if method.if_unused && queue.consumer_count() > 0 {
            return Err(precondition_failed(format!(
                "queue '{name}' in vhost '{vhost_name}' in use"
            )));
        }
        if method.if_empty && queue.has_ready() {
            return Err(precondition_failed(format!(
                "queue '{name}' in vhost '{vhost_name}' not empty"
            )));
        }
        let id = queue.id;
        let count = broker.delete_queue(id, call.effects);
        message_count = u32::try_from(count).unwrap_or(u32::MAX);
    }
    if !method.no_wait {
        broker.reply(call, queue::DeleteOk { message_count });
    }
    Ok(())
}
