//! Direct reply-to (RabbitMQ): answers go to the asking channel, without a queue.
//!
//! ```text
//!   client ── consume amq.rabbitmq.reply-to, no_ack ──▶ broker        an address for the channel
//!   client ── publish, reply_to=amq.rabbitmq.reply-to ─▶ reply_to=amq.rabbitmq.reply-to.<name> ──▶ server
//!   client ◀─────────────── deliver ─── broker ◀── publish to "", key amq.rabbitmq.reply-to.<name> ── server
//! ```
//!
//! An answer is delivered at most once: nobody keeps it when its client is gone, or does not read.

use crate::ids::ChannelNumber;
use crate::message::Message;
use crate::wire::{Properties, PropertiesView, ShortBytes, ShortString, basic};

use super::Broker;
use super::call::Call;
use super::effect::{Deliveries, Delivery, Output};
use super::exception::{Exception, precondition_failed, tag_in_use};
use super::lifecycle::tag_or_new;
use super::sender_selected::with_properties;

/// The queue name that stands for the channel itself.
pub(super) const PSEUDO_QUEUE: &str = "amq.rabbitmq.reply-to";
/// What its addresses begin with.
const PREFIX: &str = "amq.rabbitmq.reply-to.";
/// How many times the outbox limit answers may fill an outbox before they are dropped.
const OUTBOXES_MAX: u64 = 16;

/// A channel's consumer of answers.
#[derive(Clone, Debug)]
pub(super) struct ReplyConsumer {
    /// Its tag on the channel.
    pub(super) tag: ShortString,
    /// The address that publishes of the channel carry.
    address: ShortString,
}

/// Whether a queue name is the pseudo queue or an address.
pub(super) fn is_reply_to(name: &str) -> bool {
    name == PSEUDO_QUEUE || name.starts_with(PREFIX)
}

/// basic.consume from the pseudo queue.
pub(super) fn consume(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: basic::Consume,
) -> Result<(), Exception> {
    let channel = &broker.channels[call.channel];
    if channel.has_consumer(&method.consumer_tag) {
        return Err(tag_in_use(&method.consumer_tag));
    }
    if !method.no_ack {
        return Err(precondition_failed("reply consumer cannot acknowledge"));
    }
    if channel.reply_consumer.is_some() {
        return Err(precondition_failed("reply consumer already set"));
    }
    let tag = tag_or_new(broker, method.consumer_tag);
    let address = ShortString::clipped(&broker.names.make(PREFIX));
    broker.reply_channels.insert(address.clone(), call.channel);
    broker.channels[call.channel].reply_consumer =
        Some(ReplyConsumer { tag: tag.clone(), address });
    if !method.no_wait {
        broker.reply(call, basic::ConsumeOk { consumer_tag: tag });
    }
    Ok(())
}

impl Broker {
    /// Ends a channel's consumer of answers if it has this tag, or any without one.
    pub(super) fn cancel_reply_consumer(&mut self, channel: usize, tag: Option<&str>) {
        let consumer = &mut self.channels[channel].reply_consumer;
        if consumer.as_ref().is_some_and(|consumer| tag.is_none_or(|tag| *consumer.tag == *tag))
            && let Some(consumer) = consumer.take()
        {
            self.reply_channels.remove(&consumer.address);
        }
    }

    /// Whether an address is one that answers can be sent to.
    pub(super) fn reply_address_exists(&self, name: &str) -> bool {
        name == PSEUDO_QUEUE || self.reply_channels.contains_key(name)
    }

    /// A message whose reply-to is the pseudo queue gets the channel's address instead.
    pub(super) fn with_reply_address(
        &self,
        channel: usize,
        message: Message,
    ) -> Result<Message, Exception> {
        let wants = PropertiesView::parse(message.properties())
            .is_ok_and(|view| view.reply_to() == Some(PSEUDO_QUEUE.as_bytes()));
        if !wants {
            return Ok(message);
        }
        let Some(consumer) = &self.channels[channel].reply_consumer else {
            return Err(precondition_failed("fast reply consumer does not exist"));
        };
        let Ok(mut properties) = Properties::decode(message.properties()) else {
            return Ok(message);
        };
        properties.reply_to = Some(ShortBytes::clipped(consumer.address.as_bytes()));
        Ok(with_properties(&message, &properties))
    }

    /// Sends the answers that came while the client had turned channel.flow off.
    pub(super) fn release_held_replies(&mut self, call: &mut Call<'_>) {
        for run in std::mem::take(&mut self.channels[call.channel].held_replies) {
            self.reply_with(call, Output::Deliver(run));
        }
    }

    /// Throws these away, with their channel.
    pub(super) fn drop_held_replies(&mut self, channel: usize) {
        let channel = &mut self.channels[channel];
        let held = std::mem::take(&mut channel.held_replies);
        let bytes: u64 =
            held.iter().flat_map(|run| &run.messages).map(|held| held.message.size()).sum();
        let outbox = &mut self.connections[channel.connection].outbox_bytes;
        *outbox = outbox.saturating_sub(bytes);
    }

    /// Delivers an answer if the message is one. It counts as routed even if nobody waits for it.
    pub(super) fn deliver_reply(&mut self, message: &Message) -> bool {
        let Ok(address) = std::str::from_utf8(message.routing_key()) else { return false };
        if !message.exchange().is_empty() || !address.starts_with(PREFIX) {
            return false;
        }
        let Some(&place) = self.reply_channels.get(address) else { return true };
        let channel = &mut self.channels[place];
        let connection = &mut self.connections[channel.connection];
        if connection.outbox_bytes >= OUTBOXES_MAX.saturating_mul(self.options.outbox_bytes_max) {
            connection.dropped_replies += 1;
            let dropped = connection.dropped_replies;
            // The first, the second, the fourth ..: a flood does not fill the log.
            if dropped.is_power_of_two() {
                let (id, number) = (channel.connection_id, channel.number);
                log::warn!("{id}.{number} reads no answers: {dropped} are dropped so far");
            }
            return true;
        }
        let Some(consumer) = &channel.reply_consumer else { return true };
        connection.outbox_bytes += message.size();
        let consumer_tag = consumer.tag.clone();
        let first_tag = channel.take_tag();
        let (to, number): (_, ChannelNumber) = (channel.connection_id, channel.number);
        let messages = vec![Delivery { redelivered: false, message: message.clone() }];
        let run = Deliveries { channel: number, consumer_tag, first_tag, messages };
        if !channel.flow {
            channel.held_replies.push(run);
            return true;
        }
        let output = Output::Deliver(run);
        self.turn.deliveries.send(to, output);
        true
    }
}
