//! What is in the other queues after a crash, compared with what must and may be there.

use std::collections::{BTreeMap, BTreeSet};

use leveret::broker::{Command, Output, Publish};
use leveret::message::Message;
use leveret::wire::{Properties, basic, channel};

use super::super::check::Probe;
use super::super::model::Model;
use super::{Kind, NARROW, Sent, number, offset};

/// After so long every time is over, in milliseconds.
const LONG: u64 = 100_000;
/// What a policy has not limited keeps so many probes.
const PROBES: usize = 5;

/// Compares; the model learns what is there.
pub(crate) fn check(probe: &mut Probe, model: &mut Model, sure: u64) -> Result<(), String> {
    let mut there = BTreeSet::new();
    check_times(probe, model, sure, &mut there)?;
    check_stream(probe, model, sure, &mut there)?;
    for (queue, of) in [("unique", Kind::Unique as fn(u64) -> Kind), ("kept", Kind::Once)] {
        check_headers(probe, model, (queue, of), sure, &mut there)?;
    }
    check_narrow(probe, model, sure, &mut there)?;
    check_operator(probe, model, sure)?;
    // A header that was sent again went nowhere.
    let counts = |sent: &Sent| matches!(sent.kind, Kind::Unique(_) | Kind::Once(_));
    model.extras.sent.retain(|id, sent| there.contains(id) || (counts(sent) && sent.is_sure(sure)));
    for sent in model.extras.sent.values_mut() {
        (sent.turn, sent.taken) = (Some(0), None);
    }
    model.extras.unseen_gets = 0;
    Ok(())
}

fn numbers(messages: &[Message]) -> Result<Vec<u64>, String> {
    messages.iter().map(number).collect()
}

/// Messages that were published to `queue`, and where they go from there.
fn must_be_there(
    model: &mut Model,
    sure: u64,
    (queue, kind): (&str, Kind),
    is_there: impl Fn(u64) -> bool,
) -> Result<(), String> {
    let lost = model.extras.sent.iter().find(|(id, sent)| {
        kind == sent.kind && sent.taken.is_none() && sent.is_sure(sure) && !is_there(**id)
    });
    let lost = lost.map(|(id, sent)| format!("message {id} beside ({sent:?}) is lost"));
    lost.map_or(Ok(()), |what| model.lose(queue, what))
}

/// What expires and what is delayed is in one of the queues, and in the right one.
fn check_times(
    probe: &mut Probe,
    model: &mut Model,
    sure: u64,
    there: &mut BTreeSet<u64>,
) -> Result<(), String> {
    probe.settle();
    let waiting = numbers(&probe.take_all("ttl"))?;
    let over = numbers(&probe.take_all("over"))?;
    let sent = &model.extras.sent;
    let of = |id: &u64| sent.get(id).ok_or_else(|| format!("message {id} beside was never sent"));
    let (real, unknown, known) =
        (model.clock.real, model.clock.unknown, model.clock.is_known(sure));
    for id in &waiting {
        let (due, before) = of(id)?.due;
        if known && due.saturating_add(unknown.saturating_sub(before)) <= real {
            return Err(format!("message {id} beside is kept, and its time is over"));
        }
    }
    for id in &over {
        let (due, before) = of(id)?.due;
        if known && due > real.saturating_add(unknown.saturating_sub(before)) {
            return Err(format!("message {id} beside is early by {} ms", due - real));
        }
    }
    probe.now = leveret::ids::Timestamp(probe.now.0 + LONG);
    probe.settle();
    let later = numbers(&probe.take_all("over"))?;
    let mut counts = BTreeMap::<u64, usize>::new();
    for id in waiting.iter().chain(&over).chain(&later) {
        *counts.entry(*id).or_default() += 1;
        // What a delay holds back comes twice if a cut is just in between.
        if counts[id] > 1 && of(id)?.kind == Kind::Expiring {
            return Err(format!("message {id} beside is there twice"));
        }
    }
    there.extend(counts.keys());
    // Whatever has vanished of the three queues, it was one of them.
    must_be_there(model, sure, ("over", Kind::Expiring), |id| counts.contains_key(&id))?;
    must_be_there(model, sure, ("over", Kind::Delayed), |id| counts.contains_key(&id))
}

/// A stream has a prefix of what was published, in order, each message at its offset.
fn check_stream(
    probe: &mut Probe,
    model: &mut Model,
    sure: u64,
    there: &mut BTreeSet<u64>,
) -> Result<(), String> {
    let messages = probe.read_stream("stream");
    let ids = numbers(&messages)?;
    let streamed = model.extras.sent.iter().filter(|(_, sent)| sent.kind == Kind::Streamed);
    let published: Vec<u64> = streamed.map(|(id, _)| *id).collect();
    let mut before = None;
    for (message, id) in messages.iter().zip(&ids) {
        let at = offset(message)?;
        let place = usize::try_from(at).map_err(|error| error.to_string())?;
        if published.get(place) != Some(id) || before >= Some(at) {
            return Err(format!("message {id} of the stream has the offset {at} ({published:?})"));
        }
        before = Some(at);
    }
    let kept: BTreeSet<_> = ids.iter().copied().collect();
    let seen = model.extras.offsets.iter().find(|(_, id)| !kept.contains(id));
    if let Some((at, id)) = seen.map(|(at, id)| (*at, *id)) {
        model.lose("stream", format!("a reader saw message {id} at offset {at}: it is gone"))?;
    }
    for (at, id) in &model.extras.offsets {
        if kept.contains(id) && published.get(*at as usize) != Some(id) {
            return Err(format!("a reader saw message {id} at offset {at}: it has moved"));
        }
    }
    if !published.starts_with(&ids) {
        model.lose("stream", format!("the stream is {ids:?}, no prefix of {published:?}"))?;
    }
    there.extend(&ids);
    must_be_there(model, sure, ("stream", Kind::Streamed), |id| kept.contains(&id))
}

/// Each header is there once, and if a message with it is sure, it is.
fn check_headers(
    probe: &mut Probe,
    model: &mut Model,
    (queue, of): (&str, fn(u64) -> Kind),
    sure: u64,
    there: &mut BTreeSet<u64>,
) -> Result<(), String> {
    let ids = numbers(&probe.take_all(queue))?;
    let mut headers = BTreeSet::new();
    for id in ids {
        let sent = model.extras.sent.get(&id);
        let kind = sent.ok_or_else(|| format!("{queue}: {id} was never sent"))?.kind;
        let header = (0..super::HEADERS).find(|header| of(*header) == kind);
        let header = header.ok_or_else(|| format!("{queue}: {id} went elsewhere"))?;
        if !headers.insert(header) {
            return Err(format!("{queue}: the header of message {id} is there twice"));
        }
        there.insert(id);
    }
    let lost = model.extras.sent.iter().find(|(_, sent)| {
        let header = (0..super::HEADERS).find(|header| of(*header) == sent.kind);
        header.is_some_and(|header| !headers.contains(&header)) && sent.is_sure(sure)
    });
    let told = |(id, sent)| format!("{queue}: message {id} ({sent:?}) is lost with its header");
    let lost = lost.map(told);
    lost.map_or(Ok(()), |what| model.lose(queue, what))
}

/// What was taken is gone, what was not and is confirmed is there, within the limit.
fn check_narrow(
    probe: &mut Probe,
    model: &mut Model,
    sure: u64,
    there: &mut BTreeSet<u64>,
) -> Result<(), String> {
    let ids = numbers(&probe.take_all("narrow"))?;
    // Each connection may have brought one message more.
    if ids.len() > NARROW + model.extras.publishers || !ids.is_sorted() {
        return Err(format!("the queue of {NARROW} has {ids:?}"));
    }
    for id in &ids {
        let sent = model.extras.sent.get(id);
        let sent = sent.ok_or_else(|| format!("narrow: {id} was never sent, or is there twice"))?;
        if sent.taken.is_some_and(|turn| turn <= sure) {
            return Err(format!("narrow: message {id} ({sent:?}) comes back"));
        }
        there.insert(*id);
    }
    if model.extras.unseen_gets > 0 {
        return Ok(()); // it may have been taken by an answer that nobody got
    }
    must_be_there(model, sure, ("narrow", Kind::Blocking), |id| ids.contains(&id))
}

/// Users, vhosts and the policy are as the operator was answered, and the policy is in force.
fn check_operator(probe: &mut Probe, model: &mut Model, sure: u64) -> Result<(), String> {
    let found = super::operator::found(&probe.broker);
    model.extras.operator.check(found, sure)?;
    if !probe.exists("ruled") {
        return Ok(());
    }
    for _ in 0..PROBES {
        probe.publish("ruled");
    }
    probe.settle();
    let kept = probe.take_all("ruled").len();
    let limit = found.2.map_or(PROBES, |limit| PROBES.min(limit as usize));
    if kept != limit {
        return Err(format!("the policy is {:?}, and the queue keeps {kept}", found.2));
    }
    Ok(())
}

impl Probe {
    /// Turns until there is nothing left to do at this moment.
    pub(crate) fn settle(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        for _ in 0..1000 {
            let now = self.now;
            let request = self.broker.end_turn(now, &mut self.effects).expect("it works");
            if let Some(request) = request {
                request.run().expect("it works");
                self.broker.synced(request.point, &mut self.effects);
            }
            outputs.extend(self.effects.take().flat_map(|(_, outputs)| outputs));
            if self.broker.next_deadline().is_none_or(|next| next.0 > now.0) {
                return outputs;
            }
        }
        panic!("a timer is due for ever");
    }

    /// Takes everything out of a queue.
    fn take_all(&mut self, queue: &str) -> Vec<Message> {
        if !self.exists(queue) {
            return Vec::new();
        }
        self.drain(queue).into_iter().map(|delivery| delivery.message).collect()
    }

    /// Reads a stream from its first message on.
    fn read_stream(&mut self, queue: &str) -> Vec<Message> {
        if !self.exists(queue) {
            return Vec::new();
        }
        self.say(basic::Qos { prefetch_count: 100, ..Default::default() });
        let consume = format!(
            r#"basic.consume queue="{queue}" consumer_tag="reader" arguments={{x-stream-offset: "first"}}"#
        );
        self.say(consume.parse::<leveret::wire::Method>().expect("a method"));
        let mut messages = Vec::new();
        loop {
            let (mut last, mut size) = (None, 0);
            for output in self.settle() {
                let Output::Deliver(run) = output else { continue };
                last = Some(run.first_tag.0 + run.messages.len() as u64 - 1);
                size += run.messages.iter().map(|delivery| delivery.message.size()).sum::<u64>();
                messages.extend(run.messages.into_iter().map(|delivery| delivery.message));
            }
            let Some(delivery_tag) = last else { break };
            self.hand_over(Command::Drained(size));
            self.say(basic::Ack { delivery_tag, multiple: true });
        }
        self.ask(channel::Close::default());
        self.settle();
        self.next_channel();
        self.settle();
        messages
    }

    fn publish(&mut self, queue: &str) {
        let mut octets = Vec::new();
        Properties::default().encode(&mut octets);
        let message = Message::from_parts("", queue.as_bytes(), &octets, b"probe", false);
        let publish = Publish { mandatory: false, immediate: false, repeats: false, message };
        self.publish_message(publish);
    }
}
