//! Addresses, taken in two steps.
//!
//! ```text
//!   bind ──▶ (the store is recovered) ──▶ listen ──▶ clients
//!     └ fails at once if somebody listens there
//! ```
//!
//! A taken address shows before anything is done to the data directory; and a port that accepts
//! connections belongs to a broker that can serve them.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// An address that is ours, where nobody can connect yet.
#[derive(Debug)]
pub(super) struct Bound(OwnedFd);

/// Takes an address: the first of a name that can be had.
///
/// # Errors
/// Those of the operating system, and if the name means nothing.
pub(super) fn bind(address: &str) -> io::Result<Bound> {
    let mut failed = io::Error::new(io::ErrorKind::InvalidInput, "it is no address");
    for address in address.to_socket_addrs()? {
        match bind_one(address) {
            Ok(bound) => return Ok(bound),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn bind_one(address: SocketAddr) -> io::Result<Bound> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    // A broker that has just ended leaves connections behind that hold the port for a minute.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    Ok(Bound(socket))
}

impl Bound {
    /// Lets clients connect.
    ///
    /// # Errors
    /// If somebody else listens there by now.
    pub(super) fn listen(self) -> io::Result<TcpListener> {
        rustix::net::listen(&self.0, BACKLOG)?;
        Ok(self.0.into())
    }
}
