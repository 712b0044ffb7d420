//! A client: one connection with one channel, and what it waits for.

use std::collections::{BTreeMap, VecDeque};

use leveret::broker::{Delivery, Output};
use leveret::ids::ConnectionId;
use leveret::wire::{Method, basic};

use super::model::{Binding, Instance, Model, body, number_in};

/// What a channel does with publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Plain,
    Confirm,
    Transaction,
}

/// A reply that is to come, and what it tells.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    Nothing,
    Got(Instance),
    /// So many states of it are durable.
    Queue(usize, usize),
    Declared(usize),
    Binding(usize, Binding),
    /// What was purged in this turn is gone for good.
    Purged(u64, Instance),
    /// These messages are.
    Committed(Vec<u64>),
}

pub(crate) struct Consumer {
    pub instance: Instance,
    pub no_ack: bool,
    last: u64,
}

/// A client of the simulation.
pub(crate) struct Client {
    pub id: ConnectionId,
    pub mode: Mode,
    pub next_tag: u64,
    pub unconfirmed: BTreeMap<u64, u64>,
    pub expected: VecDeque<Expected>,
    pub consumers: BTreeMap<String, Consumer>,
    /// Deliveries that are not settled, by tag.
    pub unacked: BTreeMap<u64, (Instance, u64)>,
    /// Of the transaction: publishes, and settlements with whether the message is gone.
    pub published: Vec<u64>,
    pub settled: Vec<(u64, (Instance, u64), bool)>,
    /// Octets of deliveries that were written and not reported.
    pub drained: u64,
    pub consumers_made: u64,
}

impl Client {
    pub(crate) fn new(id: u64, mode: Mode) -> Self {
        Self {
            id: ConnectionId(id),
            mode,
            next_tag: 1,
            unconfirmed: BTreeMap::new(),
            expected: VecDeque::new(),
            consumers: BTreeMap::new(),
            unacked: BTreeMap::new(),
            published: Vec::new(),
            settled: Vec::new(),
            drained: 0,
            consumers_made: 0,
        }
    }

    /// Whether an answer is to come: deliveries may wait behind it.
    pub(crate) fn waits(&self) -> bool {
        !self.expected.is_empty()
    }

    /// Whether an answer to basic.get is to come: nobody knows yet which message it took.
    pub(crate) fn waits_for_message(&self) -> bool {
        self.expected.iter().any(|expected| matches!(expected, Expected::Got(_)))
    }

    pub(crate) fn add_consumer(&mut self, tag: String, instance: Instance, no_ack: bool) {
        self.consumers.insert(tag, Consumer { instance, no_ack, last: 0 });
    }

    /// Something has come. With `durable`, replies promise that.
    pub(crate) fn receive(
        &mut self,
        model: &mut Model,
        output: &Output,
        durable: bool,
    ) -> Result<(), String> {
        match output {
            Output::Method(_, Method::Basic(basic::Method::Ack(ack))) => {
                self.confirmed(model, ack.delivery_tag, ack.multiple, durable)
            }
            Output::Method(_, Method::Connection(method)) if self.expected.is_empty() => {
                Err(format!("unexpected {method:?}"))
            }
            Output::Method(_, Method::Channel(leveret::wire::channel::Method::Close(close))) => {
                Err(format!("the channel is closed: {}", close.reply_text))
            }
            Output::Method(_, Method::Basic(basic::Method::Cancel(_))) => Ok(()),
            Output::Method(_, method) => {
                let expected = self.expected.pop_front();
                let expected = expected.ok_or_else(|| format!("unexpected {method}"))?;
                if durable {
                    told(model, expected);
                }
                Ok(())
            }
            Output::Deliver(run) => {
                for (place, delivery) in run.messages.iter().enumerate() {
                    let tag = run.first_tag.0 + place as u64;
                    self.drained += delivery.message.size();
                    self.delivered(model, &run.consumer_tag, tag, delivery)?;
                }
                Ok(())
            }
            Output::GetOk { delivery_tag, delivery, .. } => {
                let Some(Expected::Got(instance)) = self.expected.pop_front() else {
                    return Err("an unexpected basic.get-ok".to_owned());
                };
                let id = checked(model, delivery)?;
                model.delivered(instance, id, delivery.redelivered)?;
                self.unacked.insert(delivery_tag.0, (instance, id));
                Ok(())
            }
            Output::Return { .. } | Output::Pause | Output::Resume => Ok(()),
        }
    }

    fn confirmed(
        &mut self,
        model: &mut Model,
        tag: u64,
        multiple: bool,
        durable: bool,
    ) -> Result<(), String> {
        let first = if multiple { 0 } else { tag };
        let tags: Vec<_> = self.unconfirmed.range(first..=tag).map(|(tag, _)| *tag).collect();
        if tags.last() != Some(&tag) {
            return Err(format!("tag {tag} is confirmed twice, or was never published"));
        }
        for tag in tags {
            if let Some(id) = self.unconfirmed.remove(&tag).filter(|_| durable) {
                model.confirmed(id);
            }
        }
        Ok(())
    }

    fn delivered(
        &mut self,
        model: &mut Model,
        consumer: &str,
        tag: u64,
        delivery: &Delivery,
    ) -> Result<(), String> {
        let id = checked(model, delivery)?;
        let Some(consumer) = self.consumers.get_mut(consumer) else {
            return Err(format!("message {id} is delivered to no consumer"));
        };
        let order = model.delivered(consumer.instance, id, delivery.redelivered)?;
        if !delivery.redelivered {
            if order <= consumer.last {
                return Err(format!("message {id} is delivered out of its order"));
            }
            consumer.last = order;
        }
        if consumer.no_ack {
            let turn = model.turn;
            if let Some(copy) = model.copies.get_mut(&(consumer.instance, id)) {
                copy.gone.get_or_insert(turn);
            }
        } else {
            self.unacked.insert(tag, (consumer.instance, id));
        }
        Ok(())
    }
}

/// The number of a message that has come as it was sent.
pub(crate) fn checked(model: &Model, delivery: &Delivery) -> Result<u64, String> {
    let message = &delivery.message;
    let id = number_in(message.body()).ok_or("a body that nobody sent")?;
    let sent = model.messages.get(&id).ok_or("a message that nobody sent")?;
    let same = message.body() == body(id, sent.length)
        && message.routing_key() == sent.key.as_bytes()
        && message.exchange() == super::model::EXCHANGES[sent.exchange]
        && message.persistent() == sent.persistent;
    if same { Ok(id) } else { Err(format!("message {id} was altered")) }
}

fn told(model: &mut Model, expected: Expected) {
    match expected {
        Expected::Nothing | Expected::Got(_) => {}
        Expected::Queue(count, queue) => model.queues[queue].told(count),
        Expected::Declared(count) => model.declared.told(count),
        Expected::Binding(count, binding) => {
            if let Some(history) = model.bindings.get_mut(&binding) {
                history.told(count);
            }
        }
        Expected::Purged(turn, instance) => {
            for (_, copy) in model.copies_mut(instance) {
                if copy.gone == Some(turn) {
                    copy.gone = Some(0);
                }
            }
        }
        Expected::Committed(ids) => ids.into_iter().for_each(|id| model.confirmed(id)),
    }
}
