//! SASL: who the client is (AMQP 0-9-1, section 1.4.2.2; RFC 4616 for PLAIN).
//!
//! ```text
//!   PLAIN      authorization identity | NUL | user | NUL | password
//!   AMQPLAIN   a field table without its length: LOGIN = user, PASSWORD = password
//! ```

use std::fmt;
use std::net::IpAddr;

use crate::wire::{Field, ShortString, Table};

/// The mechanisms that connection.start offers, separated by spaces.
pub(super) const MECHANISMS: &str = "PLAIN AMQPLAIN";

/// The one user there is. It may log in from the machine's own loopback addresses only, because
/// everybody knows its password.
#[derive(Clone)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self { user: "guest".to_owned(), password: "guest".to_owned() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why a login was refused. The client is told the same for each; the log says which it was.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LoginError {
    /// connection.start offered no such mechanism (503 to RabbitMQ's log).
    #[error("unknown authentication mechanism '{0}'")]
    UnknownMechanism(String),
    /// The response is not of the mechanism's form (502 to RabbitMQ's log).
    #[error("malformed {0} response")]
    Malformed(&'static str),
    /// No such user, or not its password.
    #[error("user '{0}' - invalid credentials")]
    InvalidCredentials(String),
    /// The right password from the wrong machine.
    #[error("user '{0}' can only connect via localhost")]
    NotLoopback(String),
}

/// Checks the response of connection.start-ok and returns the user's name. `peer` is the address
/// that the connection comes from.
///
/// # Errors
///
/// When the client is not who it says, or not where it has to be.
pub fn log_in(
    credentials: &Credentials,
    mechanism: &str,
    response: &[u8],
    peer: IpAddr,
) -> Result<ShortString, LoginError> {
    let (user, password) = match mechanism {
        "PLAIN" => parse_plain(response).ok_or(LoginError::Malformed("PLAIN"))?,
        "AMQPLAIN" => parse_amqplain(response).ok_or(LoginError::Malformed("AMQPLAIN"))?,
        _ => return Err(LoginError::UnknownMechanism(mechanism.escape_debug().to_string())),
    };
    let shown = || String::from_utf8_lossy(&user).escape_debug().to_string();
    // Both are compared whatever the first says: an unknown user takes as long as a wrong password.
    let known = same(&user, credentials.user.as_bytes());
    let right = same(&password, credentials.password.as_bytes());
    if !(known & right) {
        return Err(LoginError::InvalidCredentials(shown()));
    }
    if !is_loopback(peer) {
        return Err(LoginError::NotLoopback(shown()));
    }
    Ok(ShortString::clipped(&credentials.user))
}

/// Whether an address is the machine itself: 127/8, ::1, or 127/8 written as an IPv6 address.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

type UserAndPassword = (Vec<u8>, Vec<u8>);

fn parse_plain(response: &[u8]) -> Option<UserAndPassword> {
    let mut parts = response.split(|octet| *octet == 0);
    let (_identity, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then(|| (user.to_vec(), password.to_vec()))
}

fn parse_amqplain(response: &[u8]) -> Option<UserAndPassword> {
    let table = Table::decode(response).ok()?;
    let text = |key| match table.get(key) {
        Some(Field::LongString(text)) => Some(text.clone()),
        _ => None,
    };
    Some((text("LOGIN")?, text("PASSWORD")?))
}

/// Compares without stopping at the first difference, so that time tells nothing of the password.
fn same(given: &[u8], wanted: &[u8]) -> bool {
    let mut difference = u8::from(given.len() != wanted.len());
    for (place, octet) in given.iter().enumerate() {
        difference |= octet ^ wanted.get(place).copied().unwrap_or_default();
    }
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mechanism: &str, response: &[u8], peer: &str) -> Result<String, LoginError> {
        log_in(&Credentials::default(), mechanism, response, peer.parse().unwrap())
            .map(|user| user.to_string())
    }

    fn amqplain(login: &str, password: &str) -> Vec<u8> {
        let mut response = Vec::new();
        for (key, value) in [("LOGIN", login), ("PASSWORD", password)] {
            response.push(u8::try_from(key.len()).unwrap());
            response.extend_from_slice(key.as_bytes());
            response.push(b'S');
            response.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
            response.extend_from_slice(value.as_bytes());
        }
        response
    }

    #[test]
    fn guest_logs_in_from_loopback_by_both_mechanisms() {
        for peer in ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(check("PLAIN", b"\0guest\0guest", peer).unwrap(), "guest");
            assert_eq!(check("AMQPLAIN", &amqplain("guest", "guest"), peer).unwrap(), "guest");
        }
    }

    #[test]
    fn guest_is_refused_from_elsewhere() {
        for peer in ["192.0.2.1", "128.0.0.1", "2001:db8::1", "::ffff:192.0.2.1", "::"] {
            let refused = Err(LoginError::NotLoopback("guest".to_owned()));
            assert_eq!(check("PLAIN", b"\0guest\0guest", peer), refused);
        }
    }

    #[test]
    fn a_wrong_password_and_an_unknown_user_are_refused_alike() {
        for (user, password) in
            [("guest", "Guest"), ("guest", ""), ("guest", "guestguest"), ("", ""), ("eve", "guest")]
        {
            let refused = Err(LoginError::InvalidCredentials(user.to_owned()));
            let plain = format!("\0{user}\0{password}");
            assert_eq!(check("PLAIN", plain.as_bytes(), "127.0.0.1"), refused);
            assert_eq!(check("AMQPLAIN", &amqplain(user, password), "127.0.0.1"), refused);
        }
    }

    #[test]
    fn a_malformed_response_is_refused() {
        for response in [&b""[..], b"guest", b"\0guest", b"\0guest\0guest\0"] {
            assert_eq!(check("PLAIN", response, "127.0.0.1"), Err(LoginError::Malformed("PLAIN")));
        }
        let cut = &amqplain("guest", "guest")[..20];
        for response in [&b""[..], b"\0guest\0guest", cut] {
            assert_eq!(
                check("AMQPLAIN", response, "127.0.0.1"),
                Err(LoginError::Malformed("AMQPLAIN"))
            );
        }
        assert!(matches!(
            check("ANONYMOUS", b"", "127.0.0.1"),
            Err(LoginError::UnknownMechanism(_))
        ));
    }
}
