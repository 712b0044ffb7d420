//! The changes that make the state again from nothing: for the snapshot, for definitions, and a few
//! at a time for listings.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use super::change::{Change, NewPassword, PolicyKind, UserLimit, VhostLimit};
use super::{Access, Policy};
use crate::wire::ShortString;

/// Kinds of rules that are listed by themselves; users and vhosts are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// Permissions; the key is vhost and user.
    Permissions,
    /// Topic permissions; the key is vhost, user and exchange.
    TopicPermissions,
    /// Policies; the key is vhost and name.
    Policies(PolicyKind),
    /// Parameters of vhosts; the key is vhost, component and name.
    Parameters,
    /// Parameters of the broker; the key is the name.
    GlobalParameters,
}

/// What a rule is known by: see [`RuleKind`]; what a kind does not use is empty.
pub type RuleKey = [ShortString; 3];

/// Rules in the order of their keys, as the changes that make them.
type Rules<'a> = Box<dyn Iterator<Item = (RuleKey, Change)> + 'a>;

impl Access {
    /// The changes, in an order in which they can be applied.
    pub fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.begun {
            changes.push(Change::Begin);
        }
        self.vhost_changes(&mut changes);
        self.user_changes(&mut changes);
        for kind in [
            RuleKind::Permissions,
            RuleKind::TopicPermissions,
            RuleKind::Policies(PolicyKind::User),
            RuleKind::Policies(PolicyKind::Operator),
            RuleKind::Parameters,
            RuleKind::GlobalParameters,
        ] {
            changes.extend(self.rules(kind, None).map(|(_, change)| change));
        }
        changes
    }

    fn vhost_changes(&self, changes: &mut Vec<Change>) {
        for (name, settings) in &self.vhosts {
            changes.push(Change::PutVhost { name: name.clone(), settings: settings.clone() });
            for (limit, value) in [
                (VhostLimit::MaxConnections, settings.max_connections),
                (VhostLimit::MaxQueues, settings.max_queues),
            ] {
                let value = value.and_then(|value| i64::try_from(value).ok());
                if value.is_some() {
                    changes.push(Change::SetVhostLimit { vhost: name.clone(), limit, value });
                }
            }
        }
    }

    fn user_changes(&self, changes: &mut Vec<Change>) {
        for (name, user) in self.users.iter() {
            let password = user.password.clone().map_or(NewPassword::None, NewPassword::Hash);
            let tags = user.tags.clone();
            changes.push(Change::PutUser { name: name.clone(), password, tags });
            for (limit, value) in [
                (UserLimit::MaxConnections, user.max_connections),
                (UserLimit::MaxChannels, user.max_channels),
            ] {
                let value = value.and_then(|value| i64::try_from(value).ok());
                if value.is_some() {
                    changes.push(Change::SetUserLimit { user: name.clone(), limit, value });
                }
            }
        }
    }

    /// The rules of a kind, from behind a key.
    pub fn rules(&self, kind: RuleKind, after: Option<&RuleKey>) -> Rules<'_> {
        match kind {
            RuleKind::Permissions => self.permission_rules(after),
            RuleKind::TopicPermissions => self.topic_permission_rules(after),
            RuleKind::Policies(owner) => self.policy_rules(owner, after),
            RuleKind::Parameters => self.parameter_rules(after),
            RuleKind::GlobalParameters => {
                let rules = behind(&self.global_parameters, after.map(|[name, ..]| name.clone()));
                Box::new(rules.map(|(name, value)| {
                    let change =
                        Change::PutGlobalParameter { name: name.clone(), value: value.clone() };
                    ([name.clone(), ShortString::default(), ShortString::default()], change)
                }))
            }
        }
    }

    fn permission_rules(&self, after: Option<&RuleKey>) -> Rules<'_> {
        let after = after.map(|[vhost, user, _]| (vhost.clone(), user.clone()));
        Box::new(behind(&self.permissions, after).map(|((vhost, user), permissions)| {
            let change = Change::SetPermissions {
                user: user.clone(),
                vhost: vhost.clone(),
                configure: permissions.configure.as_str().to_owned(),
                write: permissions.write.as_str().to_owned(),
                read: permissions.read.as_str().to_owned(),
            };
            ([vhost.clone(), user.clone(), ShortString::default()], change)
        }))
    }

    fn topic_permission_rules(&self, after: Option<&RuleKey>) -> Rules<'_> {
        let after =
            after.map(|[vhost, user, exchange]| (vhost.clone(), user.clone(), exchange.clone()));
        Box::new(behind(&self.topic_permissions, after).map(|((vhost, user, exchange), topics)| {
            let change = Change::SetTopicPermissions {
                user: user.clone(),
                vhost: vhost.clone(),
                exchange: exchange.clone(),
                write: topics.write.as_str().to_owned(),
                read: topics.read.as_str().to_owned(),
            };
            ([vhost.clone(), user.clone(), exchange.clone()], change)
        }))
    }

    fn policy_rules(&self, kind: PolicyKind, after: Option<&RuleKey>) -> Rules<'_> {
        let after = after.map(|[vhost, name, _]| (vhost.clone(), name.clone()));
        let from =
            after.as_ref().map_or(Unbounded, |(vhost, _)| std::ops::Bound::Included(vhost.clone()));
        let vhosts = self.policies_of(kind).range((from, Unbounded));
        let rules = vhosts.flat_map(|(vhost, policies)| {
            policies.iter().map(move |(name, policy)| (vhost, name, policy))
        });
        let rules = rules.skip_while(move |(vhost, name, _)| {
            after.as_ref().is_some_and(|after| (*vhost, *name) <= (&after.0, &after.1))
        });
        Box::new(rules.map(move |(vhost, name, policy)| {
            let key = [vhost.clone(), name.clone(), ShortString::default()];
            (key, policy_change(kind, vhost, name, policy))
        }))
    }

    fn parameter_rules(&self, after: Option<&RuleKey>) -> Rules<'_> {
        let after =
            after.map(|[vhost, component, name]| (vhost.clone(), component.clone(), name.clone()));
        Box::new(behind(&self.parameters, after).map(|((vhost, component, name), value)| {
            let change = Change::PutParameter {
                component: component.clone(),
                vhost: vhost.clone(),
                name: name.clone(),
                value: value.clone(),
            };
            ([vhost.clone(), component.clone(), name.clone()], change)
        }))
    }
}

/// The entries behind a key.
fn behind<K: Ord, V>(map: &BTreeMap<K, V>, after: Option<K>) -> impl Iterator<Item = (&K, &V)> {
    map.range((after.map_or(Unbounded, Excluded), Unbounded))
}

fn policy_change(
    kind: PolicyKind,
    vhost: &ShortString,
    name: &ShortString,
    policy: &Policy,
) -> Change {
    Change::PutPolicy {
        kind,
        vhost: vhost.clone(),
        name: name.clone(),
        pattern: policy.pattern.as_str().to_owned(),
        apply_to: policy.apply_to,
        priority: policy.priority,
        definition: policy.definition.clone(),
    }
}
