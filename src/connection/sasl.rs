//! SASL: who the client is (AMQP 0-9-1, section 1.4.2.2; RFC 4616 for PLAIN).
//!
//! ```text
//!   PLAIN      authorization identity | NUL | user | NUL | password
//!   EXTERNAL   nothing: the client's certificate says who it is
//!   AMQPLAIN   a field table without its length: LOGIN = user, PASSWORD = password
//! ```

use std::net::IpAddr;

use crate::wire::{Field, ShortString, Table};

use super::logins::Logins;

/// A way to log in. ANONYMOUS, which RabbitMQ offers, is none: nobody is everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// PLAIN.
    Plain,
    /// AMQPLAIN.
    AmqPlain,
    /// EXTERNAL.
    External,
}

impl Mechanism {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Plain, Self::AmqPlain, Self::External];

    /// As the protocol has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::AmqPlain => "AMQPLAIN",
            Self::External => "EXTERNAL",
        }
    }
}

/// The mechanisms that connection.start offers to a client, of those that are `allowed`. EXTERNAL is
/// for clients whose certificate says who they are.
pub(super) fn offered<'m>(
    allowed: &'m [Mechanism],
    certificate_name: Option<&str>,
) -> impl Iterator<Item = Mechanism> + use<'m> {
    let named = certificate_name.is_some();
    let all = Mechanism::ALL.into_iter().filter(move |one| *one != Mechanism::External || named);
    all.filter(|one| allowed.contains(one))
}

/// Why a login was refused. The client is told the same for each; the log says which it was.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum LoginError {
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

/// What a connection says of its client besides the response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    /// The ways to log in that there are for anybody.
    pub(super) allowed: &'a [Mechanism],
    /// The address that the connection comes from.
    pub(super) peer: IpAddr,
    /// The user that its certificate names.
    pub(super) certificate_name: Option<&'a str>,
}

/// Who a client says it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// A user by name, to be believed if the password is right.
    Password {
        /// The name; empty, which no user's is, for one that no user can have.
        name: ShortString,
        /// The name as it came, for the log.
        shown: String,
        /// The password.
        password: Vec<u8>,
    },
    /// The user that the certificate names, which has been checked.
    Certificate(ShortString),
}

/// Reads the response of connection.start-ok. A password is still to be checked, and what
/// [`admitted`] says as well.
pub(super) fn claim(
    logins: &Logins,
    mechanism: &str,
    response: &[u8],
    origin: Origin<'_>,
) -> Result<Claim, LoginError> {
    let known = offered(origin.allowed, origin.certificate_name)
        .find(|one| one.name() == mechanism)
        .ok_or_else(|| LoginError::UnknownMechanism(mechanism.escape_debug().to_string()))?;
    let malformed = LoginError::Malformed(known.name());
    let (user, password) = match known {
        Mechanism::Plain => parse_plain(response).ok_or(malformed)?,
        Mechanism::AmqPlain => parse_amqplain(response).ok_or(malformed)?,
        Mechanism::External => return external(logins, origin).map(Claim::Certificate),
    };
    let shown = String::from_utf8_lossy(&user).escape_debug().to_string();
    // No user's name is longer, or anything but UTF-8; it takes its time all the same.
    let name = ShortString::new(std::str::from_utf8(&user).unwrap_or_default()).unwrap_or_default();
    Ok(Claim::Password { name, shown, password })
}

/// EXTERNAL: the certificate has been checked already.
fn external(logins: &Logins, origin: Origin<'_>) -> Result<ShortString, LoginError> {
    let name = ShortString::new(origin.certificate_name.unwrap_or_default()).unwrap_or_default();
    if logins.user(&name).is_none() {
        return Err(LoginError::InvalidCredentials(name.escape_debug().to_string()));
    }
    Ok(name)
}

/// Whether a user who is who they say may come from that address.
pub(super) fn admitted(
    logins: &Logins,
    name: ShortString,
    peer: IpAddr,
) -> Result<ShortString, LoginError> {
    if !logins.admits(&name, peer) {
        return Err(LoginError::NotLoopback(name.escape_debug().to_string()));
    }
    Ok(name)
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

#[cfg(test)]
mod tests {
    use super::super::logins::Attempt;
    use super::super::tests::guest_only;
    use super::*;

    fn check(mechanism: &str, response: &[u8], peer: &str) -> Result<String, LoginError> {
        from_certificate(mechanism, response, peer, None)
    }

    fn from_certificate(
        mechanism: &str,
        response: &[u8],
        peer: &str,
        certificate_name: Option<&str>,
    ) -> Result<String, LoginError> {
        let peer = peer.parse().unwrap();
        let origin = Origin { allowed: &Mechanism::ALL, peer, certificate_name };
        let logins = guest_only();
        let name = match claim(&logins, mechanism, response, origin)? {
            Claim::Certificate(name) => name,
            Claim::Password { name, shown, password } => {
                match logins.attempt(&name, &password, origin.peer, None) {
                    Attempt::Right(_) => name,
                    _ => return Err(LoginError::InvalidCredentials(shown)),
                }
            }
        };
        admitted(&logins, name, origin.peer).map(|name| name.to_string())
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

    #[test]
    fn a_certificate_says_who_it_is() {
        let check = |name| from_certificate("EXTERNAL", b"", "127.0.0.1", name);
        assert_eq!(check(Some("guest")).unwrap(), "guest");
        assert_eq!(check(Some("eve")), Err(LoginError::InvalidCredentials("eve".to_owned())));
        assert!(matches!(check(None), Err(LoginError::UnknownMechanism(_))));
        let elsewhere = from_certificate("EXTERNAL", b"", "192.0.2.1", Some("guest"));
        assert_eq!(elsewhere, Err(LoginError::NotLoopback("guest".to_owned())));
    }
}
