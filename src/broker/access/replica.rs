//! The changes that make the state again from nothing: for the snapshot, and for definitions.

use super::change::{Change, NewPassword, PolicyKind, UserLimit, VhostLimit};
use super::{Access, Policies};
use crate::wire::ShortString;

impl Access {
    /// The changes, in an order in which they can be applied.
    pub fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.begun {
            changes.push(Change::Begin);
        }
        self.vhost_changes(&mut changes);
        self.user_changes(&mut changes);
        self.permission_changes(&mut changes);
        for kind in [PolicyKind::User, PolicyKind::Operator] {
            for (vhost, policies) in self.policies_of(kind) {
                policy_changes(kind, vhost, policies, &mut changes);
            }
        }
        changes.extend(self.parameters.iter().map(|((vhost, component, name), value)| {
            Change::PutParameter {
                component: component.clone(),
                vhost: vhost.clone(),
                name: name.clone(),
                value: value.clone(),
            }
        }));
        changes.extend(self.global_parameters.iter().map(|(name, value)| {
            Change::PutGlobalParameter { name: name.clone(), value: value.clone() }
        }));
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

    fn permission_changes(&self, changes: &mut Vec<Change>) {
        changes.extend(self.permissions.iter().map(|((vhost, user), permissions)| {
            Change::SetPermissions {
                user: user.clone(),
                vhost: vhost.clone(),
                configure: permissions.configure.as_str().to_owned(),
                write: permissions.write.as_str().to_owned(),
                read: permissions.read.as_str().to_owned(),
            }
        }));
        changes.extend(self.topic_permissions.iter().map(|((vhost, user, exchange), topics)| {
            Change::SetTopicPermissions {
                user: user.clone(),
                vhost: vhost.clone(),
                exchange: exchange.clone(),
                write: topics.write.as_str().to_owned(),
                read: topics.read.as_str().to_owned(),
            }
        }));
    }
}

fn policy_changes(
    kind: PolicyKind,
    vhost: &ShortString,
    policies: &Policies,
    changes: &mut Vec<Change>,
) {
    changes.extend(policies.iter().map(|(name, policy)| Change::PutPolicy {
        kind,
        vhost: vhost.clone(),
        name: name.clone(),
        pattern: policy.pattern.as_str().to_owned(),
        apply_to: policy.apply_to,
        priority: policy.priority,
        definition: policy.definition.clone(),
    }));
}
