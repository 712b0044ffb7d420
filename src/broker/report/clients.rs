//! Listings of what clients have: connections, channels, consumers.

use slab::Slab;

use super::rows::{Activity, ChannelRow, ConnectionRow, ConsumerName, ConsumerRow};
use super::{ROWS_MAX, Slice};
use crate::broker::Broker;
use crate::broker::channel::{Channel, Mode};
use crate::broker::connections::Connection;
use crate::broker::consumer::Consumer;
use crate::broker::queue::Queue;

impl Broker {
    pub(super) fn list_connections(&self, from: usize) -> Slice<ConnectionRow, usize> {
        by_place(&self.connections, from, |connection| {
            (!connection.facts.internal).then(|| self.connection_row(connection))
        })
    }

    fn connection_row(&self, connection: &Connection) -> ConnectionRow {
        let facts = &connection.facts;
        ConnectionRow {
            id: connection.id,
            peer: connection.peer.clone(),
            host: facts.host.clone(),
            virtual_host: self.vhosts[connection.vhost].name.clone(),
            user: connection.user.clone(),
            mechanism: facts.mechanism.clone(),
            opened: self.wall(connection.opened),
            client_properties: connection.client_properties.unpack(),
            channels: connection.channels.len(),
            channel_max: connection.channel_max,
            frame_max: facts.frame_max,
            heartbeat_seconds: facts.heartbeat_seconds,
            closing: connection.closing,
            blocked: connection.held.is_waiting(),
            traffic: facts.traffic.counted(),
        }
    }

    pub(super) fn list_channels(&self, from: usize) -> Slice<ChannelRow, usize> {
        by_place(&self.channels, from, |channel| {
            let connection = self.connections.get(channel.connection)?;
            (!connection.facts.internal).then(|| self.channel_row(channel, connection))
        })
    }

    fn channel_row(&self, channel: &Channel, connection: &Connection) -> ChannelRow {
        let (mut unconfirmed, mut uncommitted, mut acks_uncommitted) = (0, 0, 0);
        match &channel.mode {
            Mode::Plain => {}
            Mode::Confirm(confirms) => unconfirmed = confirms.open(),
            Mode::Transaction(transaction) => {
                uncommitted = transaction.publishes.len();
                acks_uncommitted = transaction.settlements.len();
            }
        }
        ChannelRow {
            connection: connection.id,
            peer: connection.peer.clone(),
            host: connection.facts.host.clone(),
            number: channel.number,
            virtual_host: self.vhosts[connection.vhost].name.clone(),
            user: connection.user.clone(),
            consumers: channel.consumers.len(),
            prefetch: channel.consumer_prefetch,
            global_prefetch: channel.channel_prefetch,
            unacknowledged: channel.unacked.len(),
            unconfirmed,
            uncommitted,
            acks_uncommitted,
            confirm: matches!(channel.mode, Mode::Confirm(_)),
            transactional: matches!(channel.mode, Mode::Transaction(_)),
            flow: channel.flow,
            stats: channel.stats,
        }
    }

    pub(super) fn list_consumers(&self, from: usize) -> Slice<ConsumerRow, usize> {
        by_place(&self.consumers, from, |consumer| self.consumer_row(consumer))
    }

    pub(super) fn list_consumers_of(
        &self,
        vhost: &str,
        queue: &str,
        from: usize,
    ) -> Slice<ConsumerRow, usize> {
        let Some(queue) = self.find_queue(vhost, queue) else { return Slice::default() };
        let keys = queue.consumers.keys().skip(from).take(ROWS_MAX);
        let rows: Vec<_> = keys
            .filter_map(|key| self.consumers.get(key.0))
            .filter_map(|consumer| self.consumer_row(consumer))
            .collect();
        let end = from.saturating_add(ROWS_MAX);
        Slice { rows, next: (end < queue.consumers.len()).then_some(end) }
    }

    fn consumer_row(&self, consumer: &Consumer) -> Option<ConsumerRow> {
        let queue = self.queues.get(&consumer.queue)?;
        let channel = self.channels.get(consumer.channel)?;
        let connection = self.connections.get(channel.connection)?;
        Some(ConsumerRow {
            tag: consumer.tag.clone(),
            queue: queue.name().clone(),
            virtual_host: self.vhosts[queue.declared.vhost].name.clone(),
            connection: connection.id,
            peer: connection.peer.clone(),
            host: connection.facts.host.clone(),
            channel: channel.number,
            user: connection.user.clone(),
            ack_required: !consumer.no_ack,
            exclusive: consumer.exclusive,
            prefetch: consumer.prefetch,
            unacknowledged: consumer.unacked,
            activity: match self.single_active(queue) {
                None => Activity::Up,
                Some(active) if active.number == consumer.number => Activity::SingleActive,
                Some(_) => Activity::Waiting,
            },
            arguments: consumer.arguments.unpack(),
        })
    }

    /// The single active consumer of a queue: the next message goes to it. One of higher priority
    /// takes over with that message, so it counts as active once nothing hinders it.
    pub(super) fn single_active(&self, queue: &Queue) -> Option<&Consumer> {
        let active = self.consumers.get(queue.consumers.single_active()?.0)?;
        let challenger = queue.consumers.challenger().filter(|_| active.unacked == 0);
        challenger.map_or(Some(active), |(_, key)| self.consumers.get(key.0))
    }

    pub(super) fn consumer_name(&self, consumer: &Consumer) -> Option<ConsumerName> {
        let channel = self.channels.get(consumer.channel)?;
        let connection = self.connections.get(channel.connection)?;
        Some(ConsumerName {
            tag: consumer.tag.clone(),
            peer: connection.peer.clone(),
            host: connection.facts.host.clone(),
            channel: channel.number,
        })
    }
}

/// A slice in the order of places in a table. Free places are cheap, but not for nothing.
fn by_place<T, R>(table: &Slab<T>, from: usize, row: impl Fn(&T) -> Option<R>) -> Slice<R, usize> {
    const PLACES_MAX: usize = 32 * ROWS_MAX;
    let end = table.capacity().min(from.saturating_add(PLACES_MAX));
    let mut rows = Vec::new();
    let mut place = from;
    while place < end && rows.len() < ROWS_MAX {
        rows.extend(table.get(place).and_then(&row));
        place += 1;
    }
    Slice { rows, next: (place < table.capacity()).then_some(place) }
}
