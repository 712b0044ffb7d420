//! The type of queues whose declaration says none: a vhost's default queue type.

use std::borrow::Cow;

use crate::wire::{Field, ShortString, queue};

use super::super::Broker;
use super::super::access::Access;
use super::super::arguments::QueueType;

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
    let vhost_name = &broker.vhosts[vhost].name;
    let default = DefaultTypes::of(broker).of_vhost(vhost_name);
    let Some(current) = broker.queue_named(vhost, name) else {
        return DefaultTypes::of(broker).given(vhost_name, method);
    };
    let kind = current.declared.arguments.table.get(QUEUE_TYPE);
    let says_none = method.arguments.get(QUEUE_TYPE).is_none();
    match kind.filter(|_| says_none && default.is_some()) {
        Some(kind) => Cow::Owned(typed(method, kind)),
        None => Cow::Borrowed(method),
    }
}

/// The types that queues have whose declaration says none.
#[derive(Clone, Copy)]
pub(in super::super) struct DefaultTypes<'a> {
    /// The vhosts.
    pub(in super::super) access: &'a Access,
    /// What holds in vhosts that say none.
    pub(in super::super) broker: QueueType,
}

impl<'a> DefaultTypes<'a> {
    fn of(broker: &'a Broker) -> Self {
        Self { access: &broker.access, broker: broker.options.default_queue_type }
    }

    /// A declaration of a queue that is not there yet, with the type that it gets.
    pub(in super::super) fn given<'m>(
        self,
        vhost: &ShortString,
        method: &'m queue::Declare,
    ) -> Cow<'m, queue::Declare> {
        let Some(default) = self.of_vhost(vhost) else { return Cow::Borrowed(method) };
        let lasts = method.durable && !method.exclusive && !method.auto_delete;
        if !lasts || method.queue.is_empty() || method.arguments.get(QUEUE_TYPE).is_some() {
            return Cow::Borrowed(method);
        }
        Cow::Owned(typed(method, Field::LongString(default.as_bytes().to_vec())))
    }

    /// A vhost's default queue type, unless it is the one that queues have anyway.
    fn of_vhost(self, vhost: &ShortString) -> Option<&'a str> {
        let own = self.access.vhosts.get(vhost).map(|known| known.default_queue_type.as_str());
        let own = own.filter(|kind| !kind.is_empty()).unwrap_or_else(|| self.broker.name());
        (own != QueueType::Classic.name()).then_some(own)
    }
}

fn typed(method: &queue::Declare, kind: Field) -> queue::Declare {
    let mut method = method.clone();
    method.arguments.insert(ShortString::clipped(QUEUE_TYPE), kind);
    method
}
