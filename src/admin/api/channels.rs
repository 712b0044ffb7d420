//! Channels, and the consumers on them.

use serde_json::{Value, json};

use super::connections;
use super::counters;
use super::node::NODE;
use crate::admin::answer::{Answer, Refusal};
use crate::admin::listing::{self, Listing};
use crate::admin::rates::{Key, Window};
use crate::admin::routes::Ask;
use crate::admin::site::Site;
use crate::admin::table;
use crate::broker::report::{ChannelRow, ConsumerRow};

/// GET /api/channels
pub(in super::super) fn list(site: &Site, ask: &Ask) -> Answer {
    answer(site, ask, |_| true)
}

/// GET /api/vhosts/:vhost/channels
pub(in super::super) fn list_of_vhost(site: &Site, ask: &Ask) -> Answer {
    answer(site, ask, |row| *row.virtual_host == *ask.path("vhost"))
}

/// Answers with those channels that the caller may know of.
pub(in super::super) fn answer(
    site: &Site,
    ask: &Ask,
    wanted: impl Fn(&ChannelRow) -> bool,
) -> Answer {
    let mut listing = Listing::new(ask)?;
    site.rates.look(site.door.now());
    let caller = &ask.caller;
    site.questions.each_channel(|row| {
        if (caller.sees_all() || row.user == caller.user) && wanted(&row) {
            let name = name(&row.peer, &row.host, row.number.0);
            listing.push(Some(&name), || channel(site, &row, None));
        }
    })?;
    listing.answer()
}

/// GET /api/channels/:channel
pub(in super::super) fn show(site: &Site, ask: &Ask) -> Answer {
    site.rates.look(site.door.now());
    let rows = site.questions.channels()?;
    let row =
        rows.iter().find(|row| name(&row.peer, &row.host, row.number.0) == ask.path("channel"));
    let row = row.ok_or_else(Refusal::not_found)?;
    ask.caller.owns(&row.user, ask.caller.sees_all())?;
    let mut value = channel(site, row, Window::asked(ask, "msg_rates")?);
    let consumers =
        site.questions.consumers()?.into_iter().filter(|consumer| {
            (consumer.connection, consumer.channel) == (row.connection, row.number)
        });
    value["consumer_details"] = consumers.map(|row| consumer(&row)).collect();
    listing::one(ask, &value)
}

/// The name of a channel: RabbitMQ's, which begins with that of its connection.
pub(super) fn name(peer: &str, host: &str, number: u16) -> String {
    format!("{} ({number})", connections::name(peer, host))
}

fn channel(site: &Site, row: &ChannelRow, window: Option<Window>) -> Value {
    let key = Key::Channel(row.connection.0, row.number.0);
    let counters = counters::of_channel(row);
    let described = counters::describe(&site.rates, key, &counters, None, window);
    json!({
        "name": name(&row.peer, &row.host, row.number.0),
        "number": row.number.0,
        "node": NODE,
        "user": row.user.as_str(),
        "user_who_performed_action": row.user.as_str(),
        "vhost": row.virtual_host.as_str(),
        "connection_details": connections::details(&row.peer, &row.host),
        "consumer_count": row.consumers,
        "prefetch_count": row.prefetch,
        "global_prefetch_count": row.global_prefetch,
        "messages_unacknowledged": row.unacknowledged,
        "messages_unconfirmed": row.unconfirmed,
        "messages_uncommitted": row.uncommitted,
        "acks_uncommitted": row.acks_uncommitted,
        "pending_raft_commands": 0,
        "confirm": row.confirm,
        "transactional": row.transactional,
        "state": if row.flow { "running" } else { "flow" },
        "message_stats": described.message_stats,
        "reductions": 0,
        "garbage_collection": super::node::garbage_collection(),
    })
}

/// GET /api/consumers
pub(in super::super) fn consumers(site: &Site, ask: &Ask) -> Answer {
    consumers_where(site, ask, |_| true)
}

/// Answers with those consumers that the caller may know of: all, or those on their own
/// connections.
fn consumers_where(site: &Site, ask: &Ask, wanted: impl Fn(&ConsumerRow) -> bool) -> Answer {
    let (mut listing, caller) = (Listing::new(ask)?, &ask.caller);
    site.questions.each_consumer(|row| {
        if (caller.sees_all() || row.user == caller.user) && wanted(&row) {
            listing.push(None, || consumer(&row));
        }
    })?;
    listing.answer()
}

/// GET /api/consumers/:vhost
pub(in super::super) fn consumers_of_vhost(site: &Site, ask: &Ask) -> Answer {
    let vhost = ask.name("vhost")?;
    consumers_where(site, ask, |row| row.virtual_host == vhost)
}

/// A consumer.
pub(in super::super) fn consumer(row: &ConsumerRow) -> Value {
    let (peer_host, number) = (connections::details(&row.peer, &row.host), row.channel.0);
    let channel = json!({
        "name": name(&row.peer, &row.host, number),
        "number": number,
        "node": NODE,
        "user": row.user.as_str(),
        "connection_name": connections::name(&row.peer, &row.host),
        "peer_host": peer_host["peer_host"],
        "peer_port": peer_host["peer_port"],
    });
    json!({
        "consumer_tag": row.tag.as_str(),
        "queue": {"name": row.queue.as_str(), "vhost": row.virtual_host.as_str()},
        "channel_details": channel,
        "ack_required": row.ack_required,
        "exclusive": row.exclusive,
        "prefetch_count": row.prefetch,
        "messages_unacknowledged": row.unacknowledged,
        "active": row.activity.is_active(),
        "activity_status": row.activity.name(),
        "consumer_timeout": "undefined",
        "arguments": table::to_json(&row.arguments),
    })
}
