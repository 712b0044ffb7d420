//! Definitions: everything but messages, out and in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::exchanges::existing;
use crate::admin::answer::{Answer, Refusal, created, ok};
use crate::admin::routes::Ask;
use crate::admin::site::Site;
use crate::broker::access::{Access, Change, PolicyKind, RuleKind};
use crate::broker::report::{BindingRow, DestinationKind};
use crate::connection::{COMPATIBLE_VERSION, PRODUCT};
use crate::definitions::{self, Difference, Product};
use crate::wire::{ShortString, exchange, queue};

/// Who writes the files.
const WRITER: Product<'static> = Product {
    name: PRODUCT,
    version: env!("CARGO_PKG_VERSION"),
    compatible_version: COMPATIBLE_VERSION,
};

/// GET /api/definitions
pub(in super::super) fn export(site: &Site, _: &Ask) -> Answer {
    ok(&definitions::write(&current(site)?, WRITER))
}

/// GET /api/definitions/:vhost
pub(in super::super) fn export_of_vhost(site: &Site, ask: &Ask) -> Answer {
    let vhost = existing(site, ask)?;
    ok(&definitions::write_vhost(&current(site)?, &vhost, WRITER))
}

/// POST /api/definitions: all of a file or nothing. With `?dry_run=true` it is only said what would
/// be done.
pub(in super::super) fn import(site: &Site, ask: &Ask) -> Answer {
    take(site, ask, None)
}

/// POST /api/definitions/:vhost
pub(in super::super) fn import_to_vhost(site: &Site, ask: &Ask) -> Answer {
    take(site, ask, Some(&existing(site, ask)?))
}

fn take(site: &Site, ask: &Ask, vhost: Option<&ShortString>) -> Answer {
    let logins = site.door.logins();
    let hash = |password: &[u8]| logins.hash(password).map_err(|error| error.to_string());
    let read = definitions::read(file(ask)?, vhost, &hash)?;
    if ask.flag("dry_run")? {
        let differences = definitions::difference(&current(site)?, &read.changes);
        let differences: Value = differences.iter().map(shown).collect();
        return ok(&json!({ "differences": differences, "warnings": read.warnings }));
    }
    for warning in &read.warnings {
        log::warn!("definitions: {warning}");
    }
    // What one part of a file needs and no part has is the file's fault: nothing is not found.
    let done = site.door.change(read.changes)?;
    done.map_err(|refused| Refusal::bad_request(refused.to_string()))?;
    created(false)
}

/// The file in a request: the body, or the part named `file` of a form that a browser sends
/// (RFC 7578).
fn file(ask: &Ask) -> Result<&[u8], Refusal> {
    let kind = ask.head.header("content-type").unwrap_or_default();
    let Some(form) = kind.strip_prefix("multipart/form-data") else { return Ok(&ask.body) };
    let boundary = form.split("boundary=").nth(1).map(|boundary| boundary.trim_matches('"'));
    let bad = || Refusal::bad_request("the form has no file");
    let boundary = format!("--{}", boundary.ok_or_else(bad)?);
    let mut rest = ask.body.as_slice();
    while let Some(at) = position(rest, boundary.as_bytes()) {
        rest = &rest[at + boundary.len()..];
        let Some(blank) = position(rest, b"\r\n\r\n") else { break };
        let (head, part) = (&rest[..blank], &rest[blank + 4..]);
        if position(head, b"name=\"file\"").is_some() {
            let end = position(part, boundary.as_bytes()).ok_or_else(bad)?;
            return Ok(part[..end].trim_ascii());
        }
    }
    Err(bad())
}

fn position(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    octets.windows(wanted.len()).position(|window| window == wanted)
}

fn shown(difference: &Difference) -> Value {
    match difference {
        Difference::Added { section, item } => {
            json!({ "difference": "added", "section": section, "item": item })
        }
        Difference::Changed { section, from, to } => {
            json!({ "difference": "changed", "section": section, "from": from, "item": to })
        }
        Difference::Kept { section, item, wanted } => {
            json!({ "difference": "kept", "section": section, "from": item, "item": wanted })
        }
    }
}

/// What there is, as the changes that would make it, put together from slices. Left out are
/// exclusive queues and what the server has by itself.
fn current(site: &Site) -> Result<Vec<Change>, Refusal> {
    let questions = &site.questions;
    let vhosts: BTreeMap<_, _> =
        questions.virtual_hosts()?.into_iter().map(|row| (row.name, row.settings)).collect();
    let names: Vec<_> = vhosts.keys().cloned().collect();
    let people = Access { vhosts, users: site.door.logins().users(), ..Access::default() };
    let mut changes = people.changes();
    for kind in [
        RuleKind::Permissions,
        RuleKind::TopicPermissions,
        RuleKind::Policies(PolicyKind::User),
        RuleKind::Policies(PolicyKind::Operator),
        RuleKind::Parameters,
        RuleKind::GlobalParameters,
    ] {
        changes.append(&mut questions.rules(kind, None)?);
    }
    let mut bindings = Vec::new();
    for vhost in names {
        declarations(site, &vhost, &mut changes, &mut bindings)?;
    }
    changes.append(&mut bindings);
    Ok(changes)
}

/// The exchanges and queues of a vhost; bindings go to the end, behind all they need.
fn declarations(
    site: &Site,
    vhost: &ShortString,
    changes: &mut Vec<Change>,
    bindings: &mut Vec<Change>,
) -> Result<(), Refusal> {
    for row in site.questions.exchanges(vhost)? {
        if row.name.is_empty() || row.name.starts_with("amq.") {
            continue;
        }
        let declare = exchange::Declare {
            exchange: row.name,
            kind: ShortString::clipped(row.kind),
            durable: row.durable,
            auto_delete: row.auto_delete,
            internal: row.internal,
            arguments: row.arguments,
            ..exchange::Declare::default()
        };
        changes.push(Change::DeclareExchange { vhost: vhost.clone(), declare });
    }
    let mut queues = BTreeSet::new();
    for row in site.questions.queues(vhost)? {
        if row.owner.is_some() || row.name.starts_with("amq.") {
            continue;
        }
        queues.insert(row.name.clone());
        let declare = queue::Declare {
            queue: row.name,
            durable: row.durable,
            auto_delete: row.auto_delete,
            arguments: row.arguments,
            ..queue::Declare::default()
        };
        changes.push(Change::DeclareQueue { vhost: vhost.clone(), declare });
    }
    let all = site.questions.bindings(vhost)?.into_iter();
    let lasting = all.filter(|row| {
        let to_queue = row.destination_kind == DestinationKind::Queue;
        !row.source.is_empty() && (!to_queue || queues.contains(&row.destination))
    });
    bindings.extend(lasting.map(binding));
    Ok(())
}

fn binding(row: BindingRow) -> Change {
    let BindingRow { source, virtual_host: vhost, destination, routing_key, arguments, .. } = row;
    match row.destination_kind {
        DestinationKind::Queue => {
            let (queue, exchange) = (destination, source);
            let bind = queue::Bind { queue, exchange, routing_key, no_wait: false, arguments };
            Change::BindQueue { vhost, bind }
        }
        DestinationKind::Exchange => {
            let no_wait = false;
            let bind = exchange::Bind { destination, source, routing_key, no_wait, arguments };
            Change::BindExchange { vhost, bind }
        }
    }
}
