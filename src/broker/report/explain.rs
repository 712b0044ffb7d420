//! A dry run of routing: where would this message go, and by which bindings?
//!
//! It follows the way of `broker/routing.rs` without leaving a trace, and names what matched: a
//! binding matches if an exchange that had no other would route by it.

use std::collections::{BTreeSet, VecDeque};

use crate::wire::{ShortString, Table};

use super::bindings::default_binding;
use super::rows::BindingRow;
use crate::broker::Broker;
use crate::broker::exchange::{Bindings, Destination};
use crate::broker::vhost::{Exchange, VirtualHost};

/// The most bindings that are named for one exchange; a message is routed by all.
const BINDINGS_MAX: usize = 1000;

/// Where a message would go.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// The exchanges it would come through, in order.
    pub hops: Vec<Hop>,
    /// The queues it would be in, sorted by name.
    pub queues: Vec<ShortString>,
}

/// What an exchange would do with the message.
#[derive(Clone, Debug)]
pub struct Hop {
    /// The exchange.
    pub exchange: ShortString,
    /// Its type.
    pub kind: &'static str,
    /// The bindings that match.
    pub bindings: Vec<BindingRow>,
    /// Nothing matched: the message goes to this alternate exchange.
    pub alternate: Option<ShortString>,
}

impl Broker {
    pub(super) fn explain(
        &self,
        vhost: &str,
        exchange: &str,
        key: &[u8],
        headers: &Table,
    ) -> Option<Explanation> {
        let vhost = self.find_vhost(vhost)?;
        let first = *vhost.exchanges.get(exchange)?;
        let mut ahead = VecDeque::from([first]);
        let mut seen = BTreeSet::from([first]);
        let mut queues = BTreeSet::new();
        let mut hops = Vec::new();
        while let Some(exchange) = ahead.pop_front().and_then(|id| self.exchanges.get(&id)) {
            let (found, hop) = self.hop(vhost, exchange, key, headers);
            let alternate = hop.alternate.as_ref().and_then(|name| vhost.exchanges.get(name));
            let next = found.iter().filter_map(|destination| match destination {
                Destination::Exchange(id) => Some(*id),
                Destination::Queue(_) => None,
            });
            for id in next.chain(alternate.copied()) {
                if seen.insert(id) {
                    ahead.push_back(id);
                }
            }
            queues.extend(found.iter().filter_map(|destination| match destination {
                Destination::Queue(id) => Some(self.queues.get(id)?.name().clone()),
                Destination::Exchange(_) => None,
            }));
            hops.push(hop);
        }
        Some(Explanation { hops, queues: queues.into_iter().collect() })
    }

    fn hop(
        &self,
        vhost: &VirtualHost,
        exchange: &Exchange,
        key: &[u8],
        headers: &Table,
    ) -> (BTreeSet<Destination>, Hop) {
        let declared = &exchange.declared;
        let mut found = Vec::new();
        let mut bindings = Vec::new();
        if declared.name.is_empty() {
            let name = std::str::from_utf8(key).unwrap_or_default();
            if let Some((name, id)) = vhost.queues.get_key_value(name) {
                found.push(Destination::Queue(*id));
                bindings.push(default_binding(vhost, name));
            }
        } else {
            exchange.bindings.route(key, &|| Some(headers.clone()), &mut found);
        }
        let found: BTreeSet<_> = found.into_iter().collect();
        if !declared.name.is_empty() {
            let to = found.iter().flat_map(|to| exchange.bindings.iter_to(*to, None));
            let matching = to.take(BINDINGS_MAX).filter(|binding| {
                let mut alone = Bindings::new(declared.kind);
                let mut found = Vec::new();
                if alone.bind((*binding).clone()).is_ok() {
                    alone.route(key, &|| Some(headers.clone()), &mut found);
                }
                !found.is_empty()
            });
            bindings.extend(matching.filter_map(|it| self.binding_row(vhost, exchange, it)));
        }
        let alternate = declared.alternate.clone().filter(|_| found.is_empty());
        let (exchange, kind) = (declared.name.clone(), declared.kind.name());
        (found, Hop { exchange, kind, bindings, alternate })
    }
}
