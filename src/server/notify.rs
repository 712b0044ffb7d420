//! What a service manager is told: that the broker is ready, and that it stops (sd_notify(3)).

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use log::warn;

/// Where systemd says that it listens; `@` stands for an abstract name.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Tells systemd something, such as `READY=1`, if it has started us and wants to know.
pub(super) fn tell(state: &str) {
    let Some(address) = env::var_os(SOCKET) else { return };
    if let Err(error) = send(&address, state) {
        warn!("the service manager cannot be told {state}: {error}");
    }
}

fn send(address: &OsStr, state: &str) -> io::Result<()> {
    let address = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(address)?,
    };
    let sent = UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    if sent == state.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}
