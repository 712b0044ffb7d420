//! Bindings. One of several between the same two ends is named by its *properties key*: the
//! routing key as in a URL, `~` for none, and `key~hash` where there are arguments.

use std::fmt::Write as _;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::exchanges::existing;
use crate::admin::answer::{Answer, Refusal, created};
use crate::admin::http::Response;
use crate::admin::listing::{self, Listing};
use crate::admin::routes::Ask;
use crate::admin::session::Session;
use crate::admin::site::Site;
use crate::admin::table;
use crate::broker::report::{BindingRow, DestinationKind};
use crate::wire::{Method, ShortString, Table, exchange, queue};

/// What stands for itself in a properties key. `~` does not: it separates.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// GET /api/bindings
pub(in super::super) fn list(site: &Site, ask: &Ask) -> Answer {
    of_vhosts(site, ask, &site.vhosts_of(&ask.caller)?)
}

/// GET /api/bindings/:vhost
pub(in super::super) fn list_of_vhost(site: &Site, ask: &Ask) -> Answer {
    of_vhosts(site, ask, &[existing(site, ask)?])
}

fn of_vhosts(site: &Site, ask: &Ask, vhosts: &[ShortString]) -> Answer {
    let mut listing = Listing::new(ask)?;
    for vhost in vhosts {
        site.questions.each_binding(vhost, |row| listing.push(None, || value(&row)))?;
    }
    listing.answer()
}

/// GET /api/exchanges/:vhost/:exchange/bindings/source
pub(in super::super) fn from_exchange(site: &Site, ask: &Ask) -> Answer {
    let (vhost, name) = (ask.name("vhost")?, ask.name("exchange")?);
    site.questions.exchange(&vhost, &name)?.ok_or_else(Refusal::not_found)?;
    let bindings = site.questions.bindings_from(&vhost, &name)?;
    listing::answer(ask, bindings.iter().map(value).collect())
}

/// GET /api/exchanges/:vhost/:exchange/bindings/destination
pub(in super::super) fn to_exchange(site: &Site, ask: &Ask) -> Answer {
    let (vhost, name) = (ask.name("vhost")?, ask.name("exchange")?);
    site.questions.exchange(&vhost, &name)?.ok_or_else(Refusal::not_found)?;
    let bindings = site.questions.bindings_to(&vhost, DestinationKind::Exchange, &name)?;
    listing::answer(ask, bindings.iter().map(value).collect())
}

/// GET /api/queues/:vhost/:queue/bindings
pub(in super::super) fn to_queue(site: &Site, ask: &Ask) -> Answer {
    let (vhost, name) = (ask.name("vhost")?, ask.name("queue")?);
    site.questions.queue(&vhost, &name)?.ok_or_else(Refusal::not_found)?;
    let bindings = site.questions.bindings_to(&vhost, DestinationKind::Queue, &name)?;
    let default = default_binding(&vhost, &name);
    listing::answer(ask, [default].iter().chain(&bindings).map(value).collect())
}

fn default_binding(vhost: &ShortString, queue: &ShortString) -> BindingRow {
    BindingRow {
        source: ShortString::default(),
        virtual_host: vhost.clone(),
        destination: queue.clone(),
        destination_kind: DestinationKind::Queue,
        routing_key: queue.clone(),
        arguments: Table::default(),
    }
}

/// The two ends that a path names.
struct Ends {
    vhost: ShortString,
    source: ShortString,
    kind: DestinationKind,
    destination: ShortString,
}

impl Ends {
    /// # Errors
    ///
    /// 404 if one of them is not there.
    fn of(site: &Site, ask: &Ask) -> Result<Self, Refusal> {
        let (vhost, source) = (ask.name("vhost")?, ask.name("source")?);
        let destination = ask.name("destination")?;
        let (kind, exists) = match ask.path("kind") {
            "q" => (DestinationKind::Queue, site.questions.queue(&vhost, &destination)?.is_some()),
            "e" => {
                let exists = site.questions.exchange(&vhost, &destination)?.is_some();
                (DestinationKind::Exchange, exists)
            }
            _ => return Err(Refusal::not_found()),
        };
        let exists = exists && site.questions.exchange(&vhost, &source)?.is_some();
        if exists {
            Ok(Self { vhost, source, kind, destination })
        } else {
            Err(Refusal::not_found())
        }
    }

    fn bindings(&self, site: &Site) -> Result<Vec<BindingRow>, Refusal> {
        if self.source.is_empty() {
            let queue = self.kind == DestinationKind::Queue;
            let default = queue.then(|| default_binding(&self.vhost, &self.destination));
            return Ok(default.into_iter().collect());
        }
        let mut rows = site.questions.bindings_to(&self.vhost, self.kind, &self.destination)?;
        rows.retain(|row| row.source == self.source);
        Ok(rows)
    }

    fn found(&self, site: &Site, ask: &Ask) -> Result<BindingRow, Refusal> {
        let wanted = ask.path("props");
        let named = |row: &BindingRow| {
            let plain = row.arguments.is_empty() && *row.routing_key == *wanted;
            plain || properties_key(&row.routing_key, &row.arguments) == wanted
        };
        self.bindings(site)?.into_iter().find(named).ok_or_else(Refusal::not_found)
    }
}

/// GET /api/bindings/:vhost/e/:source/:kind/:destination
pub(in super::super) fn between(site: &Site, ask: &Ask) -> Answer {
    let bindings = Ends::of(site, ask)?.bindings(site)?;
    listing::answer(ask, bindings.iter().map(value).collect())
}

/// GET /api/bindings/:vhost/e/:source/:kind/:destination/:props
pub(in super::super) fn show(site: &Site, ask: &Ask) -> Answer {
    let row = Ends::of(site, ask)?.found(site, ask)?;
    listing::one(ask, &value(&row))
}

/// POST /api/bindings/:vhost/e/:source/:kind/:destination
pub(in super::super) fn bind(site: &Site, ask: &Ask) -> Answer {
    let ends = Ends::of(site, ask)?;
    let fields = ask.fields()?;
    let key = fields.text("routing_key")?.unwrap_or_default();
    let key = ShortString::new(key).map_err(|_| Refusal::bad_request("routing_key is too long"))?;
    let arguments = fields.table("arguments")?;
    let props = properties_key(&key, &arguments);
    let method: Method = match ends.kind {
        DestinationKind::Queue => queue::Bind {
            queue: ends.destination.clone(),
            exchange: ends.source.clone(),
            routing_key: key,
            no_wait: false,
            arguments,
        }
        .into(),
        DestinationKind::Exchange => exchange::Bind {
            destination: ends.destination.clone(),
            source: ends.source.clone(),
            routing_key: key,
            no_wait: false,
            arguments,
        }
        .into(),
    };
    Session::open(&site.door, &ask.caller, &ends.vhost)?.call(method)?;
    let mut location = "/api/bindings".to_owned();
    let kind = ask.path("kind").to_owned();
    let path = [&*ends.vhost, "e", &ends.source, &kind, &ends.destination, &props];
    for segment in path {
        // Writing to a string does not fail.
        let _ = write!(location, "/{}", utf8_percent_encode(segment, PLAIN));
    }
    Ok(Response::empty(201).with("Location", &location))
}

/// DELETE /api/bindings/:vhost/e/:source/:kind/:destination/:props
pub(in super::super) fn unbind(site: &Site, ask: &Ask) -> Answer {
    let ends = Ends::of(site, ask)?;
    let BindingRow { routing_key, arguments, .. } = ends.found(site, ask)?;
    let method: Method = match ends.kind {
        DestinationKind::Queue => {
            let (queue, exchange) = (ends.destination, ends.source);
            queue::Unbind { queue, exchange, routing_key, arguments }.into()
        }
        DestinationKind::Exchange => {
            let (destination, source) = (ends.destination, ends.source);
            let no_wait = false;
            exchange::Unbind { destination, source, routing_key, no_wait, arguments }.into()
        }
    };
    Session::open(&site.door, &ask.caller, &ends.vhost)?.call(method)?;
    created(false)
}

/// A binding.
pub(in super::super) fn value(row: &BindingRow) -> Value {
    json!({
        "source": row.source.as_str(),
        "vhost": row.virtual_host.as_str(),
        "destination": row.destination.as_str(),
        "destination_type": row.destination_kind.name(),
        "routing_key": row.routing_key.as_str(),
        "arguments": table::to_json(&row.arguments),
        "properties_key": properties_key(&row.routing_key, &row.arguments),
    })
}

/// See the module.
fn properties_key(key: &str, arguments: &Table) -> String {
    let quoted = utf8_percent_encode(key, PLAIN).to_string();
    if arguments.is_empty() {
        return if key.is_empty() { "~".to_owned() } else { quoted };
    }
    let mut octets = Vec::new();
    let mut fields: Vec<_> = arguments.iter().collect();
    fields.sort_by_key(|(name, _)| (*name).clone());
    let sorted: Table =
        fields.into_iter().map(|(name, field)| (name.clone(), field.clone())).collect();
    sorted.encode(&mut octets);
    let hash = BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(&octets)[..16]);
    format!("{quoted}~{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Field;

    #[test]
    fn a_properties_key_names_one_binding() {
        let none = Table::default();
        assert_eq!(properties_key("", &none), "~");
        assert_eq!(properties_key("a.b", &none), "a.b");
        assert_eq!(properties_key("~", &none), "%7E");
        assert_eq!(properties_key("a/b", &none), "a%2Fb");
        let table = |names: [&str; 2]| {
            names.map(|name| (ShortString::clipped(name), Field::Boolean(true))).into_iter()
        };
        let one = properties_key("k", &table(["a", "b"]).collect());
        assert!(one.starts_with("k~"));
        assert_eq!(one, properties_key("k", &table(["b", "a"]).collect()));
        assert_ne!(one, properties_key("k", &table(["a", "c"]).collect()));
    }
}
