//! A publisher: as many messages in each write as window, rate and buffer allow.

use std::net::TcpStream;
use std::ops::Range;

use log::warn;

use crate::wire::{Method, basic, confirm, connection};

use super::control::Tally;
use super::crew::{Peer, Turn, Wish};
use super::error::PerfError;
use super::incoming::Event;
use super::link::{CHANNEL, Link};
use super::options::Options;
use super::pace::Pace;
use super::plan::Plan;
use super::stamp::{SEQUENCE_MAX, Stamp};
use super::template::Template;
use super::window::Window;

/// A connection that publishes.
#[derive(Debug)]
pub(super) struct Publisher {
    number: u16,
    link: Link,
    template: Template,
    /// What of the template is still to be written.
    unwritten: Range<usize>,
    /// How many messages have been stamped.
    sequence: u64,
    sequence_max: u64,
    rate: Option<u32>,
    pace: Option<Pace>,
    window: Option<Window>,
    /// The broker has asked to hold back.
    blocked: bool,
    fingerprints: u64,
}

impl Publisher {
    /// Connects the publisher with this number.
    pub(super) fn connect(options: &Options, plan: &Plan, number: u16) -> Result<Self, PerfError> {
        let mut client = options.uri(number.into())?.connect()?;
        let channel = client.open_channel(CHANNEL.0)?;
        if options.confirm.is_some() {
            client.call(channel, confirm::Select { no_wait: false })?;
        }
        let link = Link::new(client)?;
        let round = plan.round(number.into());
        Ok(Self {
            number,
            template: Template::new(&round, CHANNEL, options.size, link.frame_max()),
            link,
            unwritten: 0..0,
            sequence: 0,
            sequence_max: options.messages.unwrap_or(SEQUENCE_MAX).min(SEQUENCE_MAX),
            rate: options.rate,
            pace: None,
            window: options.confirm.map(Window::new),
            blocked: false,
            fingerprints: 0,
        })
    }

    /// How many messages were published, and the sum of their fingerprints.
    pub(super) fn published(&self) -> (u64, u64) {
        (self.sequence, self.fingerprints)
    }

    /// How many were confirmed, and how many refused.
    pub(super) fn answered(&self) -> (u64, u64) {
        self.window.as_ref().map_or((0, 0), Window::counts)
    }

    fn read(&mut self, turn: &mut Turn<'_>) -> Result<(), PerfError> {
        self.link.read()?;
        let now = turn.control.now();
        while let Some(event) = self.link.next()? {
            match (event, &mut self.window) {
                (Event::Confirm(confirm), Some(window)) => {
                    let latency = turn.control.measures().then_some(&mut *turn.latency);
                    window.confirm(confirm, now, latency).map_err(PerfError::Unexpected)?;
                }
                (Event::Confirm(_), None) => return Err(PerfError::Unexpected("basic.ack")),
                (Event::Delivery(_), _) => return Err(PerfError::Unexpected("basic.deliver")),
                (Event::Method(method), _) => self.take(&method)?,
            }
        }
        if let (Some(window), Some(tally)) = (&self.window, self.tally(turn)) {
            tally.set_confirmed(window.counts().0);
        }
        Ok(())
    }

    fn take(&mut self, method: &Method) -> Result<(), PerfError> {
        match method {
            Method::Connection(connection::Method::Blocked(blocked)) => {
                warn!("publisher {}: the broker blocks it: {}", self.number, blocked.reason);
                self.blocked = true;
            }
            Method::Connection(connection::Method::Unblocked(_)) => {
                warn!("publisher {}: the broker lets it go on", self.number);
                self.blocked = false;
            }
            Method::Basic(basic::Method::Return(returned)) => {
                warn!("publisher {}: returned: {}", self.number, returned.reply_text);
            }
            other => self.link.take_farewell(other)?,
        }
        Ok(())
    }

    /// Writes what is stamped. Returns whether that was all.
    fn write(&mut self) -> Result<bool, PerfError> {
        let octets = self.template.octets(self.unwritten.clone());
        self.unwritten.start += self.link.write(octets)?;
        Ok(self.unwritten.is_empty())
    }

    /// How many messages may be published now.
    fn room(&self, now: u64) -> u64 {
        if self.blocked {
            return 0;
        }
        let window = self.window.as_ref().map_or(u64::MAX, Window::room);
        let due = self.pace.map_or(u64::MAX, |pace| pace.due(now).saturating_sub(self.sequence));
        window.min(due).min(self.sequence_max - self.sequence)
    }

    /// Stamps what may be published now, and writes it.
    fn publish(&mut self, turn: &mut Turn<'_>) -> Result<Wish, PerfError> {
        let time = turn.control.now();
        let room = self.room(time);
        if room > 0 {
            let first = Stamp { publisher: self.number, sequence: self.sequence, time };
            let (count, range) = self.template.stamp(first, room);
            for sequence in self.sequence..self.sequence + count {
                let fingerprint = Stamp { sequence, ..first }.fingerprint();
                self.fingerprints = self.fingerprints.wrapping_add(fingerprint);
            }
            self.sequence += count;
            self.unwritten = range;
            if let Some(window) = &mut self.window {
                window.publish(count, time);
            }
            if let Some(tally) = self.tally(turn) {
                tally.set_messages(self.sequence);
            }
            if !self.write()? {
                return Ok(Wish::Write);
            }
        }
        Ok(self.next_wish(time))
    }

    /// What to wait for when everything that may be published is written.
    fn next_wish(&self, now: u64) -> Wish {
        let is_waiting = self.blocked || self.window.as_ref().is_some_and(|it| it.room() == 0);
        match self.pace {
            _ if is_waiting => Wish::Read,
            Some(pace) if pace.due(now) <= self.sequence => Wish::Wake(pace.time(self.sequence)),
            _ => Wish::Write,
        }
    }

    fn tally<'a>(&self, turn: &Turn<'a>) -> Option<&'a Tally> {
        turn.control.publishers.get(usize::from(self.number))
    }
}

impl Peer for Publisher {
    fn turn(&mut self, turn: &mut Turn<'_>, readable: bool) -> Result<Wish, PerfError> {
        if readable {
            self.read(turn)?;
        }
        if self.link.is_gone() {
            return Ok(Wish::Done);
        }
        if !self.write()? {
            return Ok(Wish::Write);
        }
        if let (None, Some(rate)) = (self.pace, self.rate) {
            self.pace = Some(Pace::new(rate, turn.control.now()));
        }
        if turn.control.publishes() && self.sequence < self.sequence_max {
            return self.publish(turn);
        }
        if self.window.as_ref().is_none_or(Window::is_empty) {
            self.link.close();
        }
        let written = self.link.flush()?;
        Ok(if written { Wish::Read } else { Wish::Write })
    }

    fn socket(&self) -> &TcpStream {
        self.link.stream()
    }
}
