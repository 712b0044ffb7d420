//! The one node that there is.

use std::process;

use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};

use super::system::System;
use crate::admin::answer::{Answer, Refusal, created};
use crate::admin::listing;
use crate::admin::routes::Ask;
use crate::admin::site::Site;
use crate::broker::exchange::ExchangeKind;

/// The node's name, in the form that tools expect of one.
pub(in super::super) const NODE: &str = "leveret@localhost";

/// GET /api/nodes
pub(in super::super) fn list(site: &Site, ask: &Ask) -> Answer {
    listing::answer(ask, vec![node(site)?])
}

/// GET /api/nodes/:node
pub(in super::super) fn show(site: &Site, ask: &Ask) -> Answer {
    if ask.path("node") != NODE {
        return Err(Refusal::not_found());
    }
    listing::one(ask, &node(site)?)
}

/// POST /api/stop: the broker stops in order, as by SIGTERM.
pub(in super::super) fn stop(_: &Site, ask: &Ask) -> Answer {
    log::info!("'{}' stops the broker", ask.caller.name());
    kill_process(getpid(), Signal::TERM).map_err(|_| Refusal::unavailable())?;
    created(false)
}

fn node(site: &Site) -> Result<Value, Refusal> {
    let (measures, alarms) = (site.door.vitals().measures(), site.questions.overview()?.alarms);
    let system = System::look(&site.data_dir);
    let (sockets, sockets_max) = site.door.seats();
    let mechanisms = ["PLAIN", "AMQPLAIN"]
        .map(|name| json!({ "name": name, "description": "", "enabled": true }));
    Ok(json!({
        "name": NODE,
        "type": "disc",
        "running": true,
        "being_drained": false,
        "os_pid": process::id().to_string(),
        "fd_used": system.descriptors,
        "fd_total": system.descriptors_max,
        "sockets_used": sockets,
        "sockets_total": sockets_max,
        "mem_used": measures.memory_used,
        "mem_limit": measures.memory_limit,
        "mem_alarm": alarms.memory,
        "disk_free": system.disk_free,
        "disk_free_limit": measures.disk_limit,
        "disk_free_alarm": alarms.disk,
        "fd_alarm": alarms.descriptors,
        "proc_used": system.threads,
        "proc_total": sockets_max,
        "uptime": site.door.now().0.saturating_sub(site.started.0),
        "run_queue": 0,
        "processors": system.processors,
        "partitions": [],
        "applications": [{
            "name": "rabbit", "description": "RabbitMQ", "version": site.identity.version,
        }],
        "exchange_types": exchange_types(),
        "auth_mechanisms": mechanisms,
        "contexts": contexts(site),
        "listeners": listeners(site),
        "config_files": [],
        "log_files": [],
        "db_dir": site.data_dir,
        "enabled_plugins": ["rabbitmq_management", "rabbitmq_prometheus"],
        "rates_mode": "basic",
        "net_ticktime": 60,
        "cluster_links": [],
        "metrics_gc_queue_length": {},
    }))
}

/// What RabbitMQ says of each of its processes' memory; clients want the fields to be there.
pub(super) fn garbage_collection() -> Value {
    json!({
        "fullsweep_after": 0, "max_heap_size": 0, "min_bin_vheap_size": 0, "min_heap_size": 0,
        "minor_gcs": 0,
    })
}

/// The exchange types that can be declared.
pub(in super::super) fn exchange_types() -> Value {
    let kinds =
        [ExchangeKind::Direct, ExchangeKind::Fanout, ExchangeKind::Headers, ExchangeKind::Topic];
    kinds
        .map(|kind| {
            let description =
                format!("AMQP {} exchange, as per the AMQP specification", kind.name());
            json!({ "name": kind.name(), "description": description, "enabled": true })
        })
        .into()
}

/// The ports.
pub(in super::super) fn listeners(site: &Site) -> Value {
    let amqp = site.amqp.iter().map(|address| ("amqp", address));
    let http = site.management.iter().map(|address| ("http", address));
    let https = site.management_tls.iter().map(|address| ("https", address));
    amqp.chain(http)
        .chain(https)
        .map(|(protocol, address)| {
            json!({
                "node": NODE, "protocol": protocol, "ip_address": address.ip().to_string(),
                "port": address.port(), "socket_opts": {},
            })
        })
        .collect()
}

/// What is served over HTTP.
pub(in super::super) fn contexts(site: &Site) -> Value {
    site.management
        .iter()
        .chain(&site.management_tls)
        .map(|address| {
            json!({
                "node": NODE, "description": "Management", "path": "/",
                "ip": address.ip().to_string(), "port": address.port().to_string(),
            })
        })
        .collect()
}
