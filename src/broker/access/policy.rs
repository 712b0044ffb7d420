//! Policies: settings for all queues and exchanges whose names match a pattern.
//!
//! ```text
//!   object ──▶ the matching policy of the highest priority ──────────┐ merged: of two numbers the
//!         └──▶ the matching operator policy of the highest priority ─┘ smaller, else the operator's
//! ```
//!
//! At most one of each kind is in force for an object. Of several with the same priority it is the
//! first by name (RabbitMQ: any of them). A policy with a key that the object's type does not have
//! is in force all the same; that key has no effect there.

use std::collections::BTreeMap;

use crate::wire::{Field, ShortString, Table};

use super::super::arguments::QueueType;
use super::pattern::Pattern;
use super::policy_keys::{self, PolicySettings};

/// A policy or an operator policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The names it is for.
    pub pattern: Pattern,
    /// The objects it is for.
    pub apply_to: ApplyTo,
    /// Higher ones win.
    pub priority: i64,
    /// Its settings, as given and checked.
    pub definition: Table,
}

/// The policies of a vhost by name.
pub type Policies = BTreeMap<ShortString, Policy>;

/// Kinds of objects that a policy can be for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApplyTo {
    /// Queues and exchanges.
    #[default]
    All,
    /// Exchanges only.
    Exchanges,
    /// Queues of every type.
    Queues,
    /// Queues of one type.
    QueuesOf(QueueType),
}

impl ApplyTo {
    const EACH: [Self; 6] = [
        Self::All,
        Self::Exchanges,
        Self::Queues,
        Self::QueuesOf(QueueType::Classic),
        Self::QueuesOf(QueueType::Quorum),
        Self::QueuesOf(QueueType::Stream),
    ];

    /// As definitions have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exchanges => "exchanges",
            Self::Queues => "queues",
            Self::QueuesOf(QueueType::Classic) => "classic_queues",
            Self::QueuesOf(QueueType::Quorum) => "quorum_queues",
            Self::QueuesOf(QueueType::Stream) => "streams",
        }
    }

    /// The one that definitions call so.
    pub fn named(name: &str) -> Option<Self> {
        Self::EACH.into_iter().find(|kinds| kinds.name() == name)
    }

    /// Whether objects of a kind are among those meant.
    pub fn includes(self, kind: ObjectKind) -> bool {
        match self {
            Self::All => true,
            Self::Exchanges => kind == ObjectKind::Exchange,
            Self::Queues => kind != ObjectKind::Exchange,
            Self::QueuesOf(queue_type) => kind == ObjectKind::Queue(queue_type),
        }
    }
}

/// What a policy may be in force for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// An exchange.
    Exchange,
    /// A queue of this type.
    Queue(QueueType),
}

/// The policy and the operator policy that are in force for an object, and what they come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EffectivePolicy {
    /// The policy's name.
    pub policy: Option<ShortString>,
    /// The operator policy's name.
    pub operator_policy: Option<ShortString>,
    /// Both definitions merged, for listings.
    pub definition: Table,
    /// The same, understood.
    pub settings: PolicySettings,
}

/// The policy of a vhost that is in force for an object.
pub fn policy_for<'a>(
    policies: &'a Policies,
    name: &str,
    kind: ObjectKind,
) -> Option<(&'a ShortString, &'a Policy)> {
    let mut best: Option<(&ShortString, &Policy)> = None;
    for (own, policy) in policies {
        let better = best.is_none_or(|(_, best)| policy.priority > best.priority);
        if better && policy.apply_to.includes(kind) && policy.pattern.matches(name.as_bytes()) {
            best = Some((own, policy));
        }
    }
    best
}

/// What a policy and an operator policy come to together.
pub fn merge(
    policy: Option<(&ShortString, &Policy)>,
    operator: Option<(&ShortString, &Policy)>,
) -> EffectivePolicy {
    let mut definition = policy.map(|(_, policy)| policy.definition.clone()).unwrap_or_default();
    for (key, value) in operator.iter().flat_map(|(_, policy)| policy.definition.iter()) {
        let merged = match (definition.get(key).and_then(Field::as_integer), value.as_integer()) {
            (Some(own), Some(limit)) => Field::I64(policy_keys::smaller(key, own, limit)),
            _ => value.clone(),
        };
        definition.remove(key);
        definition.insert(key.clone(), merged);
    }
    EffectivePolicy {
        policy: policy.map(|(name, _)| name.clone()),
        operator_policy: operator.map(|(name, _)| name.clone()),
        settings: PolicySettings::of(&definition),
        definition,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(pattern: &str, apply_to: &str, priority: i64, definition: &[(&str, i64)]) -> Policy {
        let entries = definition.iter();
        Policy {
            pattern: Pattern::policy(pattern).unwrap(),
            apply_to: ApplyTo::named(apply_to).unwrap(),
            priority,
            definition: entries
                .map(|(key, value)| (ShortString::clipped(key), Field::I64(*value)))
                .collect(),
        }
    }

    #[test]
    fn the_highest_priority_wins_then_the_first_name() {
        let policies: Policies = [
            ("low", policy("^q", "queues", 0, &[])),
            ("b", policy("^q", "all", 5, &[])),
            ("a", policy("^q", "classic_queues", 5, &[])),
            ("exchanges", policy("", "exchanges", 9, &[])),
        ]
        .map(|(name, policy)| (ShortString::clipped(name), policy))
        .into();
        let check = |name: &str, kind| policy_for(&policies, name, kind).map(|(name, _)| &**name);
        assert_eq!(check("q1", ObjectKind::Queue(QueueType::Classic)), Some("a"));
        assert_eq!(check("q1", ObjectKind::Queue(QueueType::Quorum)), Some("b"));
        assert_eq!(check("x", ObjectKind::Queue(QueueType::Classic)), None);
        assert_eq!(check("q1", ObjectKind::Exchange), Some("exchanges"));
    }

    #[test]
    fn of_a_policy_and_an_operator_policy_the_stricter_number_holds() {
        let own =
            policy("", "all", 0, &[("max-length", 10), ("expires", 5), ("delivery-limit", -1)]);
        let limit = policy(
            "",
            "all",
            0,
            &[("max-length", 20), ("expires", 3), ("message-ttl", 7), ("delivery-limit", 4)],
        );
        let name = ShortString::clipped("p");
        let merged = merge(Some((&name, &own)), Some((&name, &limit)));
        let number = |key| merged.definition.get(key).and_then(Field::as_integer);
        assert_eq!(number("max-length"), Some(10));
        assert_eq!(number("expires"), Some(3));
        assert_eq!(number("message-ttl"), Some(7));
        assert_eq!(number("delivery-limit"), Some(4));
        assert_eq!(merged.settings.max_length, Some(10));
    }
}
