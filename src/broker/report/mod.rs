//! The read-only door for management: questions in, plain data out.
//!
//! ```text
//!   Query::Queues { after: None }      ──▶ Slice { rows: [a, b, .. m], next: Some("m") }
//!   Query::Queues { after: Some("m") } ──▶ Slice { rows: [n, o, .. z], next: None }
//! ```
//!
//! A listing is answered in slices of [`ROWS_MAX`] rows, each within one turn of the router, so
//! that however much there is to list, no message waits longer than one slice takes. What changes
//! between two slices is in the listing or not. The broker knows neither JSON nor HTTP: rows hold
//! AMQP's types.

mod bindings;
mod clients;
mod dropped;
mod explain;
mod listing;
mod peek;
mod rows;

pub use dropped::Dropped;
pub use explain::{Explanation, Hop};
pub use peek::PeekedMessage;
pub use rows::{
    Activity, AlarmsReport, BindingRow, ChannelRow, ConnectionRow, ConsumerName, ConsumerRow,
    ExchangeRow, OverviewReport, QueueRow, Totals, VirtualHostRow,
};

use crate::ids::ExchangeId;
use crate::wire::{ShortString, Table};

use super::Broker;
use super::access::{Change, Operation, RuleKey, RuleKind};
use super::exchange::Binding;

/// The most rows of one slice.
pub const ROWS_MAX: usize = 200;

/// The most messages of one peek.
pub const PEEK_MAX: usize = 100;

/// A question to the broker. `after` and `from` are [`Slice::next`] of the slice before.
#[derive(Clone, Debug)]
pub enum Query {
    /// Totals and counters of the whole broker.
    Overview,
    /// The names of the vhosts that a user may enter.
    VirtualHostsOf {
        /// The user.
        user: ShortString,
    },
    /// The vhosts, by name.
    VirtualHosts {
        /// Where to go on.
        after: Option<ShortString>,
    },
    /// The rules of a kind, as the changes that make them.
    Rules {
        /// Which.
        kind: RuleKind,
        /// Where to go on: behind this key, which need not exist.
        after: Option<RuleKey>,
    },
    /// The connections that have opened a vhost.
    Connections {
        /// Where to go on.
        from: usize,
    },
    /// The channels of all connections.
    Channels {
        /// Where to go on.
        from: usize,
    },
    /// The consumers of all queues.
    Consumers {
        /// Where to go on.
        from: usize,
    },
    /// The consumers of one queue.
    ConsumersOf {
        /// Its vhost.
        virtual_host: ShortString,
        /// The queue.
        queue: ShortString,
        /// Where to go on.
        from: usize,
    },
    /// The exchanges of a vhost, by name.
    Exchanges {
        /// The vhost.
        virtual_host: ShortString,
        /// Where to go on.
        after: Option<ShortString>,
    },
    /// One exchange.
    Exchange {
        /// Its vhost.
        virtual_host: ShortString,
        /// Its name.
        name: ShortString,
    },
    /// The queues of a vhost, by name.
    Queues {
        /// The vhost.
        virtual_host: ShortString,
        /// Where to go on.
        after: Option<ShortString>,
    },
    /// One queue.
    Queue {
        /// Its vhost.
        virtual_host: ShortString,
        /// Its name.
        name: ShortString,
    },
    /// The bindings from an exchange. The default exchange has one for each queue.
    BindingsFrom {
        /// Its vhost.
        virtual_host: ShortString,
        /// The exchange.
        exchange: ShortString,
        /// Where to go on.
        after: Option<BindingCursor>,
    },
    /// The bindings to a queue or an exchange, without that from the default exchange.
    BindingsTo {
        /// Its vhost.
        virtual_host: ShortString,
        /// The queue or exchange.
        name: ShortString,
        /// Which of the two.
        to: DestinationKind,
        /// Where to go on.
        after: Option<BindingCursor>,
    },
    /// Where a message would go.
    Explain {
        /// The vhost.
        virtual_host: ShortString,
        /// The exchange it would be published to.
        exchange: ShortString,
        /// Its routing key.
        routing_key: Vec<u8>,
        /// Its headers.
        headers: Table,
    },
    /// What left a queue or an exchange without an acknowledgement.
    Dropped {
        /// Its vhost.
        virtual_host: ShortString,
        /// Which of the two.
        of: DestinationKind,
        /// Its name.
        name: ShortString,
    },
    /// Whether a user may take messages out of a queue.
    MayRead {
        /// The user.
        user: ShortString,
        /// The vhost.
        virtual_host: ShortString,
        /// The queue, which need not exist.
        queue: ShortString,
    },
    /// A look at the first messages of a queue, which stay where and what they are.
    Peek {
        /// Its vhost.
        virtual_host: ShortString,
        /// The queue.
        queue: ShortString,
        /// How many, at most [`PEEK_MAX`].
        count: usize,
    },
}

/// The answer to a [`Query`]: the variant follows from the question.
#[derive(Debug)]
pub enum Report {
    /// To [`Query::Overview`].
    Overview(Box<OverviewReport>),
    /// To [`Query::VirtualHostsOf`].
    Names(Vec<ShortString>),
    /// To [`Query::VirtualHosts`].
    VirtualHosts(Slice<VirtualHostRow, ShortString>),
    /// To [`Query::Rules`].
    Rules(Slice<Change, RuleKey>),
    /// To [`Query::Connections`].
    Connections(Slice<ConnectionRow, usize>),
    /// To [`Query::Channels`].
    Channels(Slice<ChannelRow, usize>),
    /// To [`Query::Consumers`] and [`Query::ConsumersOf`].
    Consumers(Slice<ConsumerRow, usize>),
    /// To [`Query::Exchanges`] and [`Query::Exchange`].
    Exchanges(Slice<ExchangeRow, ShortString>),
    /// To [`Query::Queues`] and [`Query::Queue`].
    Queues(Slice<QueueRow, ShortString>),
    /// To [`Query::BindingsFrom`] and [`Query::BindingsTo`].
    Bindings(Slice<BindingRow, BindingCursor>),
    /// To [`Query::Explain`]; `None` if there is no such vhost or exchange.
    Explanation(Option<Explanation>),
    /// To [`Query::MayRead`].
    Permitted(bool),
    /// To [`Query::Dropped`]; `None` if there is no such queue or exchange.
    Dropped(Option<Dropped>),
    /// To [`Query::Peek`]; `None` if there is no such queue.
    Messages(Option<Vec<PeekedMessage>>),
}

/// A part of a listing.
#[derive(Debug)]
pub struct Slice<R, C> {
    /// The rows in order.
    pub rows: Vec<R>,
    /// Where to go on; `None` when this is the end.
    pub next: Option<C>,
}

impl<R, C> Default for Slice<R, C> {
    fn default() -> Self {
        Self { rows: Vec::new(), next: None }
    }
}

/// What a binding leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DestinationKind {
    /// A queue.
    Queue,
    /// An exchange.
    Exchange,
}

impl DestinationKind {
    /// As RabbitMQ's tools write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Exchange => "exchange",
        }
    }
}

/// A place in a listing of bindings.
#[derive(Clone, Debug)]
pub enum BindingCursor {
    /// Behind this binding of this exchange.
    Binding(ExchangeId, Binding),
    /// Behind the default exchange's binding to this queue.
    Default(ShortString),
}

impl Broker {
    /// Answers a question.
    pub fn answer(&mut self, query: &Query) -> Report {
        match query {
            Query::Peek { virtual_host, queue, count } => {
                Report::Messages(self.peek(virtual_host, queue, (*count).min(PEEK_MAX)))
            }
            query => self.report(query),
        }
    }

    /// Answers a question that needs no more than a look.
    fn report(&self, query: &Query) -> Report {
        match query {
            Query::Overview => Report::Overview(Box::new(self.overview())),
            Query::VirtualHostsOf { user } => {
                let permitted = self.access.permissions.keys();
                let own = permitted.filter(|(_, who)| who == user).map(|(vhost, _)| vhost.clone());
                Report::Names(own.collect())
            }
            Query::VirtualHosts { after } => Report::VirtualHosts(self.list_vhosts(after.as_ref())),
            Query::Rules { kind, after } => Report::Rules(self.list_rules(*kind, after.as_ref())),
            Query::Connections { from } => Report::Connections(self.list_connections(*from)),
            Query::Channels { from } => Report::Channels(self.list_channels(*from)),
            Query::Consumers { from } => Report::Consumers(self.list_consumers(*from)),
            Query::ConsumersOf { virtual_host, queue, from } => {
                Report::Consumers(self.list_consumers_of(virtual_host, queue, *from))
            }
            Query::Exchanges { virtual_host, after } => {
                Report::Exchanges(self.list_exchanges(virtual_host, after.as_ref()))
            }
            Query::Exchange { virtual_host, name } => {
                Report::Exchanges(self.one_exchange(virtual_host, name))
            }
            Query::Queues { virtual_host, after } => {
                Report::Queues(self.list_queues(virtual_host, after.as_ref()))
            }
            Query::Queue { virtual_host, name } => {
                Report::Queues(self.one_queue(virtual_host, name))
            }
            Query::BindingsFrom { virtual_host, exchange, after } => {
                Report::Bindings(self.list_bindings_from(virtual_host, exchange, after.as_ref()))
            }
            Query::BindingsTo { virtual_host, name, to, after } => {
                Report::Bindings(self.list_bindings_to(virtual_host, name, *to, after.as_ref()))
            }
            Query::Explain { virtual_host, exchange, routing_key, headers } => {
                Report::Explanation(self.explain(virtual_host, exchange, routing_key, headers))
            }
            Query::Dropped { virtual_host, of, name } => {
                Report::Dropped(self.dropped(virtual_host, *of, name))
            }
            Query::MayRead { user, virtual_host, queue } => {
                let allowed = self.access.allows(user, virtual_host, Operation::Read, queue);
                Report::Permitted(allowed)
            }
            Query::Peek { .. } => Report::Messages(None),
        }
    }
}

#[cfg(test)]
mod tests;
