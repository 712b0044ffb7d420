//! Heartbeats (AMQP 0-9-1, section 4.2.7): who is silent for too long is gone.
//!
//! ```text
//!   interval      |---------|---------|---------|
//!   we send, idle |    .    .    .    .    .    .  every half interval
//!   peer silent   |                        x       two and a half without an octet: closed
//! ```

use std::time::Duration;

use crate::ids::Timestamp;

/// When something has last gone each way. Any octet counts, not only heartbeat frames.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    received: Timestamp,
    sent: Timestamp,
}

impl Heartbeat {
    /// No heartbeats until an interval is negotiated.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { interval: Duration::ZERO, received: now, sent: now }
    }

    /// Starts heartbeats; 0 is none.
    pub(super) fn negotiate(&mut self, seconds: u16) {
        self.interval = Duration::from_secs(seconds.into());
    }

    /// Octets have come.
    pub(super) fn received(&mut self, now: Timestamp) {
        self.received = now;
    }

    /// Octets have gone.
    pub(super) fn sent(&mut self, now: Timestamp) {
        self.sent = now;
    }

    /// When the peer will have missed two heartbeats, with half an interval for one that is late.
    /// RabbitMQ looks once an interval and so drops a peer after two to three.
    pub(super) fn silent_at(&self) -> Option<Timestamp> {
        self.is_on().then(|| self.received.after(self.interval * 5 / 2))
    }

    /// When it is time to send one.
    pub(super) fn due_at(&self) -> Option<Timestamp> {
        self.is_on().then(|| self.sent.after(self.interval / 2))
    }

    fn is_on(&self) -> bool {
        !self.interval.is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_due_at_half_the_interval_and_a_peer_gone_after_two_and_a_half() {
        let mut heartbeat = Heartbeat::new(Timestamp(0));
        assert_eq!((heartbeat.due_at(), heartbeat.silent_at()), (None, None));
        heartbeat.negotiate(2);
        assert_eq!(heartbeat.due_at(), Some(Timestamp(1000)));
        assert_eq!(heartbeat.silent_at(), Some(Timestamp(5000)));
        heartbeat.sent(Timestamp(3500));
        heartbeat.received(Timestamp(3999));
        assert_eq!(heartbeat.due_at(), Some(Timestamp(4500)));
        assert_eq!(heartbeat.silent_at(), Some(Timestamp(8999)));
    }
}
