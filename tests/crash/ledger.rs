//! What the clients saw, and what must hold for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use crate::random::Random;

/// A message: its queue, its publisher (unique over all cycles), its number from 0.
pub(crate) type Name = (usize, u64, u64);

/// What happened to the messages that were not drained and checked yet.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Events>);

/// The queue whose messages may come once more as dead letters, which are new where they come to,
/// and in another order. What is confirmed comes all the same, and nothing that was acknowledged.
const HARD: usize = 2;

#[derive(Default)]
struct Events {
    sent: BTreeSet<Name>,
    confirmed: BTreeSet<Name>,
    /// In the order in which it happened to each message.
    seen: Vec<Seen>,
}

enum Seen {
    /// A consumer got a message: consumer, message, redelivered.
    Delivered(u64, Name, bool),
    /// The broker has answered a method behind the acknowledgement.
    Settled(Name),
}

/// What a check has found to be right, in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub confirmed: usize,
    pub delivered: usize,
    pub settled: usize,
}

impl Ledger {
    pub(crate) fn sent(&self, name: Name) {
        self.0.lock().unwrap().sent.insert(name);
    }

    pub(crate) fn confirmed(&self, names: impl IntoIterator<Item = Name>) {
        self.0.lock().unwrap().confirmed.extend(names);
    }

    pub(crate) fn delivered(&self, consumer: u64, name: Name, redelivered: bool) {
        self.0.lock().unwrap().seen.push(Seen::Delivered(consumer, name, redelivered));
    }

    pub(crate) fn settled(&self, names: impl IntoIterator<Item = Name>) {
        self.0.lock().unwrap().seen.extend(names.into_iter().map(Seen::Settled));
    }

    /// Checks everything since the last check, and forgets it. The queues must be drained: what
    /// comes of it later is unexpected.
    pub(crate) fn check(&self) -> Totals {
        let Events { sent, confirmed, seen } = std::mem::take(&mut *self.0.lock().unwrap());
        let mut delivered = BTreeSet::new();
        let mut settled = BTreeSet::new();
        let mut last = BTreeMap::new();
        for event in &seen {
            match *event {
                Seen::Settled(name) => {
                    settled.insert(name);
                }
                Seen::Delivered(consumer, name, redelivered) => {
                    let (queue, publisher, number) = name;
                    assert!(sent.contains(&name), "{name:?} came unexpected");
                    assert!(!settled.contains(&name), "{name:?} came back, acknowledged");
                    let first = delivered.insert(name);
                    if queue == HARD {
                        continue;
                    }
                    assert!(first || redelivered, "{name:?} came twice, not redelivered");
                    if !redelivered {
                        let before = last.insert((consumer, queue, publisher), number);
                        assert!(before < Some(number), "{name:?} came after {before:?}");
                    }
                }
            }
        }
        let lost: Vec<_> = confirmed.difference(&delivered).collect();
        assert!(lost.is_empty(), "{} lost: {:?}", lost.len(), &lost[..lost.len().min(20)]);
        Totals { confirmed: confirmed.len(), delivered: delivered.len(), settled: settled.len() }
    }
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.confirmed += other.confirmed;
        self.delivered += other.delivered;
        self.settled += other.settled;
    }
}

/// The body of a message: its name and its length, and octets that follow from these.
pub(crate) fn body(name: Name, length: usize) -> Vec<u8> {
    let (queue, publisher, number) = name;
    let mut body = format!("{queue} {publisher} {number} {length} ").into_bytes();
    let mut random = Random(publisher ^ number.rotate_left(32));
    while body.len() < length {
        body.extend(random.next().to_le_bytes());
    }
    body
}

/// Whose body this is; fails unless every octet is as it was.
pub(crate) fn name(octets: &[u8]) -> Name {
    let mut words = octets.split(|octet| *octet == b' ');
    let mut word = || {
        let word = words.next().and_then(|word| std::str::from_utf8(word).ok());
        word.and_then(|word| word.parse::<u64>().ok()).expect("a body that somebody published")
    };
    let name = (word() as usize, word(), word());
    let length = word() as usize;
    assert!(octets == body(name, length), "the body of {name:?} is altered");
    name
}
