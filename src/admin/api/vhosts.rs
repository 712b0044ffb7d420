//! Vhosts.

use serde_json::{Value, json};

use super::node::NODE;
use crate::admin::answer::{Answer, Refusal};
use crate::admin::listing;
use crate::admin::routes::Ask;
use crate::admin::site::Site;
use crate::broker::report::VirtualHostRow;

/// GET /api/vhosts
pub(in super::super) fn list(site: &Site, ask: &Ask) -> Answer {
    let rows = site.questions.virtual_hosts()?;
    let seen = rows.iter().filter(|row| ask.caller.sees(&row.name));
    listing::answer(ask, seen.map(vhost).collect())
}

/// GET /api/vhosts/:vhost
pub(in super::super) fn show(site: &Site, ask: &Ask) -> Answer {
    let name = ask.name("vhost")?;
    let rows = site.questions.virtual_hosts()?;
    let row = rows.iter().find(|row| row.name == name).ok_or_else(Refusal::not_found)?;
    listing::one(ask, vhost(row))
}

fn vhost(row: &VirtualHostRow) -> Value {
    json!({
        "name": row.name.as_str(),
        "description": "",
        "tags": [],
        "default_queue_type": "classic",
        "metadata": {"description": "", "tags": []},
        "tracing": false,
        "protected_from_deletion": false,
        "cluster_state": {NODE: "running"},
        "messages": row.ready + row.unacknowledged,
        "messages_ready": row.ready,
        "messages_unacknowledged": row.unacknowledged,
    })
}
