//! What some types of exchange do with a message before its bindings are looked at.
//!
//! ```text
//!   x-delayed-message         it wants a delay       ──▶ to the exchange's hidden queue, for now
//!   x-message-deduplication   its header was seen    ──▶ nowhere, as safe as the one before it
//!   x-federation-upstream     it has come too far    ──▶ nowhere
//!   x-recent-history          it is remembered       ──▶ on to the bindings
//! ```
//!
//! Nowhere is as if no binding matched: the alternate exchange, if there is one, gets it.

use crate::ids::{ExchangeId, QueueId, Timestamp};
use crate::message::Message;
use crate::wire::{Field, PropertiesView, ShortBytes, Table};

use super::Broker;
use super::arguments::value;
use super::delayed::due;
use super::exchange::{Destination, ExchangeKind, HashOn, Options};
use super::hash::hash;
use super::queue::deduplication_key;
use super::recollection::Recollection;

/// Where a message goes from an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Where its bindings lead.
    Bindings,
    /// Nowhere.
    Nowhere,
    /// Nowhere: a message with its deduplication header came before.
    Duplicate,
    /// To this queue, until its delay is over.
    Delay(QueueId),
}

impl Broker {
    /// What becomes of a message at an exchange.
    pub(super) fn admit(&mut self, id: ExchangeId, message: &Message) -> Admission {
        let now = self.now;
        let Some(exchange) = self.exchanges.get_mut(&id) else { return Admission::Nowhere };
        if let (Options::Delayed(..), Some(queue)) = (&exchange.declared.options, exchange.delays)
            && due(message, now, self.clocks.wall).is_some()
        {
            return Admission::Delay(queue);
        }
        match exchange.declared.options.routing(exchange.declared.kind).1 {
            Options::None | Options::HashOn(_) | Options::Delayed(..) => Admission::Bindings,
            Options::FederationUpstream { hops_max, downstream_name, downstream_vhost } => {
                let (name, vhost) = (downstream_name.as_deref(), downstream_vhost.as_deref());
                if is_forwarded(message, *hops_max, name, vhost) {
                    Admission::Bindings
                } else {
                    Admission::Nowhere
                }
            }
            Options::RecentHistory { .. } => {
                if !header_is_true(message, "x-recent-history-no-store")
                    && let Recollection::History(history) = &mut exchange.recollection
                {
                    history.push(message, &mut self.histories_bytes);
                }
                Admission::Bindings
            }
            Options::Deduplication { ttl, .. } => {
                let own = header(message, "x-cache-ttl").as_ref().and_then(value::integer);
                let own = own.and_then(|ttl| u64::try_from(ttl).ok());
                let ttl = own.map(std::time::Duration::from_millis).or(*ttl);
                self.admit_once(id, message, ttl.map(|ttl| now.after(ttl)))
            }
        }
    }

    /// Lets a message through whose header was not seen; it is remembered, on disk too if the
    /// exchange is durable.
    fn admit_once(
        &mut self,
        id: ExchangeId,
        message: &Message,
        until: Option<Timestamp>,
    ) -> Admission {
        let now = self.now;
        let Some(encoded) = deduplication_key(message) else { return Admission::Bindings };
        let Some(exchange) = self.exchanges.get_mut(&id) else { return Admission::Nowhere };
        let Recollection::Window(window) = &mut exchange.recollection else {
            return Admission::Bindings;
        };
        if window.contains(&encoded, now) {
            return Admission::Duplicate;
        }
        window.insert(&encoded, until);
        if exchange.declared.durable {
            let vhost = &self.vhosts[exchange.declared.vhost].name;
            self.store.journal().remember(vhost, &exchange.declared.name, until, &encoded);
        }
        Admission::Bindings
    }

    /// A header that was seen before a restart.
    pub(super) fn replay_remembered(
        &mut self,
        vhost: &str,
        exchange: &str,
        until: Option<Timestamp>,
        header: &[u8],
    ) {
        let Some(vhost) = self.vhosts.iter().find(|known| *known.name == *vhost) else { return };
        let exchange = vhost.exchanges.get(exchange).and_then(|id| self.exchanges.get_mut(id));
        if let Some(Recollection::Window(window)) =
            exchange.map(|exchange| &mut exchange.recollection)
        {
            window.insert(header, until);
        }
    }

    /// The number by which an exchange that chooses by one chooses.
    pub(super) fn number_for(
        &mut self,
        exchange: ExchangeId,
        message: &Message,
        copies: &[ShortBytes],
    ) -> u64 {
        let Some(exchange) = self.exchanges.get(&exchange) else { return 0 };
        let (kind, options) = exchange.declared.options.routing(exchange.declared.kind);
        match (kind, options) {
            (ExchangeKind::Random | ExchangeKind::LocalRandom, _) => self.names.next(),
            (_, Options::HashOn(on)) => hash(hashed(on, message, copies)),
            _ => hash(hashed(&HashOn::RoutingKeys, message, copies)),
        }
    }

    /// Gives a destination that was just bound the last messages of the exchange.
    pub(super) fn replay_history(&mut self, source: ExchangeId, destination: Destination) {
        let Some(exchange) = self.exchanges.get(&source) else { return };
        let Recollection::History(history) = &exchange.recollection else { return };
        let messages: Vec<_> = history.messages().cloned().collect();
        for message in messages {
            self.publish_to(destination, &message);
        }
    }
}

/// The octets of which a hash is made.
fn hashed(on: &HashOn, message: &Message, copies: &[ShortBytes]) -> Vec<u8> {
    let view = PropertiesView::parse(message.properties()).unwrap_or_default();
    match on {
        HashOn::RoutingKeys if copies.is_empty() => message.routing_key().to_vec(),
        HashOn::RoutingKeys => {
            let keys = copies.iter().map(|key| &**key);
            std::iter::once(message.routing_key()).chain(keys).collect::<Vec<_>>().join(&0)
        }
        HashOn::Header(name) => {
            header(message, name).map(|field| value::plain(&field).into_bytes()).unwrap_or_default()
        }
        HashOn::CorrelationId => view.correlation_id().unwrap_or_default().to_vec(),
        HashOn::MessageId => view.message_id().unwrap_or_default().to_vec(),
        HashOn::Timestamp => view.timestamp().map(u64::to_be_bytes).unwrap_or_default().to_vec(),
    }
}

/// The value of a header.
pub(super) fn header(message: &Message, name: &str) -> Option<Field> {
    Table::find(PropertiesView::parse(message.properties()).ok()?.headers()?, name)
}

fn header_is_true(message: &Message, name: &str) -> bool {
    header(message, name) == Some(Field::Boolean(true))
}

/// Whether a message goes to a downstream broker: not if it has passed as many links as are
/// allowed, or that broker.
fn is_forwarded(
    message: &Message,
    hops_max: i64,
    name: Option<&[u8]>,
    vhost: Option<&[u8]>,
) -> bool {
    let Some(Field::Array(hops)) = header(message, "x-received-from") else { return true };
    let count = i64::try_from(hops.len()).unwrap_or(i64::MAX);
    let is_text = |hop: &Table, key: &str, text: Option<&[u8]>| match (hop.get(key), text) {
        (Some(Field::LongString(value)), Some(text)) => value == text,
        _ => false,
    };
    let passed = hops.iter().any(|hop| match hop {
        Field::Table(hop) => is_text(hop, "cluster-name", name) && is_text(hop, "vhost", vhost),
        _ => false,
    });
    count < hops_max && !passed
}
