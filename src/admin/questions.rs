//! Questions to the broker, with whole listings put together from their slices.

use crate::broker::access::{Change, RuleKey, RuleKind};
use crate::broker::report::{
    BindingRow, ChannelRow, ConnectionRow, ConsumerRow, DestinationKind, Dropped, ExchangeRow,
    Explanation, OverviewReport, PeekedMessage, Query, QueueRow, Report, Slice, VirtualHostRow,
};
use crate::server::{Closed, Door};
use crate::wire::{ShortString, Table};

/// Asks.
#[derive(Clone, Debug)]
pub(super) struct Questions(pub(super) Door);

/// Asks one question; an answer to another one would be the broker's fault.
macro_rules! ask {
    ($self:ident, $query:expr => $variant:ident) => {
        match $self.0.ask($query)? {
            Report::$variant(answer) => Ok(answer),
            _ => Err(Closed),
        }
    };
}

/// Asks for slices until there are no more.
fn all<R, C>(
    slice: impl FnMut(Option<C>) -> Result<Slice<R, C>, Closed>,
) -> Result<Vec<R>, Closed> {
    let mut rows = Vec::new();
    each(slice, |row| rows.push(row))?;
    Ok(rows)
}

/// Asks for slices until there are no more, and hands on each row: only one slice is in memory.
fn each<R, C>(
    mut slice: impl FnMut(Option<C>) -> Result<Slice<R, C>, Closed>,
    take: impl FnMut(R),
) -> Result<(), Closed> {
    let (mut at, mut take) = (None, take);
    loop {
        let found = slice(at)?;
        found.rows.into_iter().for_each(&mut take);
        at = found.next;
        if at.is_none() {
            return Ok(());
        }
    }
}

impl Questions {
    pub(super) fn overview(&self) -> Result<OverviewReport, Closed> {
        ask!(self, Query::Overview => Overview).map(|report| *report)
    }

    pub(super) fn virtual_hosts(&self) -> Result<Vec<VirtualHostRow>, Closed> {
        all(|after| ask!(self, Query::VirtualHosts { after } => VirtualHosts))
    }

    pub(super) fn virtual_hosts_of(&self, user: &ShortString) -> Result<Vec<ShortString>, Closed> {
        ask!(self, Query::VirtualHostsOf { user: user.clone() } => Names)
    }

    /// Rules of a kind: of one vhost, or all.
    pub(super) fn rules(
        &self,
        kind: RuleKind,
        vhost: Option<&ShortString>,
    ) -> Result<Vec<Change>, Closed> {
        // Nothing has an empty name, so this is before the first of the vhost.
        let first = vhost.map(|vhost| [vhost.clone(), Default::default(), Default::default()]);
        let in_vhost = |key: &RuleKey| vhost.is_none_or(|vhost| key[0] == *vhost);
        all(|after| {
            let after: Option<RuleKey> = after.or_else(|| first.clone());
            let slice: Slice<_, _> = ask!(self, Query::Rules { kind, after } => Rules)?;
            // Behind the vhost there is no need to go on.
            Ok(Slice { next: slice.next.filter(in_vhost), ..slice })
        })
    }

    pub(super) fn connections(&self) -> Result<Vec<ConnectionRow>, Closed> {
        let mut rows = Vec::new();
        self.each_connection(|row| rows.push(row))?;
        Ok(rows)
    }

    /// Hands on each connection.
    pub(super) fn each_connection(&self, take: impl FnMut(ConnectionRow)) -> Result<(), Closed> {
        let slice = |from: Option<usize>| {
            let from = from.unwrap_or_default();
            ask!(self, Query::Connections { from } => Connections)
        };
        each(slice, take)
    }

    pub(super) fn channels(&self) -> Result<Vec<ChannelRow>, Closed> {
        let mut rows = Vec::new();
        self.each_channel(|row| rows.push(row))?;
        Ok(rows)
    }

    /// Hands on each channel.
    pub(super) fn each_channel(&self, take: impl FnMut(ChannelRow)) -> Result<(), Closed> {
        let slice = |from: Option<usize>| {
            let from = from.unwrap_or_default();
            ask!(self, Query::Channels { from } => Channels)
        };
        each(slice, take)
    }

    pub(super) fn consumers(&self) -> Result<Vec<ConsumerRow>, Closed> {
        let mut rows = Vec::new();
        self.each_consumer(|row| rows.push(row))?;
        Ok(rows)
    }

    /// Hands on each consumer.
    pub(super) fn each_consumer(&self, take: impl FnMut(ConsumerRow)) -> Result<(), Closed> {
        let slice = |from: Option<usize>| {
            let from = from.unwrap_or_default();
            ask!(self, Query::Consumers { from } => Consumers)
        };
        each(slice, take)
    }

    pub(super) fn consumers_of(
        &self,
        virtual_host: &ShortString,
        queue: &ShortString,
    ) -> Result<Vec<ConsumerRow>, Closed> {
        all(|from: Option<usize>| {
            let (virtual_host, queue) = (virtual_host.clone(), queue.clone());
            let from = from.unwrap_or_default();
            ask!(self, Query::ConsumersOf { virtual_host, queue, from } => Consumers)
        })
    }

    pub(super) fn exchanges(&self, vhost: &ShortString) -> Result<Vec<ExchangeRow>, Closed> {
        let mut rows = Vec::new();
        self.each_exchange(vhost, |row| rows.push(row))?;
        Ok(rows)
    }

    /// Hands on each exchange of a vhost, by name.
    pub(super) fn each_exchange(
        &self,
        vhost: &ShortString,
        take: impl FnMut(ExchangeRow),
    ) -> Result<(), Closed> {
        let slice = |after| {
            let virtual_host = vhost.clone();
            ask!(self, Query::Exchanges { virtual_host, after } => Exchanges)
        };
        each(slice, take)
    }

    pub(super) fn exchange(
        &self,
        virtual_host: &ShortString,
        name: &ShortString,
    ) -> Result<Option<ExchangeRow>, Closed> {
        let (virtual_host, name) = (virtual_host.clone(), name.clone());
        let slice: Slice<_, _> = ask!(self, Query::Exchange { virtual_host, name } => Exchanges)?;
        Ok(slice.rows.into_iter().next())
    }

    pub(super) fn queues(&self, vhost: &ShortString) -> Result<Vec<QueueRow>, Closed> {
        let mut rows = Vec::new();
        self.each_queue(vhost, |row| rows.push(row))?;
        Ok(rows)
    }

    /// Hands on each queue of a vhost, by name.
    pub(super) fn each_queue(
        &self,
        vhost: &ShortString,
        take: impl FnMut(QueueRow),
    ) -> Result<(), Closed> {
        let slice = |after| {
            let virtual_host = vhost.clone();
            ask!(self, Query::Queues { virtual_host, after } => Queues)
        };
        each(slice, take)
    }

    pub(super) fn queue(
        &self,
        virtual_host: &ShortString,
        name: &ShortString,
    ) -> Result<Option<QueueRow>, Closed> {
        let (virtual_host, name) = (virtual_host.clone(), name.clone());
        let slice: Slice<_, _> = ask!(self, Query::Queue { virtual_host, name } => Queues)?;
        Ok(slice.rows.into_iter().next())
    }

    pub(super) fn bindings_from(
        &self,
        vhost: &ShortString,
        exchange: &ShortString,
    ) -> Result<Vec<BindingRow>, Closed> {
        all(|after| {
            let (virtual_host, exchange) = (vhost.clone(), exchange.clone());
            ask!(self, Query::BindingsFrom { virtual_host, exchange, after } => Bindings)
        })
    }

    pub(super) fn bindings_to(
        &self,
        vhost: &ShortString,
        to: DestinationKind,
        name: &ShortString,
    ) -> Result<Vec<BindingRow>, Closed> {
        all(|after| {
            let (virtual_host, name) = (vhost.clone(), name.clone());
            ask!(self, Query::BindingsTo { virtual_host, name, to, after } => Bindings)
        })
    }

    /// All bindings of a vhost, those of the default exchange first.
    pub(super) fn bindings(&self, vhost: &ShortString) -> Result<Vec<BindingRow>, Closed> {
        let mut bindings = Vec::new();
        self.each_binding(vhost, |row| bindings.push(row))?;
        Ok(bindings)
    }

    /// Hands on each binding of a vhost, those of the default exchange first.
    pub(super) fn each_binding(
        &self,
        vhost: &ShortString,
        mut take: impl FnMut(BindingRow),
    ) -> Result<(), Closed> {
        let mut names = Vec::new();
        self.each_exchange(vhost, |row| names.push(row.name))?;
        for name in names {
            let slice = |after| {
                let (virtual_host, exchange) = (vhost.clone(), name.clone());
                ask!(self, Query::BindingsFrom { virtual_host, exchange, after } => Bindings)
            };
            each(slice, &mut take)?;
        }
        Ok(())
    }

    pub(super) fn explain(
        &self,
        virtual_host: ShortString,
        exchange: ShortString,
        routing_key: Vec<u8>,
        headers: Table,
    ) -> Result<Option<Explanation>, Closed> {
        let query = Query::Explain { virtual_host, exchange, routing_key, headers };
        ask!(self, query => Explanation)
    }

    pub(super) fn dropped(
        &self,
        virtual_host: ShortString,
        of: DestinationKind,
        name: ShortString,
    ) -> Result<Option<Dropped>, Closed> {
        ask!(self, Query::Dropped { virtual_host, of, name } => Dropped)
    }

    pub(super) fn may_read(
        &self,
        user: &ShortString,
        virtual_host: &ShortString,
        queue: &ShortString,
    ) -> Result<bool, Closed> {
        let (user, virtual_host) = (user.clone(), virtual_host.clone());
        ask!(self, Query::MayRead { user, virtual_host, queue: queue.clone() } => Permitted)
    }

    pub(super) fn peek(
        &self,
        virtual_host: ShortString,
        queue: ShortString,
        count: usize,
    ) -> Result<Option<Vec<PeekedMessage>>, Closed> {
        ask!(self, Query::Peek { virtual_host, queue, count } => Messages)
    }
}
