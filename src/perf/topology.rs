//! Queues, exchange and bindings: made before a run, counted, removed after it.

use crate::client::Client;
use crate::ids::ChannelNumber;
use crate::wire::{Method, ShortString, basic, connection, exchange, queue};

use super::error::PerfError;
use super::options::Options;
use super::plan::Plan;

/// Methods that go out in one write.
const BATCH: usize = 1000;

/// The connection that declares what a run needs.
#[derive(Debug)]
pub(super) struct Topology {
    client: Client,
    channel: ChannelNumber,
}

impl Topology {
    /// Connects.
    pub(super) fn connect(options: &Options) -> Result<Self, PerfError> {
        let mut client = options.uri(0)?.connect()?;
        let channel = client.open_channel(1)?;
        Ok(Self { client, channel })
    }

    /// Makes everything anew, so that each queue is empty and is what was asked for.
    pub(super) fn declare(&mut self, options: &Options, plan: &Plan) -> Result<(), PerfError> {
        self.remove(plan)?;
        let (durable, no_wait) = (options.is_durable(), true);
        let arguments = options.queue_arguments();
        self.send((0..plan.queues).map(|queue| {
            let (queue, arguments) = (plan.queue(queue), arguments.clone());
            queue::Declare { queue, durable, no_wait, arguments, ..Default::default() }
        }))?;
        if let Some(kind) = plan.exchange_kind() {
            let kind = ShortString::clipped(kind);
            let exchange = plan.exchange();
            let declare =
                exchange::Declare { exchange, kind, durable, no_wait, ..Default::default() };
            self.send([declare])?;
        }
        self.send(plan.bindings())
    }

    /// Removes everything, with what is in it.
    pub(super) fn remove(&mut self, plan: &Plan) -> Result<(), PerfError> {
        self.send((0..plan.queues).map(|queue| queue::Delete {
            queue: plan.queue(queue),
            no_wait: true,
            ..Default::default()
        }))?;
        let exchange = plan.exchange();
        if exchange.is_empty() {
            return Ok(());
        }
        self.send([exchange::Delete { exchange, no_wait: true, ..Default::default() }])
    }

    /// How many messages are ready in all queues together.
    pub(super) fn ready(&mut self, plan: &Plan) -> Result<u64, PerfError> {
        let mut ready = 0;
        for queue in 0..plan.queues {
            let queue = plan.queue(queue);
            let declare = queue::Declare { queue, passive: true, ..Default::default() };
            let answer = self.client.call(self.channel, declare)?;
            let Method::Queue(queue::Method::DeclareOk(it)) = answer.method else {
                return Err(PerfError::from_method(&answer.method));
            };
            ready += u64::from(it.message_count);
        }
        Ok(ready)
    }

    /// Ends the connection in order.
    pub(super) fn close(self) -> Result<(), PerfError> {
        close(self.client)
    }

    /// Sends methods that have no answer, then one that has: behind it they are all done.
    fn send<M: Into<Method>>(
        &mut self,
        methods: impl IntoIterator<Item = M>,
    ) -> Result<(), PerfError> {
        for (number, method) in methods.into_iter().enumerate() {
            self.client.send(self.channel, method);
            if number % BATCH == BATCH - 1 {
                self.client.call(self.channel, basic::Qos::default())?;
            }
        }
        self.client.call(self.channel, basic::Qos::default())?;
        Ok(())
    }
}

/// Ends a connection in order.
pub(super) fn close(mut client: Client) -> Result<(), PerfError> {
    let close = connection::Close {
        reply_code: 200,
        reply_text: ShortString::clipped("bye"),
        ..Default::default()
    };
    client.call(ChannelNumber(0), close)?;
    Ok(())
}
