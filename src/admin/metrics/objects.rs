//! Each queue, exchange, connection and channel.

use std::collections::BTreeSet;

use super::page::{Kind, Page};
use super::whole::float;
use crate::admin::answer::Refusal;
use crate::admin::site::Site;
use crate::broker::report::{ChannelRow, ConnectionRow, ExchangeRow, QueueRow};

/// The most families and vhosts of one query.
const NAMES_MAX: usize = 100;

/// Which objects are wanted; the default is all.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    families: Option<BTreeSet<String>>,
    vhosts: Option<BTreeSet<String>>,
}

impl Wanted {
    /// What a query wants: `family` and `vhost`, each perhaps more than once, or with commas.
    /// `None` for too much of it.
    pub(super) fn asked(query: &[(String, String)]) -> Option<Self> {
        let names = |name: &str| {
            let values = query.iter().filter(|(key, _)| key == name);
            let names: BTreeSet<_> =
                values.flat_map(|(_, value)| value.split(',').map(str::to_owned)).collect();
            (!names.is_empty()).then_some(names)
        };
        let (families, vhosts) = (names("family"), names("vhost"));
        let few = |names: &Option<BTreeSet<String>>| {
            names.as_ref().is_none_or(|names| names.len() <= NAMES_MAX)
        };
        (few(&families) && few(&vhosts)).then_some(Self { families, vhosts })
    }

    /// Whether a family is wanted.
    pub(super) fn family(&self, name: &str) -> bool {
        self.families.as_ref().is_none_or(|names| names.contains(name))
    }

    fn vhost(&self, name: &str) -> bool {
        self.vhosts.as_ref().is_none_or(|names| names.contains(name))
    }
}

/// A row of a table: the family of /metrics/detailed, name, type, help, value.
type Row<T> = (&'static str, &'static str, Kind, &'static str, fn(&T) -> u64);

use Kind::{Counter, Gauge};

#[rustfmt::skip]
const QUEUE: &[Row<QueueRow>] = &[
    ("queue_coarse_metrics", "queue_messages_ready", Gauge, "Messages ready", |it| it.ready),
    ("queue_coarse_metrics", "queue_messages_unacked", Gauge, "Messages not acknowledged", |it| it.unacknowledged),
    ("queue_coarse_metrics", "queue_messages", Gauge, "Messages ready and unacknowledged", |it| it.ready + it.unacknowledged),
    ("queue_consumer_count", "queue_consumers", Gauge, "Consumers", |it| it.consumers as u64),
    ("queue_metrics", "queue_messages_bytes", Gauge, "Octets of bodies", |it| it.ready_octets + it.unacknowledged_octets),
    ("queue_metrics", "queue_messages_ready_bytes", Gauge, "Octets of ready bodies", |it| it.ready_octets),
    ("queue_metrics", "queue_messages_unacked_bytes", Gauge, "Octets of unacknowledged bodies", |it| it.unacknowledged_octets),
    ("queue_metrics", "queue_messages_ram", Gauge, "Messages kept in memory", |it| it.resident as u64),
    ("queue_metrics", "queue_messages_ram_bytes", Gauge, "Octets kept in memory", |it| it.resident_octets),
    ("queue_metrics", "queue_messages_published_total", Counter, "Messages that came in", |it| it.stats.publish),
    ("queue_delivery_metrics", "queue_messages_delivered_total", Counter, "Delivered without acknowledgement", |it| it.stats.deliver_no_ack),
    ("queue_delivery_metrics", "queue_messages_delivered_ack_total", Counter, "Delivered to be acknowledged", |it| it.stats.deliver),
    ("queue_delivery_metrics", "queue_messages_redelivered_total", Counter, "Handed out again", |it| it.stats.redeliver),
    ("queue_delivery_metrics", "queue_messages_acked_total", Counter, "Acknowledged", |it| it.stats.ack),
    ("queue_delivery_metrics", "queue_get_total", Counter, "Fetched without acknowledgement", |it| it.stats.get_no_ack),
    ("queue_delivery_metrics", "queue_get_ack_total", Counter, "Fetched to be acknowledged", |it| it.stats.get),
    ("queue_delivery_metrics", "queue_get_empty_total", Counter, "basic.get that found nothing", |it| it.stats.get_empty),
];

#[rustfmt::skip]
const EXCHANGE: &[Row<ExchangeRow>] = &[
    ("exchange_metrics", "exchange_messages_published_in_total", Counter, "Published to it", |it| it.stats.publish_in),
    ("exchange_metrics", "exchange_messages_published_out_total", Counter, "Routed from it to queues", |it| it.stats.publish_out),
];

#[rustfmt::skip]
const CONNECTION: &[Row<ConnectionRow>] = &[
    ("connection_metrics", "connection_channels", Gauge, "Channels", |it| it.channels as u64),
    ("connection_coarse_metrics", "connection_incoming_bytes_total", Counter, "Octets read", |it| it.traffic.recv_oct),
    ("connection_coarse_metrics", "connection_outgoing_bytes_total", Counter, "Octets written", |it| it.traffic.send_oct),
    ("connection_metrics", "connection_incoming_packets_total", Counter, "Reads", |it| it.traffic.recv_cnt),
    ("connection_metrics", "connection_outgoing_packets_total", Counter, "Writes", |it| it.traffic.send_cnt),
];

#[rustfmt::skip]
const CHANNEL: &[Row<ChannelRow>] = &[
    ("channel_metrics", "channel_consumers", Gauge, "Consumers", |it| it.consumers as u64),
    ("channel_metrics", "channel_messages_unacked", Gauge, "Deliveries not acknowledged", |it| it.unacknowledged as u64),
    ("channel_metrics", "channel_messages_unconfirmed", Gauge, "Publishes not confirmed", |it| it.unconfirmed),
    ("channel_metrics", "channel_messages_uncommitted", Gauge, "Publishes not committed", |it| it.uncommitted as u64),
    ("channel_metrics", "channel_acks_uncommitted", Gauge, "Acknowledgements not committed", |it| it.acks_uncommitted as u64),
    ("channel_metrics", "channel_prefetch", Gauge, "The prefetch of all its consumers together", |it| it.global_prefetch.into()),
    ("channel_exchange_metrics", "channel_messages_published_total", Counter, "Published", |it| it.stats.publish),
    ("channel_exchange_metrics", "channel_messages_confirmed_total", Counter, "Confirmed", |it| it.stats.confirm),
    ("channel_exchange_metrics", "channel_messages_unroutable_returned_total", Counter, "Returned", |it| it.stats.return_unroutable),
    ("channel_exchange_metrics", "channel_messages_unroutable_dropped_total", Counter, "Dropped as unroutable", |it| it.stats.drop_unroutable),
    ("channel_queue_metrics", "channel_messages_delivered_total", Counter, "Delivered without acknowledgement", |it| it.stats.deliver_no_ack),
    ("channel_queue_metrics", "channel_messages_delivered_ack_total", Counter, "Delivered to be acknowledged", |it| it.stats.deliver),
    ("channel_queue_metrics", "channel_messages_redelivered_total", Counter, "Handed out again", |it| it.stats.redeliver),
    ("channel_queue_metrics", "channel_messages_acked_total", Counter, "Acknowledged", |it| it.stats.ack),
    ("channel_queue_metrics", "channel_get_total", Counter, "Fetched without acknowledgement", |it| it.stats.get_no_ack),
    ("channel_queue_metrics", "channel_get_ack_total", Counter, "Fetched to be acknowledged", |it| it.stats.get),
    ("channel_queue_metrics", "channel_get_empty_total", Counter, "basic.get that found nothing", |it| it.stats.get_empty),
];

/// Writes the objects that are wanted.
pub(super) fn write(
    site: &Site,
    prefix: &str,
    wanted: &Wanted,
    page: &mut Page,
) -> Result<(), Refusal> {
    let mut vhosts = site.questions.virtual_hosts()?;
    vhosts.retain(|vhost| wanted.vhost(&vhost.name));
    let (mut queues, mut exchanges) = (Vec::new(), Vec::new());
    for vhost in &vhosts {
        if QUEUE.iter().any(|row| wanted.family(row.0)) {
            queues.append(&mut site.questions.queues(&vhost.name)?);
        }
        if EXCHANGE.iter().any(|row| wanted.family(row.0)) {
            exchanges.append(&mut site.questions.exchanges(&vhost.name)?);
        }
    }
    let mut out = Families { page, prefix, wanted };
    out.write(QUEUE, &queues, |it| {
        vec![("vhost", it.virtual_host.to_string()), ("queue", it.name.to_string())]
    });
    out.write(EXCHANGE, &exchanges, |it| {
        vec![("vhost", it.virtual_host.to_string()), ("exchange", it.name.to_string())]
    });
    let connection = |peer: &str, host: &str| format!("{peer} -> {host}");
    let mut connections = Vec::new();
    if CONNECTION.iter().any(|row| wanted.family(row.0)) {
        connections = site.questions.connections()?;
    }
    connections.retain(|row| wanted.vhost(&row.virtual_host));
    out.write(CONNECTION, &connections, |it| vec![("connection", connection(&it.peer, &it.host))]);
    drop(connections);
    let mut channels = Vec::new();
    if CHANNEL.iter().any(|row| wanted.family(row.0)) {
        channels = site.questions.channels()?;
    }
    channels.retain(|row| wanted.vhost(&row.virtual_host));
    out.write(CHANNEL, &channels, |it| {
        let connection = connection(&it.peer, &it.host);
        vec![("channel", format!("{connection} ({})", it.number)), ("connection", connection)]
    });
    Ok(())
}

struct Families<'p> {
    page: &'p mut Page,
    prefix: &'p str,
    wanted: &'p Wanted,
}

impl Families<'_> {
    fn write<T>(
        &mut self,
        table: &[Row<T>],
        rows: &[T],
        labels: impl Fn(&T) -> Vec<(&'static str, String)>,
    ) {
        for (family, name, kind, help, value) in table {
            if rows.is_empty() || !self.wanted.family(family) {
                continue;
            }
            let name = format!("{}{name}", self.prefix);
            self.page.family(&name, *kind, help);
            for row in rows {
                let labels = labels(row);
                let labels: Vec<_> = labels.iter().map(|(it, text)| (*it, text.as_str())).collect();
                self.page.sample(&name, &labels, float(value(row)));
            }
        }
    }
}
