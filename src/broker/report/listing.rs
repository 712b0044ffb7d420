//! The overview, and listings of what there is: vhosts, exchanges, queues.

use std::ops::Bound::{Excluded, Unbounded};

use crate::wire::ShortString;

use super::rows::{ExchangeRow, OverviewReport, QueueRow, Totals, VirtualHostRow};
use super::{ROWS_MAX, Slice};
use crate::broker::Broker;
use crate::broker::access::{Change, RuleKey, RuleKind, VhostSettings};
use crate::broker::queue::Queue;
use crate::broker::vhost::{Exchange, VirtualHost};

impl Broker {
    pub(super) fn overview(&self) -> OverviewReport {
        let mut report =
            OverviewReport { statistics: self.statistics, ..OverviewReport::default() };
        report.statistics.drops = *self.drops.counts();
        report.alarms = self.alarms.report();
        let clients = || self.connections.iter().filter(|(_, it)| !it.facts.internal);
        report.totals = Totals {
            connections: clients().count(),
            channels: clients().map(|(_, it)| it.channels.len()).sum(),
            consumers: self.consumers.len(),
            exchanges: self.exchanges.len(),
            queues: self.queues.len(),
            virtual_hosts: self.access.vhosts.len(),
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
        let later = self.access.vhosts.range::<ShortString, _>(behind(after)).take(ROWS_MAX);
        by_name(later.map(|(name, settings)| self.vhost_row(name, settings)).collect(), |row| {
            &row.name
        })
    }

    fn vhost_row(&self, name: &ShortString, settings: &VhostSettings) -> VirtualHostRow {
        let vhost = self.find_vhost(name);
        let queues = vhost.iter().flat_map(|vhost| vhost.queues.values());
        let mut row = VirtualHostRow {
            name: name.clone(),
            settings: settings.clone(),
            queues: vhost.map_or(0, |vhost| vhost.queues.len()),
            ready: 0,
            unacknowledged: 0,
            traced: vhost.is_some_and(|vhost| vhost.traced),
        };
        for queue in queues.filter_map(|id| self.queues.get(id)) {
            row.ready += queue.ready();
            row.unacknowledged += queue.outstanding().0;
        }
        row
    }

    pub(super) fn list_rules(
        &self,
        kind: RuleKind,
        after: Option<&RuleKey>,
    ) -> Slice<Change, RuleKey> {
        let rules: Vec<_> = self.access.rules(kind, after).take(ROWS_MAX).collect();
        let next = rules.last().filter(|_| rules.len() == ROWS_MAX).map(|(key, _)| key.clone());
        Slice { rows: rules.into_iter().map(|(_, change)| change).collect(), next }
    }

    pub(super) fn list_exchanges(
        &self,
        vhost: &str,
        after: Option<&ShortString>,
    ) -> Slice<ExchangeRow, ShortString> {
        let Some(vhost) = self.find_vhost(vhost) else { return Slice::default() };
        let names = vhost.exchange_names.range::<ShortString, _>(behind(after)).take(ROWS_MAX);
        let exchanges = names.filter_map(|name| self.exchanges.get(vhost.exchanges.get(name)?));
        by_name(exchanges.map(|it| self.exchange_row(vhost, it)).collect(), |row| &row.name)
    }

    pub(super) fn one_exchange(&self, vhost: &str, name: &str) -> Slice<ExchangeRow, ShortString> {
        let row = self.find_vhost(vhost).and_then(|vhost| {
            let exchange = self.exchanges.get(vhost.exchanges.get(name)?)?;
            Some(self.exchange_row(vhost, exchange))
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
        let only = queue.consumers.keys().next().filter(|_| queue.consumers.refuse_others());
        let only = only.and_then(|key| self.consumers.get(key.0));
        let active = self.single_active(queue);
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
            arguments: declared.arguments.table.unpack(),
            policy: queue.policy.clone(),
            ready: queue.ready(),
            ready_octets: queue.ready_octets(),
            unacknowledged,
            unacknowledged_octets,
            resident,
            resident_octets,
            consumers: queue.consumers.len(),
            exclusive_consumer: only.and_then(|it| self.consumer_name(it)),
            single_active_consumer: active.and_then(|it| self.consumer_name(it)),
            stats: queue.stats,
            drops: *queue.drops.counts(),
        }
    }

    fn exchange_row(&self, vhost: &VirtualHost, exchange: &Exchange) -> ExchangeRow {
        let declared = &exchange.declared;
        ExchangeRow {
            id: exchange.id,
            name: declared.name.clone(),
            virtual_host: vhost.name.clone(),
            kind: declared.kind.name(),
            durable: declared.durable,
            auto_delete: declared.auto_delete,
            internal: declared.internal,
            arguments: declared.arguments.unpack(),
            policy: exchange.policy.clone(),
            stats: exchange.stats,
            drops: self.drops.of_exchange(exchange.id).map(|it| *it.counts()).unwrap_or_default(),
        }
    }

    pub(super) fn find_vhost(&self, name: &str) -> Option<&VirtualHost> {
        self.vhosts.iter().find(|vhost| *vhost.name == *name)
    }

    pub(super) fn find_queue(&self, vhost: &str, name: &str) -> Option<&Queue> {
        self.queues.get(self.find_vhost(vhost)?.queues.get(name)?)
    }
}

/// The names behind this one.
pub(super) fn behind(
    after: Option<&ShortString>,
) -> (std::ops::Bound<&ShortString>, std::ops::Bound<&ShortString>) {
    (after.map_or(Unbounded, Excluded), Unbounded)
}

/// A slice in the order of names: a full one may have more behind it.
pub(super) fn by_name<R>(rows: Vec<R>, name: impl Fn(&R) -> &ShortString) -> Slice<R, ShortString> {
    let last = rows.last().filter(|_| rows.len() == ROWS_MAX);
    let next = last.map(|row| name(row).clone());
    Slice { rows, next }
}
