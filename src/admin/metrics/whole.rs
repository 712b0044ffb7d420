//! The broker as a whole.

use super::page::{Kind, Page};
use crate::admin::answer::Refusal;
use crate::admin::api::node::NODE;
use crate::admin::api::overview::CLUSTER;
use crate::admin::api::system::System;
use crate::admin::site::Site;
use crate::broker::report::OverviewReport;
use crate::connection::COMPATIBLE_VERSION;

/// What a value is made of.
struct Facts {
    report: OverviewReport,
    system: System,
    disk_limit: u64,
    uptime_seconds: f64,
}

/// A row of the table: name without prefix, type, help, value.
type Row = (&'static str, Kind, &'static str, fn(&Facts) -> f64);

use Kind::{Counter, Gauge};

/// Those with the label `protocol`.
#[rustfmt::skip]
const MESSAGES: &[Row] = &[
    ("global_messages_received_total", Counter, "Messages received from publishers",
        |it| float(it.report.statistics.messages.publish)),
    ("global_messages_received_confirm_total", Counter, "Messages received from publishers that want confirms",
        |it| float(it.report.statistics.messages.confirm)),
    ("global_messages_routed_total", Counter, "Messages routed to queues, once for each queue",
        |it| float(it.report.statistics.messages.publish_out)),
    ("global_messages_confirmed_total", Counter, "Messages confirmed to publishers",
        |it| float(it.report.statistics.messages.confirm)),
    ("global_messages_unroutable_dropped_total", Counter, "Messages dropped because they reached no queue",
        |it| float(it.report.statistics.messages.drop_unroutable)),
    ("global_messages_unroutable_returned_total", Counter, "Mandatory messages returned because they reached no queue",
        |it| float(it.report.statistics.messages.return_unroutable)),
    ("global_messages_delivered_total", Counter, "Messages delivered to consumers or fetched",
        |it| float(it.report.statistics.messages.deliver_get())),
    ("global_messages_delivered_consume_manual_ack_total", Counter, "Messages delivered to consumers that acknowledge",
        |it| float(it.report.statistics.messages.deliver)),
    ("global_messages_delivered_consume_auto_ack_total", Counter, "Messages delivered to consumers that do not acknowledge",
        |it| float(it.report.statistics.messages.deliver_no_ack)),
    ("global_messages_delivered_get_manual_ack_total", Counter, "Messages fetched to be acknowledged",
        |it| float(it.report.statistics.messages.get)),
    ("global_messages_delivered_get_auto_ack_total", Counter, "Messages fetched without acknowledgement",
        |it| float(it.report.statistics.messages.get_no_ack)),
    ("global_messages_get_empty_total", Counter, "basic.get of an empty queue",
        |it| float(it.report.statistics.messages.get_empty)),
    ("global_messages_redelivered_total", Counter, "Messages handed out again",
        |it| float(it.report.statistics.messages.redeliver)),
    ("global_messages_acknowledged_total", Counter, "Messages acknowledged",
        |it| float(it.report.statistics.messages.ack)),
    ("global_publishers", Gauge, "Channels that are open, each of which may publish",
        |it| count(it.report.totals.channels)),
    ("global_consumers", Gauge, "Consumers",
        |it| count(it.report.totals.consumers)),
];

/// Those without labels.
#[rustfmt::skip]
const OTHERS: &[Row] = &[
    ("connections", Gauge, "Connections", |it| count(it.report.totals.connections)),
    ("channels", Gauge, "Channels", |it| count(it.report.totals.channels)),
    ("consumers", Gauge, "Consumers", |it| count(it.report.totals.consumers)),
    ("queues", Gauge, "Queues", |it| count(it.report.totals.queues)),
    ("exchanges", Gauge, "Exchanges", |it| count(it.report.totals.exchanges)),
    ("vhosts", Gauge, "Vhosts", |it| count(it.report.totals.virtual_hosts)),
    ("connections_opened_total", Counter, "Connections opened", |it| float(it.report.statistics.churn.connection_created)),
    ("connections_closed_total", Counter, "Connections closed", |it| float(it.report.statistics.churn.connection_closed)),
    ("channels_opened_total", Counter, "Channels opened", |it| float(it.report.statistics.churn.channel_created)),
    ("channels_closed_total", Counter, "Channels closed", |it| float(it.report.statistics.churn.channel_closed)),
    ("queues_declared_total", Counter, "queue.declare, also of queues that there were", |it| float(it.report.statistics.churn.queue_declared)),
    ("queues_created_total", Counter, "Queues made", |it| float(it.report.statistics.churn.queue_created)),
    ("queues_deleted_total", Counter, "Queues deleted", |it| float(it.report.statistics.churn.queue_deleted)),
    ("queue_messages_ready", Gauge, "Messages ready in all queues", |it| float(it.report.ready)),
    ("queue_messages_unacked", Gauge, "Messages delivered and not acknowledged", |it| float(it.report.unacknowledged)),
    ("queue_messages", Gauge, "Messages ready and unacknowledged", |it| float(it.report.ready + it.report.unacknowledged)),
    ("queue_messages_ready_bytes", Gauge, "Octets of ready bodies", |it| float(it.report.ready_octets)),
    ("queue_messages_unacked_bytes", Gauge, "Octets of unacknowledged bodies", |it| float(it.report.unacknowledged_octets)),
    ("queue_messages_bytes", Gauge, "Octets of all bodies", |it| float(it.report.ready_octets + it.report.unacknowledged_octets)),
    ("queue_messages_ram", Gauge, "Messages kept in memory", |it| float(it.report.resident)),
    ("queue_messages_ram_bytes", Gauge, "Octets of messages kept in memory", |it| float(it.report.resident_octets)),
    ("queue_consumers", Gauge, "Consumers", |it| count(it.report.totals.consumers)),
    ("process_open_fds", Gauge, "Open file descriptors", |it| float(it.system.descriptors)),
    ("process_max_fds", Gauge, "Open file descriptors limit", |it| float(it.system.descriptors_max)),
    ("process_resident_memory_bytes", Gauge, "Memory in use, in bytes", |it| float(it.system.memory)),
    ("resident_memory_limit_bytes", Gauge, "Memory of the machine, in bytes", |it| float(it.system.memory_max)),
    ("disk_space_available_bytes", Gauge, "Disk space available, in bytes", |it| float(it.system.disk_free)),
    ("disk_space_available_limit_bytes", Gauge, "Disk space below which publishers are blocked, in bytes", |it| float(it.disk_limit)),
    ("erlang_uptime_seconds", Gauge, "Seconds since the broker began", |it| it.uptime_seconds),
    ("alarms_memory_used_watermark", Gauge, "1 while memory is short", |it| count(usize::from(it.report.alarms.memory))),
    ("alarms_free_disk_space_watermark", Gauge, "1 while the disk is short", |it| count(usize::from(it.report.alarms.disk))),
    ("alarms_file_descriptor_limit", Gauge, "1 while descriptors are short", |it| count(usize::from(it.report.alarms.descriptors))),
];

/// The page that has no objects.
pub(super) const AGGREGATED: &str = "aggregated";

/// Writes the page.
pub(super) fn write(site: &Site, endpoint: &str, page: &mut Page) -> Result<(), Refusal> {
    let facts = Facts {
        report: site.questions.overview()?,
        system: System::look(&site.data_dir),
        disk_limit: site.disk_limit,
        uptime_seconds: float(site.door.now().0.saturating_sub(site.started.0)) / 1000.0,
    };
    page.family("rabbitmq_build_info", Gauge, "Versions");
    page.sample(
        "rabbitmq_build_info",
        &[
            ("rabbitmq_version", COMPATIBLE_VERSION),
            ("product_name", "Leveret"),
            ("product_version", env!("CARGO_PKG_VERSION")),
            ("erlang_version", ""),
            ("prometheus_client_version", ""),
            ("prometheus_plugin_version", ""),
        ],
        1.0,
    );
    page.family("rabbitmq_identity_info", Gauge, "Names");
    page.sample(
        "rabbitmq_identity_info",
        &[
            ("rabbitmq_node", NODE),
            ("rabbitmq_cluster", CLUSTER),
            ("rabbitmq_cluster_permanent_id", CLUSTER),
            ("rabbitmq_endpoint", endpoint),
        ],
        1.0,
    );
    let protocol: &[(&str, &str)] = &[("protocol", "amqp091")];
    for (rows, labels) in [(MESSAGES, protocol), (OTHERS, &[])] {
        for (name, kind, help, value) in rows {
            // Each queue has its own lines then.
            if endpoint != AGGREGATED && name.starts_with("queue_") {
                continue;
            }
            let name = format!("rabbitmq_{name}");
            page.family(&name, *kind, help);
            page.sample(&name, labels, value(&facts));
        }
    }
    page.family("leveret_messages_dropped_total", Counter, "Messages let go, by cause");
    for (cause, dropped) in facts.report.statistics.drops.entries() {
        page.sample("leveret_messages_dropped_total", &[("cause", cause)], float(dropped));
    }
    Ok(())
}

/// A count as Prometheus has numbers: exact up to 2^53.
pub(super) fn float(value: u64) -> f64 {
    value as f64
}

fn count(value: usize) -> f64 {
    float(value as u64)
}
