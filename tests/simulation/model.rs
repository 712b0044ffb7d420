//! What the clients know: what they sent, what they were told, and so what may and must be there
//! after a crash.
//!
//! ```text
//!   turns    1 2 3 4 5 6 7 8 9
//!                  ^ durable   ^ written        synced up to turn 4, written up to turn 9
//!   a kill leaves turns 1 to 9; a power cut leaves 1 to 4, and of the others what it likes
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::clock::Clock;
use super::extras::Extras;

/// The exchanges that are published to; all are durable.
pub(crate) const EXCHANGES: [&str; 4] = ["", "amq.direct", "amq.fanout", "x"];
/// The one of them that looks at no key.
pub(crate) const FANOUT: usize = 2;
/// The one of them that is declared and deleted.
pub(crate) const DECLARED: usize = 3;
/// The queues; the last one is not durable.
pub(crate) const QUEUES: [&str; 5] = ["a", "b", "c", "d", "e"];
pub(crate) const TRANSIENT: usize = 4;
pub(crate) const KEYS: [&str; 2] = ["k0", "k1"];

/// An exchange, a queue and a routing key, by their places.
pub(crate) type Binding = (usize, usize, usize);
/// A queue from its declaration to its deletion: its place and a number.
pub(crate) type Instance = (usize, u64);

/// The states that something was in, each with the turn in which it came.
#[derive(Clone, Debug)]
pub(crate) struct History<T>(Vec<(u64, T)>);

impl<T: Clone + PartialEq> History<T> {
    pub(crate) fn new(state: T) -> Self {
        Self(vec![(0, state)])
    }

    pub(crate) fn now(&self) -> &T {
        &self.0.last().expect("a first state").1
    }

    pub(crate) fn set(&mut self, turn: u64, state: T) {
        if *self.now() != state {
            self.0.push((turn, state));
        }
    }

    /// How many states there were so far.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The client was told that the first `count` states are durable.
    pub(crate) fn told(&mut self, count: usize) {
        for (since, _) in self.0.iter_mut().take(count) {
            *since = 0;
        }
    }

    /// The states that may be found when all up to `turn` must be there.
    pub(crate) fn candidates(&self, turn: u64) -> Vec<T> {
        let sure = self.0.iter().rposition(|(since, _)| *since <= turn).unwrap_or_default();
        self.0[sure..].iter().map(|(_, state)| state.clone()).collect()
    }

    pub(crate) fn found(&mut self, state: T) {
        self.0 = vec![(0, state)];
    }
}

/// A published message, wherever it went.
#[derive(Clone)]
pub(crate) struct Sent {
    pub persistent: bool,
    pub length: usize,
    pub exchange: usize,
    pub key: String,
}

/// A message in a queue.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    /// Its place among all messages.
    pub order: u64,
    /// The turn that published it.
    pub turn: u64,
    pub persistent: bool,
    pub confirmed: bool,
    /// The turn that settled or purged it.
    pub gone: Option<u64>,
    /// Delivered and not settled.
    pub held: bool,
    /// Somebody has seen it.
    pub delivered: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Counts {
    pub images: u64,
    pub confirmed: u64,
    pub delivered: u64,
    pub restored: u64,
    pub flagged: u64,
}

#[derive(Clone)]
pub(crate) struct Model {
    pub turn: u64,
    /// The last turn that ended well.
    pub written: u64,
    /// The last turn that is synced.
    pub durable: u64,
    pub messages: BTreeMap<u64, Sent>,
    pub queues: Vec<History<Option<u64>>>,
    pub declared: History<bool>,
    pub bindings: BTreeMap<Binding, History<bool>>,
    pub copies: BTreeMap<(Instance, u64), Copy>,
    pub extras: Extras,
    pub clock: Clock,
    /// A file of a queue's log has vanished: messages of that queue may be missing.
    pub may_lose: bool,
    /// A journal has vanished of which nothing was synced, and with it what was delivered.
    pub may_forget: bool,
    /// The queues with messages that are missing.
    pub lost: BTreeSet<String>,
    pub counts: Counts,
    pub orders: u64,
    pub instances: u64,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            turn: 0,
            written: 0,
            durable: 0,
            messages: BTreeMap::new(),
            queues: QUEUES.map(|_| History::new(None)).to_vec(),
            declared: History::new(false),
            bindings: BTreeMap::new(),
            copies: BTreeMap::new(),
            extras: Extras::default(),
            clock: Clock::new(),
            may_lose: false,
            may_forget: false,
            lost: BTreeSet::new(),
            counts: Counts::default(),
            orders: 0,
            instances: 0,
        }
    }

    pub(crate) fn instance(&self, queue: usize) -> Option<Instance> {
        self.queues[queue].now().map(|number| (queue, number))
    }

    pub(crate) fn declare_queue(&mut self, queue: usize) {
        if self.instance(queue).is_none() {
            self.instances += 1;
            self.queues[queue].set(self.turn, Some(self.instances));
        }
    }

    pub(crate) fn delete_queue(&mut self, queue: usize) {
        let Some(instance) = self.instance(queue) else { return };
        self.queues[queue].set(self.turn, None);
        self.purge(instance, true);
        self.unbind_where(|(_, other, _)| *other == queue);
    }

    pub(crate) fn set_declared(&mut self, declared: bool) {
        self.declared.set(self.turn, declared);
        if !declared {
            self.unbind_where(|(exchange, _, _)| *exchange == DECLARED);
        }
    }

    fn unbind_where(&mut self, which: impl Fn(&Binding) -> bool) {
        let turn = self.turn;
        for (_, history) in self.bindings.iter_mut().filter(|(binding, _)| which(binding)) {
            history.set(turn, false);
        }
    }

    pub(crate) fn bind(&mut self, binding: Binding, bound: bool) {
        let turn = self.turn;
        self.bindings.entry(binding).or_insert_with(|| History::new(false)).set(turn, bound);
    }

    /// The ready messages of a queue go, and with `all` those that are held too.
    pub(crate) fn purge(&mut self, instance: Instance, all: bool) {
        let turn = self.turn;
        for (_, copy) in self.copies_mut(instance).filter(|(_, copy)| all || !copy.held) {
            copy.gone.get_or_insert(turn);
        }
    }

    pub(crate) fn copies(&self, instance: Instance) -> impl Iterator<Item = (u64, &Copy)> {
        self.copies.range((instance, 0)..=(instance, u64::MAX)).map(|((_, id), copy)| (*id, copy))
    }

    pub(crate) fn copies_mut(
        &mut self,
        instance: Instance,
    ) -> impl Iterator<Item = (u64, &mut Copy)> {
        let range = (instance, 0)..=(instance, u64::MAX);
        self.copies.range_mut(range).map(|((_, id), copy)| (*id, copy))
    }

    /// A message is routed now.
    pub(crate) fn route(&mut self, id: u64) {
        let Sent { persistent, exchange, ref key, .. } = self.messages[&id];
        let key = key.clone();
        let reached: Vec<_> = (0..QUEUES.len())
            .filter(|queue| match exchange {
                0 => QUEUES[*queue] == key,
                FANOUT => (0..KEYS.len()).any(|key| self.bound((exchange, *queue, key))),
                _ => (0..KEYS.len())
                    .any(|place| KEYS[place] == key && self.bound((exchange, *queue, place))),
            })
            .filter_map(|queue| self.instance(queue))
            .collect();
        self.orders += 1;
        for instance in reached {
            let copy = Copy {
                order: self.orders,
                turn: self.turn,
                persistent: persistent && instance.0 != TRANSIENT,
                confirmed: false,
                gone: None,
                held: false,
                delivered: false,
            };
            self.copies.insert((instance, id), copy);
        }
    }

    fn bound(&self, binding: Binding) -> bool {
        self.bindings.get(&binding).is_some_and(|history| *history.now())
    }

    pub(crate) fn confirmed(&mut self, id: u64) {
        self.counts.confirmed += 1;
        for queue in 0..QUEUES.len() {
            for instance in 0..=self.instances {
                if let Some(copy) = self.copies.get_mut(&((queue, instance), id)) {
                    copy.confirmed = true;
                }
            }
        }
    }

    /// A message is delivered to a client: may it be?
    pub(crate) fn delivered(
        &mut self,
        instance: Instance,
        id: u64,
        redelivered: bool,
    ) -> Result<u64, String> {
        self.counts.delivered += 1;
        let turn = self.turn;
        let Some(copy) = self.copies.get_mut(&(instance, id)) else {
            return Err(format!(
                "message {id} is delivered from {instance:?} and never went there"
            ));
        };
        if copy.gone.is_some_and(|gone| gone < turn) {
            return Err(format!("message {id} of {instance:?} is delivered, but it was settled"));
        }
        if copy.delivered && !redelivered {
            return Err(format!(
                "message {id} of {instance:?} is delivered again, and not flagged"
            ));
        }
        copy.delivered = true;
        copy.held = true;
        Ok(copy.order)
    }

    /// Messages of a queue are missing.
    pub(crate) fn lose(&mut self, queue: &str, what: String) -> Result<(), String> {
        if !self.may_lose {
            return Err(what);
        }
        self.lost.insert(queue.to_owned());
        Ok(())
    }

    /// Everybody is disconnected: what was held is ready again.
    pub(crate) fn disconnected(&mut self) {
        for copy in self.copies.values_mut() {
            copy.held = false;
        }
    }
}

/// The body of a message: its number, then octets that follow from it.
pub(crate) fn body(id: u64, length: usize) -> Vec<u8> {
    let mut body = format!("{id} ").into_bytes();
    let mut random = super::random::Random::new(id);
    while body.len() < length {
        body.extend_from_slice(&random.next().to_le_bytes());
    }
    body
}

/// The number in a body.
pub(crate) fn number_in(body: &[u8]) -> Option<u64> {
    let end = body.iter().position(|octet| *octet == b' ')?;
    std::str::from_utf8(&body[..end]).ok()?.parse().ok()
}
