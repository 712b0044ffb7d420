//! The broker as a whole.

use super::objects::Wanted;
use super::page::{Kind, Page};
use super::vitals;
use crate::admin::answer::Refusal;
use crate::admin::api::node::NODE;
use crate::admin::api::system::System;
use crate::admin::site::Site;
use crate::broker::Measures;
use crate::broker::report::OverviewReport;
use crate::connection::Identity;
use crate::server::Counted;

/// What a value is made of.
struct Facts {
    report: OverviewReport,
    system: System,
    measures: Measures,
    /// Connections there are, and may be.
    seats: (usize, usize),
    /// Passwords that were tried, and that were right.
    attempts: (u64, u64),
    syncs: Counted,
    uptime_seconds: f64,
}

impl Facts {
    fn gather(site: &Site) -> Result<Self, Refusal> {
        Ok(Self {
            report: site.questions.overview()?,
            system: System::look(&site.data_dir),
            measures: site.door.vitals().measures(),
            seats: site.door.seats(),
            attempts: site.door.logins().attempts(),
            syncs: site.door.vitals().sync_microseconds.counted(),
            uptime_seconds: float(site.door.now().0.saturating_sub(site.started.0)) / 1000.0,
        })
    }
}

/// A row of the table: name without prefix, type, help, value.
type Row = (&'static str, Kind, &'static str, fn(&Facts) -> f64);

/// The same behind its family of /metrics/detailed, empty if it has none.
type FamilyRow = (&'static str, &'static str, Kind, &'static str, fn(&Facts) -> f64);

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
const OTHERS: &[FamilyRow] = &[
    ("", "connections", Gauge, "Connections", |it| count(it.report.totals.connections)),
    ("", "channels", Gauge, "Channels", |it| count(it.report.totals.channels)),
    ("", "consumers", Gauge, "Consumers", |it| count(it.report.totals.consumers)),
    ("", "queues", Gauge, "Queues", |it| count(it.report.totals.queues)),
    ("", "exchanges", Gauge, "Exchanges", |it| count(it.report.totals.exchanges)),
    ("", "vhosts", Gauge, "Vhosts", |it| count(it.report.totals.virtual_hosts)),
    ("connection_churn_metrics", "connections_opened_total", Counter, "Connections opened", |it| float(it.report.statistics.churn.connection_created)),
    ("connection_churn_metrics", "connections_closed_total", Counter, "Connections closed", |it| float(it.report.statistics.churn.connection_closed)),
    ("connection_churn_metrics", "channels_opened_total", Counter, "Channels opened", |it| float(it.report.statistics.churn.channel_created)),
    ("connection_churn_metrics", "channels_closed_total", Counter, "Channels closed", |it| float(it.report.statistics.churn.channel_closed)),
    ("connection_churn_metrics", "queues_declared_total", Counter, "queue.declare, also of queues that there were", |it| float(it.report.statistics.churn.queue_declared)),
    ("connection_churn_metrics", "queues_created_total", Counter, "Queues made", |it| float(it.report.statistics.churn.queue_created)),
    ("connection_churn_metrics", "queues_deleted_total", Counter, "Queues deleted", |it| float(it.report.statistics.churn.queue_deleted)),
    ("", "queue_messages_ready", Gauge, "Messages ready in all queues", |it| float(it.report.ready)),
    ("", "queue_messages_unacked", Gauge, "Messages delivered and not acknowledged", |it| float(it.report.unacknowledged)),
    ("", "queue_messages", Gauge, "Messages ready and unacknowledged", |it| float(it.report.ready + it.report.unacknowledged)),
    ("", "queue_messages_ready_bytes", Gauge, "Octets of ready bodies", |it| float(it.report.ready_octets)),
    ("", "queue_messages_unacked_bytes", Gauge, "Octets of unacknowledged bodies", |it| float(it.report.unacknowledged_octets)),
    ("", "queue_messages_bytes", Gauge, "Octets of all bodies", |it| float(it.report.ready_octets + it.report.unacknowledged_octets)),
    ("", "queue_messages_ram", Gauge, "Messages kept in memory", |it| float(it.report.resident)),
    ("", "queue_messages_ram_bytes", Gauge, "Octets of messages kept in memory", |it| float(it.report.resident_octets)),
    ("", "queue_consumers", Gauge, "Consumers", |it| count(it.report.totals.consumers)),
    ("node_coarse_metrics", "process_open_fds", Gauge, "Open file descriptors", |it| float(it.system.descriptors)),
    ("node_metrics", "process_max_fds", Gauge, "Open file descriptors limit", |it| float(it.system.descriptors_max)),
    ("node_coarse_metrics", "process_resident_memory_bytes", Gauge, "Memory that the process holds, in bytes: no mapped files and, above the limit, nothing that the allocator keeps free", |it| float(it.measures.memory_used)),
    ("node_metrics", "resident_memory_limit_bytes", Gauge, "Memory above which publishers are blocked, in bytes; 0 is none", |it| float(it.measures.memory_limit)),
    ("node_coarse_metrics", "disk_space_available_bytes", Gauge, "Disk space available, in bytes", |it| float(it.system.disk_free)),
    ("node_metrics", "disk_space_available_limit_bytes", Gauge, "Disk space below which publishers are blocked, in bytes", |it| float(it.measures.disk_limit)),
    ("node_metrics", "erlang_uptime_seconds", Gauge, "Seconds since the broker began", |it| it.uptime_seconds),
    ("", "alarms_memory_used_watermark", Gauge, "1 while memory is short", |it| flag(it.report.alarms.memory)),
    ("", "alarms_free_disk_space_watermark", Gauge, "1 while the disk is short", |it| flag(it.report.alarms.disk)),
    ("", "alarms_file_descriptor_limit", Gauge, "1 while descriptors are short", |it| flag(it.report.alarms.descriptors)),
    ("node_coarse_metrics", "process_open_tcp_sockets", Gauge, "Connections over TCP", |it| count(it.seats.0)),
    ("node_metrics", "process_max_tcp_sockets", Gauge, "The most connections over TCP", |it| count(it.seats.1)),
    ("node_persister_metrics", "io_sync_ops_total", Counter, "Syncs of the journal", |it| float(it.syncs.count)),
    ("node_persister_metrics", "io_sync_time_seconds_total", Counter, "Time spent in syncs of the journal", |it| seconds(it.syncs.sum)),
    ("auth_attempt_metrics", "auth_attempts_total", Counter, "Passwords that were tried", |it| float(it.attempts.0)),
    ("auth_attempt_metrics", "auth_attempts_succeeded_total", Counter, "Passwords that were right", |it| float(it.attempts.1)),
    ("auth_attempt_metrics", "auth_attempts_failed_total", Counter, "Passwords that were wrong", |it| float(it.attempts.0 - it.attempts.1)),
];

/// The page that has no objects.
pub(super) const AGGREGATED: &str = "aggregated";

/// Writes the page.
pub(super) fn write(site: &Site, endpoint: &str, page: &mut Page) -> Result<(), Refusal> {
    let facts = Facts::gather(site)?;
    write_names(&site.identity, endpoint, page);
    let protocol: &[(&str, &str)] = &[("protocol", "amqp091")];
    for (name, kind, help, value) in MESSAGES {
        write_row("rabbitmq_", name, (*kind, help), (protocol, value(&facts)), page);
    }
    for (_, name, kind, help, value) in OTHERS {
        // Each queue has its own lines where there are objects.
        if endpoint == AGGREGATED || !name.starts_with("queue_") {
            write_row("rabbitmq_", name, (*kind, help), (&[], value(&facts)), page);
        }
    }
    let drops = &facts.report.statistics.drops;
    page.family("leveret_messages_dropped_total", Counter, "Messages let go, by cause");
    for (cause, dropped) in drops.entries() {
        page.sample("leveret_messages_dropped_total", &[("cause", cause)], float(dropped));
    }
    vitals::write_sizes(&facts.report.statistics.sizes, page);
    vitals::write(&site.door.vitals(), page);
    Ok(())
}

/// Writes those families of /metrics/detailed that are about the broker as a whole.
pub(super) fn write_families(
    site: &Site,
    prefix: &str,
    wanted: &Wanted,
    page: &mut Page,
) -> Result<(), Refusal> {
    let rows = || OTHERS.iter().filter(|row| !row.0.is_empty() && wanted.family(row.0));
    if rows().next().is_none() {
        return Ok(());
    }
    let facts = Facts::gather(site)?;
    for (_, name, kind, help, value) in rows() {
        write_row(prefix, name, (*kind, help), (&[], value(&facts)), page);
    }
    Ok(())
}

fn write_names(identity: &Identity, endpoint: &str, page: &mut Page) {
    page.family("rabbitmq_build_info", Gauge, "Versions");
    page.sample(
        "rabbitmq_build_info",
        &[
            ("rabbitmq_version", &identity.version),
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
            ("rabbitmq_cluster", &identity.cluster),
            ("rabbitmq_cluster_permanent_id", &identity.cluster),
            ("rabbitmq_endpoint", endpoint),
        ],
        1.0,
    );
}

fn write_row(
    prefix: &str,
    name: &str,
    (kind, help): (Kind, &str),
    (labels, value): (&[(&str, &str)], f64),
    page: &mut Page,
) {
    let name = format!("{prefix}{name}");
    page.family(&name, kind, help);
    page.sample(&name, labels, value);
}

/// A count as Prometheus has numbers: exact up to 2^53.
pub(super) fn float(value: u64) -> f64 {
    value as f64
}

/// Microseconds as Prometheus has times.
pub(super) fn seconds(microseconds: u64) -> f64 {
    float(microseconds) / 1e6
}

fn count(value: usize) -> f64 {
    float(value as u64)
}

fn flag(up: bool) -> f64 {
    if up { 1.0 } else { 0.0 }
}
