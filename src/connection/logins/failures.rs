//! Who has failed to log in, and how often of late.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::is_loopback;

/// Origins whose failures are remembered at most.
const ORIGINS_MAX: usize = 1024;

/// Failed logins after which an origin waits.
pub(super) const FAILURES_MAX: u32 = 5;

/// How long an origin's failures count.
const COUNTED: Duration = Duration::from_secs(60);

/// Whose attempts are counted and queued together: a peer's address, of IPv6 the network of 64 bits
/// that one customer has. Programs on the machine itself share an address; they are told apart by
/// the name that they try.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    address: IpAddr,
    name: Option<Box<str>>,
}

impl Origin {
    pub(super) fn new(peer: IpAddr, name: &str) -> Self {
        let peer = peer.to_canonical();
        if is_loopback(peer) {
            // No user's name is longer.
            let name = name.chars().take(255).collect::<String>();
            return Self { address: peer, name: Some(name.into()) };
        }
        let address = match peer {
            IpAddr::V4(_) => peer,
            IpAddr::V6(address) => {
                Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
            }
        };
        Self { address, name: None }
    }
}

/// Failures by origin.
#[derive(Debug, Default)]
pub(super) struct Failures(HashMap<Origin, Count>);

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    since: Instant,
}

impl Count {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.since + COUNTED
    }
}

impl Failures {
    /// Whether an origin fails often. When so many do that no more can be counted, every one that
    /// is not counted does.
    pub(super) fn often(&self, origin: &Origin, now: Instant) -> bool {
        match self.0.get(origin) {
            Some(count) => !count.is_over(now) && count.failures > FAILURES_MAX,
            None => self.0.len() >= ORIGINS_MAX && self.0.values().all(|it| !it.is_over(now)),
        }
    }

    /// Counts a failure.
    pub(super) fn add(&mut self, origin: Origin, now: Instant) {
        if self.0.len() >= ORIGINS_MAX && !self.0.contains_key(&origin) {
            self.0.retain(|_, count| !count.is_over(now));
            if self.0.len() >= ORIGINS_MAX {
                return;
            }
        }
        let count = self.0.entry(origin).or_insert(Count { failures: 0, since: now });
        if count.is_over(now) {
            *count = Count { failures: 0, since: now };
        }
        count.failures = count.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(peer: &str, name: &str) -> Origin {
        Origin::new(peer.parse().unwrap(), name)
    }

    #[test]
    fn an_origin_that_fails_often_waits_until_it_has_not() {
        let now = Instant::now();
        let mut failures = Failures::default();
        let peer = || origin("192.0.2.1", "alice");
        for _ in 0..=FAILURES_MAX {
            assert!(!failures.often(&peer(), now));
            failures.add(peer(), now);
        }
        assert!(failures.often(&peer(), now));
        assert!(failures.often(&origin("192.0.2.1", "bob"), now), "an address has one count");
        assert!(!failures.often(&origin("192.0.2.2", "alice"), now));
        assert!(!failures.often(&peer(), now + COUNTED));
        failures.add(peer(), now + COUNTED);
        assert!(!failures.often(&peer(), now + COUNTED));
    }

    #[test]
    fn programs_on_the_machine_are_told_apart_by_name_and_customers_by_network() {
        let same = |one: (&str, &str), other: (&str, &str)| {
            origin(one.0, one.1) == origin(other.0, other.1)
        };
        assert!(!same(("127.0.0.1", "alice"), ("127.0.0.1", "bob")));
        assert!(same(("127.0.0.1", "alice"), ("::ffff:127.0.0.1", "alice")));
        assert!(same(("2001:db8::1", "alice"), ("2001:db8::ffff:2", "bob")));
        assert!(!same(("2001:db8:0:1::1", "alice"), ("2001:db8::1", "alice")));
    }

    #[test]
    fn a_flood_of_origins_is_counted_up_to_a_limit_and_then_waits() {
        let now = Instant::now();
        let mut failures = Failures::default();
        for number in 0..2 * u32::try_from(ORIGINS_MAX).unwrap() {
            failures.add(Origin::new(std::net::Ipv4Addr::from_bits(number).into(), ""), now);
        }
        assert_eq!(failures.0.len(), ORIGINS_MAX);
        assert!(failures.often(&origin("198.51.100.1", ""), now));
        assert!(!failures.often(&origin("198.51.100.1", ""), now + COUNTED));
    }
}
