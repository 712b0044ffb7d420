//! Everything but messages, as the changes that would make it again.

use crate::ids::ExchangeId;

use super::Broker;
use super::access::Change;
use super::topology::{exchange_declare, queue_declare};
use crate::wire::{Method, exchange, queue};

impl Broker {
    /// Users, vhosts, permissions, parameters and policies, then exchanges, queues and bindings, in
    /// an order in which they can be made. Left out are exclusive queues and what the server has by
    /// itself.
    pub fn definitions(&self) -> Vec<Change> {
        let mut changes = self.access.changes();
        changes.retain(|change| *change != Change::Begin);
        let mut exchanges: Vec<ExchangeId> = self.exchanges.keys().copied().collect();
        exchanges.sort_unstable();
        for id in &exchanges {
            let Some(exchange) = self.exchanges.get(id) else { continue };
            let declared = &exchange.declared;
            if !declared.name.is_empty() && !declared.name.starts_with("amq.") {
                let vhost = self.vhosts[declared.vhost].name.clone();
                changes
                    .push(Change::DeclareExchange { vhost, declare: exchange_declare(declared) });
            }
        }
        let mut queues: Vec<_> = self.queues.keys().copied().collect();
        queues.sort_unstable();
        for id in queues {
            let Some(queue) = self.queues.get(&id) else { continue };
            // Those without a name are the broker's own: they hold delayed messages.
            let named = !queue.name().is_empty() && !queue.name().starts_with("amq.");
            if queue.declared.exclusive.is_none() && named {
                let vhost = self.vhosts[queue.declared.vhost].name.clone();
                let declare = queue_declare(&queue.declared);
                changes.push(Change::DeclareQueue { vhost, declare });
            }
        }
        for id in exchanges {
            self.export_bindings(id, &mut changes);
        }
        changes
    }

    /// The bindings from an exchange, but for those to queues that are left out.
    fn export_bindings(&self, id: ExchangeId, changes: &mut Vec<Change>) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        for binding in exchange.bindings.iter() {
            let Some((vhost, method)) = self.bind_method(id, binding) else { continue };
            match method {
                Method::Queue(queue::Method::Bind(bind)) => {
                    let place = exchange.declared.vhost;
                    let queue = self.queue_named(place, &bind.queue);
                    let lasting = queue.is_some_and(|queue| queue.declared.exclusive.is_none());
                    if lasting && !bind.queue.starts_with("amq.") {
                        changes.push(Change::BindQueue { vhost, bind });
                    }
                }
                Method::Exchange(exchange::Method::Bind(bind)) => {
                    changes.push(Change::BindExchange { vhost, bind });
                }
                _ => {}
            }
        }
    }
}
