//! The end of a channel or a connection: deliveries go back, consumers go, exclusive queues end.

use std::collections::VecDeque;

use log::debug;

use crate::ids::{ChannelNumber, QueueId};
use crate::wire::{Method, channel, connection};

use super::super::Broker;
use super::super::call::Call;
use super::super::channel::{ChannelState, Mode};
use super::super::effect::{Effects, Output};
use super::super::transaction::Requeue;
use super::Progress;
use super::returns::Returned;

const DROP_UNITS: u64 = 1;
const RETURN_UNITS: u64 = 2;
const CONSUMER_UNITS: u64 = 8;
const QUEUE_UNITS: u64 = 32;

/// What follows when all of it has ended.
#[derive(Debug)]
pub(in crate::broker) enum After {
    /// The channel's client hears that the broker closes it.
    RefuseChannel(channel::Close),
    /// The channel's client gets close-ok.
    CloseChannel,
    /// Nothing: the connection's client has heard of it.
    Nothing,
    /// The connection's client hears that the broker closes it.
    RefuseConnection(Method),
    /// The connection's client gets close-ok.
    CloseConnection,
    /// The connection is forgotten: its socket is closed.
    Forget,
}

/// What a channel or a connection had ends.
#[derive(Debug)]
pub(in crate::broker) struct Release {
    /// The place of the connection.
    pub connection: usize,
    /// The places of the channels.
    channels: VecDeque<usize>,
    /// The queues that end with the connection.
    queues: VecDeque<QueueId>,
    after: After,
    returned: Returned,
}

impl Broker {
    /// Ends what a channel had, but not the channel.
    pub(in crate::broker) fn release_channel_then(
        &mut self,
        place: usize,
        after: After,
        effects: &mut Effects,
    ) {
        self.channels[place].state = ChannelState::Ending;
        let (channels, queues) = (VecDeque::from([place]), VecDeque::new());
        let connection = self.channels[place].connection;
        let returned = Returned::default();
        let job = Release { connection, channels, queues, after, returned };
        self.begin_sure(super::Job::Release(job), effects);
    }

    /// Ends what a connection had: channels, then exclusive queues.
    pub(in crate::broker) fn release_connection_then(
        &mut self,
        place: usize,
        after: After,
        effects: &mut Effects,
    ) {
        self.unblock(place, effects);
        self.connections[place].closing = true;
        let channels = std::mem::take(&mut self.connections[place].channels);
        let channels: VecDeque<_> = channels.into_values().collect();
        for channel in &channels {
            self.channels[*channel].state = ChannelState::Ending;
        }
        let queues = std::mem::take(&mut self.connections[place].exclusive_queues).into();
        let returned = Returned::default();
        let job = Release { connection: place, channels, queues, after, returned };
        self.begin_sure(super::Job::Release(job), effects);
    }

    /// Ends some of it; the last slice does what follows.
    pub(super) fn release_some(&mut self, job: &mut Release, effects: &mut Effects) -> Progress {
        let of_channel = matches!(job.after, After::RefuseChannel(_) | After::CloseChannel);
        while let Some(channel) = job.channels.front().copied() {
            if self.clear_some(channel, &mut job.returned, effects) == Progress::More {
                return Progress::More;
            }
            if of_channel {
                break;
            }
            job.channels.pop_front();
            self.remove_channel(channel);
        }
        while let Some(queue) = job.queues.pop_front() {
            self.delete_queue(queue, effects);
            self.work.spend(QUEUE_UNITS);
            if !self.work.goes_on() {
                return Progress::More;
            }
        }
        self.have_returned(&mut job.returned, effects);
        self.follow_release(job, effects);
        Progress::Done
    }

    fn follow_release(&mut self, job: &mut Release, effects: &mut Effects) {
        let place = job.connection;
        let id = self.connections[place].id;
        match std::mem::replace(&mut job.after, After::Nothing) {
            After::Nothing => {}
            After::RefuseConnection(close) => {
                effects.send(id, Output::Method(ChannelNumber(0), close));
            }
            After::CloseConnection => {
                let close_ok = connection::CloseOk::default().into();
                effects.send(id, Output::Method(ChannelNumber(0), close_ok));
            }
            After::Forget => {
                self.connection_event("connection.closed", place);
                let connection = self.connections.remove(place);
                self.statistics.churn.connection_closed += u64::from(!connection.facts.internal);
                debug!("{id} {} gone", connection.peer);
            }
            After::RefuseChannel(close) => {
                let Some(channel) = job.channels.front().copied() else { return };
                self.channels[channel].state = ChannelState::Closing;
                let mut call = Call { now: self.now, connection: place, channel, effects };
                self.reply(&mut call, close);
            }
            After::CloseChannel => {
                let Some(channel) = job.channels.front().copied() else { return };
                self.channels[channel].state = ChannelState::Finishing;
                let mut call = Call { now: self.now, connection: place, channel, effects };
                self.reply(&mut call, channel::CloseOk::default());
                let channel_left = &self.channels[channel];
                if channel_left.parked.is_empty() {
                    self.connections[place].channels.remove(&channel_left.number);
                    self.remove_channel(channel);
                }
            }
        }
    }

    /// Ends some of what a channel had: its deliveries, which go back to their queues, then its
    /// consumers: a queue that ends with its last consumer takes its deliveries along.
    fn clear_some(
        &mut self,
        place: usize,
        returned: &mut Returned,
        effects: &mut Effects,
    ) -> Progress {
        self.cancel_reply_consumer(place, None);
        self.drop_held_replies(place);
        while let Mode::Transaction(transaction) = &mut self.channels[place].mode {
            self.transactions_bytes -= std::mem::take(&mut transaction.publish_bytes);
            if transaction.publishes.pop_front().is_some() {
                self.work.spend(DROP_UNITS);
            } else if let Some((_, delivered, _)) = transaction.settlements.pop_front() {
                self.is_returning_to(delivered.queue, returned);
                self.requeue(place, delivered, Requeue::Failed);
                self.work.spend(RETURN_UNITS);
            } else {
                break;
            }
            if !self.work.goes_on() {
                return Progress::More;
            }
        }
        self.channels[place].mode = Mode::Plain;
        while let Some(delivered) = self.channels[place].unacked.take_first() {
            self.is_returning_to(delivered.queue, returned);
            self.requeue(place, delivered, Requeue::Failed);
            self.work.spend(RETURN_UNITS);
            if !self.work.goes_on() {
                return Progress::More;
            }
        }
        while let Some((_, key)) = self.channels[place].consumers.pop_first() {
            self.remove_consumer(key, effects);
            self.work.spend(CONSUMER_UNITS);
            if !self.work.goes_on() {
                return Progress::More;
            }
        }
        Progress::Done
    }

    /// A channel is no more: all that it had has ended, and its number is out of its connection.
    pub(in crate::broker) fn remove_channel(&mut self, place: usize) {
        self.channel_event("channel.closed", place);
        let channel = self.channels.remove(place);
        let internal = self.connections[channel.connection].facts.internal;
        self.statistics.churn.channel_closed += u64::from(!internal);
    }
}
