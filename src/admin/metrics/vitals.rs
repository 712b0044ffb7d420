//! How long turns and syncs take, how much shares one, and how large messages are.

use super::page::Page;
use super::whole::{float, seconds};
use crate::broker::Sizes;
use crate::server::{Counted, Vitals};

/// Writes the vital signs of the broker's threads.
pub(super) fn write(vitals: &Vitals, page: &mut Page) {
    let names = ("leveret_sync_seconds", "How long syncs of the journal took");
    write_counted(names, &vitals.sync_microseconds.counted(), seconds, page);
    let names = ("leveret_sync_entries", "Entries of the journal that shared a sync");
    write_counted(names, &vitals.sync_entries.counted(), float, page);
    let names = ("leveret_turn_seconds", "How long turns of the router took");
    write_counted(names, &vitals.turn_microseconds.counted(), seconds, page);
    let names = ("leveret_turn_commands", "Commands that shared a turn of the router");
    write_counted(names, &vitals.turn_commands.counted(), float, page);
}

/// Writes how large messages are.
pub(super) fn write_sizes(sizes: &Sizes, page: &mut Page) {
    let cumulated: Vec<_> = sizes.cumulated().collect();
    let bounds = Sizes::BOUNDS.iter().map(|bound| float(*bound));
    let buckets: Vec<_> = bounds.zip(cumulated.iter().copied()).collect();
    let total = cumulated.last().copied().unwrap_or_default();
    let names = ("rabbitmq_message_size_bytes", "Bodies of published messages, in bytes");
    let labels = [("protocol", "amqp091")];
    page.histogram(names, &labels, &buckets, (total, float(sizes.octets())));
}

fn write_counted(names: (&str, &str), counted: &Counted, unit: fn(u64) -> f64, page: &mut Page) {
    let buckets: Vec<_> =
        counted.buckets.iter().map(|(bound, count)| (unit(*bound), *count)).collect();
    page.histogram(names, &[], &buckets, (counted.count, unit(counted.sum)));
}
