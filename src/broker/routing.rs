//! From an exchange to queues: which queues a message reaches.
//!
//! ```text
//!   exchange ── binding ──▶ queue
//!      │    └── binding ──▶ exchange ── …          each exchange is asked once: cycles end
//!      └─ nothing matched ──▶ alternate exchange   each queue is named once
//! ```

use crate::ids::{ExchangeId, QueueId};
use crate::message::Message;
use crate::wire::{PropertiesView, ShortBytes};

use super::Broker;
use super::admission::Admission;
use super::exchange::Destination;
use super::fsync::Promise;

/// Vectors that routing uses again for each message.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    exchanges: Vec<ExchangeId>,
    found: Vec<Destination>,
    /// The queues that the last message was routed to.
    pub queues: Vec<QueueId>,
    /// Whether the last message's exchange and keys alone said so.
    pub by_keys: bool,
    /// What a confirm of the last message has to promise for another with its deduplication header,
    /// which came before and may not be synced yet.
    pub before: Promise,
}

impl Broker {
    /// Finds the queues that a message to this exchange reaches; they are in `scratch.queues`.
    /// `copies` are further routing keys (CC and BCC).
    pub(super) fn route(
        &mut self,
        vhost: usize,
        exchange: ExchangeId,
        message: &Message,
        copies: &[ShortBytes],
    ) {
        self.routed += 1;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.queues.clear();
        scratch.by_keys = true;
        scratch.before = Promise::Nothing;
        scratch.exchanges.clear();
        scratch.exchanges.push(exchange);
        while let Some(id) = scratch.exchanges.pop() {
            self.route_one(vhost, id, message, copies, &mut scratch);
        }
        self.scratch = scratch;
    }

    fn route_one(
        &mut self,
        vhost: usize,
        id: ExchangeId,
        message: &Message,
        copies: &[ShortBytes],
        scratch: &mut Scratch,
    ) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        if exchange.visited == self.routed {
            return;
        }
        exchange.visited = self.routed;
        scratch.by_keys &= exchange.bindings.go_by_key() && !exchange.declared.has_rules();
        scratch.found.clear();
        match exchange.declared.has_rules() {
            false => self.match_bindings(vhost, id, message, copies, scratch),
            true => match self.admit(id, message) {
                Admission::Bindings => self.match_bindings(vhost, id, message, copies, scratch),
                Admission::Nowhere => {}
                Admission::Duplicate => {
                    self.match_bindings(vhost, id, message, copies, scratch);
                    self.promise_before(message, scratch);
                }
                Admission::Delay(queue) => scratch.found.push(Destination::Queue(queue)),
            },
        }
        self.spread(vhost, id, scratch);
    }

    /// Passes over where a duplicate would have gone: its confirm promises as much as that of the
    /// message before it, which went there.
    fn promise_before(&self, message: &Message, scratch: &mut Scratch) {
        for destination in scratch.found.drain(..) {
            let policy = match destination {
                Destination::Exchange(_) => Some(self.options.fsync),
                Destination::Queue(id) => {
                    let queue = self.queues.get(&id).filter(|queue| queue.declared.persists());
                    queue.map(|queue| queue.fsync(self.options.fsync))
                }
            };
            if let Some(policy) = policy.filter(|_| message.persistent()) {
                scratch.before = scratch.before.max(policy.promise());
            }
        }
    }

    /// Pushes the destinations that an exchange's bindings have for a message.
    fn match_bindings(
        &mut self,
        vhost: usize,
        id: ExchangeId,
        message: &Message,
        copies: &[ShortBytes],
        scratch: &mut Scratch,
    ) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        if exchange.bindings.choose_by_number() {
            let number = self.number_for(id, message, copies);
            if let Some(exchange) = self.exchanges.get(&id) {
                exchange.bindings.choose(number, &mut scratch.found);
            }
            return;
        }
        let headers = || PropertiesView::parse(message.properties()).ok()?.headers_table();
        for key in std::iter::once(message.routing_key()).chain(copies.iter().map(|key| &**key)) {
            if exchange.declared.name.is_empty() {
                let queue = std::str::from_utf8(key).unwrap_or_default();
                let queue = self.vhosts[vhost].queues.get(queue);
                scratch.found.extend(queue.map(|id| Destination::Queue(*id)));
            } else {
                exchange.bindings.route(key, &headers, &mut scratch.found);
            }
        }
    }

    /// Notes the queues that were found, and the exchanges to go on with.
    fn spread(&mut self, vhost: usize, id: ExchangeId, scratch: &mut Scratch) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        if scratch.found.is_empty()
            && let Some(alternate) = exchange.alternate()
        {
            // An alternate exchange that does not exist (any more) is passed over, as by RabbitMQ.
            scratch.exchanges.extend(self.vhosts[vhost].exchanges.get(alternate));
        }
        for destination in scratch.found.drain(..) {
            match destination {
                Destination::Exchange(id) => scratch.exchanges.push(id),
                Destination::Queue(id) => {
                    if let Some(queue) = self.queues.get_mut(&id)
                        && queue.routed != self.routed
                    {
                        queue.routed = self.routed;
                        scratch.queues.push(id);
                    }
                }
            }
        }
    }
}
