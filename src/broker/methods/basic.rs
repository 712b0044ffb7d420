//! Class basic: qos, consume, cancel, get, ack, reject, nack, recover. (Publish has a content and
//! comes by another way: `broker/publish.rs`.)

use crate::ids::DeliveryTag;
use crate::wire::{ReplyCode, basic};

use super::super::Broker;
use super::super::arguments::{ConsumerArguments, QueueType};
use super::super::call::Call;
use super::super::channel::{Delivered, Mode};
use super::super::consumer::Consumer;
use super::super::effect::{Delivery, Output};
use super::super::exception::{
    Exception, access_refused, not_allowed, not_implemented, precondition_failed, tag_in_use,
};
use super::super::lifecycle::tag_or_new;
use super::super::queue::{Item, Queue};
use super::super::reply_to::{self, PSEUDO_QUEUE};
use super::super::stream::Wish;
use super::super::transaction::{Requeue, Settlement};
use super::super::work::{Job, Many, Settle};
use super::queue::{readable, refuse_stream};
use super::unexpected;

/// The most consumers of one channel: what a client can make the broker keep is bounded.
const CONSUMERS_MAX: usize = 10_000;

/// Handles a method of the class.
pub(super) fn handle(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: basic::Method,
) -> Result<(), Exception> {
    match method {
        basic::Method::Qos(method) => qos(broker, call, &method),
        basic::Method::Consume(method) => consume(broker, call, method),
        basic::Method::Cancel(method) => {
            cancel(broker, call, method);
            Ok(())
        }
        basic::Method::CancelOk(_) => Ok(()), // the answer to a cancel of the broker's
        basic::Method::Get(method) => get(broker, call, &method),
        basic::Method::Ack(method) => {
            settle(broker, call, method.delivery_tag, method.multiple, Settlement::Ack)
        }
        basic::Method::Nack(basic::Nack { delivery_tag, multiple, requeue }) => {
            let settlement = rejection(requeue, Requeue::Returned);
            settle(broker, call, delivery_tag, multiple, settlement)
        }
        basic::Method::Reject(basic::Reject { delivery_tag, requeue }) => {
            let settlement = rejection(requeue, Requeue::Failed);
            settle(broker, call, delivery_tag, false, settlement)
        }
        basic::Method::Recover(method) => recover(broker, call, method.requeue, true),
        basic::Method::RecoverAsync(method) => recover(broker, call, method.requeue, false),
        _ => Err(unexpected()),
    }
}

fn qos(broker: &mut Broker, call: &mut Call<'_>, method: &basic::Qos) -> Result<(), Exception> {
    if method.prefetch_size != 0 {
        return Err(not_implemented(format!("prefetch_size!=0 ({})", method.prefetch_size)));
    }
    let global = method.global && broker.global_prefetch();
    let channel = &mut broker.channels[call.channel];
    if global {
        channel.channel_prefetch = method.prefetch_count;
        broker.rouse_channel(call.channel);
    } else {
        channel.consumer_prefetch = method.prefetch_count;
    }
    broker.reply(call, basic::QosOk::default());
    Ok(())
}

fn consume(
    broker: &mut Broker,
    call: &mut Call<'_>,
    method: basic::Consume,
) -> Result<(), Exception> {
    if *method.queue == *PSEUDO_QUEUE {
        return reply_to::consume(broker, call, method);
    }
    if broker.channels[call.channel].has_consumer(&method.consumer_tag) {
        return Err(tag_in_use(&method.consumer_tag));
    }
    let queue = readable(broker, call, &method.queue)?;
    let vhost = &broker.vhosts[queue.declared.vhost].name;
    let arguments = ConsumerArguments::parse(&method.arguments).map_err(|error| {
        let subject = format!("queue '{}' in vhost '{vhost}'", queue.name());
        precondition_failed(error.text(subject))
    })?;
    let consumers = &queue.consumers;
    let taken = consumers.refuse_others() || (method.exclusive && consumers.refuse_exclusive());
    let timeout = arguments.timeout.or(queue.declared.arguments.consumer_timeout);
    let timeout = timeout.or(broker.options.consumer_timeout);
    let in_use = format!("queue '{}' in vhost '{vhost}' in exclusive use", queue.name());
    let id = queue.id;
    let channel = &broker.channels[call.channel];
    if channel.consumers.len() >= CONSUMERS_MAX {
        return Err(not_allowed(format!(
            "reached maximum ({CONSUMERS_MAX}) of consumers per channel"
        )));
    }
    if taken {
        return Err(access_refused(in_use));
    }
    let wish = Wish::parse(queue, vhost, channel, &method)?;
    let prefetch = channel.consumer_prefetch;
    let subscription = broker.subscribe(id, wish, &method.consumer_tag)?;
    let tag = tag_or_new(broker, method.consumer_tag);
    if !method.no_wait {
        broker.reply(call, basic::ConsumeOk { consumer_tag: tag.clone() });
    }
    broker.add_consumer(Consumer {
        number: 0,
        tag,
        queue: id,
        channel: call.channel,
        no_ack: method.no_ack,
        exclusive: method.exclusive,
        priority: arguments.priority,
        timeout: timeout.filter(|timeout| !timeout.is_zero() && subscription.is_none()),
        prefetch,
        unacked: 0,
        in_line: false,
        subscription,
        arguments: (&method.arguments).into(),
    });
    Ok(())
}

/// basic.cancel: what was delivered stays to be acknowledged. An unknown tag is cancelled already.
fn cancel(broker: &mut Broker, call: &mut Call<'_>, method: basic::Cancel) {
    broker.flush_deliveries(call.effects);
    let key = broker.channels[call.channel].consumers.remove(&method.consumer_tag);
    if let Some(key) = key {
        broker.remove_consumer(key, call.effects);
    }
    broker.cancel_reply_consumer(call.channel, Some(&method.consumer_tag));
    if !method.no_wait {
        broker.reply(call, basic::CancelOk { consumer_tag: method.consumer_tag });
    }
}

fn get(broker: &mut Broker, call: &mut Call<'_>, method: &basic::Get) -> Result<(), Exception> {
    let queue = readable(broker, call, &method.queue)?;
    let id = queue.id;
    refuse_stream(broker, queue, "basic.get")?;
    refuse_get(broker, queue)?;
    broker.use_queue(id);
    let Some((mut item, message)) = broker.take_live(id, Item::expired) else {
        if let Some(queue) = broker.queues.get_mut(&id) {
            queue.stats.get_empty += 1;
        }
        broker.channels[call.channel].stats.get_empty += 1;
        broker.statistics.messages.get_empty += 1;
        broker.reply(call, basic::GetEmpty::default());
        return Ok(());
    };
    let message_count = broker.queues.get(&id).map_or(0, |queue| queue.ready_count());
    let message = broker.told(id, &item, message);
    let redelivered = item.deliveries > 0;
    if broker.vhosts[broker.connections[call.connection].vhost].traced {
        broker.trace_delivery(call.channel, id, &message, redelivered);
    }
    item.deliveries = item.deliveries.saturating_add(1);
    if let Some(queue) = broker.queues.get_mut(&id) {
        queue.stats.got(method.no_ack, redelivered);
    }
    broker.statistics.messages.got(method.no_ack, redelivered);
    let channel = &mut broker.channels[call.channel];
    let delivery_tag = channel.take_tag();
    let number = channel.number;
    channel.stats.got(method.no_ack, redelivered);
    if method.no_ack {
        broker.forget(id, &item);
    } else {
        broker.note_delivery(&item);
        let delivered = Delivered { queue: id, item, deadline: None, consumer: None };
        broker.channels[call.channel].unacked.push(delivery_tag, delivered);
    }
    let delivery = Delivery { redelivered, message };
    let output = Output::GetOk { channel: number, delivery_tag, message_count, delivery };
    broker.reply_with(call, output);
    Ok(())
}

/// RabbitMQ's quorum queues with a single active consumer answer no basic.get; classic ones do.
fn refuse_get(broker: &Broker, queue: &Queue) -> Result<(), Exception> {
    let queue_type = queue.declared.arguments.queue_type;
    if !queue.consumers.is_single() || queue_type == QueueType::Classic {
        return Ok(());
    }
    let (name, vhost) = (queue.name(), &broker.vhosts[queue.declared.vhost].name);
    Err(Exception::new(
        ReplyCode::ResourceLocked,
        format!(
            "cannot obtain access to locked queue '{name}' in vhost '{vhost}'. basic.get \
             operations are not supported by {} queues with single active consumer",
            queue_type.name()
        ),
    ))
}

/// What a rejection asks for. RabbitMQ's quorum queues take a reject for a failure of the delivery,
/// a nack for none; so do all queues that count.
fn rejection(requeue: bool, how: Requeue) -> Settlement {
    if requeue { Settlement::Requeue(how) } else { Settlement::Discard }
}

/// basic.ack, nack and reject: one delivery, or all through a tag; tag 0 with `multiple` is all.
fn settle(
    broker: &mut Broker,
    call: &mut Call<'_>,
    tag: u64,
    multiple: bool,
    settlement: Settlement,
) -> Result<(), Exception> {
    let unknown = || precondition_failed(format!("unknown delivery tag {tag}"));
    if !multiple {
        let unacked = &mut broker.channels[call.channel].unacked;
        let Some(delivered) = unacked.take(DeliveryTag(tag)) else {
            let late = broker.settle_late(call.channel, DeliveryTag(tag));
            return if late { Ok(()) } else { Err(unknown()) };
        };
        settle_one(broker, call.channel, DeliveryTag(tag), delivered, settlement);
        return Ok(());
    }
    let through = if tag == 0 { DeliveryTag(u64::MAX) } else { DeliveryTag(tag) };
    if tag != 0 && !broker.channels[call.channel].holds(through) {
        return Err(unknown());
    }
    let job = Settle::new(broker, call, through, Many::Settled(settlement));
    broker.begin(Job::Settle(job), call.effects)
}

/// Settles a delivery, or notes on a transactional channel that commit will.
fn settle_one(
    broker: &mut Broker,
    channel: usize,
    tag: DeliveryTag,
    delivered: Delivered,
    settlement: Settlement,
) {
    if let Mode::Transaction(transaction) = &mut broker.channels[channel].mode {
        transaction.settlements.push_back((tag, delivered, settlement));
        return;
    }
    apply_settlement(broker, channel, delivered, settlement);
}

/// Does what an acknowledgement or a rejection says.
pub(in super::super) fn apply_settlement(
    broker: &mut Broker,
    channel: usize,
    delivered: Delivered,
    settlement: Settlement,
) {
    match settlement {
        Settlement::Ack => {
            broker.count_ack(channel, delivered.queue);
            broker.settle(channel, &delivered);
        }
        Settlement::Discard => broker.discard(channel, delivered),
        Settlement::Requeue(requeue) => broker.requeue(channel, delivered, requeue),
    }
}

/// basic.recover: everything that is not acknowledged goes back to its queue.
fn recover(
    broker: &mut Broker,
    call: &mut Call<'_>,
    requeue: bool,
    answer: bool,
) -> Result<(), Exception> {
    if !requeue {
        return Err(Exception::new(ReplyCode::NotImplemented, "requeue=false"));
    }
    let everything = DeliveryTag(u64::MAX);
    let job = Settle::new(broker, call, everything, Many::Recovered { answer });
    broker.begin(Job::Settle(job), call.effects)
}
