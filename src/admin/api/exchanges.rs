//! Exchanges.

use serde_json::{Value, json};

use super::counters;
use super::node::NODE;
use crate::admin::answer::{Answer, Refusal, created};
use crate::admin::listing::{self, Listing};
use crate::admin::rates::{Key, Window};
use crate::admin::routes::Ask;
use crate::admin::session::Session;
use crate::admin::site::Site;
use crate::admin::table;
use crate::broker::report::ExchangeRow;
use crate::wire::{ShortString, exchange};

/// GET /api/exchanges
pub(in super::super) fn list(site: &Site, ask: &Ask) -> Answer {
    let vhosts = site.vhosts_of(&ask.caller)?;
    answer(site, ask, &vhosts)
}

/// GET /api/exchanges/:vhost
pub(in super::super) fn list_of_vhost(site: &Site, ask: &Ask) -> Answer {
    answer(site, ask, &[existing(site, ask)?])
}

/// The vhost in the path, if there is one of that name.
pub(in super::super) fn existing(site: &Site, ask: &Ask) -> Result<ShortString, Refusal> {
    let name = ask.name("vhost")?;
    let exists = site.questions.virtual_hosts()?.iter().any(|row| row.name == name);
    if exists { Ok(name) } else { Err(Refusal::not_found()) }
}

fn answer(site: &Site, ask: &Ask, vhosts: &[ShortString]) -> Answer {
    site.rates.look(site.door.now());
    let mut listing = Listing::new(ask)?;
    for vhost in vhosts {
        site.questions.each_exchange(vhost, |row| {
            listing.push(Some(&row.name), || value(site, &row, None));
        })?;
    }
    listing.answer()
}

/// GET /api/exchanges/:vhost/:exchange
pub(in super::super) fn show(site: &Site, ask: &Ask) -> Answer {
    site.rates.look(site.door.now());
    let row = site.questions.exchange(&ask.name("vhost")?, &ask.name("exchange")?)?;
    let row = row.ok_or_else(Refusal::not_found)?;
    listing::one(ask, &value(site, &row, Window::asked(ask, "msg_rates")?))
}

/// PUT /api/exchanges/:vhost/:exchange
pub(in super::super) fn declare(site: &Site, ask: &Ask) -> Answer {
    let (vhost, name) = (existing(site, ask)?, ask.name("exchange")?);
    let fields = ask.fields()?;
    let kind = fields.text("type")?.unwrap_or("direct");
    let declare = exchange::Declare {
        exchange: name.clone(),
        kind: ShortString::new(kind).map_err(|_| Refusal::bad_request("invalid type"))?,
        passive: false,
        durable: fields.flag("durable", true)?,
        auto_delete: fields.flag("auto_delete", false)?,
        internal: fields.flag("internal", false)?,
        no_wait: false,
        arguments: fields.table("arguments")?,
    };
    let new = site.questions.exchange(&vhost, &name)?.is_none();
    Session::open(&site.door, &ask.caller, &vhost)?.call(declare)?;
    created(new)
}

/// DELETE /api/exchanges/:vhost/:exchange
pub(in super::super) fn delete(site: &Site, ask: &Ask) -> Answer {
    let (vhost, name) = (existing(site, ask)?, ask.name("exchange")?);
    site.questions.exchange(&vhost, &name)?.ok_or_else(Refusal::not_found)?;
    let if_unused = ask.flag("if-unused")?;
    let delete = exchange::Delete { exchange: name, if_unused, no_wait: false };
    Session::open(&site.door, &ask.caller, &vhost)?.call(delete)?;
    created(false)
}

fn value(site: &Site, row: &ExchangeRow, window: Option<Window>) -> Value {
    let key = Key::Exchange(row.id.0);
    let counters = counters::of_exchange(row);
    let described = counters::describe(&site.rates, key, &counters, None, window);
    json!({
        "name": row.name.as_str(),
        "vhost": row.virtual_host.as_str(),
        "type": row.kind,
        "durable": row.durable,
        "auto_delete": row.auto_delete,
        "internal": row.internal,
        "arguments": table::to_json(&row.arguments),
        "policy": row.policy.as_ref().and_then(|policy| policy.policy.as_deref()),
        "operator_policy": row.policy.as_ref().and_then(|policy| policy.operator_policy.as_deref()),
        "node": NODE,
        "user_who_performed_action": "",
        "message_stats": described.message_stats,
        "incoming": [],
        "outgoing": [],
    })
}
