//! What has happened since the broker began: counters, for people and their tools.
//!
//! ```text
//!   publish ──▶ exchange ──▶ queue ──▶ deliver / get ──▶ ack
//!    confirm     publish_in   publish    redeliver        drops: why a message was let go
//!                publish_out
//! ```
//!
//! A counter is a field of what it counts for (a queue, an exchange, a channel, the broker) and
//! belongs to the router: counting is one addition, without a lock. Rates are made of samples of
//! them, outside. Only the traffic of a connection is counted on its own thread.

use std::sync::atomic::{AtomicU64, Ordering};

use super::drops::Counts;

/// Declares a set of counters with their names, which are those of RabbitMQ's `message_stats`.
macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: u64,)* }

        impl $name {
            /// Adds those of another place.
            pub fn merge(&mut self, other: &Self) {
                $(self.$field = self.$field.saturating_add(other.$field);)*
            }

            /// Names and values, in the order of the table.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), self.$field)),*].into_iter()
            }
        }
    };
}

counters! {
    /// What happened to messages.
    MessageStats {
        /// Published on a channel, or into a queue.
        publish,
        /// Published to an exchange by clients.
        publish_in,
        /// Routed from an exchange into queues, once for each queue.
        publish_out,
        /// Confirmed to their publisher.
        confirm,
        /// Mandatory ones that reached no queue and went back.
        return_unroutable,
        /// Ones that reached no queue and are gone.
        drop_unroutable,
        /// Delivered to consumers that acknowledge.
        deliver,
        /// Delivered to consumers that do not.
        deliver_no_ack,
        /// Fetched by basic.get, to be acknowledged.
        get,
        /// Fetched by basic.get without acknowledgement.
        get_no_ack,
        /// basic.get of an empty queue.
        get_empty,
        /// Of all those that were handed out: again.
        redeliver,
        /// Acknowledged.
        ack,
    }
}

counters! {
    /// Comings and goings.
    Churn {
        /// Connections that opened a vhost.
        connection_created,
        /// Connections that ended.
        connection_closed,
        /// Channels that were opened.
        channel_created,
        /// Channels that ended.
        channel_closed,
        /// queue.declare, also of queues that there were.
        queue_declared,
        /// Queues that were made.
        queue_created,
        /// Queues that ended.
        queue_deleted,
    }
}

impl MessageStats {
    /// Counts a delivery to a consumer.
    pub(super) fn delivered(&mut self, no_ack: bool, redelivered: bool) {
        *(if no_ack { &mut self.deliver_no_ack } else { &mut self.deliver }) += 1;
        self.redeliver += u64::from(redelivered);
    }

    /// Counts a basic.get that found a message.
    pub(super) fn got(&mut self, no_ack: bool, redelivered: bool) {
        *(if no_ack { &mut self.get_no_ack } else { &mut self.get }) += 1;
        self.redeliver += u64::from(redelivered);
    }

    /// Handed to clients in any way.
    pub fn deliver_get(&self) -> u64 {
        self.deliver + self.deliver_no_ack + self.get + self.get_no_ack
    }
}

/// Published messages by the size of their bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    counts: [u64; Self::BOUNDS.len() + 1],
    octets: u64,
}

impl Sizes {
    /// The greatest body in each bucket, in octets, as RabbitMQ has them; the last has no bound.
    pub const BOUNDS: [u64; 8] =
        [100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000, 100_000_000];

    /// Counts a message.
    pub(super) fn count(&mut self, octets: u64) {
        let bucket = Self::BOUNDS.partition_point(|bound| *bound < octets);
        self.counts[bucket] += 1;
        self.octets += octets;
    }

    /// How many messages are not greater than each of [`Self::BOUNDS`], and how many there are.
    pub fn cumulated(&self) -> impl Iterator<Item = u64> + '_ {
        self.counts.iter().scan(0, |messages, count| {
            *messages += count;
            Some(*messages)
        })
    }

    /// Octets of all bodies.
    pub fn octets(&self) -> u64 {
        self.octets
    }
}

/// What is counted for the whole broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Messages.
    pub messages: MessageStats,
    /// Messages that were published, by size.
    pub sizes: Sizes,
    /// Messages that left without an acknowledgement; kept elsewhere, filled in for a report.
    pub drops: Counts,
    /// Comings and goings.
    pub churn: Churn,
}

/// What went over a connection's socket. Its own thread counts, anybody may look.
#[derive(Debug, Default)]
pub struct Traffic {
    received_octets: AtomicU64,
    received_reads: AtomicU64,
    sent_octets: AtomicU64,
    sent_writes: AtomicU64,
}

impl Traffic {
    /// Counts one read of so many octets.
    pub fn received(&self, octets: usize) {
        self.received_octets.fetch_add(octets as u64, Ordering::Relaxed);
        self.received_reads.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one write of so many octets.
    pub fn sent(&self, octets: usize) {
        self.sent_octets.fetch_add(octets as u64, Ordering::Relaxed);
        self.sent_writes.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn counted(&self) -> TrafficStats {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TrafficStats {
            recv_oct: value(&self.received_octets),
            recv_cnt: value(&self.received_reads),
            send_oct: value(&self.sent_octets),
            send_cnt: value(&self.sent_writes),
        }
    }
}

counters! {
    /// A connection's traffic, by RabbitMQ's names.
    TrafficStats {
        /// Octets read.
        recv_oct,
        /// Reads.
        recv_cnt,
        /// Octets written.
        send_oct,
        /// Writes.
        send_cnt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_counted_in_the_bucket_of_its_size_and_all_above() {
        let mut sizes = Sizes::default();
        for octets in [0, 100, 101, 200_000_000] {
            sizes.count(octets);
        }
        let cumulated: Vec<_> = sizes.cumulated().collect();
        assert_eq!(cumulated, [2, 3, 3, 3, 3, 3, 3, 3, 4]);
        assert_eq!(sizes.octets(), 200_000_201);
    }
}
