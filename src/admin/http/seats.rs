//! Who may be connected: a bounded number of clients, of which none can keep the others out.
//!
//! ```text
//!   new client ─▶ its address has its share, or all is full?
//!                   no  ─▶ a seat
//!                   yes ─▶ the client that has waited longest gives its seat up
//!                          └ none waits, all are being answered ─▶ a seat for a health check, or 503
//! ```
//!
//! A client waits while its next request is not all there: an idle connection, or one that sends a
//! head octet by octet. Behind a proxy all clients have its address; so a share is half of all.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use rustix::net::{Shutdown, shutdown};

/// The most clients at a time, besides health checks.
const SEATS_MAX: usize = 64;

/// The most clients of one address.
const SHARE_MAX: usize = 32;

/// Further seats, for health checks when all others are taken.
const HEALTH_MAX: usize = 4;

/// The seats of a listener.
#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    clients: Vec<Client>,
    next: u64,
}

#[derive(Debug)]
struct Client {
    id: u64,
    /// `None` is the owner of the data directory, through the control socket.
    address: Option<IpAddr>,
    /// Since when its next request is awaited; `None` while one is being answered.
    waiting: Option<Instant>,
    health: bool,
    /// The socket, to end it.
    socket: OwnedFd,
}

/// A client's seat, until this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    id: u64,
    health: bool,
}

impl Seats {
    /// A seat for a client; another may lose its own. `None` if there is none for any.
    pub(super) fn take(
        self: &Arc<Self>,
        socket: impl AsFd,
        address: Option<IpAddr>,
    ) -> Option<Seat> {
        let socket = socket.as_fd().try_clone_to_owned().ok()?;
        let mut taken = self.taken.lock();
        let health = !taken.make_room(address);
        if health && taken.clients.iter().filter(|client| client.health).count() >= HEALTH_MAX {
            return None;
        }
        let id = taken.next;
        taken.next += 1;
        let waiting = Some(Instant::now());
        taken.clients.push(Client { id, address, waiting, health, socket });
        Some(Seat { seats: Arc::clone(self), id, health })
    }
}

impl Taken {
    /// Makes room for a client of an address, if need be by ending another. Returns whether there
    /// is room now.
    fn make_room(&mut self, address: Option<IpAddr>) -> bool {
        let ordinary = || self.clients.iter().filter(|client| !client.health);
        let of = |wanted: Option<IpAddr>| ordinary().filter(|it| it.address == wanted).count();
        // The owner's tools are bounded by the number of all seats alone.
        let over_share = address.is_some() && of(address) >= SHARE_MAX;
        if !over_share && ordinary().count() < SEATS_MAX {
            return true;
        }
        // Who has most gives way first, so that one address cannot push out the others.
        let victim = ordinary()
            .filter(|client| !over_share || client.address == address)
            .filter_map(|client| Some((client, client.waiting?)))
            .min_by_key(|(client, waiting)| (usize::MAX - of(client.address), *waiting))
            .map(|(client, _)| client.id);
        let Some(id) = victim else { return false };
        self.clients.retain(|client| {
            if client.id == id {
                // It fails when the client is gone already.
                let _ = shutdown(&client.socket, Shutdown::Both);
            }
            client.id != id
        });
        true
    }
}

impl Seat {
    /// Whether only a health check may be asked for from this seat.
    pub(super) fn is_for_health(&self) -> bool {
        self.health
    }

    /// The client's request is there and is being answered: it keeps its seat meanwhile.
    pub(super) fn answering(&self) {
        self.set(None);
    }

    /// The client's next request is awaited.
    pub(super) fn waiting(&self) {
        self.set(Some(Instant::now()));
    }

    fn set(&self, waiting: Option<Instant>) {
        let mut taken = self.seats.taken.lock();
        if let Some(client) = taken.clients.iter_mut().find(|client| client.id == self.id) {
            client.waiting = waiting;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken.lock().clients.retain(|client| client.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::Ipv4Addr;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)))
    }

    /// A seat, and the client's end of its socket.
    fn sit(seats: &Arc<Seats>, last: u8) -> Option<(Seat, UnixStream, UnixStream)> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let seat = seats.take(&ours, address(last))?;
        Some((seat, ours, theirs))
    }

    fn is_ended(client: &mut (Seat, UnixStream, UnixStream)) -> bool {
        client.2.set_nonblocking(true).unwrap();
        matches!(client.2.read(&mut [0]), Ok(0))
    }

    #[test]
    fn the_longest_idle_of_an_address_makes_room_for_the_next_of_it() {
        let seats = Arc::new(Seats::default());
        let mut clients: Vec<_> = (0..SHARE_MAX).map(|_| sit(&seats, 1).unwrap()).collect();
        clients[0].0.answering();
        clients[1].0.waiting();
        let next = sit(&seats, 1).unwrap();
        assert!(!next.0.is_for_health());
        let ended: Vec<_> = clients.iter_mut().map(is_ended).collect();
        assert!(ended[2] && ended.iter().filter(|ended| **ended).count() == 1, "{ended:?}");
    }

    #[test]
    fn one_address_cannot_push_out_the_others() {
        let seats = Arc::new(Seats::default());
        let mut other: Vec<_> = (0..4).map(|_| sit(&seats, 2).unwrap()).collect();
        let flood: Vec<_> = (0..500).map(|_| sit(&seats, 1).unwrap()).collect();
        assert!(!other.iter_mut().any(is_ended));
        assert_eq!(flood.len(), 500);
        // Nor can many addresses push out those who are being answered.
        other[0].0.answering();
        let crowd: Vec<_> = (3..200).map(|last| sit(&seats, last).unwrap()).collect();
        assert!(!is_ended(&mut other[0]) && crowd.len() == 197);
        assert!(seats.taken.lock().clients.len() <= SEATS_MAX);
    }

    #[test]
    fn a_health_check_has_a_seat_when_all_are_busy() {
        let seats = Arc::new(Seats::default());
        let busy: Vec<_> = (0..SEATS_MAX)
            .map(|number| sit(&seats, u8::try_from(number % 2).unwrap()).unwrap())
            .collect();
        busy.iter().for_each(|client| client.0.answering());
        let health: Vec<_> = (0..HEALTH_MAX).map(|_| sit(&seats, 9).unwrap()).collect();
        assert!(health.iter().all(|client| client.0.is_for_health()));
        assert!(sit(&seats, 9).is_none());
        drop(busy);
        assert!(!sit(&seats, 9).unwrap().0.is_for_health());
    }
}
