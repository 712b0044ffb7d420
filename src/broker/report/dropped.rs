//! What has left one queue or one exchange without an acknowledgement.

use crate::broker::Broker;
use crate::broker::drops::{Counts, Trace};

use super::DestinationKind;

/// What left from one place.
#[derive(Clone, Debug, Default)]
pub struct Dropped {
    /// How many, by cause.
    pub counts: Counts,
    /// The last few, the latest first, each with when it was by the wall clock: milliseconds since
    /// the Unix epoch.
    pub last: Vec<(u64, Trace)>,
}

impl Broker {
    /// `None` if there is no such queue or exchange.
    pub(super) fn dropped(&self, vhost: &str, of: DestinationKind, name: &str) -> Option<Dropped> {
        let vhost = self.vhosts.iter().find(|candidate| *candidate.name == *vhost)?;
        let ledger = match of {
            DestinationKind::Queue => Some(&self.queues.get(vhost.queues.get(name)?)?.drops),
            DestinationKind::Exchange => self.drops.of_exchange(*vhost.exchanges.get(name)?),
        };
        let dropped = ledger.map(|ledger| {
            let mut last: Vec<_> =
                ledger.traces().map(|trace| (self.wall(trace.at), trace.clone())).collect();
            last.reverse();
            Dropped { counts: *ledger.counts(), last }
        });
        Some(dropped.unwrap_or_default())
    }
}
