//! Adding and removing exchanges, queues and bindings, and what follows from it.
//!
//! These are the bare changes: whether they are allowed was decided in `methods/`, and recovery
//! repeats them from the journal. Every change of something durable is journaled here, as the AMQP
//! method that would make it, so a restart is a replay. What follows from a removal (bindings that
//! end with a queue, an auto-delete exchange that ends with its last binding) is worked off from a
//! list, never by recursion, and journaled too: the replay follows no consequences of its own.

use crate::ids::{ExchangeId, QueueId};
use crate::wire::{Method, PackedTable, ShortString, Table, exchange, queue};

use super::Broker;
use super::access::ObjectKind;
use super::arguments::QueueType;
use super::drops::Cause;
use super::events::{EVENT, EVENT_VHOST};
use super::exchange::{Binding, Destination, ExchangeKind, InvalidBinding, Options, refuse_hashes};
use super::log_exchange::LOG;
use super::queue::{Declaration, Queue};
use super::recollection::Recollection;
use super::vhost::{Exchange, ExchangeDeclaration, PREDECLARED, VirtualHost};

impl Broker {
    /// Adds a vhost with the exchanges that each has.
    pub(super) fn add_vhost(&mut self, name: ShortString) -> usize {
        // Events are told in one vhost, for all; the log too, if at all.
        let told = *name == *EVENT_VHOST;
        let logged = told && self.options.log_exchange;
        let vhost = VirtualHost::new(name);
        let free = self.vhosts.iter().position(|vhost| vhost.name.is_empty());
        let place = free.unwrap_or(self.vhosts.len());
        match self.vhosts.get_mut(place) {
            Some(deleted) => *deleted = vhost,
            None => self.vhosts.push(vhost),
        }
        let has = |name: &str| (told || name != EVENT) && (logged || name != LOG);
        for (name, kind) in PREDECLARED.into_iter().filter(|(name, _)| has(name)) {
            self.add_exchange(ExchangeDeclaration {
                name: ShortString::clipped(name),
                vhost: place,
                kind,
                durable: true,
                auto_delete: false,
                internal: name.starts_with("amq.rabbitmq."),
                arguments: PackedTable::default(),
                options: Options::None,
                alternate: None,
            });
        }
        place
    }

    /// The place of the vhost of this name.
    pub(super) fn vhost_named(&self, name: &str) -> Option<usize> {
        self.vhosts.iter().position(|vhost| *vhost.name == *name && !name.is_empty())
    }

    /// The exchange of this name in a vhost.
    pub(super) fn exchange_named(&self, vhost: usize, name: &str) -> Option<&Exchange> {
        self.exchanges.get(self.vhosts[vhost].exchanges.get(name)?)
    }

    /// The queue of this name in a vhost.
    pub(super) fn queue_named(&self, vhost: usize, name: &str) -> Option<&Queue> {
        self.queues.get(self.vhosts[vhost].queues.get(name)?)
    }

    /// Adds an exchange.
    pub(super) fn add_exchange(&mut self, declared: ExchangeDeclaration) {
        self.next_exchange = self.next_exchange.next();
        let id = self.next_exchange;
        let predeclared = PREDECLARED.iter().any(|(name, _)| **name == *declared.name);
        if declared.durable && !predeclared {
            let vhost = self.vhosts[declared.vhost].name.clone();
            self.define(&vhost, QueueId(0), &exchange_declare(&declared).into());
        }
        self.vhosts[declared.vhost].exchange_names.insert(declared.name.clone());
        self.vhosts[declared.vhost].exchanges.insert(declared.name.clone(), id);
        let policy = self.policy_for_new(declared.vhost, &declared.name, ObjectKind::Exchange);
        self.exchange_event("exchange.created", &declared);
        let delayed = matches!(declared.options, Options::Delayed(..));
        self.exchanges.insert(id, Exchange { policy, ..Exchange::new(id, declared) });
        if delayed && !self.recovering {
            self.add_delay_queue(id);
        }
    }

    /// Adds a queue with the number `id`.
    pub(super) fn add_queue(&mut self, id: QueueId, declared: Declaration) {
        self.next_queue = self.next_queue.max(id);
        if declared.persists() {
            let vhost = self.vhosts[declared.vhost].name.clone();
            self.define(&vhost, id, &queue_declare(&declared).into());
            // A queue whose messages are safe is as safe itself.
            if let Some(policy) = declared.arguments.fsync.filter(|_| !self.recovering) {
                self.promise(policy);
            }
        }
        self.queue_event("queue.created", &declared);
        let log = self.store.log(id, declared.persists());
        // Only the queue of a delayed exchange has no name, and nobody finds it by one.
        if !declared.name.is_empty() {
            self.statistics.churn.queue_created += u64::from(!self.recovering);
            self.vhosts[declared.vhost].queue_names.insert(declared.name.clone());
            self.vhosts[declared.vhost].queues.insert(declared.name.clone(), id);
        }
        let kind = ObjectKind::Queue(declared.arguments.queue_type);
        let policy = self.policy_for_new(declared.vhost, &declared.name, kind);
        self.queues.insert(id, Queue::new(id, declared, log));
        self.set_queue_policy(id, policy);
        // Its time begins with the turn.
        self.touch(id);
    }

    /// Adds a binding. Returns whether it is new.
    pub(super) fn add_binding(
        &mut self,
        source: ExchangeId,
        binding: Binding,
    ) -> Result<bool, InvalidBinding> {
        let durable = self.binding_persists(source, binding.destination);
        let method = durable.then(|| self.bind_method(source, &binding)).flatten();
        let told = binding.clone();
        let destination = binding.destination;
        let queue_type = self.queue_type(destination);
        let Some(exchange) = self.exchanges.get_mut(&source) else { return Ok(false) };
        if exchange.declared.kind == ExchangeKind::LocalRandom && queue_type != QueueType::Classic {
            let name = queue_type.name();
            let text = format!("Queue type {name} not valid for this exchange type");
            return Err(InvalidBinding(text));
        }
        if self.options.strict && !self.recovering && exchange.declared.kind == ExchangeKind::Topic
        {
            refuse_hashes(&binding.key)?;
        }
        let new = exchange.bindings.bind(binding)?;
        if new {
            *self.sources.entry(destination).or_default().entry(source).or_default() += 1;
            if let Some((vhost, method)) = method {
                self.define(&vhost, QueueId(0), &method);
            }
            self.binding_event("binding.created", source, &told);
            if !self.recovering {
                self.replay_history(source, destination);
            }
        }
        Ok(new)
    }

    /// The type of a queue; of an exchange, that of any queue that it may lead to.
    fn queue_type(&self, destination: Destination) -> QueueType {
        match destination {
            Destination::Queue(id) => self
                .queues
                .get(&id)
                .map_or(QueueType::Classic, |queue| queue.declared.arguments.queue_type),
            Destination::Exchange(_) => QueueType::Classic,
        }
    }

    /// Removes a binding, and the exchange if it was its last and it is auto-delete.
    pub(super) fn remove_binding(
        &mut self,
        source: ExchangeId,
        destination: Destination,
        key: &str,
        arguments: &Table,
    ) {
        let Some(exchange) = self.exchanges.get_mut(&source) else { return };
        if !exchange.bindings.unbind(destination, key, arguments) {
            return;
        }
        let binding =
            Binding { destination, key: ShortString::clipped(key), arguments: arguments.into() };
        self.binding_event("binding.deleted", source, &binding);
        if self.binding_persists(source, destination)
            && let Some((vhost, method)) = self.bind_method(source, &binding)
        {
            self.define(&vhost, QueueId(0), &unbind_from_bind(method));
        }
        self.forget_source(destination, source, 1);
        self.delete_unused(source);
    }

    /// Removes a queue with its messages and bindings. Its consumers must be gone. Returns how many
    /// messages were ready.
    pub(super) fn remove_queue(&mut self, id: QueueId) -> u64 {
        let Some(queue) = self.queues.remove(&id) else { return 0 };
        self.queue_event("queue.deleted", &queue.declared);
        self.timers.forget(queue.timer, id);
        let vhost = self.vhosts[queue.declared.vhost].name.clone();
        self.vhosts[queue.declared.vhost].queues.remove(queue.name());
        self.vhosts[queue.declared.vhost].queue_names.remove(queue.name());
        if queue.declared.persists() {
            let delete = queue::Delete { queue: queue.name().clone(), ..Default::default() };
            self.define(&vhost, id, &delete.into());
        }
        let (count, logs, remains) = queue.end(&mut self.budget);
        self.leave_messages(remains);
        self.turn.ended.extend(logs);
        self.drops.count(Cause::QueueDeleted, count);
        if !self.recovering {
            self.statistics.churn.queue_deleted += 1;
        }
        self.unbind_destination(Destination::Queue(id));
        count
    }

    /// Removes an exchange and all bindings from and to it, and the auto-delete exchanges that lose
    /// their last binding by that.
    pub(super) fn remove_exchange(&mut self, id: ExchangeId) {
        self.turn.doomed.push(id);
        if self.turn.doomed.len() > 1 {
            return; // the removal that it follows from goes on with it
        }
        while let Some(id) = self.turn.doomed.last().copied() {
            self.remove_one_exchange(id);
            self.turn.doomed.retain(|doomed| *doomed != id);
        }
    }

    fn remove_one_exchange(&mut self, id: ExchangeId) {
        let Some(exchange) = self.exchanges.remove(&id) else { return };
        self.exchange_event("exchange.deleted", &exchange.declared);
        self.drops.forget_exchange(id);
        if let Recollection::History(history) = &exchange.recollection {
            self.histories_bytes = self.histories_bytes.saturating_sub(history.bytes());
        }
        let ExchangeDeclaration { name, vhost, durable, .. } = exchange.declared;
        self.vhosts[vhost].exchanges.remove(&name);
        self.vhosts[vhost].exchange_names.remove(&name);
        if durable {
            let vhost = self.vhosts[vhost].name.clone();
            let delete = exchange::Delete { exchange: name, ..Default::default() };
            self.define(&vhost, QueueId(0), &delete.into());
        }
        if let Some(queue) = exchange.delays {
            self.remove_delay_queue(queue);
        }
        self.leave_bindings_from(id, exchange.bindings);
        self.unbind_destination(Destination::Exchange(id));
    }

    /// Deletes an exchange if it is auto-delete and has no binding left.
    pub(super) fn delete_unused(&mut self, id: ExchangeId) {
        if self.unused(id) {
            self.remove_exchange(id);
        }
    }

    /// Whether an exchange ends because it is auto-delete and nothing is bound to it any more.
    fn unused(&self, id: ExchangeId) -> bool {
        !self.recovering
            && self.exchanges.get(&id).is_some_and(|exchange| {
                exchange.declared.auto_delete && exchange.bindings.is_empty()
            })
    }

    /// Removes all bindings to a destination that is gone, and the auto-delete exchanges that have no
    /// other.
    fn unbind_destination(&mut self, destination: Destination) {
        let sources = self.sources.remove(&destination).unwrap_or_default();
        self.leave_bindings_to(destination, sources.into_iter().collect());
    }

    /// Takes `count` bindings off the list of where a destination is bound.
    pub(super) fn forget_source(
        &mut self,
        destination: Destination,
        source: ExchangeId,
        count: usize,
    ) {
        if let Some(sources) = self.sources.get_mut(&destination) {
            if let Some(bindings) = sources.get_mut(&source) {
                *bindings = bindings.saturating_sub(count);
                if *bindings == 0 {
                    sources.remove(&source);
                }
            }
            if sources.is_empty() {
                self.sources.remove(&destination);
            }
        }
    }

    /// Whether a binding outlives the broker: if both its ends do.
    pub(super) fn binding_persists(&self, source: ExchangeId, destination: Destination) -> bool {
        self.exchanges.get(&source).is_some_and(|exchange| exchange.declared.durable)
            && match destination {
                Destination::Queue(id) => {
                    self.queues.get(&id).is_some_and(|queue| queue.declared.persists())
                }
                Destination::Exchange(id) => {
                    self.exchanges.get(&id).is_some_and(|exchange| exchange.declared.durable)
                }
            }
    }

    /// The vhost and the method that makes a binding.
    pub(super) fn bind_method(
        &self,
        source: ExchangeId,
        binding: &Binding,
    ) -> Option<(ShortString, Method)> {
        let declared = &self.exchanges.get(&source)?.declared;
        let routing_key = binding.key.clone();
        let arguments = binding.arguments.unpack();
        let method = match binding.destination {
            Destination::Queue(id) => queue::Bind {
                queue: self.queues.get(&id)?.name().clone(),
                exchange: declared.name.clone(),
                routing_key,
                no_wait: false,
                arguments,
            }
            .into(),
            Destination::Exchange(id) => exchange::Bind {
                destination: self.exchanges.get(&id)?.declared.name.clone(),
                source: declared.name.clone(),
                routing_key,
                no_wait: false,
                arguments,
            }
            .into(),
        };
        Some((self.vhosts[declared.vhost].name.clone(), method))
    }

    /// Journals a durable definition; its reply waits for the disk.
    fn define(&mut self, vhost: &str, queue: QueueId, method: &Method) {
        if self.recovering {
            return;
        }
        let mut bytes = Vec::new();
        method.encode(&mut bytes);
        self.store.journal().define(vhost, queue, &bytes);
        self.promise(self.options.fsync);
        self.turn.defines = true;
    }
}

/// The method that declares an exchange.
pub(super) fn exchange_declare(declared: &ExchangeDeclaration) -> exchange::Declare {
    exchange::Declare {
        exchange: declared.name.clone(),
        kind: ShortString::clipped(declared.kind.name()),
        passive: false,
        durable: declared.durable,
        auto_delete: declared.auto_delete,
        internal: declared.internal,
        no_wait: false,
        arguments: declared.arguments.unpack(),
    }
}

/// The method that declares a queue.
pub(super) fn queue_declare(declared: &Declaration) -> queue::Declare {
    queue::Declare {
        queue: declared.name.clone(),
        passive: false,
        durable: declared.durable,
        exclusive: declared.exclusive.is_some(),
        auto_delete: declared.auto_delete,
        no_wait: false,
        arguments: declared.arguments.table.unpack(),
    }
}

/// The method that undoes a bind.
fn unbind_from_bind(bind: Method) -> Method {
    match bind {
        Method::Queue(queue::Method::Bind(bind)) => queue::Unbind {
            queue: bind.queue,
            exchange: bind.exchange,
            routing_key: bind.routing_key,
            arguments: bind.arguments,
        }
        .into(),
        Method::Exchange(exchange::Method::Bind(bind)) => exchange::Unbind {
            destination: bind.destination,
            source: bind.source,
            routing_key: bind.routing_key,
            no_wait: false,
            arguments: bind.arguments,
        }
        .into(),
        other => other,
    }
}
