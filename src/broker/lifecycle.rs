//! Beginnings and ends: of connections, channels, consumers and queues.
//!
//! Every end goes through here, whoever caused it, so that nothing is forgotten: deliveries go back
//! to their queues, exclusive queues end with their connection, auto-delete ones with their last
//! consumer.

use log::{debug, info};

use crate::ids::{ChannelNumber, ConnectionId, QueueId, Timestamp};
use crate::wire::{Field, Method, ReplyCode, ShortString, Table, basic, connection};

use super::Broker;
use super::channel::{ChannelState, Mode};
use super::command::OpenConnection;
use super::connections::Connection;
use super::consumer::{Consumer, ConsumerKey};
use super::effect::{Effects, Output};
use super::exception::{Exception, not_allowed};
use super::transaction::Requeue;

impl Broker {
    /// Lets a client that has logged in into its vhost.
    pub(super) fn open_connection(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        open: OpenConnection,
        effects: &mut Effects,
    ) {
        let name = &open.virtual_host;
        let vhost = match self.enter(&open, name) {
            Ok(vhost) => vhost,
            Err(refusal) => {
                info!("{id} {} refused: {}", open.peer, refusal.text);
                let close = connection_close(&refusal, connection::Open::ID);
                effects.send(id, Output::Method(ChannelNumber(0), close));
                return;
            }
        };
        if !open.facts.internal {
            info!("{id} {} opened vhost '{name}' as user '{}'", open.peer, open.user);
            self.statistics.churn.connection_created += 1;
        }
        let place = self.connections.insert(Connection {
            id,
            vhost,
            user: open.user,
            peer: open.peer,
            channel_max: open.channel_max,
            consumer_cancel_notify: capability(&open.client_properties, "consumer_cancel_notify"),
            blocked_notify: capability(&open.client_properties, "connection.blocked"),
            held: Default::default(),
            channels: Default::default(),
            exclusive_queues: Vec::new(),
            outbox_bytes: 0,
            dropped_replies: 0,
            closing: false,
            opened: now,
            client_properties: open.client_properties,
            facts: open.facts,
        });
        self.connection_places.insert(id, place);
        self.turn.actor = Some(place);
        self.connection_event("connection.created", place);
        effects.send(id, Output::Method(ChannelNumber(0), connection::OpenOk::default().into()));
    }

    /// The place of the vhost that a user may enter, or why not, in RabbitMQ's order.
    fn enter(&self, open: &OpenConnection, vhost: &ShortString) -> Result<usize, Exception> {
        let user = &open.user;
        let settings = self.access.vhosts.get(vhost).zip(self.vhost_named(vhost));
        let (settings, place) =
            settings.ok_or_else(|| not_allowed(format!("vhost {vhost} not found")))?;
        if open.facts.owner {
            return Ok(place);
        }
        let refused = format!("access to vhost '{vhost}' refused for user '{user}'");
        // Counted only where there is a limit, so that without one nobody waits for it.
        let over = |limit: Option<u64>, counts: &dyn Fn(&Connection) -> bool| {
            let open = self.connections.iter().map(|(_, one)| one).filter(|one| !one.closing);
            limit.filter(|limit| open.filter(|one| counts(one)).count() as u64 >= *limit)
        };
        if let Some(limit) = over(settings.max_connections, &|one| one.vhost == place) {
            return Err(not_allowed(format!("{refused}: connection limit ({limit}) is reached")));
        }
        let known = self.access.users.get(user);
        let limit = known.and_then(|user| user.max_connections);
        if let Some(limit) = over(limit, &|one| one.user == *user) {
            return Err(not_allowed(format!(
                "connection refused for user '{user}': user connection limit ({limit}) is reached"
            )));
        }
        if self.access.permissions_of(user, vhost).is_none() {
            return Err(not_allowed(refused));
        }
        Ok(place)
    }

    /// Ends what a connection had: channels, then exclusive queues.
    pub(super) fn release_connection(&mut self, place: usize, effects: &mut Effects) {
        self.unblock(place, effects);
        let channels = std::mem::take(&mut self.connections[place].channels);
        for channel in channels.into_values() {
            self.release_channel(channel, effects);
        }
        for queue in std::mem::take(&mut self.connections[place].exclusive_queues) {
            self.delete_queue(queue, effects);
        }
    }

    /// A connection is no more: its last command.
    pub(super) fn forget_connection(&mut self, id: ConnectionId, effects: &mut Effects) {
        let Some(place) = self.connection_places.remove(&id) else { return };
        self.alarms.forget(place);
        self.full_queues.forget(place);
        self.pacing.forget(place);
        self.release_connection(place, effects);
        self.connection_event("connection.closed", place);
        let connection = self.connections.remove(place);
        self.statistics.churn.connection_closed += u64::from(!connection.facts.internal);
        debug!("{id} {} gone", connection.peer);
    }

    /// Ends what a channel had: its consumers, then its unacknowledged deliveries, which go back to
    /// their queues. The channel's number must be out of its connection already.
    pub(super) fn release_channel(&mut self, place: usize, effects: &mut Effects) {
        self.clear_channel(place, effects);
        self.channel_event("channel.closed", place);
        let channel = self.channels.remove(place);
        let internal = self.connections[channel.connection].facts.internal;
        self.statistics.churn.channel_closed += u64::from(!internal);
    }

    /// As [`Self::release_channel`], for a channel that is kept until its close-ok comes.
    pub(super) fn clear_channel(&mut self, place: usize, effects: &mut Effects) {
        self.cancel_reply_consumer(place, None);
        self.drop_held_replies(place);
        let consumers = std::mem::take(&mut self.channels[place].consumers);
        // Deliveries first: a queue that ends with its last consumer takes them along.
        let transaction = std::mem::take(&mut self.channels[place].mode);
        if let Mode::Transaction(transaction) = transaction {
            self.transactions_bytes -= transaction.publish_bytes;
            for (_, delivered, _) in transaction.settlements {
                self.requeue(place, delivered, Requeue::Failed);
            }
        }
        let unacked = std::mem::take(&mut self.channels[place].unacked);
        for delivered in unacked.into_entries() {
            self.requeue(place, delivered, Requeue::Failed);
        }
        for key in consumers.into_values() {
            self.remove_consumer(key, effects);
        }
    }

    /// Adds a consumer to a queue.
    pub(super) fn add_consumer(&mut self, mut consumer: Consumer) {
        self.next_consumer += 1;
        consumer.number = self.next_consumer;
        self.consumer_event("consumer.created", &consumer);
        let (queue, channel, tag) = (consumer.queue, consumer.channel, consumer.tag.clone());
        let (rank, exclusive) = (consumer.rank(), consumer.exclusive);
        let key = ConsumerKey(self.consumers.insert(consumer));
        self.channels[channel].consumers.insert(tag, key);
        if let Some(queue) = self.queues.get_mut(&queue) {
            queue.consumers.add(rank, key, exclusive);
        }
        self.rouse(key);
    }

    /// Takes a consumer off its queue, which ends if it is auto-delete and this was the last one.
    /// The consumer must be out of its channel's list already.
    pub(super) fn remove_consumer(&mut self, key: ConsumerKey, effects: &mut Effects) {
        let Some(consumer) = self.consumers.try_remove(key.0) else { return };
        self.consumer_event("consumer.deleted", &consumer);
        let Some(queue) = self.queues.get_mut(&consumer.queue) else { return };
        let next = queue.consumers.remove(consumer.rank(), consumer.in_line);
        let ends = queue.declared.auto_delete && !(self.stopping && queue.declared.persists());
        if queue.consumers.is_empty() && ends {
            self.delete_queue(consumer.queue, effects);
        } else {
            self.use_queue(consumer.queue);
            self.touch(consumer.queue);
            if let Some(next) = next {
                self.rouse(next);
            }
        }
    }

    /// Deletes a queue: its consumers are cancelled and told so. Returns how many messages were
    /// ready.
    pub(super) fn delete_queue(&mut self, id: QueueId, effects: &mut Effects) -> u64 {
        let Some(queue) = self.queues.get_mut(&id) else { return 0 };
        let consumers = queue.consumers.take();
        let owner = queue.declared.exclusive;
        self.flush_deliveries(effects);
        for key in consumers {
            self.cancel_for_client(key, effects);
        }
        if let Some(place) = owner.and_then(|owner| self.connection_places.get(&owner)) {
            self.connections[*place].exclusive_queues.retain(|queue| *queue != id);
        }
        self.remove_queue(id)
    }

    /// Removes a consumer whose queue is going, and tells its client if it wants to know.
    fn cancel_for_client(&mut self, key: ConsumerKey, effects: &mut Effects) {
        let Some(consumer) = self.consumers.try_remove(key.0) else { return };
        self.consumer_event("consumer.deleted", &consumer);
        let Some(channel) = self.channels.get_mut(consumer.channel) else { return };
        channel.consumers.remove(&consumer.tag);
        if self.connections[channel.connection].consumer_cancel_notify
            && channel.state == ChannelState::Open
        {
            let cancel = basic::Cancel { consumer_tag: consumer.tag, no_wait: true };
            effects.send(channel.connection_id, Output::Method(channel.number, cancel.into()));
        }
    }

    /// Closes a connection because somebody says so (320), in RabbitMQ's words.
    pub fn disconnect(&mut self, id: ConnectionId, reason: &str, effects: &mut Effects) {
        let Some(&place) = self.connection_places.get(&id) else { return };
        self.last_route.forget();
        if !self.connections[place].closing {
            let refusal = Exception::new(ReplyCode::ConnectionForced, reason);
            self.refuse_connection(place, Default::default(), &refusal, effects);
        }
    }

    /// Tells everyone that the broker stops, and ends what they had.
    pub fn shut_down(&mut self, effects: &mut Effects) {
        let exception = Exception::new(
            ReplyCode::ConnectionForced,
            "broker forced connection closure with reason 'shutdown'",
        );
        // A stop is to keep what a crash would keep: durable auto-delete queues too.
        self.stopping = true;
        let places: Vec<_> = self.connections.iter().map(|(place, _)| place).collect();
        for place in places {
            if self.connections[place].closing {
                continue;
            }
            let close = connection_close(&exception, crate::wire::MethodId::default());
            self.connections[place].closing = true;
            effects.send(self.connections[place].id, Output::Method(ChannelNumber(0), close));
            self.release_connection(place, effects);
        }
    }
}

/// A connection.close for a refusal.
pub(super) fn connection_close(exception: &Exception, method: crate::wire::MethodId) -> Method {
    let method = exception.method.unwrap_or(method);
    connection::Close {
        reply_code: exception.code.code(),
        reply_text: exception.reply_text(),
        class_id: method.class,
        method_id: method.method,
    }
    .into()
}

/// Whether the client announced a capability.
fn capability(properties: &Table, name: &str) -> bool {
    match properties.get("capabilities") {
        Some(Field::Table(capabilities)) => {
            matches!(capabilities.get(name), Some(Field::Boolean(true)))
        }
        _ => false,
    }
}

/// The tag of a consumer, or one that the server makes.
pub(super) fn tag_or_new(broker: &mut Broker, tag: ShortString) -> ShortString {
    if tag.is_empty() { ShortString::clipped(&broker.names.make("amq.ctag-")) } else { tag }
}
