//! Permissions and topic permissions.

use super::exchanges::existing;
use super::rules::{self, Names};
use crate::admin::answer::{Answer, Refusal};
use crate::admin::routes::Ask;
use crate::admin::site::Site;
use crate::broker::access::{Change, RuleKind};
use crate::wire::ShortString;

use RuleKind::{Permissions, TopicPermissions};

/// GET /api/permissions
pub(in super::super) fn list(site: &Site, ask: &Ask) -> Answer {
    rules::list(site, ask, Permissions, None, &[])
}

/// GET /api/vhosts/:vhost/permissions
pub(in super::super) fn list_of_vhost(site: &Site, ask: &Ask) -> Answer {
    rules::list(site, ask, Permissions, Some(&existing(site, ask)?), &[])
}

/// GET /api/users/:user/permissions
pub(in super::super) fn list_of_user(site: &Site, ask: &Ask) -> Answer {
    let user = known_user(site, ask)?.ok_or_else(Refusal::not_found)?;
    rules::list(site, ask, Permissions, None, &[("user", &user)])
}

/// GET /api/permissions/:vhost/:user
pub(in super::super) fn show(site: &Site, ask: &Ask) -> Answer {
    rules::show(site, ask, Permissions, Some(&existing(site, ask)?), &names(ask))
}

/// PUT /api/permissions/:vhost/:user
pub(in super::super) fn put(site: &Site, ask: &Ask) -> Answer {
    existing(site, ask)?;
    known_user(site, ask)?.ok_or_else(unknown)?;
    let names = names(ask);
    let changes = rules::read(site, "permissions", ask.json()?, &names)?;
    rules::put(site, ask, Permissions, &names, changes)
}

/// DELETE /api/permissions/:vhost/:user
pub(in super::super) fn delete(site: &Site, ask: &Ask) -> Answer {
    let change = Change::ClearPermissions { user: ask.name("user")?, vhost: ask.name("vhost")? };
    rules::delete(site, ask, Permissions, &names(ask), change)
}

/// GET /api/topic-permissions
pub(in super::super) fn topics(site: &Site, ask: &Ask) -> Answer {
    rules::list(site, ask, TopicPermissions, None, &[])
}

/// GET /api/vhosts/:vhost/topic-permissions
pub(in super::super) fn topics_of_vhost(site: &Site, ask: &Ask) -> Answer {
    rules::list(site, ask, TopicPermissions, Some(&existing(site, ask)?), &[])
}

/// GET /api/users/:user/topic-permissions
pub(in super::super) fn topics_of_user(site: &Site, ask: &Ask) -> Answer {
    let user = known_user(site, ask)?.ok_or_else(Refusal::not_found)?;
    rules::list(site, ask, TopicPermissions, None, &[("user", &user)])
}

/// GET /api/topic-permissions/:vhost/:user: one for each exchange.
pub(in super::super) fn topics_of(site: &Site, ask: &Ask) -> Answer {
    let vhost = existing(site, ask)?;
    let found = rules::found(site, ask, TopicPermissions, Some(&vhost), &names(ask))?;
    if found.is_empty() {
        return Err(Refusal::not_found());
    }
    crate::admin::listing::answer(ask, found)
}

/// PUT /api/topic-permissions/:vhost/:user: the exchange is in the body.
pub(in super::super) fn put_topics(site: &Site, ask: &Ask) -> Answer {
    existing(site, ask)?;
    known_user(site, ask)?.ok_or_else(unknown)?;
    let fields = ask.fields()?;
    let (exchange, names) = (fields.needed("exchange")?.to_owned(), names(ask));
    let changes = rules::read(site, "topic_permissions", fields.into_value(), &names)?;
    let all = [names[0], names[1], ("exchange", exchange.as_str())];
    rules::put(site, ask, TopicPermissions, &all, changes)
}

/// DELETE /api/topic-permissions/:vhost/:user
pub(in super::super) fn delete_topics(site: &Site, ask: &Ask) -> Answer {
    let (user, vhost) = (ask.name("user")?, ask.name("vhost")?);
    let change = Change::ClearTopicPermissions { user, vhost, exchange: None };
    rules::delete(site, ask, TopicPermissions, &names(ask), change)
}

/// DELETE /api/topic-permissions/:vhost/:user/:exchange
pub(in super::super) fn delete_topic(site: &Site, ask: &Ask) -> Answer {
    let [vhost, user] = names(ask);
    let exchange = ShortString::new(ask.path("exchange")).map_err(|_| Refusal::not_found())?;
    let change = Change::ClearTopicPermissions {
        user: ask.name("user")?,
        vhost: ask.name("vhost")?,
        exchange: Some(exchange),
    };
    let names: &Names<'_> = &[vhost, user, ("exchange", ask.path("exchange"))];
    rules::delete(site, ask, TopicPermissions, names, change)
}

/// GET /api/users/without-permissions
pub(in super::super) fn users_without(site: &Site, ask: &Ask) -> Answer {
    let permitted = rules::found(site, ask, Permissions, None, &[])?;
    let permitted: std::collections::BTreeSet<_> =
        permitted.iter().filter_map(|item| item["user"].as_str()).collect();
    let users = site.door.logins().users();
    let without = users.iter().filter(|(name, _)| !permitted.contains(name.as_str()));
    let rows = without.map(|(name, user)| super::users::value(name, user));
    crate::admin::listing::answer(ask, rows.collect())
}

fn names(ask: &Ask) -> [(&'static str, &str); 2] {
    [("vhost", ask.path("vhost")), ("user", ask.path("user"))]
}

/// The user in the path, if there is one of that name.
fn known_user(site: &Site, ask: &Ask) -> Result<Option<ShortString>, Refusal> {
    let name = ask.name("user")?;
    Ok(site.door.logins().user(&name).map(|_| name))
}

/// In RabbitMQ's words.
fn unknown() -> Refusal {
    Refusal::bad_request("vhost_or_user_not_found")
}
