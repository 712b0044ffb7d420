//! The broker as a whole, and who asks.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustix::rand::{GetRandomFlags, getrandom};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::counters;
use super::node::{NODE, contexts, exchange_types, listeners};
use super::tenancy::Tenancy;
use crate::admin::answer::{Answer, Refusal, created, ok};
use crate::admin::rates::{Key, Window};
use crate::admin::routes::Ask;
use crate::admin::site::Site;
use crate::broker::report::Totals;

/// GET /api/overview; those who do not see everything get the sums over what they see, and neither
/// listeners nor the node, as in RabbitMQ.
pub(in super::super) fn overview(site: &Site, ask: &Ask) -> Answer {
    site.rates.look(site.door.now());
    let lengths = Window::asked(ask, "lengths")?;
    let rates = Window::asked(ask, "msg_rates")?;
    let mut value = about(site);
    let (described, objects) = if ask.caller.sees_all() {
        let report = site.questions.overview()?;
        let counters = counters::of_overview(&report);
        value["listeners"] = listeners(site);
        value["contexts"] = contexts(site);
        value["node"] = json!(NODE);
        let whole = counters::describe(&site.rates, Key::Overview, &counters, lengths, rates);
        (whole, report.totals)
    } else {
        let own = Tenancy::of(site, &ask.caller)?;
        (own.describe(site, lengths, rates), own.totals)
    };
    let (mut totals, mut churn) = (json!({}), json!({}));
    for (name, value) in described.others {
        let place = if name.starts_with("messages") { &mut totals } else { &mut churn };
        place[name] = value;
    }
    value["message_stats"] = described.message_stats;
    value["queue_totals"] = totals;
    value["churn_rates"] = churn;
    value["object_totals"] = object_totals(&objects);
    crate::admin::listing::one(ask, &value)
}

fn object_totals(totals: &Totals) -> Value {
    json!({
        "channels": totals.channels,
        "connections": totals.connections,
        "consumers": totals.consumers,
        "exchanges": totals.exchanges,
        "queues": totals.queues,
    })
}

/// What does not change while the broker runs.
fn about(site: &Site) -> Value {
    json!({
        "management_version": site.identity.version,
        "rabbitmq_version": site.identity.version,
        "product_name": site.identity.product,
        "product_version": env!("CARGO_PKG_VERSION"),
        "leveret_version": env!("CARGO_PKG_VERSION"),
        "cluster_name": site.identity.cluster,
        "cluster_tags": {},
        "node_tags": {},
        "erlang_version": "",
        "erlang_full_version": "",
        "release_series_support_status": "supported",
        "rates_mode": "basic",
        "sample_retention_policies": {"global": [60, 600, 3600], "basic": [60], "detailed": [60]},
        "exchange_types": exchange_types(),
        "disable_stats": false,
        "is_op_policy_updating_enabled": true,
        "enable_queue_totals": false,
        "default_queue_type": "classic",
        "statistics_db_event_queue": 0,
    })
}

/// GET /api/whoami
pub(in super::super) fn whoami(_: &Site, ask: &Ask) -> Answer {
    let (name, tags) = (ask.caller.name(), ask.caller.tags());
    ok(
        &json!({ "name": name, "tags": tags.iter().map(|tag| &**tag).collect::<Vec<_>>(), "is_internal_user": true }),
    )
}

/// POST /api/session: the page's login. Answers as whoami, with a cookie in place of the password.
pub(in super::super) fn begin_session(site: &Site, ask: &Ask) -> Answer {
    let encrypted = ask.peer.is_encrypted() || site.hosts.is_encrypted(&ask.head);
    let cookie = site.guard.begin_session(&ask.caller, site.door.now(), encrypted)?;
    Ok(whoami(site, ask)?.with("Set-Cookie", &cookie))
}

/// DELETE /api/session
pub(in super::super) fn end_session(site: &Site, ask: &Ask) -> Answer {
    Ok(created(false)?.with("Set-Cookie", &site.guard.end_session(&ask.head)))
}

/// GET /api/version
pub(in super::super) fn version(site: &Site, _: &Ask) -> Answer {
    ok(&json!(site.identity.version))
}

/// GET /api/extensions: what a page may load beside itself, which is nothing.
pub(in super::super) fn extensions(_: &Site, _: &Ask) -> Answer {
    ok(&json!([{ "javascript": "dispatcher.js" }]))
}

/// GET of a listing that is empty here.
pub(in super::super) fn nothing(_: &Site, _: &Ask) -> Answer {
    ok(&json!([]))
}

/// GET /api/cluster-name
pub(in super::super) fn cluster_name(site: &Site, _: &Ask) -> Answer {
    ok(&json!({ "name": site.identity.cluster }))
}

/// GET /api/auth/hash_password/:password: base64(salt ‖ SHA-256(salt ‖ password)).
pub(in super::super) fn hash_password(_: &Site, ask: &Ask) -> Answer {
    let mut salt = [0; 4];
    let filled = getrandom(&mut salt, GetRandomFlags::empty());
    if filled != Ok(salt.len()) {
        return Err(Refusal::unavailable());
    }
    let hash = Sha256::new().chain_update(salt).chain_update(ask.path("password")).finalize();
    ok(&json!({ "ok": BASE64_STANDARD.encode([&salt[..], &hash[..]].concat()) }))
}
