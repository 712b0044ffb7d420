//! The checker: what is there after a crash, compared with what must and may be there.

use std::collections::BTreeSet;

use leveret::broker::{Broker, Command, Effects, OpenConnection, Output, Publish};
use leveret::ids::{ChannelNumber, ConnectionId, Timestamp};
use leveret::message::Message;
use leveret::wire::{Method, ShortString, Table, basic, channel, exchange, queue};

use super::client::checked;
use super::model::{Binding, Copy, DECLARED, EXCHANGES, Instance, KEYS, Model, QUEUES, TRANSIENT};

/// A broker that is looked through and then thrown away.
pub(crate) struct Probe {
    pub broker: Broker,
    pub effects: Effects,
    pub now: Timestamp,
    channel: u16,
}

/// Compares what a broker has recovered with the model, which learns what is there. All turns up to
/// `sure` must be there; `damaged` entries may be missing between others.
pub(crate) fn check(
    broker: Broker,
    model: &mut Model,
    sure: u64,
    damaged: u64,
) -> Result<(), String> {
    let now = broker.now();
    model.clock.began(now, sure)?;
    let mut probe = Probe { broker, effects: Effects::default(), now, channel: 0 };
    probe.open();
    let queues: Vec<bool> = (0..QUEUES.len()).map(|queue| probe.has_queue(queue)).collect();
    let declared = probe.has_exchange();
    check_state("exchange x", &mut model.declared, declared, sure)?;
    probe.publish_probes(declared);
    for (queue, exists) in queues.into_iter().enumerate() {
        let contents = if exists { probe.drain(QUEUES[queue]) } else { Vec::new() };
        let (bound, messages) = split(model, queue, &contents)?;
        let instance = find_instance(model, queue, exists, &messages, sure)?;
        check_bindings(model, queue, exists, &bound, sure)?;
        if let Some((instance, certain)) = instance {
            check_messages(model, instance, &messages, if certain { sure } else { 0 }, damaged)?;
        }
        model
            .copies
            .retain(|(other, _), _| other.0 != queue || Some(*other) == instance.map(first));
    }
    super::extras::check(&mut probe, model, sure)?;
    model.counts.images += 1;
    Ok(())
}

fn first<T, U>(pair: (T, U)) -> T {
    pair.0
}

fn check_state(
    what: &str,
    history: &mut super::model::History<bool>,
    found: bool,
    sure: u64,
) -> Result<(), String> {
    let candidates = history.candidates(sure);
    if !candidates.contains(&found) {
        return Err(format!("{what}: there is {found}, but {candidates:?} was promised"));
    }
    history.found(found);
    Ok(())
}

/// The exchanges and keys that a queue's probes came by.
type Bound = BTreeSet<(usize, usize)>;

/// A message that was found in a queue.
struct Found {
    id: u64,
    redelivered: bool,
}

/// What a queue holds: the bindings that probes came by, and the messages.
fn split(
    model: &Model,
    queue: usize,
    contents: &[leveret::broker::Delivery],
) -> Result<(Bound, Vec<Found>), String> {
    let mut bound = BTreeSet::new();
    let mut messages = Vec::new();
    for delivery in contents {
        if let Some(text) = delivery.message.body().strip_prefix(b"probe ") {
            let text = String::from_utf8_lossy(text);
            let mut words = text.split(' ').map(|word| word.parse::<usize>().unwrap());
            bound.insert((words.next().unwrap(), words.next().unwrap()));
        } else {
            let id = checked(model, delivery).map_err(|error| format!("{queue}: {error}"))?;
            messages.push(Found { id, redelivered: delivery.redelivered });
        }
    }
    Ok((bound, messages))
}

/// Which of the queues that had this name is there, and whether that is certain.
fn find_instance(
    model: &mut Model,
    queue: usize,
    exists: bool,
    messages: &[Found],
    sure: u64,
) -> Result<Option<(Instance, bool)>, String> {
    if queue == TRANSIENT {
        model.queues[queue].found(None);
        return if exists { Err("a transient queue is there".to_owned()) } else { Ok(None) };
    }
    let candidates = model.queues[queue].candidates(sure);
    if !candidates.iter().any(|state| state.is_some() == exists) {
        return Err(format!(
            "queue {}: there is {exists}, but {candidates:?} was promised",
            QUEUES[queue]
        ));
    }
    if !exists {
        model.queues[queue].found(None);
        return Ok(None);
    }
    let numbers: Vec<u64> = candidates.into_iter().flatten().collect();
    let holds = |number: &u64| {
        messages.iter().all(|found| model.copies.contains_key(&((queue, *number), found.id)))
    };
    let Some(number) = numbers.iter().rev().copied().find(holds) else {
        let ids: Vec<_> = messages.iter().map(|found| found.id).collect();
        return Err(format!("queue {}: {ids:?} never were in one of {numbers:?}", QUEUES[queue]));
    };
    model.queues[queue].found(Some(number));
    Ok(Some(((queue, number), numbers.len() == 1)))
}

fn check_bindings(
    model: &mut Model,
    queue: usize,
    exists: bool,
    bound: &Bound,
    sure: u64,
) -> Result<(), String> {
    for exchange in 1..EXCHANGES.len() {
        for key in 0..KEYS.len() {
            let binding: Binding = (exchange, queue, key);
            let Some(history) = model.bindings.get_mut(&binding) else { continue };
            let found = bound.contains(&(exchange, key));
            // A queue or exchange that may be gone takes its bindings along.
            if found || exists {
                check_state(&format!("binding {binding:?}"), history, found, sure)?;
            }
            history.found(found);
        }
    }
    Ok(())
}

fn check_messages(
    model: &mut Model,
    instance: Instance,
    messages: &[Found],
    sure: u64,
    damaged: u64,
) -> Result<(), String> {
    let there: BTreeSet<u64> = messages.iter().map(|found| found.id).collect();
    if there.len() != messages.len() {
        return Err(format!("{instance:?}: a message is there twice"));
    }
    check_order(model, instance, messages, damaged)?;
    for Found { id, redelivered } in messages {
        let copy = &model.copies[&(instance, *id)];
        let what = || format!("message {id} of {instance:?} ({copy:?})");
        if !copy.persistent {
            return Err(format!("{} is transient and there", what()));
        }
        if copy.gone.is_some_and(|gone| gone <= sure) {
            return Err(format!("{} comes back after it was settled", what()));
        }
        if copy.delivered && !redelivered && !model.may_forget {
            return Err(format!("{} was delivered and is not flagged", what()));
        }
        model.counts.restored += 1;
        model.counts.flagged += u64::from(*redelivered);
    }
    let (mut missing, mut after, mut lost) = (None, 0, None);
    let mut copies: Vec<_> = model.copies(instance).collect();
    copies.sort_unstable_by_key(|(_, copy)| copy.order);
    for (id, copy) in copies {
        if there.contains(&id) {
            after += u64::from(missing.is_some());
        } else if copy.persistent && copy.gone.is_none() {
            if sure > 0 && (copy.turn <= sure || copy.confirmed) {
                let length = model.messages[&id].length;
                let what = format!("message {id} of {instance:?} ({copy:?}, {length} octets)");
                lost = Some(format!("{what} is lost"));
            }
            missing = Some(id);
        }
    }
    if after > 0 && damaged == 0 && sure > 0 {
        lost =
            lost.or_else(|| Some(format!("{instance:?}: {missing:?} is missing before {after}")));
    }
    if let Some(what) = lost {
        model.lose(QUEUES[instance.0], what)?;
    }
    // What a purge or a deletion was about to take when everything stopped may still go either way:
    // a name that a killed process has removed can be back after a power cut.
    let open = |copy: &Copy| copy.gone.is_some_and(|gone| gone > sure);
    model.copies.retain(|(other, id), copy| *other != instance || there.contains(id) || open(copy));
    for (id, copy) in model.copies_mut(instance) {
        let gone = if there.contains(&id) { None } else { Some(u64::MAX) };
        (copy.turn, copy.gone, copy.held) = (0, gone, false);
    }
    Ok(())
}

fn check_order(
    model: &Model,
    instance: Instance,
    messages: &[Found],
    damaged: u64,
) -> Result<(), String> {
    let orders: Vec<_> =
        messages.iter().map(|found| model.copies[&(instance, found.id)].order).collect();
    if damaged == 0 && !orders.is_sorted() {
        return Err(format!("{instance:?}: out of order: {orders:?}"));
    }
    Ok(())
}

impl Probe {
    const CLIENT: ConnectionId = ConnectionId(1);

    fn open(&mut self) {
        let open = OpenConnection {
            peer: "checker".to_owned(),
            user: ShortString::clipped("guest"),
            virtual_host: ShortString::clipped("/"),
            client_properties: Table::default(),
            channel_max: 0,
            facts: Default::default(),
        };
        self.apply(Command::Open(Box::new(open)));
        self.next_channel();
    }

    pub(crate) fn next_channel(&mut self) {
        self.channel += 1;
        self.ask(channel::Open::default());
    }

    /// Hands a command over and does all that follows at this moment.
    pub(crate) fn apply(&mut self, command: Command) -> Vec<Output> {
        self.hand_over(command);
        self.settle()
    }

    pub(crate) fn hand_over(&mut self, command: Command) {
        self.broker.apply(self.now, Self::CLIENT, command, &mut self.effects);
    }

    /// A method whose answer comes with the next turn.
    pub(crate) fn say(&mut self, method: impl Into<Method>) {
        self.hand_over(Command::Method(ChannelNumber(self.channel), method.into()));
    }

    /// Calls a method; whether it was not refused.
    pub(crate) fn ask(&mut self, method: impl Into<Method>) -> bool {
        let outputs = self.apply(Command::Method(ChannelNumber(self.channel), method.into()));
        let refused = outputs.iter().any(|output| {
            matches!(output, Output::Method(_, Method::Channel(channel::Method::Close(_))))
        });
        if refused {
            self.next_channel();
        }
        !refused
    }

    fn has_queue(&mut self, queue: usize) -> bool {
        self.exists(QUEUES[queue])
    }

    /// Whether a queue of this name is there.
    pub(crate) fn exists(&mut self, queue: &str) -> bool {
        let queue = ShortString::clipped(queue);
        self.ask(queue::Declare { queue, passive: true, ..Default::default() })
    }

    fn has_exchange(&mut self) -> bool {
        let exchange = ShortString::clipped(EXCHANGES[DECLARED]);
        self.ask(exchange::Declare { exchange, passive: true, ..Default::default() })
    }

    /// A message by each exchange and key.
    fn publish_probes(&mut self, declared: bool) {
        for exchange in (1..EXCHANGES.len()).filter(|exchange| *exchange != DECLARED || declared) {
            for (place, key) in KEYS.iter().enumerate() {
                let body = format!("probe {exchange} {place}");
                let message = Message::from_parts(
                    EXCHANGES[exchange],
                    key.as_bytes(),
                    &[0, 0],
                    body.as_bytes(),
                    false,
                );
                let publish =
                    Publish { mandatory: false, immediate: false, repeats: false, message };
                self.publish_message(publish);
            }
        }
    }

    pub(crate) fn publish_message(&mut self, publish: Publish) {
        self.apply(Command::Publish(ChannelNumber(self.channel), publish));
    }

    /// Takes everything out of a queue.
    pub(crate) fn drain(&mut self, queue: &str) -> Vec<leveret::broker::Delivery> {
        let mut messages = Vec::new();
        loop {
            let get = basic::Get { queue: ShortString::clipped(queue), no_ack: true };
            let command = Command::Method(ChannelNumber(self.channel), get.into());
            let got = self.apply(command).into_iter().find_map(|output| match output {
                Output::GetOk { delivery, .. } => Some(delivery),
                _ => None,
            });
            match got {
                Some(delivery) => messages.push(delivery),
                None => return messages,
            }
        }
    }
}
