//! Beginnings and ends: of connections, channels, consumers and queues.
//!
//! Every end goes through here, whoever caused it, so that nothing is forgotten: deliveries go back
//! to their queues, exclusive queues end with their connection, auto-delete ones with their last
//! consumer.

use std::collections::VecDeque;

use log::info;

use crate::ids::{ChannelNumber, ConnectionId, QueueId, Timestamp};
use crate::wire::{Field, Method, MethodId, ReplyCode, ShortString, Table, basic, connection};

use super::Broker;
use super::call::Call;
use super::channel::ChannelState;
use super::command::OpenConnection;
use super::connections::Connection;
use super::consumer::{Consumer, ConsumerKey};
use super::effect::{Effects, Output};
use super::exception::{Exception, not_allowed};
use super::work::After;

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
            busy: false,
            held: Default::default(),
            channels: Default::default(),
            exclusive_queues: Vec::new(),
            outbox_bytes: 0,
            last_served: ChannelNumber(0),
            dropped_replies: 0,
            closing: false,
            opened: now,
            client_properties: (&open.client_properties).into(),
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
        let place = self.vhost_named(vhost).filter(|place| !self.vhosts[*place].ending);
        let settings = self.access.vhosts.get(vhost).zip(place);
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

    /// A connection is no more: its last command.
    pub(super) fn forget_connection(&mut self, id: ConnectionId, effects: &mut Effects) {
        let Some(place) = self.connection_places.remove(&id) else { return };
        self.alarms.forget(place);
        self.full_queues.forget(place);
        self.pacing.forget(place);
        self.release_connection_then(place, After::Forget, effects);
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
        if queue.consumers.is_empty() && queue.declared.auto_delete {
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
        self.delete_queue_by(None, id, effects).0
    }

    /// As [`Self::delete_queue`], because the client of a channel says so: it gets its answer first.
    /// Returns also what is to be sent on that channel then.
    pub(super) fn delete_queue_by(
        &mut self,
        deleter: Option<usize>,
        id: QueueId,
        effects: &mut Effects,
    ) -> (u64, Vec<Output>) {
        let Some(queue) = self.queues.get_mut(&id) else { return Default::default() };
        let consumers = queue.consumers.take();
        let owner = queue.declared.exclusive;
        self.flush_deliveries(effects);
        let of_deleter = |key: &ConsumerKey| {
            let channel = self.consumers.get(key.0).map(|consumer| consumer.channel);
            deleter.is_some() && channel == deleter
        };
        let (own, others): (VecDeque<_>, VecDeque<_>) = consumers.partition(of_deleter);
        self.leave_consumers(id, others, effects);
        let own = self.leave_excess_consumers(id, own);
        let behind = own.into_iter().filter_map(|key| self.take_consumer(key));
        let behind = behind.map(|(_, cancel)| cancel).collect();
        if let Some(place) = owner.and_then(|owner| self.connection_places.get(&owner)) {
            self.connections[*place].exclusive_queues.retain(|queue| *queue != id);
        }
        (self.remove_queue(id), behind)
    }

    /// Removes a consumer whose queue is going, and tells its client if it wants to know.
    pub(super) fn cancel_for_client(&mut self, key: ConsumerKey, effects: &mut Effects) {
        if let Some((channel, cancel)) = self.take_consumer(key) {
            self.send_on(channel, cancel, effects);
        }
    }

    /// Removes a consumer whose queue is going. Returns its channel and what its client is told
    /// there, if it wants to know.
    fn take_consumer(&mut self, key: ConsumerKey) -> Option<(usize, Output)> {
        let consumer = self.consumers.try_remove(key.0)?;
        self.consumer_event("consumer.deleted", &consumer);
        let channel = self.channels.get_mut(consumer.channel)?;
        channel.consumers.remove(&consumer.tag);
        let wants = self.connections[channel.connection].consumer_cancel_notify;
        (wants && channel.state == ChannelState::Open).then(|| {
            let cancel = basic::Cancel { consumer_tag: consumer.tag, no_wait: true };
            (consumer.channel, Output::Method(channel.number, cancel.into()))
        })
    }

    /// Closes what a refusal closes: the channel, or the whole connection.
    pub(super) fn refuse(&mut self, call: &mut Call<'_>, method: MethodId, refusal: &Exception) {
        if refusal.code.is_hard() {
            self.refuse_connection(call.connection, method, refusal, call.effects);
        } else {
            self.refuse_channel(call, method, refusal);
        }
    }

    /// Closes a channel: what it had goes back at once, and all but close-ok is ignored from now.
    pub(super) fn refuse_channel(
        &mut self,
        call: &mut Call<'_>,
        method: MethodId,
        refusal: &Exception,
    ) {
        let method = refusal.method.unwrap_or(method);
        let close = crate::wire::channel::Close {
            reply_code: refusal.code.code(),
            reply_text: refusal.reply_text(),
            class_id: method.class,
            method_id: method.method,
        };
        let channel = &self.channels[call.channel];
        // The log has the whole text, of which the reply holds 255 octets.
        let (code, text) = (refusal.code.name(), &refusal.text);
        let (id, number) = (channel.connection_id, channel.number);
        let peer = &self.connections[call.connection].peer;
        log::warn!("{id}.{number} {peer} channel closed: {}: {code} - {text}", method.name());
        self.flush_deliveries(call.effects);
        self.release_channel_then(call.channel, After::RefuseChannel(close), call.effects);
    }

    /// Closes a connection: what it had ends at once; the connection's thread waits for close-ok.
    pub(super) fn refuse_connection(
        &mut self,
        place: usize,
        method: MethodId,
        refusal: &Exception,
        effects: &mut Effects,
    ) {
        let close = connection_close(refusal, method);
        let id = self.connections[place].id;
        let (peer, code) = (&self.connections[place].peer, refusal.code.name());
        log::warn!("{id} {peer} closed: {}: {code} - {}", method.name(), refusal.text);
        self.flush_deliveries(effects);
        self.release_connection_then(place, After::RefuseConnection(close), effects);
    }

    /// Closes a connection because somebody says so (320), in RabbitMQ's words.
    pub fn disconnect(&mut self, id: ConnectionId, reason: &str, effects: &mut Effects) {
        self.catch_up(self.now, effects);
        let Some(&place) = self.connection_places.get(&id) else { return };
        self.last_route.forget();
        if !self.connections[place].closing {
            let refusal = Exception::new(ReplyCode::ConnectionForced, reason);
            if !self.ends_later(place, &refusal) {
                self.refuse_connection(place, Default::default(), &refusal, effects);
            }
        }
    }

    /// Tells everyone that the broker stops, and ends what they had: with its last consumer an
    /// auto-delete queue, for good, as if the clients had gone before the stop.
    pub fn shut_down(&mut self, effects: &mut Effects) {
        let exception = Exception::new(
            ReplyCode::ConnectionForced,
            "broker forced connection closure with reason 'shutdown'",
        );
        self.catch_up(self.now, effects);
        self.finish_work(effects);
        let places: Vec<_> = self.connections.iter().map(|(place, _)| place).collect();
        for place in places {
            if self.connections[place].closing {
                continue;
            }
            let close = connection_close(&exception, MethodId::default());
            effects.send(self.connections[place].id, Output::Method(ChannelNumber(0), close));
            self.release_connection_then(place, After::Nothing, effects);
            self.finish_work(effects);
        }
    }
}

/// A connection.close for a refusal.
pub(super) fn connection_close(exception: &Exception, method: MethodId) -> Method {
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
