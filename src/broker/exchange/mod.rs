//! Exchanges: which destinations a message reaches, by routing key and headers.
//!
//! ```text
//!            Bindings
//!              listing   every binding once, in the order (destination, key, arguments):
//!              |         equality of bindings, listings, removal of a destination
//!   bind ----> |
//!              router    the same bindings arranged for routing, one of
//!                          direct   key                    -> destinations
//!                          fanout                             destinations
//!                          topic    trie over the words    -> destinations
//!                          headers  conditions             -> destinations
//!                          hash, pool  number              -> one destination
//! ```
//!
//! An exchange here is its bindings and nothing else: no name, no permissions, no alternate
//! exchange. Names of queues and exchanges are resolved by the caller, who also follows bindings
//! that lead to further exchanges.
//!
//! Nothing here reads a clock or does IO, and no order depends on a hash: the same binds, unbinds
//! and messages give the same destinations in the same order.
//!
//! Some types choose one destination by a number, which the caller makes of the message or draws.
//! Others are a fanout here, and differ in what the broker does before it asks or after: which
//! messages it remembers, holds back or drops.

mod consistent_hash;
mod destinations;
mod direct;
mod fanout;
mod header_index;
mod headers;
mod options;
mod pool;
mod topic;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound::{Excluded, Included, Unbounded};

use thiserror::Error;

use crate::ids::{ExchangeId, QueueId};
use crate::wire::{Field, PackedTable, ShortString, Table};

use self::consistent_hash::ConsistentHash;
use self::direct::Direct;
use self::fanout::Fanout;
use self::headers::Headers;
pub use self::options::{HashOn, Options, compared};
use self::pool::Pool;
use self::topic::Topic;
pub(super) use self::topic::refuse_hashes;

/// Where a binding leads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Destination {
    /// A queue.
    Queue(QueueId),
    /// Another exchange, which routes the message further (RabbitMQ's exchange.bind).
    Exchange(ExchangeId),
}

/// How an exchange chooses among its bindings (AMQP 0-9-1, section 3.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExchangeKind {
    /// The routing key equals the binding key.
    Direct,
    /// Every binding.
    Fanout,
    /// The binding key is a pattern for the routing key.
    Topic,
    /// The binding's arguments are conditions on the message's headers.
    Headers,
    /// One destination by the hash of the message; the binding key is its weight.
    ConsistentHash,
    /// One destination by the hash of the routing keys, modulo the number of bindings.
    ModulusHash,
    /// One destination by chance.
    Random,
    /// One queue by chance, of this node: of all, as there is one node.
    LocalRandom,
    /// Every binding; a new one gets the last messages.
    RecentHistory,
    /// Every binding, for a RabbitMQ that federates from this broker.
    FederationUpstream,
    /// Every binding, once for each deduplication header.
    Deduplication,
    /// As the type that its argument names, after the delay that a message asks for.
    Delayed,
}

/// The kinds and what exchange.declare calls them.
const NAMES: [(ExchangeKind, &str); 12] = [
    (ExchangeKind::Direct, "direct"),
    (ExchangeKind::Fanout, "fanout"),
    (ExchangeKind::Topic, "topic"),
    (ExchangeKind::Headers, "headers"),
    (ExchangeKind::ConsistentHash, "x-consistent-hash"),
    (ExchangeKind::ModulusHash, "x-modulus-hash"),
    (ExchangeKind::Random, "x-random"),
    (ExchangeKind::LocalRandom, "x-local-random"),
    (ExchangeKind::RecentHistory, "x-recent-history"),
    (ExchangeKind::FederationUpstream, "x-federation-upstream"),
    (ExchangeKind::Deduplication, "x-message-deduplication"),
    (ExchangeKind::Delayed, "x-delayed-message"),
];

impl ExchangeKind {
    /// The kind that exchange.declare calls `name`, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// What exchange.declare calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// What queue.bind and exchange.bind ask for.
#[derive(Clone, PartialEq, Debug)]
pub struct Binding {
    /// Where messages shall go.
    pub destination: Destination,
    /// The binding key; fanout and headers exchanges do not look at it.
    pub key: ShortString,
    /// The arguments; only headers exchanges look at them.
    pub arguments: PackedTable,
}

/// Why a binding was refused: the text of a 406 PRECONDITION_FAILED.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{0}")]
pub struct InvalidBinding(pub(super) String);

/// The bindings of one exchange.
///
/// Two bindings are the same if destination, key and arguments are: the arguments' order does not
/// matter, their types do (RabbitMQ compares so too).
#[derive(Debug)]
pub struct Bindings {
    listing: BTreeMap<Identity, Binding>,
    router: Router,
}

impl Bindings {
    /// No bindings yet, for an exchange of this kind.
    #[must_use]
    pub fn new(kind: ExchangeKind) -> Self {
        let router = match kind {
            ExchangeKind::Direct => Router::Direct(Direct::default()),
            ExchangeKind::Fanout
            | ExchangeKind::RecentHistory
            | ExchangeKind::FederationUpstream
            | ExchangeKind::Deduplication
            | ExchangeKind::Delayed => Router::Fanout(Fanout::default()),
            ExchangeKind::Topic => Router::Topic(Topic::default()),
            ExchangeKind::Headers => Router::Headers(Headers::default()),
            ExchangeKind::ConsistentHash => Router::ConsistentHash(ConsistentHash::default()),
            ExchangeKind::ModulusHash | ExchangeKind::Random => Router::Pool(Pool::default()),
            ExchangeKind::LocalRandom => Router::KeylessPool(Pool::default()),
        };
        Self { listing: BTreeMap::new(), router }
    }

    /// Adds a binding; `false` if it was there already, which is no error.
    ///
    /// # Errors
    /// If the exchange cannot work with the binding: an unknown `x-match` of a headers exchange, a
    /// key that is no weight.
    pub fn bind(&mut self, mut binding: Binding) -> Result<bool, InvalidBinding> {
        if !binding.arguments.is_empty() {
            binding.arguments = sorted(&binding.arguments.unpack());
        }
        let identity = Identity::of(&binding);
        match self.listing.entry(identity) {
            Entry::Occupied(_) => Ok(false),
            Entry::Vacant(vacancy) => {
                self.router.add(&vacancy.key().arguments, &binding)?;
                vacancy.insert(binding);
                Ok(true)
            }
        }
    }

    /// Removes a binding; `false` if there was none, which is no error.
    pub fn unbind(&mut self, destination: Destination, key: &str, arguments: &Table) -> bool {
        let Ok(key) = ShortString::new(key) else { return false };
        let binding = Binding { destination, key, arguments: sorted(arguments) };
        self.remove(&Identity::of(&binding)).is_some()
    }

    /// Removes bindings to a queue or exchange that is no more, at most so many, and returns them in
    /// order. Costs by their number, not by that of all bindings.
    pub fn remove_destination(&mut self, destination: Destination, most: usize) -> Vec<Binding> {
        let theirs: Vec<Identity> = self
            .listing
            .range(Identity::first(destination)..)
            .map(|(identity, _)| identity)
            .take_while(|identity| identity.destination == destination)
            .take(most)
            .cloned()
            .collect();
        theirs.iter().filter_map(|identity| self.remove(identity)).collect()
    }

    /// Removes the first binding in the order of listings.
    pub fn pop(&mut self) -> Option<Binding> {
        let (identity, binding) = self.listing.pop_first()?;
        self.router.remove(&identity.arguments, &binding);
        Some(binding)
    }

    /// Whether the key alone says where a message goes, and says the same each time.
    #[must_use]
    pub const fn go_by_key(&self) -> bool {
        matches!(self.router, Router::Direct(_) | Router::Fanout(_) | Router::Topic(_))
    }

    /// Whether one destination is chosen by a number, and not by key and headers.
    #[must_use]
    pub const fn choose_by_number(&self) -> bool {
        matches!(self.router, Router::ConsistentHash(_) | Router::Pool(_) | Router::KeylessPool(_))
    }

    /// Pushes the destination that a number stands for.
    pub fn choose(&self, number: u64, found: &mut Vec<Destination>) {
        match &self.router {
            Router::ConsistentHash(hash) => hash.route(number, found),
            Router::Pool(pool) | Router::KeylessPool(pool) => pool.route(number, found),
            Router::Direct(_) | Router::Fanout(_) | Router::Topic(_) | Router::Headers(_) => {}
        }
    }

    /// Pushes the destinations of a message with this routing key.
    ///
    /// A destination may be pushed more than once where several bindings of a topic or headers
    /// exchange lead to it. `headers` is called by a headers exchange only, and only if it has
    /// bindings; the other kinds allocate nothing (a topic exchange does if a pattern has several
    /// `#`).
    pub fn route(
        &self,
        key: &[u8],
        headers: &dyn Fn() -> Option<Table>,
        found: &mut Vec<Destination>,
    ) {
        match &self.router {
            Router::Direct(direct) => direct.route(key, found),
            Router::Fanout(fanout) => fanout.route(found),
            Router::Topic(topic) => topic.route(key, found),
            Router::Headers(_) if self.is_empty() => {}
            Router::Headers(conditions) => {
                conditions.route(&headers().unwrap_or_default(), found);
            }
            Router::ConsistentHash(_) | Router::Pool(_) | Router::KeylessPool(_) => {}
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listing.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listing.len()
    }

    /// All of them, ordered by destination (queues first, by number), key and arguments. The
    /// arguments of each are sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.listing.values()
    }

    /// Those behind `last` in the order of [`Self::iter`], or all.
    pub fn iter_after(&self, last: Option<&Binding>) -> impl Iterator<Item = &Binding> {
        let start = last.map_or(Unbounded, |last| Excluded(Identity::of(last)));
        self.listing.range((start, Unbounded)).map(|(_, binding)| binding)
    }

    /// Those to one destination behind `last`, or all.
    pub fn iter_to(
        &self,
        destination: Destination,
        last: Option<&Binding>,
    ) -> impl Iterator<Item = &Binding> {
        let first = || Included(Identity::first(destination));
        let start = last.map_or_else(first, |last| Excluded(Identity::of(last)));
        self.listing
            .range((start, Unbounded))
            .map(|(_, binding)| binding)
            .take_while(move |binding| binding.destination == destination)
    }

    fn remove(&mut self, identity: &Identity) -> Option<Binding> {
        let binding = self.listing.remove(identity)?;
        self.router.remove(&identity.arguments, &binding);
        Some(binding)
    }
}

/// What makes a binding different from another, in the order of listings.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Identity {
    destination: Destination,
    key: ShortString,
    /// The sorted arguments, as bytes: comparable without exception, unlike floating point fields.
    arguments: PackedTable,
}

impl Identity {
    /// The identity of a binding whose arguments are sorted.
    fn of(binding: &Binding) -> Self {
        Self {
            destination: binding.destination,
            key: binding.key.clone(),
            arguments: binding.arguments.clone(),
        }
    }

    /// The least identity of those with this destination.
    fn first(destination: Destination) -> Self {
        Self { destination, key: ShortString::default(), arguments: PackedTable::default() }
    }
}

/// The bindings as each kind of exchange wants them. Adding the same destination twice in one place
/// (bindings that differ only in what the kind does not look at) needs removing it twice.
#[derive(Debug)]
enum Router {
    Direct(Direct),
    Fanout(Fanout),
    Topic(Topic),
    Headers(Headers),
    ConsistentHash(ConsistentHash),
    Pool(Pool),
    /// A pool that refuses bindings with a key.
    KeylessPool(Pool),
}

impl Router {
    fn add(&mut self, encoded: &PackedTable, new: &Binding) -> Result<(), InvalidBinding> {
        match self {
            Self::Direct(direct) => direct.add(&new.key, new.destination),
            Self::Fanout(fanout) => fanout.add(new.destination),
            Self::Topic(topic) => topic.add(&new.key, new.destination),
            Self::Headers(headers) => headers.add(encoded, new.destination)?,
            Self::ConsistentHash(hash) => hash.add(&new.key, new.destination)?,
            Self::Pool(pool) => pool.add(new.destination),
            Self::KeylessPool(pool) => {
                pool::refuse_key(&new.key)?;
                pool.add(new.destination);
            }
        }
        Ok(())
    }

    fn remove(&mut self, encoded: &PackedTable, old: &Binding) {
        match self {
            Self::Direct(direct) => direct.remove(&old.key, old.destination),
            Self::Fanout(fanout) => fanout.remove(old.destination),
            Self::Topic(topic) => topic.remove(&old.key, old.destination),
            Self::Headers(headers) => headers.remove(encoded, old.destination),
            Self::ConsistentHash(hash) => hash.remove(&old.key, old.destination),
            Self::Pool(pool) | Self::KeylessPool(pool) => pool.remove(old.destination),
        }
    }
}

/// The same fields in the order of their names; fields of the same name stay in their order.
fn sorted(arguments: &Table) -> PackedTable {
    let mut fields: Vec<(ShortString, Field)> =
        arguments.iter().map(|(name, field)| (name.clone(), field.clone())).collect();
    fields.sort_by(|(left, _), (right, _)| left.cmp(right));
    (&fields.into_iter().collect::<Table>()).into()
}

#[cfg(test)]
mod tests;
