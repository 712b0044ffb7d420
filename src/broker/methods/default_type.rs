//! The type of queues whose declaration says none: a vhost's default queue type.

use std::borrow::Cow;

use crate::wire::{Field, ShortString, queue};

use super::super::Broker;
use super::super::access::Access;

/// The argument that says a queue's type.
const QUEUE_TYPE: &str = "x-queue-type";

/// A declaration that says no type gets the vhost's default one, where a queue like that can have
/// it. For a queue that exists it is the type that this has: the default may have changed since.
pub(in super::super) fn with_default_type<'m>(
    broker: &Broker,
    vhost: usize,
    name: &str,
    method: &'m queue::Declare,
) -> Cow<'m, queue::Declare> {
    let (access, vhost_name) = (&broker.access, &broker.vhosts[vhost].name);
    let Some(current) = broker.queue_named(vhost, name) else {
        return with_type_of(access, vhost_name, method);
    };
    let kind = current.declared.arguments.table.get(QUEUE_TYPE).cloned();
    let says_none = method.arguments.get(QUEUE_TYPE).is_none();
    match kind.filter(|_| says_none && default_type(access, vhost_name).is_some()) {
        Some(kind) => Cow::Owned(typed(method, kind)),
        None => Cow::Borrowed(method),
    }
}

/// The same for a queue that is not there yet, by the vhosts in `access`.
pub(in super::super) fn with_type_of<'m>(
    access: &Access,
    vhost: &ShortString,
    method: &'m queue::Declare,
) -> Cow<'m, queue::Declare> {
    let Some(default) = default_type(access, vhost) else { return Cow::Borrowed(method) };
    let lasts = method.durable && !method.exclusive && !method.auto_delete;
    if !lasts || method.queue.is_empty() || method.arguments.get(QUEUE_TYPE).is_some() {
        return Cow::Borrowed(method);
    }
    Cow::Owned(typed(method, Field::LongString(default.as_bytes().to_vec())))
}

/// A vhost's default queue type, unless it is the one that queues have anyway.
fn default_type<'a>(access: &'a Access, vhost: &ShortString) -> Option<&'a str> {
    let default = access.vhosts.get(vhost).map(|settings| settings.default_queue_type.as_str());
    default.filter(|kind| !matches!(*kind, "" | "classic"))
}

fn typed(method: &queue::Declare, kind: Field) -> queue::Declare {
    let mut method = method.clone();
    method.arguments.insert(ShortString::clipped(QUEUE_TYPE), kind);
    method
}
