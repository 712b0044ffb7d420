//! Exchanges, queues and bindings from definitions: made where they are missing, left alone where
//! they exist, and checked before anything is made.

use std::collections::BTreeMap;

use crate::ids::QueueId;
use crate::wire::{Method, ShortString, Table, exchange, queue};

use super::Broker;
use super::access::{Access, Change, ChangeRefused};
use super::arguments::QueueArguments;
use super::exchange::{Binding, Bindings, Destination, ExchangeKind};
use super::queue::Declaration;
use super::replayed::{replayed_exchange, replayed_queue};
use super::vhost::{ExchangeDeclaration, predeclared};

/// What a batch of changes will have made, by vhost and name.
#[derive(Default)]
struct Planned {
    exchanges: BTreeMap<(ShortString, ShortString), ExchangeKind>,
    queues: BTreeMap<(ShortString, ShortString), ()>,
    /// Queues that will be made, by vhost; counted where there is a limit.
    new_queues: BTreeMap<ShortString, usize>,
}

impl Broker {
    /// Checks the declarations and bindings of a batch, whose rules come to `access`.
    pub(super) fn check_declarations(
        &self,
        access: &Access,
        changes: &[Change],
    ) -> Result<(), ChangeRefused> {
        let mut planned = Planned::default();
        for change in changes {
            match change {
                Change::DeclareExchange { vhost, declare } => {
                    known_vhost(access, vhost)?;
                    let declared =
                        replayed_exchange(0, declare.clone()).map_err(|error| invalid(&error))?;
                    check_name("exchange", &declare.exchange)?;
                    let key = (vhost.clone(), declare.exchange.clone());
                    planned.exchanges.insert(key, declared.options.routing(declared.kind).0);
                }
                Change::DeclareQueue { vhost, declare } => {
                    known_vhost(access, vhost)?;
                    QueueArguments::parse(&declare.arguments).map_err(|error| {
                        let subject = format!("queue '{}' in vhost '{vhost}'", declare.queue);
                        ChangeRefused::Invalid(error.text(subject))
                    })?;
                    check_name("queue", &declare.queue)?;
                    let key = (vhost.clone(), declare.queue.clone());
                    let again = planned.queues.insert(key, ()).is_some();
                    if !again && self.queue_in(vhost, &declare.queue).is_none() {
                        self.check_limit(access, &mut planned, vhost, &declare.queue)?;
                    }
                }
                Change::BindQueue { vhost, bind } => {
                    let key = (vhost.clone(), bind.queue.clone());
                    let known = planned.queues.contains_key(&key)
                        || self.queue_in(vhost, &bind.queue).is_some();
                    known.then_some(()).ok_or_else(|| missing("queue", &key))?;
                    let source = self.kind_of(&planned, vhost, &bind.exchange)?;
                    check_binding(source, bind.routing_key.clone(), bind.arguments.clone())?;
                }
                Change::BindExchange { vhost, bind } => {
                    self.kind_of(&planned, vhost, &bind.destination)?;
                    let source = self.kind_of(&planned, vhost, &bind.source)?;
                    check_binding(source, bind.routing_key.clone(), bind.arguments.clone())?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a vhost's limit on queues (max-queues) lets another one in.
    fn check_limit(
        &self,
        access: &Access,
        planned: &mut Planned,
        vhost: &ShortString,
        queue: &ShortString,
    ) -> Result<(), ChangeRefused> {
        let limit = access.vhosts.get(vhost).and_then(|settings| settings.max_queues);
        // Without a limit, which is the usual, nobody counts.
        let Some(limit) = limit else { return Ok(()) };
        let place = self.vhost_named(vhost);
        let existing = place.map_or(0, |place| self.vhosts[place].queues.len());
        let new = planned.new_queues.entry(vhost.clone()).or_default();
        if (existing + *new) as u64 >= limit {
            return Err(ChangeRefused::Invalid(format!(
                "cannot declare queue '{queue}': queue limit in vhost '{vhost}' ({limit}) is \
                 reached"
            )));
        }
        *new += 1;
        Ok(())
    }

    /// The type of an exchange that exists or will.
    fn kind_of(
        &self,
        planned: &Planned,
        vhost: &ShortString,
        name: &ShortString,
    ) -> Result<ExchangeKind, ChangeRefused> {
        let place = self.vhost_named(vhost);
        let existing = place.and_then(|place| self.exchange_named(place, name));
        let existing = existing.map(|exchange| &exchange.declared);
        let key = (vhost.clone(), name.clone());
        existing
            .map(|ExchangeDeclaration { options, kind, .. }| options.routing(*kind).0)
            .or_else(|| planned.exchanges.get(&key).copied())
            .or_else(|| predeclared(name))
            .ok_or_else(|| missing("exchange", &key))
    }

    fn queue_in(&self, vhost: &ShortString, name: &str) -> Option<QueueId> {
        let queue = self.queue_named(self.vhost_named(vhost)?, name)?;
        Some(queue.id)
    }

    /// Declares an exchange that has been checked.
    pub(super) fn import_exchange(&mut self, vhost: &ShortString, declare: exchange::Declare) {
        let Some(vhost) = self.vhost_named(vhost) else { return };
        if self.exchange_named(vhost, &declare.exchange).is_none()
            && let Ok(declared) = replayed_exchange(vhost, declare)
        {
            self.add_exchange(declared);
        }
    }

    /// Declares a queue that has been checked.
    pub(super) fn import_queue(&mut self, vhost: &ShortString, declare: queue::Declare) {
        let Some(vhost) = self.vhost_named(vhost) else { return };
        if self.queue_named(vhost, &declare.queue).is_none()
            && let Ok(declared) = replayed_queue(vhost, declare)
        {
            let declared: Declaration = declared;
            self.add_queue(self.next_queue.next(), declared);
        }
    }

    /// Makes a binding that has been checked.
    pub(super) fn import_binding(&mut self, vhost: &ShortString, method: Method) {
        let Some(vhost) = self.vhost_named(vhost) else { return };
        let exchange = |name: &str| self.exchange_named(vhost, name).map(|exchange| exchange.id);
        let (source, destination, key, arguments) = match method {
            Method::Queue(queue::Method::Bind(bind)) => {
                let queue = self.queue_named(vhost, &bind.queue).map(|queue| queue.id);
                let destination = queue.map(Destination::Queue);
                (exchange(&bind.exchange), destination, bind.routing_key, bind.arguments)
            }
            Method::Exchange(exchange::Method::Bind(bind)) => {
                let destination = exchange(&bind.destination).map(Destination::Exchange);
                (exchange(&bind.source), destination, bind.routing_key, bind.arguments)
            }
            _ => return,
        };
        if let (Some(source), Some(destination)) = (source, destination) {
            let binding = Binding { destination, key, arguments };
            if let Err(error) = self.add_binding(source, binding) {
                log::error!("a binding that had been checked was refused: {error}");
            }
        }
    }
}

/// Whether an exchange of a type takes a binding: asked of one that has none.
fn check_binding(
    kind: ExchangeKind,
    key: ShortString,
    arguments: Table,
) -> Result<(), ChangeRefused> {
    let binding = Binding { destination: Destination::Queue(QueueId(0)), key, arguments };
    let bound = Bindings::new(kind).bind(binding);
    bound.map(|_| ()).map_err(|error| ChangeRefused::Invalid(error.to_string()))
}

fn known_vhost(access: &Access, vhost: &ShortString) -> Result<(), ChangeRefused> {
    let known = access.vhosts.contains_key(vhost);
    known.then_some(()).ok_or_else(|| ChangeRefused::NotFound(format!("vhost '{vhost}' not found")))
}

/// Names that the server keeps to itself come from nowhere else.
fn check_name(kind: &str, name: &str) -> Result<(), ChangeRefused> {
    if name.is_empty() || name.starts_with("amq.") || name.contains(['\r', '\n']) {
        return Err(ChangeRefused::Invalid(format!(
            "'{}' is no name for an {kind}",
            name.escape_debug()
        )));
    }
    Ok(())
}

fn invalid(error: &super::BrokerError) -> ChangeRefused {
    ChangeRefused::Invalid(error.to_string())
}

fn missing(kind: &str, (vhost, name): &(ShortString, ShortString)) -> ChangeRefused {
    ChangeRefused::NotFound(format!("no {kind} '{name}' in vhost '{vhost}'"))
}
