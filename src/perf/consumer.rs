//! A consumer: everything that one read brought is checked in place and acknowledged together.

use std::net::TcpStream;

use crate::wire::{Method, ShortString, basic, connection};

use super::check::{Checker, Findings};
use super::choices::Ack;
use super::control::Tally;
use super::crew::{Peer, Turn, Wish};
use super::error::PerfError;
use super::incoming::{Delivery, Event};
use super::link::{CHANNEL, Link};
use super::options::Options;
use super::plan::Plan;

/// Publishers of a drain: everybody who can be named by a stamp.
const ANY_PUBLISHER: u32 = 65_536;

/// A connection that consumes.
#[derive(Debug)]
pub(super) struct Consumer {
    number: usize,
    link: Link,
    ack: Ack,
    checker: Checker,
    /// Deliveries of all kinds.
    deliveries: u64,
    /// Deliveries since the last acknowledgement.
    unacknowledged: u32,
    /// The last delivery tag.
    tag: u64,
    /// Stamps of messages that were published in this run say how long they took.
    is_drain: bool,
}

impl Consumer {
    /// Connects the consumer with this number and lets its deliveries begin.
    pub(super) fn connect(options: &Options, plan: &Plan, number: u32) -> Result<Self, PerfError> {
        let mut client = options.uri(number)?.connect()?;
        let channel = client.open_channel(CHANNEL.0)?;
        if options.prefetch > 0 {
            let qos = basic::Qos { prefetch_count: options.prefetch, ..Default::default() };
            client.call(channel, qos)?;
        }
        let queues = plan.queues_of(number);
        // Nothing is asked for behind the first delivery: it is the link that reads those.
        for (slot, queue) in queues.iter().enumerate() {
            client.send(
                channel,
                basic::Consume {
                    queue: plan.queue(*queue),
                    consumer_tag: ShortString::clipped(&slot.to_string()),
                    no_ack: options.ack == Ack::Auto,
                    no_wait: true,
                    ..Default::default()
                },
            );
        }
        client.flush()?;
        let publishers = if options.drain { ANY_PUBLISHER } else { plan.publishers };
        let sees_all = plan.each_queue_has_one_consumer();
        Ok(Self {
            number: number as usize,
            link: Link::new(client)?,
            ack: options.ack,
            checker: Checker::new(queues.len(), publishers, plan.step(), sees_all),
            deliveries: 0,
            unacknowledged: 0,
            tag: 0,
            is_drain: options.drain,
        })
    }

    /// What was found.
    pub(super) fn findings(&self) -> &Findings {
        self.checker.findings()
    }

    fn read(&mut self, turn: &mut Turn<'_>) -> Result<(), PerfError> {
        loop {
            let more = self.link.read()?;
            let now = turn.control.now();
            let measures = turn.control.measures() && !self.is_drain;
            while let Some(event) = self.link.next()? {
                match event {
                    Event::Delivery(delivery) => {
                        self.deliver(delivery);
                        if let Some(stamp) = delivery.stamp.filter(|_| measures) {
                            turn.latency.note(now.saturating_sub(stamp.time));
                        }
                    }
                    Event::Confirm(_) => return Err(PerfError::Unexpected("basic.ack")),
                    Event::Method(method) => self.take(&method)?,
                }
            }
            if let Some(tally) = self.tally(turn) {
                tally.set_messages(self.deliveries);
            }
            if !more {
                return Ok(());
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        self.checker.see(delivery.slot, delivery.stamp, delivery.redelivered);
        self.deliveries += 1;
        self.tag = delivery.tag;
        self.unacknowledged += 1;
        if let Ack::Every(every) = self.ack
            && self.unacknowledged >= every
        {
            self.acknowledge();
        }
    }

    fn acknowledge(&mut self) {
        if self.ack != Ack::Auto && self.unacknowledged > 0 {
            let multiple = self.unacknowledged > 1;
            self.link.send(CHANNEL, basic::Ack { delivery_tag: self.tag, multiple });
        }
        self.unacknowledged = 0;
    }

    fn take(&mut self, method: &Method) -> Result<(), PerfError> {
        match method {
            Method::Connection(
                connection::Method::Blocked(_) | connection::Method::Unblocked(_),
            ) => Ok(()),
            other => self.link.take_farewell(other),
        }
    }

    fn tally<'a>(&self, turn: &Turn<'a>) -> Option<&'a Tally> {
        turn.control.consumers.get(self.number)
    }
}

impl Peer for Consumer {
    fn turn(&mut self, turn: &mut Turn<'_>, readable: bool) -> Result<Wish, PerfError> {
        if readable {
            self.read(turn)?;
        }
        if self.link.is_gone() {
            return Ok(Wish::Done);
        }
        if !turn.control.consumes() {
            self.acknowledge();
            self.link.close();
        }
        let written = self.link.flush()?;
        Ok(if written { Wish::Read } else { Wish::Write })
    }

    fn socket(&self) -> &TcpStream {
        self.link.stream()
    }
}
