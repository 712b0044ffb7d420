//! Streams (`x-queue-type: stream`): queues whose messages stay when they are read.
//!
//! ```text
//!   publish ──▶ journal, log │ 17 18 19 │ 20 21 22 23 24 │ 25 26 27 ……  offsets
//!                              ▲ first    ▲                 ▲       ▲
//!                    retention ┘          └ a consumer      another └ next
//! ```
//!
//! A stream is the log of the one level that its queue has, and nothing else: no message of it is
//! in memory, none is ever settled. Each consumer has a cursor in the log. A message's offset is its
//! ordinal, counted from 0; consumers see it when it is as durable as a confirm promises, so that
//! it names the same message for ever. An acknowledgement makes room in the prefetch and does no more.
//! Retention drops whole segments from the front.
//!
//! The other rooms of the broker meet a stream at few places, and a queue that is none pays one look
//! at an `Option` there: a push goes to [`Stream::push`], a turn's visit to `delivery`, a consumer
//! brings a [`Subscription`], recovery ends in `recovery`.
//!
//! Left out: chunks, and with them the Bloom filters of RabbitMQ. A filter here looks at each
//! message, and so delivers none that it should not.

mod delivery;
mod filter;
mod header;
mod offsets;
mod readable;
mod recovery;
mod retention;
mod subscription;

use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;
use crate::store::{Cursor, StoreError, Stored, Views};

use super::queue::{Level, Queue};
use offsets::Offsets;
use readable::Readable;
use retention::Horizon;

pub(super) use recovery::snapshot_offsets;
pub(super) use subscription::{Subscription, Wish};

/// What a stream has beside the log of its queue's level.
#[derive(Default)]
pub(super) struct Stream {
    /// The segments that its consumers read.
    views: Views,
    /// Whether something was published in this turn.
    grown: bool,
    /// Whether there is more to read since its consumers were last looked at.
    news: bool,
    /// Where consumers go on that asked for it.
    offsets: Offsets,
    /// When the first segment is to go.
    horizon: Horizon,
    /// What consumers may read.
    readable: Readable,
}

impl Stream {
    /// Adds a message, which the log keeps whatever its publisher asks. Says where, and that the
    /// journal is to know of it.
    pub(super) fn push(
        &mut self,
        level: &mut Level,
        message: &Message,
        now: Timestamp,
    ) -> (QueueId, Ordinal, bool) {
        let ordinal = level.take_ordinal();
        level.log_mut().append(ordinal, &message.kept(), now);
        self.grown = true;
        (level.id, ordinal, true)
    }

    /// When the stream has to be looked at although nothing comes.
    pub(super) fn next_look(&self) -> Timestamp {
        self.horizon.due()
    }
}

impl Queue {
    /// Whether it is a stream.
    pub(super) fn is_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// The message at a consumer's cursor, which moves on.
    fn read(&mut self, cursor: &mut Cursor) -> Result<Option<Stored>, StoreError> {
        let Some((stream, level)) = self.stream_parts() else { return Ok(None) };
        let below = stream.readable.below();
        level.log().read_next(&mut stream.views, cursor, below)
    }

    /// The first messages of a stream, to be looked at.
    pub(super) fn read_first(&mut self, count: usize) -> Result<Vec<Stored>, StoreError> {
        let Some((stream, level)) = self.stream_parts() else { return Ok(Vec::new()) };
        let (mut cursor, below) = (Cursor::default(), level.next_ordinal());
        let mut found = Vec::new();
        while found.len() < count
            && let Some(stored) = level.log().read_next(&mut stream.views, &mut cursor, below)?
        {
            found.push(stored);
        }
        Ok(found)
    }
}

/// The offset of a message: clients count from 0.
fn offset(ordinal: Ordinal) -> u64 {
    ordinal.0.saturating_sub(1)
}
