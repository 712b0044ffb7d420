//! Whether the user of a connection may do what a method asks for.
//!
//! ```text
//!                                    configure   write                       read
//!   exchange.declare, delete         exchange
//!     with an alternate exchange                 the alternate exchange      exchange
//!   queue.declare, delete            queue
//!     with a dead letter exchange                the dead letter exchange    queue
//!   passive declare                  any one of the three on it
//!   queue.bind, unbind                           queue                       exchange, topic
//!   exchange.bind, unbind                        destination                 source, topic
//!   basic.publish                                exchange, topic
//!   basic.get, basic.consume, queue.purge                                    queue
//!   connection.open                  any permissions in the vhost
//! ```
//!
//! *Topic* is the topic permission on a routing key, where the exchange is a topic exchange. Dead
//! letter and alternate exchanges that a policy sets are not checked: who makes policies is trusted.

use crate::ids::ExchangeId;
use crate::mutants::mutant;
use crate::wire::ShortString;

use super::Broker;
use super::access::{Operation, exchange_name};
use super::call::Call;
use super::exception::{Exception, access_refused};
use super::exchange::ExchangeKind;

/// What an operation is on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Object<'a> {
    /// An exchange, which need not exist; empty is the default one.
    Exchange(&'a str),
    /// A queue, which need not exist.
    Queue(&'a str),
}

impl Object<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Exchange(name) => exchange_name(name),
            Self::Queue(name) => name,
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Exchange(_) => "exchange",
            Self::Queue(_) => "queue",
        }
    }
}

/// Exchanges that a channel has been allowed to publish to, so that it is not asked for each
/// message. A change of any permission makes it ask again.
#[derive(Debug, Default)]
pub(super) struct Permitted {
    generation: u64,
    exchanges: Vec<ExchangeId>,
}

/// As many as RabbitMQ remembers.
const PERMITTED_MAX: usize = 12;

impl Permitted {
    fn has(&self, generation: u64, exchange: ExchangeId) -> bool {
        let current =
            self.generation == generation || mutant("a_permission_outlives_its_revocation");
        current && self.exchanges.contains(&exchange)
    }

    fn add(&mut self, generation: u64, exchange: ExchangeId) {
        if self.generation != generation || self.exchanges.len() >= PERMITTED_MAX {
            self.generation = generation;
            self.exchanges.clear();
        }
        self.exchanges.push(exchange);
    }
}

impl Broker {
    /// Refuses (403) what the user of the call's connection may not do.
    pub(super) fn permit(
        &self,
        call: &Call<'_>,
        operation: Operation,
        object: Object<'_>,
    ) -> Result<(), Exception> {
        let connection = &self.connections[call.connection];
        let vhost = &self.vhosts[connection.vhost].name;
        if connection.facts.owner
            || self.access.allows(&connection.user, vhost, operation, object.name())
        {
            return Ok(());
        }
        Err(access_refused(format!(
            "{} access to {} '{}' in vhost '{vhost}' refused for user '{}'",
            operation.name(),
            object.kind(),
            object.name(),
            connection.user
        )))
    }

    /// Refuses (403) a passive declaration of what the user has no permission on at all.
    pub(super) fn permit_any(&self, call: &Call<'_>, object: Object<'_>) -> Result<(), Exception> {
        self.permit(call, Operation::Write, object)
            .or_else(|_| self.permit(call, Operation::Read, object))
            .or_else(|_| self.permit(call, Operation::Configure, object))
    }

    /// As [`Self::permit`] to write to an exchange that exists, remembered for the channel.
    pub(super) fn permit_publish(
        &mut self,
        call: &Call<'_>,
        exchange: ExchangeId,
    ) -> Result<(), Exception> {
        let generation = self.access.permission_generation;
        if self.channels[call.channel].permitted.has(generation, exchange) {
            return Ok(());
        }
        let Some(found) = self.exchanges.get(&exchange) else { return Ok(()) };
        self.permit(call, Operation::Write, Object::Exchange(&found.declared.name))?;
        self.channels[call.channel].permitted.add(generation, exchange);
        Ok(())
    }

    /// Refuses (403) a routing key of a topic exchange that the user may not use.
    pub(super) fn permit_topic(
        &self,
        call: &Call<'_>,
        operation: Operation,
        exchange: ExchangeId,
        mut keys: impl Iterator<Item = impl AsRef<[u8]>>,
    ) -> Result<(), Exception> {
        let Some(exchange) = self.exchanges.get(&exchange) else { return Ok(()) };
        if exchange.declared.kind != ExchangeKind::Topic {
            return Ok(());
        }
        let connection = &self.connections[call.connection];
        let vhost = &self.vhosts[connection.vhost].name;
        let name = &exchange.declared.name;
        if connection.facts.owner {
            return Ok(());
        }
        let permissions = self.access.topic_permissions_of(&connection.user, vhost, name);
        let Some(permissions) = permissions else { return Ok(()) };
        let pattern = match operation {
            Operation::Read => &permissions.read,
            Operation::Write | Operation::Configure => &permissions.write,
        };
        match keys.find(|key| !pattern.matches(key.as_ref())) {
            None => Ok(()),
            Some(key) => Err(access_refused(format!(
                "{} access to topic '{}' in exchange '{name}' in vhost '{vhost}' refused for user \
                 '{}'",
                operation.name(),
                String::from_utf8_lossy(key.as_ref()),
                connection.user
            ))),
        }
    }

    /// Refuses a binding, or the removal of one, that the user may not make.
    pub(super) fn permit_binding(
        &self,
        call: &Call<'_>,
        source: &ShortString,
        key: &[u8],
    ) -> Result<(), Exception> {
        self.permit(call, Operation::Read, Object::Exchange(source))?;
        let vhost = self.connections[call.connection].vhost;
        match self.exchange_named(vhost, source) {
            Some(exchange) => {
                self.permit_topic(call, Operation::Read, exchange.id, std::iter::once(key))
            }
            None => Ok(()),
        }
    }
}
