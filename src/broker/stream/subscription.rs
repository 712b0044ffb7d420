//! What a consumer asks of a stream: where to begin, which messages, whether to remember.
//!
//! The refusals and their order are those of RabbitMQ.

use std::time::Duration;

use crate::clock::WallClock;
use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::store::{Cursor, StoreError};
use crate::wire::{Field, ReplyCode, Table, basic};

use super::super::Broker;
use super::super::arguments::{ArgumentError, age, value};
use super::super::channel::Channel;
use super::super::exception::{Exception, not_implemented, precondition_failed};
use super::super::queue::Queue;
use super::Stream;
use super::filter::Filter;
use super::offsets::{Progress, TAGS_MAX};

const OFFSET: &str = "x-stream-offset";
const TRACKING: &str = "x-stream-automatic-offset-tracking";

/// Where a consumer wants to begin (`x-stream-offset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// With the first message that is kept.
    First,
    /// With the last message.
    Last,
    /// With what is published from now on.
    Next,
    /// With this offset, or the nearest that there is.
    At(u64),
    /// With what was published then or later: the wall clock's milliseconds since the Unix epoch.
    From(u64),
    /// With what was published so long ago or later.
    Ago(Duration),
}

/// What a consumer asks for, checked.
#[derive(Debug)]
pub(in crate::broker) struct Wish {
    start: Start,
    filter: Option<Filter>,
    /// Whether the broker is to remember how far the consumer is.
    tracked: bool,
}

/// A consumer's place in a stream, and which messages it gets.
pub(in crate::broker) struct Subscription {
    pub(super) cursor: Cursor,
    pub(super) filter: Option<Filter>,
    pub(super) progress: Option<Progress>,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("filter", &self.filter).finish_non_exhaustive()
    }
}

impl Wish {
    /// What a basic.consume asks of a stream, or why not; `None` if the queue is none.
    ///
    /// # Errors
    ///
    /// 406 without a prefetch, 540 without acknowledgements or with a prefetch of the channel, 406
    /// for what is no offset.
    pub(in crate::broker) fn parse(
        queue: &Queue,
        vhost: &str,
        channel: &Channel,
        method: &basic::Consume,
    ) -> Result<Option<Self>, Exception> {
        let Some(stream) = &queue.stream else { return Ok(None) };
        let subject = format!("queue '{}' in vhost '{vhost}'", queue.name());
        if channel.consumer_prefetch == 0 {
            return Err(precondition_failed(format!(
                "consumer prefetch count is not set for stream {subject}"
            )));
        }
        if method.no_ack {
            return Err(not_implemented(format!(
                "automatic acknowledgement not supported by stream {subject}"
            )));
        }
        if channel.channel_prefetch != 0 {
            return Err(not_implemented(format!("{subject} does not support global qos")));
        }
        let refused = |error: ArgumentError| precondition_failed(error.text(&subject));
        let start = start(&method.arguments).map_err(refused)?;
        let tracked = tracked(&method.arguments).map_err(refused)?;
        if tracked && method.consumer_tag.is_empty() {
            return Err(refused(ArgumentError::value(TRACKING, "no_consumer_tag")));
        }
        if tracked && !stream.offsets.takes(&method.consumer_tag) {
            return Err(precondition_failed(format!(
                "reached maximum ({TAGS_MAX}) of stored offsets of {subject}"
            )));
        }
        Ok(Some(Self { start, filter: Filter::of(&method.arguments), tracked }))
    }
}

impl Broker {
    /// Begins what a consumer of this tag has asked of a stream, if it did.
    ///
    /// # Errors
    ///
    /// 506 when the stream cannot be read now.
    pub(in crate::broker) fn subscribe(
        &mut self,
        id: QueueId,
        wish: Option<Wish>,
        tag: &str,
    ) -> Result<Option<Box<Subscription>>, Exception> {
        let clocks = (self.now, self.clocks.wall);
        let (Some(queue), Some(wish)) = (self.queues.get_mut(&id), wish) else { return Ok(None) };
        queue.subscribe(wish, tag, clocks).map_err(|error| {
            let refusal = Exception::new(ReplyCode::ResourceError, error.to_string());
            self.store_failed(Some(id), error);
            refusal
        })
    }
}

impl Queue {
    /// Begins what a consumer of this tag has asked for.
    fn subscribe(
        &mut self,
        wish: Wish,
        tag: &str,
        (now, wall): (Timestamp, WallClock),
    ) -> Result<Option<Box<Subscription>>, StoreError> {
        let Some((stream, level)) = self.stream_parts() else { return Ok(None) };
        let next = level.next_ordinal();
        let Stream { views, offsets, .. } = stream;
        let known = offsets.get(tag).filter(|_| wish.tracked);
        let log = level.log();
        let at = match (known, wish.start) {
            (Some(ordinal), _) => Ok(ordinal),
            (None, Start::First) => Ok(Ordinal(0)),
            (None, Start::Last) => Ok(Ordinal(next.0.saturating_sub(1))),
            (None, Start::Next) => Ok(next),
            (None, Start::At(offset)) => Ok(Ordinal(offset.saturating_add(1))),
            (None, Start::From(milliseconds)) => Err(wall.time(milliseconds)),
            (None, Start::Ago(age)) => {
                let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
                Err(Timestamp(now.0.saturating_sub(age)))
            }
        };
        let (cursor, begins) = match at {
            Ok(ordinal) => {
                // An offset that is not there yet is the next one.
                let ordinal = ordinal.min(next);
                (log.cursor_at(views, ordinal)?, ordinal)
            }
            Err(time) => (log.cursor_from(views, time)?, Ordinal(0)),
        };
        let progress = wish.tracked.then(|| Progress::from(begins));
        Ok(Some(Box::new(Subscription { cursor, filter: wish.filter, progress })))
    }
}

fn start(arguments: &Table) -> Result<Start, ArgumentError> {
    let Some(field) = arguments.get(OFFSET) else { return Ok(Start::Next) };
    let start = match field {
        Field::LongString(text) => match text.as_slice() {
            b"first" => Some(Start::First),
            b"last" => Some(Start::Last),
            b"next" => Some(Start::Next),
            text => std::str::from_utf8(text).ok().and_then(age).map(Start::Ago),
        },
        Field::Timestamp(seconds) => Some(Start::From(seconds.saturating_mul(1000))),
        other => value::integer(other).and_then(|it| u64::try_from(it).ok()).map(Start::At),
    };
    start.ok_or_else(|| {
        let (kind, term) = (value::type_name(field), value::term(field));
        ArgumentError::value(OFFSET, format!("{{invalid_stream_offset_arg,{{{kind},{term}}}}}"))
    })
}

fn tracked(arguments: &Table) -> Result<bool, ArgumentError> {
    match arguments.get(TRACKING) {
        None => Ok(false),
        Some(Field::Boolean(tracked)) => Ok(*tracked),
        Some(other) => {
            let reason = format!("{{unacceptable_type,{}}}", value::type_name(other));
            Err(ArgumentError::value(TRACKING, reason))
        }
    }
}
