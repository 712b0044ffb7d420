//! Exchanges, queues and bindings from definitions: made where they are missing, left alone where
//! they exist, and checked before anything is made.

use std::collections::BTreeMap;

use crate::ids::QueueId;
use crate::wire::{Method, ShortString, Table, exchange, queue};

use super::Broker;
use super::access::{Access, Change, ChangeRefused};
use super::exception::Exception;
use super::exchange::{Binding, Bindings, Destination, ExchangeKind};
use super::methods::{DefaultTypes, declared_exchange, declared_queue, queue_arguments};
use super::queue::Declaration;
use super::vhost::{ExchangeDeclaration, predeclared};

/// What a batch of changes will have made, by vhost and name.
#[derive(Debug, Default)]
pub(super) struct Planned {
    exchanges: BTreeMap<(ShortString, ShortString), ExchangeKind>,
    queues: BTreeMap<(ShortString, ShortString), ()>,
    /// Queues that will be made, by vhost; counted where there is a limit.
    new_queues: BTreeMap<ShortString, usize>,
}

impl Broker {
    /// Checks a declaration or binding of a batch, whose rules come to `access` and which has made
    /// what is planned so far.
    pub(super) fn check_declaration(
        &self,
        access: &Access,
        planned: &mut Planned,
        change: &Change,
    ) -> Result<(), ChangeRefused> {
        let types = DefaultTypes { access, broker: self.options.default_queue_type };
        match change {
            Change::DeclareExchange { vhost, declare } => {
                known_vhost(access, vhost)?;
                let key = (vhost.clone(), declare.exchange.clone());
                if self.exchange_in(vhost, &declare.exchange).is_none() {
                    let declared = new_exchange(vhost, 0, declare)?;
                    planned.exchanges.insert(key, declared.options.routing(declared.kind).0);
                }
            }
            Change::DeclareQueue { vhost, declare } => {
                known_vhost(access, vhost)?;
                let key = (vhost.clone(), declare.queue.clone());
                let known = self.queue_in(vhost, &declare.queue).is_some();
                if !known && planned.queues.insert(key, ()).is_none() {
                    new_queue(types, vhost, 0, declare)?;
                    self.check_limit(planned, vhost, &declare.queue)?;
                }
            }
            Change::BindQueue { vhost, bind } => {
                let key = (vhost.clone(), bind.queue.clone());
                let known = planned.queues.contains_key(&key)
                    || self.queue_in(vhost, &bind.queue).is_some();
                let subject = || {
                    let (source, queue) = (&bind.exchange, &bind.queue);
                    format!("binding of queue '{queue}' to '{source}' in vhost '{vhost}'")
                };
                known.then_some(()).ok_or_else(|| missing("queue", &key, &subject()))?;
                let source = self.kind_of(planned, vhost, &bind.exchange, subject)?;
                check_binding(source, &bind.routing_key, &bind.arguments, subject)?;
            }
            Change::BindExchange { vhost, bind } => {
                let subject = || {
                    let (source, name) = (&bind.source, &bind.destination);
                    format!("binding of exchange '{name}' to '{source}' in vhost '{vhost}'")
                };
                self.kind_of(planned, vhost, &bind.destination, subject)?;
                let source = self.kind_of(planned, vhost, &bind.source, subject)?;
                check_binding(source, &bind.routing_key, &bind.arguments, subject)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a vhost's limit on queues (max-queues) lets another one in: the limit that is in
    /// force. One that comes with the batch is for queues that come later, or what was exported
    /// under a limit that had been lowered could not be imported.
    fn check_limit(
        &self,
        planned: &mut Planned,
        vhost: &ShortString,
        queue: &ShortString,
    ) -> Result<(), ChangeRefused> {
        let limit = self.access.vhosts.get(vhost).and_then(|settings| settings.max_queues);
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

    /// The type of an exchange that exists or will, for a `subject` that needs it.
    fn kind_of(
        &self,
        planned: &Planned,
        vhost: &ShortString,
        name: &ShortString,
        subject: impl Fn() -> String,
    ) -> Result<ExchangeKind, ChangeRefused> {
        let existing = self.exchange_in(vhost, name);
        let key = (vhost.clone(), name.clone());
        existing
            .map(|ExchangeDeclaration { options, kind, .. }| options.routing(*kind).0)
            .or_else(|| planned.exchanges.get(&key).copied())
            .or_else(|| predeclared(name))
            .ok_or_else(|| missing("exchange", &key, &subject()))
    }

    fn exchange_in(&self, vhost: &ShortString, name: &str) -> Option<&ExchangeDeclaration> {
        let exchange = self.exchange_named(self.vhost_named(vhost)?, name)?;
        Some(&exchange.declared)
    }

    fn queue_in(&self, vhost: &ShortString, name: &str) -> Option<QueueId> {
        let queue = self.queue_named(self.vhost_named(vhost)?, name)?;
        Some(queue.id)
    }

    /// Declares an exchange that has been checked.
    pub(super) fn import_exchange(&mut self, vhost: &ShortString, declare: &exchange::Declare) {
        let Some(place) = self.vhost_named(vhost) else { return };
        if self.exchange_named(place, &declare.exchange).is_some() {
            return;
        }
        match new_exchange(vhost, place, declare) {
            Ok(declared) => {
                self.add_exchange(declared);
            }
            Err(error) => log::error!("an exchange that had been checked was refused: {error}"),
        }
    }

    /// Declares a queue that has been checked.
    pub(super) fn import_queue(&mut self, vhost: &ShortString, declare: &queue::Declare) {
        let Some(place) = self.vhost_named(vhost) else { return };
        if self.queue_named(place, &declare.queue).is_some() {
            return;
        }
        let broker = self.options.default_queue_type;
        let types = DefaultTypes { access: &self.access, broker };
        match new_queue(types, vhost, place, declare) {
            Ok(declared) => {
                if !declared.durable {
                    self.transient_queue(&queue_subject(vhost, &declare.queue));
                }
                self.add_queue(self.next_queue.next(), declared);
            }
            Err(error) => log::error!("a queue that had been checked was refused: {error}"),
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
            let binding = Binding { destination, key, arguments: (&arguments).into() };
            if let Err(error) = self.add_binding(source, binding) {
                log::error!("a binding that had been checked was refused: {error}");
            }
        }
    }
}

/// The queue that a definition makes, with the checks and defaults of queue.declare.
fn new_queue(
    types: DefaultTypes<'_>,
    vhost: &ShortString,
    place: usize,
    declare: &queue::Declare,
) -> Result<Declaration, ChangeRefused> {
    let subject = queue_subject(vhost, &declare.queue);
    check_name("queue", &declare.queue, &subject)?;
    let declare = types.given(vhost, declare).into_owned();
    let declared = queue_arguments(&declare, &subject)
        .and_then(|arguments| declared_queue(place, None, declare, arguments, &subject));
    declared.map_err(|refused| invalid(refused, &subject))
}

/// The exchange that a definition makes, with the checks of exchange.declare.
fn new_exchange(
    vhost: &ShortString,
    place: usize,
    declare: &exchange::Declare,
) -> Result<ExchangeDeclaration, ChangeRefused> {
    let subject = format!("exchange '{}' in vhost '{vhost}'", declare.exchange.escape_debug());
    check_name("exchange", &declare.exchange, &subject)?;
    declared_exchange(place, declare.clone(), &subject)
        .map_err(|refused| invalid(refused, &subject))
}

fn queue_subject(vhost: &ShortString, name: &ShortString) -> String {
    format!("queue '{}' in vhost '{vhost}'", name.escape_debug())
}

/// Whether an exchange of a type takes a binding: asked of one that has none.
fn check_binding(
    kind: ExchangeKind,
    key: &ShortString,
    arguments: &Table,
    subject: impl Fn() -> String,
) -> Result<(), ChangeRefused> {
    let (key, arguments) = (key.clone(), arguments.clone());
    let arguments = (&arguments).into();
    let binding = Binding { destination: Destination::Queue(QueueId(0)), key, arguments };
    let bound = Bindings::new(kind).bind(binding);
    bound.map(|_| ()).map_err(|error| ChangeRefused::Invalid(format!("{}: {error}", subject())))
}

fn known_vhost(access: &Access, vhost: &ShortString) -> Result<(), ChangeRefused> {
    let known = access.vhosts.contains_key(vhost);
    known.then_some(()).ok_or_else(|| ChangeRefused::NotFound(format!("vhost '{vhost}' not found")))
}

/// Names that the server keeps to itself come from nowhere else.
fn check_name(kind: &str, name: &str, subject: &str) -> Result<(), ChangeRefused> {
    let problem = if name.is_empty() {
        format!("{subject}: a name is needed")
    } else if name.starts_with("amq.") {
        format!("{kind} name '{}' contains reserved prefix 'amq.*'", name.escape_debug())
    } else if name.contains(['\r', '\n']) {
        format!("{subject}: a name cannot have line ends")
    } else {
        return Ok(());
    };
    Err(ChangeRefused::Invalid(problem))
}

/// A refusal in the words of a method's, which do not always name what was refused.
fn invalid(refused: Exception, subject: &str) -> ChangeRefused {
    ChangeRefused::Invalid(refused.text).about(subject)
}

fn missing(kind: &str, (vhost, name): &(ShortString, ShortString), of: &str) -> ChangeRefused {
    ChangeRefused::NotFound(format!("{of}: no {kind} '{name}' in vhost '{vhost}'"))
}
