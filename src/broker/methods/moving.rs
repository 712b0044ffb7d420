//! Moving: ready messages go from one queue to the end of another, because an operator wants it.
//!
//! ```text
//!   from: 1 2 3 4 ──take──▶ room in `to`? ──yes──▶ one journal record: gone there, come here
//!                                └──no──▶ back to its place: what was moved so far is the answer
//! ```
//!
//! This is no method of AMQP: management has it. RabbitMQ's page starts a shovel for it, which can
//! leave a message in both queues. Messages stay as they are, with the exchange and routing key that
//! they came by; their time to live begins anew, as in every queue. Needs what a client would need:
//! read on the one queue, write on the default exchange.

use crate::wire::queue::PurgeOk;

use super::super::Broker;
use super::super::access::Operation;
use super::super::call::Call;
use super::super::command::Move;
use super::super::exception::{Exception, precondition_failed};
use super::super::fsync::Promise;
use super::super::permission::Object;
use super::super::publish::{Source, Welcome};
use super::super::queue::{Item, Queue};
use super::queue::{readable, refuse_stream, usable};
use crate::ids::QueueId;

/// So many messages are moved by one command at most; others have their turn then.
const MOVED_MAX: u32 = 1000;
/// When so many bytes of bodies are moved, one command has done enough too.
const MOVED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Moves messages and answers with queue.purge-ok, which counts them.
pub(in super::super) fn move_ready(
    broker: &mut Broker,
    call: &mut Call<'_>,
    order: &Move,
) -> Result<(), Exception> {
    let from = readable(broker, call, &order.from)?;
    refuse_stream(broker, from, "moving")?;
    let mut kept = broker.promise_of(from);
    let from = from.id;
    broker.permit(call, Operation::Write, Object::Exchange(""))?;
    let to = usable(broker, call, &order.to)?;
    kept = kept.max(broker.promise_of(to));
    let to = to.id;
    if from == to {
        let name = &order.to;
        return Err(precondition_failed(format!("messages of queue '{name}' are there already")));
    }
    broker.use_queue(from);
    let mut message_count = 0;
    let mut bytes = 0;
    while message_count < order.most.min(MOVED_MAX)
        && bytes < MOVED_BYTES_MAX
        && let Some(length) = broker.move_one(from, to)
    {
        message_count += 1;
        bytes += length;
    }
    broker.turn.promise = broker.turn.promise.max(kept);
    broker.reply(call, PurgeOk { message_count });
    Ok(())
}

impl Broker {
    /// What an answer promises that tells of messages in a queue or gone from it.
    fn promise_of(&self, queue: &Queue) -> Promise {
        let persists = queue.declared.persists();
        if persists { queue.fsync(self.options.fsync).promise() } else { Promise::Nothing }
    }

    /// Moves the first ready message, if there is one, and room for it. Returns the bytes of its
    /// body.
    fn move_one(&mut self, from: QueueId, to: QueueId) -> Option<u64> {
        let (item, message) = self.take_live(from, Item::expired)?;
        if !matches!(self.make_room_for(to, &message), Welcome::Room) {
            if let Some(queue) = self.queues.get_mut(&from) {
                queue.requeue(item);
            }
            return None;
        }
        let source = item.journaled.then_some(Source { queue: item.level, ordinal: item.ordinal });
        self.scratch.queues.clear();
        self.scratch.queues.push(to);
        self.enqueue(&message, source);
        self.let_go(from, item);
        Some(message.body_length().into())
    }
}
