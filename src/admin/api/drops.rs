//! What was dropped and why: of the whole broker, of one queue, of one exchange. RabbitMQ does not
//! tell.

use serde_json::{Value, json};

use super::tenancy::Tenancy;
use crate::admin::answer::{Answer, Refusal, ok};
use crate::admin::routes::Ask;
use crate::admin::session::Session;
use crate::admin::site::Site;
use crate::admin::table;
use crate::broker::drops::{Counts, Trace};
use crate::broker::report::DestinationKind;
use crate::wire::{Method, exchange, queue};

/// GET /api/drops: how many, by cause; those of the caller's vhosts.
pub(in super::super) fn drops(site: &Site, ask: &Ask) -> Answer {
    if ask.caller.sees_all() {
        return ok(&counts(&site.questions.overview()?.statistics.drops));
    }
    ok(&counts(&Tenancy::of(site, &ask.caller)?.drops))
}

/// GET /api/queues/:vhost/:queue/drops: how many by cause, and the last few.
pub(in super::super) fn of_queue(site: &Site, ask: &Ask) -> Answer {
    let queue = ask.name("queue")?;
    let probe = queue::Declare { queue, passive: true, ..Default::default() };
    of(site, ask, DestinationKind::Queue, probe.into())
}

/// GET /api/exchanges/:vhost/:exchange/drops: those that it found no queue for.
pub(in super::super) fn of_exchange(site: &Site, ask: &Ask) -> Answer {
    let exchange = ask.name("exchange")?;
    let probe = exchange::Declare { exchange, passive: true, ..Default::default() };
    of(site, ask, DestinationKind::Exchange, probe.into())
}

fn of(site: &Site, ask: &Ask, kind: DestinationKind, probe: Method) -> Answer {
    let vhost = ask.name("vhost")?;
    let name = ask.name(kind.name())?;
    let found = site.questions.dropped(vhost.clone(), kind, name.clone())?;
    let found = found.ok_or_else(Refusal::not_found)?;
    // Keys of messages are shown to those who see everything, and to those who have some permission
    // there; all have on the default exchange, which cannot be declared.
    if !name.is_empty() && !ask.caller.sees_all() {
        Session::open(&site.door, &ask.caller, &vhost)?.call(probe)?;
    }
    let last: Value = found.last.iter().map(trace).collect();
    ok(&json!({ "counts": counts(&found.counts), "last": last }))
}

fn counts(counts: &Counts) -> Value {
    Value::Object(counts.entries().map(|(name, count)| (name.to_owned(), json!(count))).collect())
}

fn trace((at, trace): &(u64, Trace)) -> Value {
    json!({
        "at": at,
        "cause": trace.cause.name(),
        "exchange": trace.exchange,
        "routing_key": table::text(&trace.routing_key),
        "bytes": trace.size,
    })
}
