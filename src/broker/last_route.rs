//! The route of the message before: a publisher that says the same exchange and key again and again
//! is not asked again each time what they mean.
//!
//! ```text
//!   connection   same exchange and key as the publish right before it ──▶ Publish::repeats
//!   router       repeats, and that one's route is known ──▶ the same queues, nothing looked up
//!                anything that is no publish happens    ──▶ nothing is known
//! ```
//!
//! The connection compares octets that it has just read; the router does not look at the names at
//! all, which saves it a fetch from the other processor's cache as well. What a route depends on
//! (exchanges, bindings, queues, permissions, policies) changes only by what is no publish, so there
//! is nothing to keep track of: the route is forgotten whenever the broker does anything else.
//!
//! A route is known only if exchange and key alone make it: not by headers, not by chance or in
//! turns, not where an exchange looks at its messages (delay, deduplication).

use crate::ids::{ExchangeId, QueueId};

/// The route of the last publish.
#[derive(Debug, Default)]
pub(super) struct LastRoute {
    /// The place of its channel, and its exchange; `None` if nothing is known.
    from: Option<(usize, ExchangeId)>,
    queues: Vec<QueueId>,
    /// Whether what goes there may be looked at together (see `turn::run`).
    joins: bool,
}

impl LastRoute {
    /// Something happens that is no publish, or one to elsewhere.
    pub(super) fn forget(&mut self) {
        self.from = None;
    }

    /// A message published on this channel was routed by its exchange and key.
    pub(super) fn remember(
        &mut self,
        (channel, exchange): (usize, ExchangeId),
        queues: &[QueueId],
        joins: bool,
    ) {
        self.from = Some((channel, exchange));
        self.joins = joins;
        self.queues.clear();
        self.queues.extend_from_slice(queues);
    }

    /// The exchange of the last publish, if that was on this channel and its route is known.
    pub(super) fn exchange(&self, channel: usize) -> Option<ExchangeId> {
        self.from.filter(|(known, _)| *known == channel).map(|(_, exchange)| exchange)
    }

    /// Whether the last publish may be looked at together with those that repeat it.
    pub(super) fn joins(&self) -> bool {
        self.from.is_some() && self.joins
    }

    /// The queues it led to.
    pub(super) fn queues(&self) -> &[QueueId] {
        &self.queues
    }
}
