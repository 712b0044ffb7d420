//! What a change does to the state: checked first, so that a refused one has done nothing.

use std::sync::Arc;

use crate::wire::{Field, ShortString, Table};

use super::super::arguments::QueueType;
use super::change::{Change, ChangeRefused, NewPassword, PolicyKind, UserLimit, VhostLimit};
use super::pattern::{InvalidPattern, Pattern};
use super::policy::{ApplyTo, Policy};
use super::user::{Permissions, TopicPermissions, User, Users, VhostSettings};
use super::{Access, policy_keys};

/// The most of each kind: what an operator's script can make the broker keep is bounded.
const USERS_MAX: usize = 100_000;
const VHOSTS_MAX: usize = 10_000;
const PERMISSIONS_MAX: usize = 200_000;
const POLICIES_MAX: usize = 1_000;
const PARAMETERS_MAX: usize = 10_000;
const TAGS_MAX: usize = 64;

/// The longest description, and the longest value of a parameter or definition of a policy, in
/// octets.
const DESCRIPTION_OCTETS_MAX: usize = 4096;
const VALUE_OCTETS_MAX: usize = 64 * 1024;

/// How deep tables and arrays may lie in a value: so that it fits into a record that has some of
/// its own.
const VALUE_DEPTH_MAX: usize = 16;

impl Access {
    /// Does what a change says, but for its consequences on connections, queues and exchanges.
    ///
    /// # Errors
    /// When it cannot be; then nothing has changed.
    pub fn apply(&mut self, change: Change) -> Result<(), ChangeRefused> {
        match change {
            Change::Begin => self.begun = true,
            Change::PutUser { name, password, tags } => self.put_user(name, password, tags)?,
            Change::DeleteUser { name } => self.delete_user(&name)?,
            Change::PutVhost { name, settings } => self.put_vhost(name, settings)?,
            Change::DeleteVhost { name } => self.delete_vhost(&name)?,
            Change::SetPermissions { user, vhost, configure, write, read } => {
                let permissions =
                    Permissions::new(&configure, &write, &read).map_err(|error| invalid(&error))?;
                self.set_permissions(user, vhost, permissions)?;
            }
            Change::ClearPermissions { user, vhost } => {
                self.known(&user, &vhost)?;
                self.permission_generation += 1;
                self.permissions.remove(&(vhost, user));
            }
            Change::SetTopicPermissions { user, vhost, exchange, write, read } => {
                let compile = |text: &str| {
                    Pattern::topic(text, &user, &vhost).map_err(|error| invalid(&error))
                };
                let permissions =
                    TopicPermissions { write: compile(&write)?, read: compile(&read)? };
                self.set_topic_permissions(user, vhost, exchange, permissions)?;
            }
            Change::ClearTopicPermissions { user, vhost, exchange } => {
                self.clear_topic_permissions(&user, &vhost, exchange.as_ref())?;
            }
            Change::SetVhostLimit { vhost, limit, value } => {
                self.set_vhost_limit(&vhost, limit, value)?;
            }
            Change::SetUserLimit { user, limit, value } => {
                self.set_user_limit(&user, limit, value)?;
            }
            Change::PutPolicy { kind, vhost, name, pattern, apply_to, priority, definition } => {
                let policy = new_policy(kind, &pattern, apply_to, priority, definition)?;
                self.put_policy(kind, vhost, name, policy)?;
            }
            Change::DeletePolicy { kind, vhost, name } => {
                self.delete_policy(kind, &vhost, &name)?
            }
            Change::PutParameter { component, vhost, name, value } => {
                self.put_parameter((vhost, component, name), value)?;
            }
            Change::DeleteParameter { component, vhost, name } => {
                let refusal = ChangeRefused::NotFound(format!(
                    "parameter '{name}' of component '{component}' in vhost '{vhost}' not found"
                ));
                self.parameters.remove(&(vhost, component, name)).ok_or(refusal)?;
            }
            Change::PutGlobalParameter { name, value } => {
                self.put_global_parameter(name, value)?;
            }
            Change::DeleteGlobalParameter { name } => {
                self.global_parameters.remove(&name).ok_or_else(|| {
                    ChangeRefused::NotFound(format!("global parameter '{name}' not found"))
                })?;
            }
            // The broker's own: they change no rule.
            Change::DeclareExchange { .. }
            | Change::DeclareQueue { .. }
            | Change::BindQueue { .. }
            | Change::BindExchange { .. } => {}
        }
        Ok(())
    }

    fn users_mut(&mut self) -> &mut Users {
        self.user_generation += 1;
        Arc::make_mut(&mut self.users)
    }

    fn put_user(
        &mut self,
        name: ShortString,
        password: NewPassword,
        tags: Vec<ShortString>,
    ) -> Result<(), ChangeRefused> {
        check_name("user", &name)?;
        check_count("tags", tags.len(), TAGS_MAX + 1)?;
        let known = self.users.get(&name);
        if known.is_none() {
            check_count("users", self.users.len(), USERS_MAX)?;
        }
        let password = match password {
            NewPassword::Unchanged => known.and_then(|user| user.password.clone()),
            NewPassword::None => None,
            NewPassword::Hash(hash) => Some(hash),
        };
        let max_connections = known.and_then(|user| user.max_connections);
        let max_channels = known.and_then(|user| user.max_channels);
        self.users_mut().insert(name, User { password, tags, max_connections, max_channels });
        Ok(())
    }

    fn delete_user(&mut self, name: &ShortString) -> Result<(), ChangeRefused> {
        if !self.users.contains_key(name) {
            return Err(no_user(name));
        }
        self.users_mut().remove(name);
        self.permission_generation += 1;
        self.permissions.retain(|(_, user), _| user != name);
        self.topic_permissions.retain(|(_, user, _), _| user != name);
        Ok(())
    }

    fn put_vhost(
        &mut self,
        name: ShortString,
        mut settings: VhostSettings,
    ) -> Result<(), ChangeRefused> {
        check_name("vhost", &name)?;
        check_count("tags", settings.tags.len(), TAGS_MAX + 1)?;
        let kind = &mut settings.default_queue_type;
        // RabbitMQ's name of the module that makes such queues means the same.
        let module = kind.strip_prefix("rabbit_").and_then(|kind| kind.strip_suffix("_queue"));
        if let Some(module) = module.filter(|module| QueueType::named(module).is_some()) {
            *kind = ShortString::clipped(module);
        }
        if !kind.is_empty() && QueueType::named(kind).is_none() {
            let text = format!("default_queue_type '{kind}' is not known");
            return Err(ChangeRefused::Invalid(text));
        }
        check_length("description", settings.description.len(), DESCRIPTION_OCTETS_MAX)?;
        if !self.vhosts.contains_key(&name) {
            check_count("vhosts", self.vhosts.len(), VHOSTS_MAX)?;
        }
        let known = self.vhosts.entry(name).or_default();
        let (max_connections, max_queues) = (known.max_connections, known.max_queues);
        *known = VhostSettings { max_connections, max_queues, ..settings };
        Ok(())
    }

    fn delete_vhost(&mut self, name: &ShortString) -> Result<(), ChangeRefused> {
        self.vhosts.remove(name).ok_or_else(|| no_vhost(name))?;
        self.permission_generation += 1;
        self.permissions.retain(|(vhost, _), _| vhost != name);
        self.topic_permissions.retain(|(vhost, ..), _| vhost != name);
        self.parameters.retain(|(vhost, ..), _| vhost != name);
        self.policies.remove(name);
        self.operator_policies.remove(name);
        Ok(())
    }

    /// Refuses what names a user or a vhost that does not exist.
    fn known(&self, user: &ShortString, vhost: &ShortString) -> Result<(), ChangeRefused> {
        self.users.contains_key(user).then_some(()).ok_or_else(|| no_user(user))?;
        self.known_vhost(vhost)
    }

    fn known_vhost(&self, vhost: &ShortString) -> Result<(), ChangeRefused> {
        self.vhosts.contains_key(vhost).then_some(()).ok_or_else(|| no_vhost(vhost))
    }

    fn set_permissions(
        &mut self,
        user: ShortString,
        vhost: ShortString,
        permissions: Permissions,
    ) -> Result<(), ChangeRefused> {
        self.known(&user, &vhost)?;
        check_count("permissions", self.permissions.len(), PERMISSIONS_MAX)?;
        self.permission_generation += 1;
        self.permissions.insert((vhost, user), permissions);
        Ok(())
    }

    fn set_topic_permissions(
        &mut self,
        user: ShortString,
        vhost: ShortString,
        exchange: ShortString,
        permissions: TopicPermissions,
    ) -> Result<(), ChangeRefused> {
        self.known(&user, &vhost)?;
        check_count("topic permissions", self.topic_permissions.len(), PERMISSIONS_MAX)?;
        self.permission_generation += 1;
        self.topic_permissions.insert((vhost, user, exchange), permissions);
        Ok(())
    }

    fn clear_topic_permissions(
        &mut self,
        user: &ShortString,
        vhost: &ShortString,
        exchange: Option<&ShortString>,
    ) -> Result<(), ChangeRefused> {
        self.known(user, vhost)?;
        self.permission_generation += 1;
        self.topic_permissions.retain(|(own_vhost, own_user, own_exchange), _| {
            let meant = exchange.is_none_or(|exchange| exchange == own_exchange);
            !(meant && own_vhost == vhost && own_user == user)
        });
        Ok(())
    }

    fn set_vhost_limit(
        &mut self,
        vhost: &ShortString,
        limit: VhostLimit,
        value: Option<i64>,
    ) -> Result<(), ChangeRefused> {
        let settings = self.vhosts.get_mut(vhost).ok_or_else(|| no_vhost(vhost))?;
        match limit {
            VhostLimit::MaxConnections => settings.max_connections = bound(value),
            VhostLimit::MaxQueues => settings.max_queues = bound(value),
        }
        Ok(())
    }

    fn set_user_limit(
        &mut self,
        user: &ShortString,
        limit: UserLimit,
        value: Option<i64>,
    ) -> Result<(), ChangeRefused> {
        let known = self.users_mut().get_mut(user).ok_or_else(|| no_user(user))?;
        match limit {
            UserLimit::MaxConnections => known.max_connections = bound(value),
            UserLimit::MaxChannels => known.max_channels = bound(value),
        }
        Ok(())
    }

    fn put_policy(
        &mut self,
        kind: PolicyKind,
        vhost: ShortString,
        name: ShortString,
        policy: Policy,
    ) -> Result<(), ChangeRefused> {
        self.known_vhost(&vhost)?;
        check_name("policy", &name)?;
        let policies = match kind {
            PolicyKind::User => &mut self.policies,
            PolicyKind::Operator => &mut self.operator_policies,
        };
        let count = policies.get(&vhost).map_or(0, |policies| policies.len());
        check_count("policies", count, POLICIES_MAX)?;
        policies.entry(vhost).or_default().insert(name, policy);
        Ok(())
    }

    fn delete_policy(
        &mut self,
        kind: PolicyKind,
        vhost: &ShortString,
        name: &ShortString,
    ) -> Result<(), ChangeRefused> {
        let policies = match kind {
            PolicyKind::User => &mut self.policies,
            PolicyKind::Operator => &mut self.operator_policies,
        };
        let removed = policies.get_mut(vhost).and_then(|policies| policies.remove(name));
        let refusal =
            || ChangeRefused::NotFound(format!("policy '{name}' in vhost '{vhost}' not found"));
        removed.map(|_| ()).ok_or_else(refusal)
    }

    fn put_global_parameter(
        &mut self,
        name: ShortString,
        value: Field,
    ) -> Result<(), ChangeRefused> {
        check_name("parameter", &name)?;
        check_value(&value)?;
        check_count("global parameters", self.global_parameters.len(), PARAMETERS_MAX)?;
        self.global_parameters.insert(name, value);
        Ok(())
    }

    fn put_parameter(
        &mut self,
        key: (ShortString, ShortString, ShortString),
        value: Field,
    ) -> Result<(), ChangeRefused> {
        self.known_vhost(&key.0)?;
        check_name("component", &key.1)?;
        check_name("parameter", &key.2)?;
        check_value(&value)?;
        check_count("parameters", self.parameters.len(), PARAMETERS_MAX)?;
        self.parameters.insert(key, value);
        Ok(())
    }
}

fn new_policy(
    kind: PolicyKind,
    pattern: &str,
    apply_to: ApplyTo,
    priority: i64,
    definition: Table,
) -> Result<Policy, ChangeRefused> {
    let pattern = Pattern::policy(pattern).map_err(|error| invalid(&error))?;
    check_value(&Field::Table(definition.clone()))?;
    policy_keys::check(&definition, kind == PolicyKind::Operator)
        .map_err(ChangeRefused::Invalid)?;
    Ok(Policy { pattern, apply_to, priority, definition })
}

/// A limit as it is kept: negative is none.
fn bound(value: Option<i64>) -> Option<u64> {
    value.and_then(|value| u64::try_from(value).ok())
}

fn invalid(error: &InvalidPattern) -> ChangeRefused {
    ChangeRefused::Invalid(format!("invalid regexp: {error}"))
}

fn no_user(name: &str) -> ChangeRefused {
    ChangeRefused::NotFound(format!("user '{name}' not found"))
}

fn no_vhost(name: &str) -> ChangeRefused {
    ChangeRefused::NotFound(format!("vhost '{name}' not found"))
}

fn check_name(what: &str, name: &str) -> Result<(), ChangeRefused> {
    if name.is_empty() {
        return Err(ChangeRefused::Invalid(format!("the name of a {what} cannot be empty")));
    }
    if name.chars().any(char::is_control) {
        let text = format!("the name of a {what} cannot have control characters");
        return Err(ChangeRefused::Invalid(text));
    }
    Ok(())
}

fn check_count(what: &str, count: usize, max: usize) -> Result<(), ChangeRefused> {
    if count >= max {
        return Err(ChangeRefused::TooMany(format!("there are {count} {what} already")));
    }
    Ok(())
}

fn check_length(what: &str, octets: usize, max: usize) -> Result<(), ChangeRefused> {
    if octets > max {
        return Err(ChangeRefused::Invalid(format!("{what} is longer than {max} octets")));
    }
    Ok(())
}

/// Whether a value can be kept: not too long, not too deep.
fn check_value(value: &Field) -> Result<(), ChangeRefused> {
    if depth(value) > VALUE_DEPTH_MAX {
        let text = format!("the value is nested deeper than {VALUE_DEPTH_MAX}");
        return Err(ChangeRefused::Invalid(text));
    }
    let mut octets = Vec::new();
    let table: Table = [(ShortString::clipped("value"), value.clone())].into_iter().collect();
    table.encode(&mut octets);
    check_length("the value", octets.len(), VALUE_OCTETS_MAX)
}

/// How deep tables and arrays lie in each other. What comes from outside was bounded when it was
/// decoded, so the recursion is.
fn depth(value: &Field) -> usize {
    match value {
        Field::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Field::Table(table) => 1 + table.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
        _ => 0,
    }
}
