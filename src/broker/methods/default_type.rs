//! The type of queues whose declaration says none: a vhost's default queue type.

use std::borrow::Cow;

use crate::wire::{Field, ShortString, queue};

use super::super::Broker;

/// The argument that says a queue's type.
const QUEUE_TYPE: &str = "x-queue-type";

/// A declaration that says no type gets the vhost's default one, where a queue like that can have
/// it. For a queue that exists it is the type that this has: the default may have changed since.
pub(super) fn with_default_type<'m>(
    broker: &Broker,
    vhost: usize,
    name: &str,
    method: &'m queue::Declare,
) -> Cow<'m, queue::Declare> {
    let default = broker.access.vhosts.get(&broker.vhosts[vhost].name);
    let default = default.map(|settings| &settings.default_queue_type);
    let default = default.filter(|kind| !matches!(kind.as_str(), "" | "classic"));
    let Some(default) = default.filter(|_| method.arguments.get(QUEUE_TYPE).is_none()) else {
        return Cow::Borrowed(method);
    };
    let lasts = method.durable && !method.exclusive && !method.auto_delete;
    let kind = match broker.queue_named(vhost, name) {
        Some(current) => current.declared.arguments.table.get(QUEUE_TYPE).cloned(),
        None if lasts && !method.queue.is_empty() => {
            Some(Field::LongString(default.as_bytes().to_vec()))
        }
        None => None,
    };
    let mut method = method.clone();
    if let Some(kind) = kind {
        method.arguments.insert(ShortString::clipped(QUEUE_TYPE), kind);
    }
    Cow::Owned(method)
}
