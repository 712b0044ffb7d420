//! What listeners and connections share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use parking_lot::{Condvar, Mutex};

use crate::connection::ConnectionOptions;
use crate::ids::ConnectionId;

use super::bell::{Bell, Bells};
use super::clock::Clock;
use super::inbox::Inlet;
use super::vitals::Vitals;

/// What every thread at the rim needs.
#[derive(Debug)]
pub(super) struct Rim {
    /// The clock.
    pub(super) clock: Clock,
    /// The way to the router.
    pub(super) inbox: Inlet,
    /// What connections are told.
    pub(super) options: Arc<ConnectionOptions>,
    /// What this process knows of itself.
    pub(super) vitals: Arc<Vitals>,
    /// Rings when no more connections are to be accepted.
    pub(super) closed: Bell,
    /// The connections there are.
    pub(super) seats: Seats,
    /// What wakes them.
    pub(super) bells: Bells,
    /// Addresses whose connections begin with a PROXY header.
    pub(super) proxies: Vec<IpNet>,
    next_id: AtomicU64,
}

impl Rim {
    /// A rim without connections.
    pub(super) fn new(
        clock: Clock,
        inbox: Inlet,
        options: ConnectionOptions,
        vitals: Arc<Vitals>,
        (closed, seats, bells): (Bell, Seats, Bells),
        proxies: Vec<IpNet>,
    ) -> Self {
        let options = Arc::new(options);
        let next_id = AtomicU64::new(1);
        Self { clock, inbox, options, vitals, closed, seats, bells, proxies, next_id }
    }

    /// A number for a new connection.
    pub(super) fn next_id(&self) -> ConnectionId {
        ConnectionId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }
}

/// Counts connections, up to a limit.
#[derive(Debug)]
pub(super) struct Seats {
    taken: Mutex<usize>,
    left: Condvar,
    max: usize,
    /// Clients that have closed and are heard out: they have left their seats.
    lingering: AtomicUsize,
    lingering_max: usize,
}

impl Seats {
    /// So many seats, all free; `lingering_max` clients may be heard out besides.
    pub(super) fn new(max: usize, lingering_max: usize) -> Self {
        let lingering = AtomicUsize::new(0);
        Self { taken: Mutex::new(0), left: Condvar::new(), max, lingering, lingering_max }
    }

    /// Counts one more client that has left its seat and is heard out, if there may be one more.
    /// It is to be taken back by [`Self::stop_lingering`].
    pub(super) fn linger(&self) -> bool {
        let max = self.lingering_max;
        let counted = self.lingering.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count < max).then_some(count + 1)
        });
        counted.is_ok()
    }

    /// One of those is gone.
    pub(super) fn stop_lingering(&self) {
        self.lingering.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes a seat, if there is one, and says how many are taken with it. It is to be given back by
    /// [`Self::leave`].
    pub(super) fn take(&self) -> Option<usize> {
        let mut taken = self.taken.lock();
        if *taken >= self.max {
            return None;
        }
        *taken += 1;
        Some(*taken)
    }

    /// How many of the seats may be taken by clients that have not logged in.
    pub(super) fn strangers_max(&self) -> usize {
        (self.max / 2).max(1)
    }

    /// Gives a seat back.
    pub(super) fn leave(&self) {
        let mut taken = self.taken.lock();
        *taken = taken.saturating_sub(1);
        if *taken == 0 {
            self.left.notify_all();
        }
    }

    /// How many are taken, and how many there are.
    pub(super) fn counted(&self) -> (usize, usize) {
        (*self.taken.lock(), self.max)
    }

    /// Waits until all have left, at most so long.
    pub(super) fn wait_until_empty(&self, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        let mut taken = self.taken.lock();
        while *taken > 0 && !self.left.wait_until(&mut taken, deadline).timed_out() {}
    }
}
