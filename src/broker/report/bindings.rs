//! Listings of bindings, from an exchange or to a destination.

use crate::ids::ExchangeId;
use crate::wire::ShortString;

use super::listing::{behind, by_name};
use super::rows::BindingRow;
use super::{BindingCursor, DestinationKind, ROWS_MAX, Slice};
use crate::broker::Broker;
use crate::broker::exchange::{Binding, Destination};
use crate::broker::vhost::{Exchange, VirtualHost};

impl Broker {
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
            arguments: binding.arguments.unpack(),
        })
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
