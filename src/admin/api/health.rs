//! Health checks: 200 if all is well, 503 with a reason if not.

use serde_json::{Value, json};

use super::exchanges::existing;
use super::node::NODE;
use crate::admin::answer::{Answer, ok};
use crate::admin::http::Response;
use crate::admin::routes::Ask;
use crate::admin::site::Site;
use crate::broker::report::AlarmsReport;

fn failed(reason: &str, more: &Value) -> Answer {
    let mut value = json!({ "status": "failed", "reason": reason });
    if let Value::Object(more) = more {
        for (name, entry) in more {
            value[name] = entry.clone();
        }
    }
    Ok(Response::json(503, &value))
}

/// A check of something that cannot be wrong on one node that answers.
pub(in super::super) fn fine(site: &Site, _: &Ask) -> Answer {
    // The answer has been through the router: it lives.
    site.questions.overview()?;
    ok(&json!({ "status": "ok" }))
}

/// GET /api/health/checks/alarms and …/local-alarms, which are the same on one node.
pub(in super::super) fn alarms(site: &Site, ask: &Ask) -> Answer {
    let AlarmsReport { memory, disk, descriptors } = site.questions.overview()?.alarms;
    let all = [(memory, "memory"), (disk, "disk"), (descriptors, "file_descriptors")];
    let alarms = all.iter().filter(|(up, _)| *up);
    let alarms: Vec<_> =
        alarms.map(|(_, name)| json!({ "node": NODE, "resource": name })).collect();
    if alarms.is_empty() {
        return ok(&json!({ "status": "ok" }));
    }
    let local = ask.head.path.last().is_some_and(|last| last == "local-alarms");
    let place = if local { "on the node" } else { "in the cluster" };
    failed(&format!("There are alarms in effect {place}"), &json!({ "alarms": alarms }))
}

/// GET /api/aliveness-test/:vhost
pub(in super::super) fn aliveness(site: &Site, ask: &Ask) -> Answer {
    existing(site, ask)?;
    ok(&json!({ "status": "ok" }))
}

/// GET /api/health/checks/virtual-hosts
pub(in super::super) fn virtual_hosts(site: &Site, _: &Ask) -> Answer {
    site.questions.virtual_hosts()?;
    ok(&json!({ "status": "ok" }))
}

/// GET /api/health/checks/port-listener/:port
pub(in super::super) fn port(site: &Site, ask: &Ask) -> Answer {
    let ports: Vec<_> = site.amqp.iter().chain(&site.management).map(|it| it.port()).collect();
    let wanted = ask.path("port").parse::<u16>().ok();
    if wanted.is_some_and(|wanted| ports.contains(&wanted)) {
        return ok(&json!({ "status": "ok", "port": wanted }));
    }
    failed("No active listener", &json!({ "missing": ask.path("port"), "ports": ports }))
}

/// GET /api/health/checks/protocol-listener/:protocol
pub(in super::super) fn protocol(site: &Site, ask: &Ask) -> Answer {
    let there = match ask.path("protocol") {
        "amqp" | "amqp091" | "amqp0.9.1" => !site.amqp.is_empty(),
        "http" | "management" => site.management.is_some(),
        _ => false,
    };
    if there {
        return ok(&json!({ "status": "ok", "protocol": ask.path("protocol") }));
    }
    failed("No active listener", &json!({ "missing": ask.path("protocol") }))
}

/// GET /api/health/checks/below-node-connection-limit
pub(in super::super) fn connections(site: &Site, _: &Ask) -> Answer {
    let (taken, max) = site.door.seats();
    let (current, limit) = (json!(taken), json!(max));
    if taken < max {
        return ok(&json!({ "status": "ok", "current": current, "limit": limit }));
    }
    failed("connection limit is reached", &json!({ "current": current, "limit": limit }))
}
