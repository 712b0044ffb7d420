//! Parameters of vhosts and of the broker: kept for whoever understands them.

use super::exchanges::existing;
use super::rules;
use crate::admin::answer::{Answer, Refusal};
use crate::admin::routes::Ask;
use crate::admin::site::Site;
use crate::broker::access::{Change, RuleKind};
use crate::definitions;

use RuleKind::{GlobalParameters, Parameters};

/// Parameters that a definitions file has, and that have routes of their own here.
const OTHERS: [&str; 3] = ["policy", "operator_policy", "vhost-limits"];

/// GET /api/parameters
pub(in super::super) fn list(site: &Site, ask: &Ask) -> Answer {
    rules::list(site, ask, Parameters, None, &[])
}

/// GET /api/parameters/:component
pub(in super::super) fn list_of(site: &Site, ask: &Ask) -> Answer {
    rules::list(site, ask, Parameters, None, &[("component", ask.path("component"))])
}

/// GET /api/parameters/:component/:vhost
pub(in super::super) fn list_of_vhost(site: &Site, ask: &Ask) -> Answer {
    let names = [("component", ask.path("component"))];
    rules::list(site, ask, Parameters, Some(&existing(site, ask)?), &names)
}

/// GET /api/parameters/:component/:vhost/:name
pub(in super::super) fn show(site: &Site, ask: &Ask) -> Answer {
    rules::show(site, ask, Parameters, Some(&existing(site, ask)?), &names(ask))
}

/// PUT /api/parameters/:component/:vhost/:name {value}
pub(in super::super) fn put(site: &Site, ask: &Ask) -> Answer {
    existing(site, ask)?;
    let component = ask.path("component");
    definitions::check_component(component).map_err(Refusal::bad_request)?;
    if OTHERS.contains(&component) {
        return Err(Refusal::bad_request(format!("component {component} has routes of its own")));
    }
    let names = names(ask);
    let changes = rules::read(site, "parameters", ask.json()?, &names)?;
    rules::put(site, ask, Parameters, &names, changes)
}

/// DELETE /api/parameters/:component/:vhost/:name
pub(in super::super) fn delete(site: &Site, ask: &Ask) -> Answer {
    let (component, vhost) = (ask.name("component")?, ask.name("vhost")?);
    let change = Change::DeleteParameter { component, vhost, name: ask.name("name")? };
    rules::delete(site, ask, Parameters, &names(ask), change)
}

/// GET /api/global-parameters
pub(in super::super) fn list_global(site: &Site, ask: &Ask) -> Answer {
    rules::list(site, ask, GlobalParameters, None, &[])
}

/// GET /api/global-parameters/:name
pub(in super::super) fn show_global(site: &Site, ask: &Ask) -> Answer {
    rules::show(site, ask, GlobalParameters, None, &[("name", ask.path("name"))])
}

/// PUT /api/global-parameters/:name {value}
pub(in super::super) fn put_global(site: &Site, ask: &Ask) -> Answer {
    let names = [("name", ask.path("name"))];
    let changes = rules::read(site, "global_parameters", ask.json()?, &names)?;
    rules::put(site, ask, GlobalParameters, &names, changes)
}

/// DELETE /api/global-parameters/:name
pub(in super::super) fn delete_global(site: &Site, ask: &Ask) -> Answer {
    let change = Change::DeleteGlobalParameter { name: ask.name("name")? };
    rules::delete(site, ask, GlobalParameters, &[("name", ask.path("name"))], change)
}

fn names(ask: &Ask) -> [(&'static str, &str); 3] {
    ["component", "vhost", "name"].map(|name| (name, ask.path(name)))
}
