//! Class queue: declare, bind, unbind, purge, delete.

use crate::ids::QueueId;
use crate::wire::{ShortString, queue};

use super::super::Broker;
use super::super::access::Operation;
use super::super::arguments::{Differences, QueueType};
use super::super::call::Call;
use super::super::drops::Cause;
use super::super::exception::{
    Exception, access_refused, locked, no_exchange, no_queue, not_implemented, precondition_failed,
};
use super::super::exchange::{Binding, Destination};
use super::super::permission::Object;
use super::super::queue::{Queue, Remains};
use super::super::reply_to::is_reply_to;
use super::super::vhost::{VirtualHost, strip_line_ends};
use super::super::work::{Job, Purge};
use super::declared::{declared_queue, persists, queue_arguments};
use super::default_type::with_default_type;
use super::exchange::refuse_default;
use super::unexpected;

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

/// As [`usable`], for methods that take messages out.
pub(super) fn readable<'a>(
    broker: &'a Broker,
    call: &Call<'_>,
    name: &ShortString,
) -> Result<&'a Queue, Exception> {
    let name = name_or_last(broker, call, name)?;
    broker.permit(call, Operation::Read, Object::Queue(&name))?;
    usable(broker, call, &name)
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
        let name = strip_line_ends(&method.queue);
        broker.permit_any(call, Object::Queue(&name))?;
        let queue = usable(broker, call, &name)?;
        let (id, name) = (queue.id, queue.name().clone());
        broker.use_queue(id);
        name
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
    broker.permit(call, Operation::Configure, Object::Queue(&name))?;
    let method = &*with_default_type(broker, vhost, &name, method);
    let subject = format!("queue '{name}' in vhost '{vhost_name}'");
    let exclusive = method.exclusive.then_some(owner);
    if let Some(current) = broker.queue_named(vhost, &name) {
        if current.declared.exclusive != exclusive {
            return Err(locked(&name, &vhost_name));
        }
        assert_equivalent(current, method, &subject)?;
        let id = current.id;
        broker.use_queue(id);
        return Ok(name);
    }
    refuse_beyond_limit(broker, vhost, &name)?;
    let arguments = queue_arguments(method, &subject)?;
    if let Some(dead_letters) = &arguments.dead_letter_exchange {
        broker.permit(call, Operation::Read, Object::Queue(&name))?;
        broker.permit(call, Operation::Write, Object::Exchange(dead_letters))?;
    }
    if !method.durable && !method.exclusive {
        broker.transient_queue(&subject);
    }
    if method.queue.is_empty() && arguments.queue_type != QueueType::Classic {
        return Err(server_named(arguments.queue_type));
    }
    let method = queue::Declare { queue: name.clone(), ..method.clone() };
    let declared = declared_queue(vhost, exclusive, method, arguments, &subject)?;
    let id = broker.next_queue.next();
    if declared.exclusive.is_some() {
        broker.connections[call.connection].exclusive_queues.push(id);
    }
    broker.add_queue(id, declared);
    Ok(name)
}

/// The vhost's limit on queues (max-queues).
fn refuse_beyond_limit(broker: &Broker, vhost: usize, name: &str) -> Result<(), Exception> {
    let VirtualHost { name: vhost_name, queues, .. } = &broker.vhosts[vhost];
    let limit = broker.access.vhosts.get(vhost_name).and_then(|settings| settings.max_queues);
    match limit.filter(|limit| queues.len() as u64 >= *limit) {
        None => Ok(()),
        Some(limit) => Err(precondition_failed(format!(
            "cannot declare queue '{name}': queue limit in vhost '{vhost_name}' ({limit}) is reached"
        ))),
    }
}

/// The refusal of a name by the server for a queue that is kept.
fn server_named(queue_type: QueueType) -> Exception {
    let name = queue_type.name();
    precondition_failed(format!("Cannot declare a server-named queue for type rabbit_{name}_queue"))
}

fn new_name(broker: &mut Broker, vhost: usize) -> ShortString {
    loop {
        let name = broker.names.make("amq.gen-");
        if !broker.vhosts[vhost].queues.contains_key(name.as_str()) {
            return ShortString::clipped(&name);
        }
    }
}

/// Whether a queue may be declared again like this: it must be what it is.
fn assert_equivalent(
    current: &Queue,
    method: &queue::Declare,
    subject: &str,
) -> Result<(), Exception> {
    let current = &current.declared;
    let properties = Differences::default()
        .property("durable", &current.durable, &persists(method))
        .property("auto_delete", &current.auto_delete, &method.auto_delete);
    let differences = current.arguments.compare(&method.arguments, properties);
    differences.text(subject).map_or(Ok(()), |text| Err(precondition_failed(text)))
}

fn bind(broker: &mut Broker, call: &mut Call<'_>, method: queue::Bind) -> Result<(), Exception> {
    let routing_key = if method.queue.is_empty() && method.routing_key.is_empty() {
        broker.channels[call.channel].last_queue.clone()
    } else {
        method.routing_key
    };
    let source = strip_line_ends(&method.exchange);
    let name = name_or_last(broker, call, &method.queue)?;
    broker.permit(call, Operation::Write, Object::Queue(&name))?;
    refuse_default(&source)?;
    broker.permit_binding(call, &source, routing_key.as_bytes())?;
    if is_reply_to(&method.queue) {
        return Err(access_refused(format!("'{}' cannot be bound", method.queue)));
    }
    let destination = Destination::Queue(usable(broker, call, &method.queue)?.id);
    let vhost = broker.connections[call.connection].vhost;
    let source = broker
        .exchange_named(vhost, &source)
        .ok_or_else(|| no_exchange(&source, &broker.vhosts[vhost].name))?
        .id;
    let arguments = (&method.arguments).into();
    let binding = Binding { destination, key: routing_key, arguments };
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
    broker.permit(call, Operation::Write, Object::Queue(&name))?;
    refuse_default(&source)?;
    broker.permit_binding(call, &source, method.routing_key.as_bytes())?;
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
    let queue = readable(broker, call, &method.queue)?;
    refuse_stream(broker, queue, "queue.purge")?;
    let id = queue.id;
    let (message_count, remains) = purge_ready(broker, id);
    let answer = (!method.no_wait).then_some(queue::PurgeOk { message_count });
    let Call { connection, channel, .. } = *call;
    let job = Purge { connection, channel, queue: id, remains, answer };
    broker.begin(Job::Purge(Box::new(job)), call.effects)
}

/// What a stream does not do, in RabbitMQ's words.
pub(super) fn refuse_stream(broker: &Broker, queue: &Queue, what: &str) -> Result<(), Exception> {
    if !queue.is_stream() {
        return Ok(());
    }
    let (name, vhost) = (queue.name(), &broker.vhosts[queue.declared.vhost].name);
    Err(not_implemented(format!(
        "{what} not supported by stream queues queue '{name}' in vhost '{vhost}'"
    )))
}

/// Throws the ready messages of a queue away. The journal has to be told of some by themselves, the
/// others are below the ordinal that it is told of now and were never taken.
fn purge_ready(broker: &mut Broker, id: QueueId) -> (u32, Remains) {
    let Some(queue) = broker.queues.get_mut(&id) else { return Default::default() };
    let (count, remains) = queue.purge();
    queue.drops.count(Cause::Purged, count);
    broker.drops.count(Cause::Purged, count);
    if queue.declared.persists() {
        for level in queue.levels() {
            broker.store.journal().purge(level.id, level.next_ordinal());
        }
    }
    (u32::try_from(count).unwrap_or(u32::MAX), remains)
}

fn delete(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: &queue::Delete,
) -> Result<(), Exception> {
    let name = name_or_last(broker, call, &method.queue)?;
    broker.permit(call, Operation::Configure, Object::Queue(&name))?;
    let connection = &broker.connections[call.connection];
    let vhost_name = &broker.vhosts[connection.vhost].name;
    let (mut message_count, mut cancels) = (0, Vec::new());
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
        let deleted = broker.delete_queue_by(Some(call.channel), id, call.effects);
        message_count = u32::try_from(deleted.0).unwrap_or(u32::MAX);
        cancels = deleted.1;
    }
    if !method.no_wait {
        broker.reply(call, queue::DeleteOk { message_count });
    }
    for cancel in cancels {
        broker.send_on(call.channel, cancel, call.effects);
    }
    Ok(())
}
