//! Queues.

use serde_json::{Value, json};

use super::channels;
use super::connections;
use super::counters;
use super::exchanges::existing;
use super::node::NODE;
use crate::admin::answer::{Answer, Refusal, created};
use crate::admin::listing::{self, Listing};
use crate::admin::rates::{Key, Window};
use crate::admin::routes::Ask;
use crate::admin::session::Session;
use crate::admin::site::Site;
use crate::admin::table;
use crate::broker::report::{ConsumerName, QueueRow};
use crate::wire::{ShortString, queue};

/// GET /api/queues
pub(in super::super) fn list(site: &Site, ask: &Ask) -> Answer {
    let vhosts = site.vhosts_of(&ask.caller)?;
    answer(site, ask, &vhosts)
}

/// GET /api/queues/:vhost
pub(in super::super) fn list_of_vhost(site: &Site, ask: &Ask) -> Answer {
    answer(site, ask, &[existing(site, ask)?])
}

fn answer(site: &Site, ask: &Ask, vhosts: &[ShortString]) -> Answer {
    site.rates.look(site.door.now());
    let mut listing = Listing::new(ask)?;
    for vhost in vhosts {
        site.questions.each_queue(vhost, |row| {
            listing.push(Some(&row.name), || value(site, &row, None, None));
        })?;
    }
    listing.answer()
}

fn found(site: &Site, ask: &Ask) -> Result<QueueRow, Refusal> {
    let row = site.questions.queue(&ask.name("vhost")?, &ask.name("queue")?)?;
    row.ok_or_else(Refusal::not_found)
}

/// GET /api/queues/:vhost/:queue
pub(in super::super) fn show(site: &Site, ask: &Ask) -> Answer {
    site.rates.look(site.door.now());
    let row = found(site, ask)?;
    let (lengths, rates) = (Window::asked(ask, "lengths")?, Window::asked(ask, "msg_rates")?);
    let mut value = value(site, &row, lengths, rates);
    let consumers = site.questions.consumers_of(&row.virtual_host, &row.name)?;
    value["consumer_details"] = consumers.iter().map(channels::consumer).collect();
    listing::one(ask, &value)
}

/// PUT /api/queues/:vhost/:queue
pub(in super::super) fn declare(site: &Site, ask: &Ask) -> Answer {
    let (vhost, name) = (existing(site, ask)?, ask.name("queue")?);
    let fields = ask.fields()?;
    // A queue that is exclusive to this request would end with it; RabbitMQ passes this over too.
    fields.flag("exclusive", false)?;
    let declare = queue::Declare {
        queue: name.clone(),
        passive: false,
        durable: fields.flag("durable", true)?,
        exclusive: false,
        auto_delete: fields.flag("auto_delete", false)?,
        no_wait: false,
        arguments: fields.table("arguments")?,
    };
    let new = site.questions.queue(&vhost, &name)?.is_none();
    Session::open(&site.door, &ask.caller, &vhost)?.call(declare)?;
    created(new)
}

/// DELETE /api/queues/:vhost/:queue
pub(in super::super) fn delete(site: &Site, ask: &Ask) -> Answer {
    let row = found(site, ask)?;
    let (if_empty, if_unused) = (ask.flag("if-empty")?, ask.flag("if-unused")?);
    let delete = queue::Delete { queue: row.name, if_empty, if_unused, no_wait: false };
    Session::open(&site.door, &ask.caller, &row.virtual_host)?.call(delete)?;
    created(false)
}

/// DELETE /api/queues/:vhost/:queue/contents
pub(in super::super) fn purge(site: &Site, ask: &Ask) -> Answer {
    let row = found(site, ask)?;
    let purge = queue::Purge { queue: row.name, no_wait: false };
    Session::open(&site.door, &ask.caller, &row.virtual_host)?.call(purge)?;
    created(false)
}

fn value(site: &Site, row: &QueueRow, lengths: Option<Window>, rates: Option<Window>) -> Value {
    let key = Key::Queue(row.id.0);
    let counters = counters::of_queue(row);
    let described = counters::describe(&site.rates, key, &counters, lengths, rates);
    let owner = row.owner.as_ref();
    let policy = row.policy.as_deref();
    let (exclusive, active) = (&row.exclusive_consumer, &row.single_active_consumer);
    let mut value = json!({
        "name": row.name.as_str(),
        "vhost": row.virtual_host.as_str(),
        "type": row.kind,
        "durable": row.durable,
        "auto_delete": row.auto_delete,
        "exclusive": row.owner.is_some(),
        "arguments": table::to_json(&row.arguments),
        "node": NODE,
        "state": "running",
        "policy": policy.and_then(|policy| policy.policy.as_deref()),
        "operator_policy": policy.and_then(|policy| policy.operator_policy.as_deref()),
        "effective_policy_definition":
            policy.map_or_else(|| json!({}), |policy| table::to_json(&policy.definition)),
        "consumers": row.consumers,
        "consumer_capacity": if row.consumers > 0 { 1.0 } else { 0.0 },
        "consumer_utilisation": if row.consumers > 0 { 1.0 } else { 0.0 },
        "exclusive_consumer_pid": exclusive.as_ref().map(channel_of),
        "exclusive_consumer_tag": exclusive.as_ref().map(|consumer| consumer.tag.as_str()),
        "single_active_consumer_pid": active.as_ref().map(channel_of),
        "single_active_consumer_tag": active.as_ref().map(|consumer| consumer.tag.as_str()),
        "owner_pid_details": owner.map(|(_, peer, host)| connections::details(peer, host)),
        "messages_ram": row.resident,
        "message_bytes": row.ready_octets + row.unacknowledged_octets,
        "message_bytes_ready": row.ready_octets,
        "message_bytes_unacknowledged": row.unacknowledged_octets,
        "message_bytes_ram": row.resident_octets,
        "memory": row.resident_octets,
        "message_stats": described.message_stats,
        "incoming": [],
        "deliveries": [],
        "backing_queue_status": {
            "mode": "default", "version": 2, "len": row.ready,
        },
        "garbage_collection": super::node::garbage_collection(),
        "reductions": 0,
    });
    for (name, counted) in described.others {
        value[name] = counted;
    }
    value
}

/// The name of a consumer's channel, which stands for RabbitMQ's process identifier: tags are
/// unique on their channel only.
fn channel_of(consumer: &ConsumerName) -> String {
    channels::name(&consumer.peer, &consumer.host, consumer.channel.0)
}
