//! Connections.

use serde_json::{Value, json};

use super::channels;
use super::counters;
use super::node::NODE;
use crate::admin::answer::{Answer, Refusal, created};
use crate::admin::listing::{self, Listing};
use crate::admin::rates::{Key, Window};
use crate::admin::routes::Ask;
use crate::admin::site::Site;
use crate::admin::table;
use crate::broker::report::ConnectionRow;

/// What a client reads if nobody says why it was closed.
const REASON: &str = "Closed via management plugin";

/// A connection's name, from its two ends.
pub(in super::super) fn name(peer: &str, host: &str) -> String {
    format!("{peer} -> {host}")
}

/// The connection in the path; one of another user only if `others` may be touched.
fn found(site: &Site, ask: &Ask, others: bool) -> Result<ConnectionRow, Refusal> {
    site.rates.look(site.door.now());
    let wanted = ask.path("connection");
    let mut rows = site.questions.connections()?.into_iter();
    let found = rows.find(|row| name(&row.peer, &row.host) == wanted);
    let found = found.ok_or_else(Refusal::not_found)?;
    ask.caller.owns(&found.user, others)?;
    Ok(found)
}

/// GET /api/connections: those that the caller may know of.
pub(in super::super) fn list(site: &Site, ask: &Ask) -> Answer {
    answer(site, ask, |_| true)
}

/// GET /api/vhosts/:vhost/connections
pub(in super::super) fn list_of_vhost(site: &Site, ask: &Ask) -> Answer {
    answer(site, ask, |row| *row.virtual_host == *ask.path("vhost"))
}

/// GET /api/connections/username/:user
pub(in super::super) fn list_of_user(site: &Site, ask: &Ask) -> Answer {
    answer(site, ask, |row| *row.user == *ask.path("user"))
}

fn answer(site: &Site, ask: &Ask, wanted: impl Fn(&ConnectionRow) -> bool) -> Answer {
    let mut listing = Listing::new(ask)?;
    site.rates.look(site.door.now());
    let caller = &ask.caller;
    site.questions.each_connection(|row| {
        if (caller.sees_all() || row.user == caller.user) && wanted(&row) {
            let name = name(&row.peer, &row.host);
            listing.push(Some(&name), || connection(site, &row, None));
        }
    })?;
    listing.answer()
}

/// GET /api/connections/:connection
pub(in super::super) fn show(site: &Site, ask: &Ask) -> Answer {
    let window = Window::asked(ask, "data_rates")?;
    listing::one(ask, &connection(site, &found(site, ask, ask.caller.sees_all())?, window))
}

/// DELETE /api/connections/:connection; the header X-Reason is what its client reads. Administrators
/// may close any, others their own.
pub(in super::super) fn close(site: &Site, ask: &Ask) -> Answer {
    let row = found(site, ask, ask.caller.is_administrator())?;
    disconnect(site, ask, &row)
}

fn disconnect(site: &Site, ask: &Ask, row: &ConnectionRow) -> Answer {
    let reason = ask.head.header("x-reason").filter(|reason| !reason.is_empty());
    site.door.disconnect(row.id, reason.unwrap_or(REASON))?;
    created(false)
}

/// DELETE /api/connections/username/:user
pub(in super::super) fn close_of_user(site: &Site, ask: &Ask) -> Answer {
    let rows = site.questions.connections()?;
    for row in rows.iter().filter(|row| *row.user == *ask.path("user")) {
        disconnect(site, ask, row)?;
    }
    created(false)
}

/// GET /api/connections/:connection/channels
pub(in super::super) fn channels(site: &Site, ask: &Ask) -> Answer {
    let row = found(site, ask, ask.caller.sees_all())?;
    channels::answer(site, ask, |channel| channel.connection == row.id)
}

fn connection(site: &Site, row: &ConnectionRow, window: Option<Window>) -> Value {
    let key = Key::Connection(row.id.0);
    let counters = counters::of_connection(row);
    let described = counters::describe(&site.rates, key, &counters, None, window);
    let (peer_host, peer_port) = split(&row.peer);
    let (host, port) = split(&row.host);
    let properties = table::to_json(&row.client_properties);
    let mut value = json!({
        "name": name(&row.peer, &row.host),
        "node": NODE,
        "type": "network",
        "protocol": "AMQP 0-9-1",
        "state": match (row.closing, row.blocked) {
            (true, _) => "closing",
            (false, true) => "blocked",
            (false, false) => "running",
        },
        "user": row.user.as_str(),
        "user_who_performed_action": row.user.as_str(),
        "vhost": row.virtual_host.as_str(),
        "auth_mechanism": row.mechanism,
        "connected_at": row.opened,
        "channels": row.channels,
        "channel_max": row.channel_max,
        "frame_max": row.frame_max,
        "timeout": row.heartbeat_seconds,
        "peer_host": peer_host, "peer_port": peer_port, "host": host, "port": port,
        "ssl": false, "ssl_cipher": null, "ssl_hash": null, "ssl_key_exchange": null,
        "ssl_protocol": null, "peer_cert_issuer": null, "peer_cert_subject": null,
        "peer_cert_validity": null,
        "send_pend": 0,
        "reductions": 0,
        "garbage_collection": super::node::garbage_collection(),
    });
    if let Some(given) = properties.get("connection_name") {
        value["user_provided_name"] = given.clone();
    }
    value["client_properties"] = properties;
    for (name, counted) in described.others {
        value[name] = counted;
    }
    value
}

/// An address and its port.
fn split(address: &str) -> (&str, u16) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    (host.trim_start_matches('[').trim_end_matches(']'), port.parse().unwrap_or_default())
}

/// What other things say of the connection they belong to.
pub(in super::super) fn details(peer: &str, host: &str) -> Value {
    let (peer_host, peer_port) = split(peer);
    json!({ "name": name(peer, host), "peer_host": peer_host, "peer_port": peer_port })
}
