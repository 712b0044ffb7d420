//! What a user sees who does not see everything: the sums over their own vhosts and connections, as
//! RabbitMQ shows them.
//!
//! Queues, exchanges, messages and drops are those of the vhosts that the user may enter;
//! connections, channels and consumers are the user's own. Counters of what was deleted since are
//! not in the sums, and what is counted for the whole broker only (confirms, returned messages,
//! churn) is left out.

use super::counters::{self, Described};
use crate::admin::answer::Refusal;
use crate::admin::guard::Caller;
use crate::admin::rates::{Key, Part, Window};
use crate::admin::site::Site;
use crate::broker::MessageStats;
use crate::broker::drops::Counts;
use crate::broker::report::Totals;

/// See the module.
#[derive(Debug, Default)]
pub(in super::super) struct Tenancy {
    /// How many of each kind there are.
    pub(in super::super) totals: Totals,
    /// Messages that left without an acknowledgement.
    pub(in super::super) drops: Counts,
    stats: MessageStats,
    ready: u64,
    unacknowledged: u64,
    things: Vec<Key>,
}

impl Tenancy {
    /// Adds up what a caller sees.
    ///
    /// # Errors
    ///
    /// 503 when the broker has stopped.
    pub(in super::super) fn of(site: &Site, caller: &Caller) -> Result<Self, Refusal> {
        let mut sum = Self::default();
        for vhost in site.vhosts_of(caller)? {
            sum.totals.virtual_hosts += 1;
            site.questions.each_queue(&vhost, |row| {
                sum.totals.queues += 1;
                // A queue counts what came into it; published is what came to an exchange.
                sum.stats.merge(&MessageStats { publish: 0, ..row.stats });
                sum.drops.merge(&row.drops);
                sum.ready += row.ready;
                sum.unacknowledged += row.unacknowledged;
                sum.things.push(Key::Queue(row.id.0));
            })?;
            site.questions.each_exchange(&vhost, |row| {
                sum.totals.exchanges += 1;
                let MessageStats { publish_in, publish_out, .. } = row.stats;
                let stats = MessageStats {
                    publish: publish_in,
                    publish_in,
                    publish_out,
                    drop_unroutable: row.drops.entries().map(|(_, count)| count).sum(),
                    ..MessageStats::default()
                };
                sum.stats.merge(&stats);
                sum.drops.merge(&row.drops);
                sum.things.push(Key::Exchange(row.id.0));
            })?;
        }
        let (own, totals) = (|user: &str| *caller.user == *user, &mut sum.totals);
        site.questions.each_connection(|row| totals.connections += usize::from(own(&row.user)))?;
        site.questions.each_channel(|row| totals.channels += usize::from(own(&row.user)))?;
        site.questions.each_consumer(|row| totals.consumers += usize::from(own(&row.user)))?;
        Ok(sum)
    }

    /// Its counters with their rates.
    pub(in super::super) fn describe(
        &self,
        site: &Site,
        lengths: Option<Window>,
        rates: Option<Window>,
    ) -> Described {
        let counters = counters::of_sum(&self.stats, self.ready, self.unacknowledged);
        let (queue, exchange) = (counters::places_of_queue(), counters::places_of_exchange());
        let part = |key: &Key| {
            let places = if matches!(key, Key::Queue(_)) { &queue } else { &exchange };
            Part { key: *key, places }
        };
        let parts: Vec<_> = self.things.iter().map(part).collect();
        counters::describe_sum(&site.rates, &parts, &counters, lengths, rates)
    }
}
