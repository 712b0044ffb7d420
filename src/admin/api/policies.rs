//! Policies and operator policies.

use serde_json::{Value, json};

use super::exchanges::existing;
use super::rules;
use crate::admin::answer::{Answer, Refusal};
use crate::admin::routes::Ask;
use crate::admin::site::Site;
use crate::broker::access::{Change, PolicyKind, RuleKind};
use crate::definitions;

use PolicyKind::{Operator, User};

/// GET /api/policies
pub(in super::super) fn list(site: &Site, ask: &Ask) -> Answer {
    rules::list(site, ask, RuleKind::Policies(User), None, &[])
}

/// GET /api/policies/:vhost
pub(in super::super) fn list_of_vhost(site: &Site, ask: &Ask) -> Answer {
    rules::list(site, ask, RuleKind::Policies(User), Some(&existing(site, ask)?), &[])
}

/// GET /api/policies/:vhost/:name
pub(in super::super) fn show(site: &Site, ask: &Ask) -> Answer {
    rules::show(site, ask, RuleKind::Policies(User), Some(&existing(site, ask)?), &names(ask))
}

/// PUT /api/policies/:vhost/:name
pub(in super::super) fn put(site: &Site, ask: &Ask) -> Answer {
    existing(site, ask)?;
    let names = names(ask);
    let changes = rules::read(site, "policies", runnable(ask)?, &names)?;
    rules::put(site, ask, RuleKind::Policies(User), &names, changes)
}

/// DELETE /api/policies/:vhost/:name
pub(in super::super) fn delete(site: &Site, ask: &Ask) -> Answer {
    remove(site, ask, User)
}

/// GET /api/operator-policies
pub(in super::super) fn list_operator(site: &Site, ask: &Ask) -> Answer {
    rules::list(site, ask, RuleKind::Policies(Operator), None, &[])
}

/// GET /api/operator-policies/:vhost
pub(in super::super) fn list_operator_of_vhost(site: &Site, ask: &Ask) -> Answer {
    rules::list(site, ask, RuleKind::Policies(Operator), Some(&existing(site, ask)?), &[])
}

/// GET /api/operator-policies/:vhost/:name
pub(in super::super) fn show_operator(site: &Site, ask: &Ask) -> Answer {
    rules::show(site, ask, RuleKind::Policies(Operator), Some(&existing(site, ask)?), &names(ask))
}

/// PUT /api/operator-policies/:vhost/:name
pub(in super::super) fn put_operator(site: &Site, ask: &Ask) -> Answer {
    existing(site, ask)?;
    // A definitions file has operator policies among the parameters.
    let names = names(ask);
    let item = json!({ "component": "operator_policy", "value": runnable(ask)? });
    let changes = rules::read(site, "parameters", item, &names)?;
    rules::put(site, ask, RuleKind::Policies(Operator), &names, changes)
}

/// DELETE /api/operator-policies/:vhost/:name
pub(in super::super) fn delete_operator(site: &Site, ask: &Ask) -> Answer {
    remove(site, ask, Operator)
}

/// The body of a policy that asks for nothing which nothing here runs.
fn runnable(ask: &Ask) -> Result<Value, Refusal> {
    let body = ask.json()?;
    if let Some(definition) = body["definition"].as_object() {
        definitions::check_policy(definition).map_err(Refusal::bad_request)?;
    }
    Ok(body)
}

fn remove(site: &Site, ask: &Ask, kind: PolicyKind) -> Answer {
    let change = Change::DeletePolicy { kind, vhost: ask.name("vhost")?, name: ask.name("name")? };
    rules::delete(site, ask, RuleKind::Policies(kind), &names(ask), change)
}

fn names(ask: &Ask) -> [(&'static str, &str); 2] {
    [("vhost", ask.path("vhost")), ("name", ask.path("name"))]
}
