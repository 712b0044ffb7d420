//! How the rows are found, a slice at a time.

use std::ops::Bound::{Excluded, Unbounded};

use slab::Slab;

use crate::ids::ExchangeId;
use crate::wire::ShortString;

use super::rows::{
    BindingRow, ChannelRow, ConnectionRow, ConsumerRow, ExchangeRow, OverviewReport, QueueRow,
    Totals, VirtualHostRow,
};
use super::{BindingCursor, DestinationKind, ROWS_MAX, Slice};
use crate::broker::Broker;
use crate::broker::channel::{Channel, Mode};
use crate::broker::connections::Connection;
use crate::broker::consumer::Consumer;
use crate::broker::exchange::{Binding, Destination};
use crate::broker::queue::Queue;
use crate::broker::vhost::{Exchange, VirtualHost};

impl Broker {
    pub(super) fn overview(&self) -> OverviewReport {
        let mut report = OverviewReport { statistics: self.statistics, ..Default::default() };
        let channels = |internal: bool| {
            let ours = self.connections.iter().filter(|(_, c)| c.facts.internal == internal);
            ours.map(|(_, connection)| connection.channels.len()).sum()
        };
        report.totals = Totals {
            connections: self.connections.iter().filter(|(_, c)| !c.facts.internal).count(),
            channels: channels(false),
            consumers: self.consumers.len(),
            exchanges: self.exchanges.len(),
            queues: self.queues.len(),
            virtual_hosts: self.vhosts.len(),
        };
        for queue in self.queues.values() {
            let (outstanding, outstanding_octets) = queue.outstanding();
            let (resident, resident_octets) = queue.resident();
            report.ready += queue.ready();
            report.ready_octets += queue.ready_octets();
            report.unacknowledged += outstanding;
            report.unacknowledged_octets += outstanding_octets;
            report.resident += resident as u64;
            report.resident_octets += resident_octets;
        }
        report
    }

    pub(super) fn list_vhosts(
        &self,
        after: Option<&ShortString>,
    ) -> Slice<VirtualHostRow, ShortString> {
        let mut names: Vec<_> = self.vhosts.iter().map(|vhost| &vhost.name).collect();
        names.sort_unstable();
        let later = names.into_iter().filter(|name| after.is_none_or(|after| *name > after));
        let rows: Vec<_> = later
            .take(ROWS_MAX)
            .filter_map(|name| self.find_vhost(name))
            .map(|vhost| self.vhost_row(vhost))
            .collect();
        by_name(rows, |row| &row.name)
    }

    fn vhost_row(&self, vhost: &VirtualHost) -> VirtualHostRow {
        let queues = vhost.queues.values().filter_map(|id| self.queues.get(id));
        let (ready, unacknowledged) = queues.fold((0, 0), |(ready, unacknowledged), queue| {
            (ready + queue.ready(), unacknowledged + queue.outstanding().0)
        });
        let (name, queues) = (vhost.name.clone(), vhost.queues.len());
        VirtualHostRow { name, queues, ready, unacknowledged }
    }

    pub(super) fn list_connections(&self, from: usize) -> Slice<ConnectionRow, usize> {
        by_place(&self.connections, from, |connection| {
            (!connection.facts.internal).then(|| self.connection_row(connection))
        })
    }

    fn connection_row(&self, connection: &Connection) -> ConnectionRow {
        let facts = &connection.facts;
        ConnectionRow {
            id: connection.id,
            peer: connection.peer.clone(),
            host: facts.host.clone(),
            virtual_host: self.vhosts[connection.vhost].name.clone(),
            user: connection.user.clone(),
            mechanism: facts.mechanism.clone(),
            opened: connection.opened,
            client_properties: connection.client_properties.clone(),
            channels: connection.channels.len(),
            channel_max: connection.channel_max,
            frame_max: facts.frame_max,
            heartbeat_seconds: facts.heartbeat_seconds,
            closing: connection.closing,
            traffic: facts.traffic.counted(),
        }
    }

    pub(super) fn list_channels(&self, from: usize) -> Slice<ChannelRow, usize> {
        by_place(&self.channels, from, |channel| {
            let connection = self.connections.get(channel.connection)?;
            (!connection.facts.internal).then(|| self.channel_row(channel, connection))
        })
    }

    fn channel_row(&self, channel: &Channel, connection: &Connection) -> ChannelRow {
        let (mut unconfirmed, mut uncommitted, mut acks_uncommitted) = (0, 0, 0);
        match &channel.mode {
            Mode::Plain => {}
            Mode::Confirm(confirms) => unconfirmed = confirms.open(),
            Mode::Transaction(transaction) => {
                uncommitted = transaction.publishes.len();
                acks_uncommitted = transaction.settlements.len();
            }
        }
        ChannelRow {
            connection: connection.id,
            peer: connection.peer.clone(),
            host: connection.facts.host.clone(),
            number: channel.number,
            virtual_host: self.vhosts[connection.vhost].name.clone(),
            user: connection.user.clone(),
            consumers: channel.consumers.len(),
            prefetch: channel.consumer_prefetch,
            global_prefetch: channel.channel_prefetch,
            unacknowledged: channel.unacked.len(),
            unconfirmed,
            uncommitted,
            acks_uncommitted,
            confirm: matches!(channel.mode, Mode::Confirm(_)),
            transactional: matches!(channel.mode, Mode::Transaction(_)),
            flow: channel.flow,
            stats: channel.stats,
        }
    }

    pub(super) fn list_consumers(&self, from: usize) -> Slice<ConsumerRow, usize> {
        by_place(&self.consumers, from, |consumer| self.consumer_row(consumer))
    }

    pub(super) fn list_consumers_of(
        &self,
        vhost: &str,
        queue: &str,
        from: usize,
    ) -> Slice<ConsumerRow, usize> {
        let Some(queue) = self.find_queue(vhost, queue) else { return Slice::default() };
        let keys = queue.consumers.iter().skip(from).take(ROWS_MAX);
        let rows: Vec<_> = keys
            .filter_map(|key| self.consumers.get(key.0))
            .filter_map(|consumer| self.consumer_row(consumer))
            .collect();
        let end = from.saturating_add(ROWS_MAX);
        Slice { rows, next: (end < queue.consumers.len()).then_some(end) }
    }

    fn consumer_row(&self, consumer: &Consumer) -> Option<ConsumerRow> {
        let queue = self.queues.get(&consumer.queue)?;
        let channel = self.channels.get(consumer.channel)?;
        let connection = self.connections.get(channel.connection)?;
        Some(ConsumerRow {
            tag: consumer.tag.clone(),
            queue: queue.name().clone(),
            virtual_host: self.vhosts[queue.declared.vhost].name.clone(),
            connection: connection.id,
            peer: connection.peer.clone(),
            host: connection.facts.host.clone(),
            channel: channel.number,
            user: connection.user.clone(),
            ack_required: !consumer.no_ack,
            exclusive: consumer.exclusive,
            prefetch: consumer.prefetch,
            unacknowledged: consumer.unacked,
            arguments: consumer.arguments.clone(),
        })
    }

    pub(super) fn list_exchanges(
        &self,
        vhost: &str,
        after: Option<&ShortString>,
    ) -> Slice<ExchangeRow, ShortString> {
        let Some(vhost) = self.find_vhost(vhost) else { return Slice::default() };
        let names = vhost.exchange_names.range::<ShortString, _>(behind(after)).take(ROWS_MAX);
        let exchanges = names.filter_map(|name| self.exchanges.get(vhost.exchanges.get(name)?));
        by_name(exchanges.map(|x| exchange_row(vhost, x)).collect(), |row| &row.name)
    }

    pub(super) fn one_exchange(&self, vhost: &str, name: &str) -> Slice<ExchangeRow, ShortString> {
        let row = self.find_vhost(vhost).and_then(|vhost| {
            let exchange = self.exchanges.get(vhost.exchanges.get(name)?)?;
            Some(exchange_row(vhost, exchange))
        });
        Slice { rows: row.into_iter().collect(), next: None }
    }

    pub(super) fn list_queues(
        &self,
        vhost: &str,
        after: Option<&ShortString>,
    ) -> Slice<QueueRow, ShortString> {
        let Some(vhost) = self.find_vhost(vhost) else { return Slice::default() };
        let names = vhost.queue_names.range::<ShortString, _>(behind(after)).take(ROWS_MAX);
        let queues = names.filter_map(|name| self.queues.get(vhost.queues.get(name)?));
        by_name(queues.map(|queue| self.queue_row(vhost, queue)).collect(), |row| &row.name)
    }

    pub(super) fn one_queue(&self, vhost: &str, name: &str) -> Slice<QueueRow, ShortString> {
        let row = self.find_vhost(vhost).and_then(|vhost| {
            let queue = self.queues.get(vhost.queues.get(name)?)?;
            Some(self.queue_row(vhost, queue))
        });
        Slice { rows: row.into_iter().collect(), next: None }
    }

    fn queue_row(&self, vhost: &VirtualHost, queue: &Queue) -> QueueRow {
        let declared = &queue.declared;
        let owner = declared.exclusive.map(|id| {
            let place = self.connection_places.get(&id);
            let owner = place.and_then(|place| self.connections.get(*place));
            let addresses = owner.map(|owner| (owner.peer.clone(), owner.facts.host.clone()));
            let (peer, host) = addresses.unwrap_or_default();
            (id, peer, host)
        });
        let only = queue.consumers.first().filter(|_| queue.exclusively_consumed);
        let only = only.and_then(|key| self.consumers.get(key.0));
        let (unacknowledged, unacknowledged_octets) = queue.outstanding();
        let (resident, resident_octets) = queue.resident();
        QueueRow {
            id: queue.id,
            name: queue.name().clone(),
            virtual_host: vhost.name.clone(),
            kind: declared.arguments.queue_type.name(),
            durable: declared.durable,
            auto_delete: declared.auto_delete,
            owner,
            arguments: declared.arguments.table.clone(),
            ready: queue.ready(),
            ready_octets: queue.ready_octets(),
            unacknowledged,
            unacknowledged_octets,
            resident,
            resident_octets,
            consumers: queue.consumers.len(),
            exclusive_consumer: only.map(|consumer| consumer.tag.clone()),
            stats: queue.stats,
        }
    }

    pub(super) fn list_bindings_from(
        &self,
        vhost: &str,
        exchange: &str,
        after: Option<&BindingCursor>,
    ) -> Slice<BindingRow, BindingCursor> {
        let Some(vhost) = self.find_vhost(vhost) else { return Slice::default() };
        if exchange.is_empty() {
            return list_default_bindings(vhost, after);
        }
        let exchange = vhost.exchanges.get(exchange).and_then(|id| self.exchanges.get(id));
        let Some(exchange) = exchange else { return Slice::default() };
        let last = match after {
            Some(BindingCursor::Binding(id, last)) if *id == exchange.id => Some(last),
            _ => None,
        };
        let bindings = exchange.bindings.iter_after(last).take(ROWS_MAX);
        self.binding_slice(vhost, bindings.map(|binding| (exchange, binding)).collect())
    }

    pub(super) fn list_bindings_to(
        &self,
        vhost: &str,
        name: &str,
        kind: DestinationKind,
        after: Option<&BindingCursor>,
    ) -> Slice<BindingRow, BindingCursor> {
        let Some(vhost) = self.find_vhost(vhost) else { return Slice::default() };
        let destination = match kind {
            DestinationKind::Queue => vhost.queues.get(name).map(|id| Destination::Queue(*id)),
            DestinationKind::Exchange => {
                vhost.exchanges.get(name).map(|id| Destination::Exchange(*id))
            }
        };
        let sources = destination.and_then(|destination| self.sources.get(&destination));
        let (Some(destination), Some(sources)) = (destination, sources) else {
            return Slice::default();
        };
        let (first, last) = match after {
            Some(BindingCursor::Binding(id, last)) => (*id, Some(last)),
            _ => (ExchangeId(0), None),
        };
        let found = sources.range(first..).filter_map(|(id, _)| self.exchanges.get(id));
        let bindings = found.flat_map(|exchange| {
            let last = last.filter(|_| exchange.id == first);
            let theirs = exchange.bindings.iter_to(destination, last);
            theirs.map(move |binding| (exchange, binding))
        });
        self.binding_slice(vhost, bindings.take(ROWS_MAX).collect())
    }

    fn binding_slice(
        &self,
        vhost: &VirtualHost,
        bindings: Vec<(&Exchange, &Binding)>,
    ) -> Slice<BindingRow, BindingCursor> {
        let last = bindings.last().filter(|_| bindings.len() == ROWS_MAX);
        let next =
            last.map(|(exchange, last)| BindingCursor::Binding(exchange.id, (*last).clone()));
        let row = |(exchange, binding)| self.binding_row(vhost, exchange, binding);
        Slice { rows: bindings.into_iter().filter_map(row).collect(), next }
    }

    pub(super) fn binding_row(
        &self,
        vhost: &VirtualHost,
        source: &Exchange,
        binding: &Binding,
    ) -> Option<BindingRow> {
        let (destination, destination_kind) = match binding.destination {
            Destination::Queue(id) => (self.queues.get(&id)?.name(), DestinationKind::Queue),
            Destination::Exchange(id) => {
                (&self.exchanges.get(&id)?.declared.name, DestinationKind::Exchange)
            }
        };
        Some(BindingRow {
            source: source.declared.name.clone(),
            virtual_host: vhost.name.clone(),
            destination: destination.clone(),
            destination_kind,
            routing_key: binding.key.clone(),
            arguments: binding.arguments.clone(),
        })
    }

    pub(super) fn find_vhost(&self, name: &str) -> Option<&VirtualHost> {
        self.vhosts.iter().find(|vhost| *vhost.name == *name)
    }

    fn find_queue(&self, vhost: &str, name: &str) -> Option<&Queue> {
        self.queues.get(self.find_vhost(vhost)?.queues.get(name)?)
    }
}

fn exchange_row(vhost: &VirtualHost, exchange: &Exchange) -> ExchangeRow {
    let declared = &exchange.declared;
    ExchangeRow {
        id: exchange.id,
        name: declared.name.clone(),
        virtual_host: vhost.name.clone(),
        kind: declared.kind.name(),
        durable: declared.durable,
        auto_delete: declared.auto_delete,
        internal: declared.internal,
        arguments: declared.arguments.clone(),
        stats: exchange.stats,
    }
}

/// Every queue is bound to the default exchange by its name.
fn list_default_bindings(
    vhost: &VirtualHost,
    after: Option<&BindingCursor>,
) -> Slice<BindingRow, BindingCursor> {
    let after = match after {
        Some(BindingCursor::Default(name)) => Some(name),
        _ => None,
    };
    let names = vhost.queue_names.range::<ShortString, _>(behind(after)).take(ROWS_MAX);
    let rows = names.map(|name| default_binding(vhost, name)).collect();
    let Slice { rows, next } = by_name(rows, |row| &row.destination);
    Slice { rows, next: next.map(BindingCursor::Default) }
}

/// The default exchange's binding to a queue.
pub(super) fn default_binding(vhost: &VirtualHost, name: &ShortString) -> BindingRow {
    BindingRow {
        source: ShortString::default(),
        virtual_host: vhost.name.clone(),
        destination: name.clone(),
        destination_kind: DestinationKind::Queue,
        routing_key: name.clone(),
        arguments: Default::default(),
    }
}

/// The names behind this one.
fn behind(
    after: Option<&ShortString>,
) -> (std::ops::Bound<&ShortString>, std::ops::Bound<&ShortString>) {
    (after.map_or(Unbounded, Excluded), Unbounded)
}

/// A slice in the order of names: a full one may have more behind it.
fn by_name<R>(rows: Vec<R>, name: impl Fn(&R) -> &ShortString) -> Slice<R, ShortString> {
    let last = rows.last().filter(|_| rows.len() == ROWS_MAX);
    let next = last.map(|row| name(row).clone());
    Slice { rows, next }
}

/// A slice in the order of places in a table. Free places are cheap, but not for nothing.
fn by_place<T, R>(table: &Slab<T>, from: usize, row: impl Fn(&T) -> Option<R>) -> Slice<R, usize> {
    const PLACES_MAX: usize = 32 * ROWS_MAX;
    let end = table.capacity().min(from.saturating_add(PLACES_MAX));
    let mut rows = Vec::new();
    let mut place = from;
    while place < end && rows.len() < ROWS_MAX {
        rows.extend(table.get(place).and_then(&row));
        place += 1;
    }
    Slice { rows, next: (place < table.capacity()).then_some(place) }
}
