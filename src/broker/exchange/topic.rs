//! The topic exchange: the binding key is a pattern (AMQP 0-9-1, section 3.1.3.3).
//!
//! Keys are words with dots between them. In a pattern, `*` stands for one word and `#` for any
//! number of words, none included. The empty key has no words; `a.` and `.` have empty words.
//!
//! The patterns are a trie over their words, so that routing costs by the words of the key and by
//! what matches them, not by the number of bindings:
//!
//! ```text
//!   stock.usd.nyse -> q1      root --stock--> o --usd--> o --nyse--> [q1]
//!   stock.*.nyse   -> q2                      |--*-----> o --nyse--> [q2]
//!   stock.#        -> q3                      |--#-----> [q3]
//! ```
//!
//! A pattern with several `#` can match a key in very many ways. They are not tried one by one: a
//! `#` node is expanded once for a key, where it is reached first, and goes on to each later word
//! from there. So a key of n words visits each node at most n + 1 times, and RabbitMQ's limit of
//! two `#` in a pattern is not needed.

use std::collections::{HashMap, HashSet};
use std::ptr;

use super::destinations::Destinations;
use super::{Destination, InvalidBinding};

/// Destinations by pattern.
#[derive(Debug, Default)]
pub(super) struct Topic {
    root: Node,
}

impl Topic {
    /// Adds a destination under a pattern.
    pub(super) fn add(&mut self, pattern: &str, destination: Destination) {
        let mut node = &mut self.root;
        for token in Tokens::of(pattern) {
            node = match token {
                Token::One => node.one.get_or_insert_default(),
                Token::Any => node.any.get_or_insert_default(),
                Token::Word(word) => node.words.entry(word.into()).or_default(),
            };
        }
        node.destinations.add(destination);
    }

    /// Undoes one `add`, and prunes what is not needed any more.
    pub(super) fn remove(&mut self, pattern: &str, destination: Destination) {
        self.root.remove(Tokens::of(pattern), destination);
    }

    /// Pushes the destinations of the patterns that match this key; a destination comes once for
    /// each of its patterns that match.
    pub(super) fn route(&self, key: &[u8], found: &mut Vec<Destination>) {
        Walk { expanded: HashSet::new(), found }.visit(&self.root, Words::of(key), false);
    }
}

/// A place in the trie: what the patterns that begin the same way do next.
#[derive(Debug, Default)]
struct Node {
    /// Patterns that end here.
    destinations: Destinations,
    /// Patterns that go on with a literal word.
    words: HashMap<Box<[u8]>, Self>,
    /// Patterns that go on with `*`.
    one: Option<Box<Self>>,
    /// Patterns that go on with `#`.
    any: Option<Box<Self>>,
}

impl Node {
    fn remove(&mut self, mut pattern: Tokens<'_>, destination: Destination) {
        match pattern.next() {
            None => self.destinations.remove(destination),
            Some(Token::One) => prune(&mut self.one, pattern, destination),
            Some(Token::Any) => prune(&mut self.any, pattern, destination),
            Some(Token::Word(word)) => {
                let Some(next) = self.words.get_mut(word) else { return };
                next.remove(pattern, destination);
                if next.is_empty() {
                    self.words.remove(word);
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.destinations.is_empty() && self.is_leaf()
    }

    /// Whether no pattern goes on from here.
    fn is_leaf(&self) -> bool {
        self.words.is_empty() && self.one.is_none() && self.any.is_none()
    }
}

/// Removes a destination below `place`, and the node there if nothing is left in it.
fn prune(place: &mut Option<Box<Node>>, pattern: Tokens<'_>, destination: Destination) {
    let Some(node) = place else { return };
    node.remove(pattern, destination);
    if node.is_empty() {
        *place = None;
    }
}

/// One key on its way through the trie.
struct Walk<'f> {
    /// The `#` nodes below other `#` nodes that this key has been through; no other node can be
    /// reached twice with the same words left. Allocates nothing until there is one.
    expanded: HashSet<*const Node>,
    found: &'f mut Vec<Destination>,
}

impl Walk<'_> {
    /// Follows the patterns from `node` on, which `words` are left for.
    fn visit(&mut self, node: &Node, words: Words<'_>, below_any: bool) {
        if let Some(any) = &node.any {
            self.expand(any, words, below_any);
        }
        let Some((word, rest)) = words.split_first() else {
            node.destinations.push_all(self.found);
            return;
        };
        if let Some(next) = node.words.get(word) {
            self.visit(next, rest, below_any);
        }
        if let Some(next) = &node.one {
            self.visit(next, rest, below_any);
        }
    }

    /// Follows the patterns from a `#` node on, after any number of `words`.
    fn expand(&mut self, any: &Node, mut words: Words<'_>, below_any: bool) {
        if below_any && !self.expanded.insert(ptr::from_ref(any)) {
            return;
        }
        if any.is_leaf() {
            any.destinations.push_all(self.found);
            return;
        }
        loop {
            self.visit(any, words, true);
            let Some((_, rest)) = words.split_first() else { return };
            words = rest;
        }
    }
}

/// The words that are left of a key.
#[derive(Clone, Copy)]
struct Words<'k>(Option<&'k [u8]>);

impl<'k> Words<'k> {
    fn of(key: &'k [u8]) -> Self {
        Self((!key.is_empty()).then_some(key))
    }

    /// The next word and those behind it.
    fn split_first(self) -> Option<(&'k [u8], Self)> {
        let words = self.0?;
        Some(match words.iter().position(|&octet| octet == b'.') {
            Some(dot) => (&words[..dot], Self(Some(&words[dot + 1..]))),
            None => (words, Self(None)),
        })
    }
}

/// A word of a pattern.
enum Token<'p> {
    Word(&'p [u8]),
    /// `*`, one word.
    One,
    /// `#`, any number of words.
    Any,
}

/// The words of a pattern. A run of `#` is given as one, which means the same.
struct Tokens<'p> {
    words: Words<'p>,
    after_any: bool,
}

impl<'p> Tokens<'p> {
    fn of(pattern: &'p str) -> Self {
        Self { words: Words::of(pattern.as_bytes()), after_any: false }
    }
}

impl<'p> Iterator for Tokens<'p> {
    type Item = Token<'p>;

    fn next(&mut self) -> Option<Token<'p>> {
        loop {
            let (word, rest) = self.words.split_first()?;
            self.words = rest;
            let any = word == b"#";
            if any && self.after_any {
                continue;
            }
            self.after_any = any;
            return Some(match word {
                b"#" => Token::Any,
                b"*" => Token::One,
                _ => Token::Word(word),
            });
        }
    }
}

/// RabbitMQ's rule about topic patterns, which keeps its routing from taking too long; here it is
/// not needed.
pub(in crate::broker) fn refuse_hashes(key: &str) -> Result<(), InvalidBinding> {
    let count = key.split('.').filter(|word| *word == "#").count();
    if count <= 2 {
        return Ok(());
    }
    Err(InvalidBinding(format!(
        "Topic binding key '{key}' uses {count} '#' wildcards, at most 2 are allowed"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::QueueId;

    #[test]
    fn removing_every_pattern_leaves_nothing_of_the_trie() {
        let patterns = ["", ".", "a.b.c", "a.*.c", "a.#", "#.a.#", "#.#", "*", "a.b"];
        let destination = Destination::Queue(QueueId(1));
        let mut topic = Topic::default();
        for pattern in patterns {
            topic.add(pattern, destination);
        }
        for pattern in patterns {
            assert!(!topic.root.is_empty());
            topic.remove(pattern, destination);
        }
        assert!(topic.root.is_empty());
    }

    #[test]
    fn removing_what_was_never_added_changes_nothing() {
        let destination = Destination::Queue(QueueId(1));
        let mut topic = Topic::default();
        topic.add("a.b", destination);
        for pattern in ["", "a", "a.b.c", "a.*", "a.#", "b"] {
            topic.remove(pattern, destination);
        }
        topic.remove("a.b", Destination::Queue(QueueId(2)));
        let mut found = Vec::new();
        topic.route(b"a.b", &mut found);
        assert_eq!(found, [destination]);
    }
}
