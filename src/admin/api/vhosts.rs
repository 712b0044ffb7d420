//! Vhosts and their limits.

use serde_json::{Map, Value, json};

use super::node::NODE;
use super::rules;
use crate::admin::answer::{Answer, Refusal, created};
use crate::admin::fields::Fields;
use crate::admin::listing;
use crate::admin::routes::Ask;
use crate::admin::site::Site;
use crate::broker::access::{Change, VhostLimit, VhostSettings};
use crate::broker::report::VirtualHostRow;

/// The limits in the order of listings.
const LIMITS: [VhostLimit; 2] = [VhostLimit::MaxConnections, VhostLimit::MaxQueues];

/// GET /api/vhosts
pub(in super::super) fn list(site: &Site, ask: &Ask) -> Answer {
    let rows = site.questions.virtual_hosts()?;
    let seen = rows.iter().filter(|row| ask.caller.sees(&row.name));
    listing::answer(ask, seen.map(vhost).collect())
}

/// GET /api/vhosts/:vhost
pub(in super::super) fn show(site: &Site, ask: &Ask) -> Answer {
    listing::one(ask, &vhost(&found(site, ask)?))
}

fn found(site: &Site, ask: &Ask) -> Result<VirtualHostRow, Refusal> {
    let name = ask.name("vhost")?;
    let rows = site.questions.virtual_hosts()?;
    rows.into_iter().find(|row| row.name == name).ok_or_else(Refusal::not_found)
}

/// PUT /api/vhosts/:vhost {description, tags, default_queue_type, tracing}. Whoever makes a vhost
/// gets all permissions in it. What the body does not say stays as it is.
pub(in super::super) fn put(site: &Site, ask: &Ask) -> Answer {
    let name = ask.name("vhost")?;
    let rows = site.questions.virtual_hosts()?;
    let known = rows.into_iter().find(|row| row.name == name);
    let fields = ask.fields()?;
    let traced = known.as_ref().is_some_and(|row| row.traced);
    let tracing = fields.flag("tracing", traced)?;
    let mut body = fields.into_value();
    let old = known.as_ref().map_or_else(|| json!({}), |row| settings(&row.settings));
    for key in ["description", "tags", "default_queue_type"] {
        let said = body.get(key).or_else(|| body["metadata"].get(key)).or_else(|| old.get(key));
        if let Some(said) = said.cloned() {
            body[key] = said;
        }
    }
    let mut changes = rules::read(site, "vhosts", body, &[("name", ask.path("vhost"))])?;
    let user = &ask.caller.user;
    if known.is_none() && site.door.logins().user(user).is_some() {
        let everything = || ".*".to_owned();
        changes.push(Change::SetPermissions {
            user: user.clone(),
            vhost: name.clone(),
            configure: everything(),
            write: everything(),
            read: everything(),
        });
    }
    site.change(changes)?;
    if tracing != traced {
        log::info!(
            "'{}' turns tracing of vhost '{name}' {}",
            ask.caller.name(),
            on_or_off(tracing)
        );
        site.door.trace(&name, tracing)?;
    }
    created(known.is_none())
}

fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// DELETE /api/vhosts/:vhost
pub(in super::super) fn delete(site: &Site, ask: &Ask) -> Answer {
    site.change(vec![Change::DeleteVhost { name: ask.name("vhost")? }])?;
    created(false)
}

/// GET /api/vhost-limits
pub(in super::super) fn list_limits(site: &Site, ask: &Ask) -> Answer {
    let rows = site.questions.virtual_hosts()?;
    let seen = rows.iter().filter(|row| ask.caller.sees(&row.name));
    listing::answer(ask, seen.map(limits_row).filter(has_limits).collect())
}

/// GET /api/vhost-limits/:vhost
pub(in super::super) fn show_limits(site: &Site, ask: &Ask) -> Answer {
    let row = limits_row(&found(site, ask)?);
    listing::answer(ask, Some(row).into_iter().filter(has_limits).collect())
}

/// PUT /api/vhost-limits/:vhost/:limit {value}
pub(in super::super) fn put_limit(site: &Site, ask: &Ask) -> Answer {
    let (limit, row) = (limit(ask)?, found(site, ask)?);
    let value = Some(limit_value(&ask.fields()?)?);
    let new = of(&row.settings, limit).is_none();
    site.change(vec![Change::SetVhostLimit { vhost: row.name, limit, value }])?;
    created(new)
}

/// DELETE /api/vhost-limits/:vhost/:limit
pub(in super::super) fn delete_limit(site: &Site, ask: &Ask) -> Answer {
    let (limit, row) = (limit(ask)?, found(site, ask)?);
    site.change(vec![Change::SetVhostLimit { vhost: row.name, limit, value: None }])?;
    created(false)
}

fn limit(ask: &Ask) -> Result<VhostLimit, Refusal> {
    VhostLimit::named(ask.path("limit"))
        .ok_or_else(|| Refusal::bad_request(format!("Unrecognised limit: {}", ask.path("limit"))))
}

/// The value of a limit; old tools send it as text.
pub(super) fn limit_value(fields: &Fields) -> Result<i64, Refusal> {
    fields.integer("value")?.ok_or_else(|| Refusal::bad_request("key_missing: value"))
}

fn of(settings: &VhostSettings, limit: VhostLimit) -> Option<u64> {
    match limit {
        VhostLimit::MaxConnections => settings.max_connections,
        VhostLimit::MaxQueues => settings.max_queues,
    }
}

fn limits_row(row: &VirtualHostRow) -> Value {
    let set = LIMITS.iter().filter_map(|limit| Some((limit.name(), of(&row.settings, *limit)?)));
    let value: Map<_, _> = set.map(|(name, value)| (name.to_owned(), json!(value))).collect();
    json!({ "vhost": *row.name, "value": value })
}

fn has_limits(row: &Value) -> bool {
    row["value"].as_object().is_some_and(|value| !value.is_empty())
}

fn settings(settings: &VhostSettings) -> Value {
    let kind = Some(&*settings.default_queue_type).filter(|kind| !kind.is_empty());
    json!({
        "description": settings.description,
        "tags": settings.tags.iter().map(|tag| &**tag).collect::<Vec<&str>>(),
        "default_queue_type": kind.unwrap_or("classic"),
    })
}

fn vhost(row: &VirtualHostRow) -> Value {
    let mut value = settings(&row.settings);
    value["metadata"] = value.clone();
    let more = json!({
        "name": *row.name,
        "tracing": row.traced,
        "protected_from_deletion": false,
        "cluster_state": {NODE: "running"},
        "messages": row.ready + row.unacknowledged,
        "messages_ready": row.ready,
        "messages_unacknowledged": row.unacknowledged,
    });
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}
