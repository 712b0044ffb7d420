//! Who asks, and whether they may: the one place where management decides that.
//!
//! A route has a [`Rule`]; [`Guard::admits`] decides by it, by the caller's tags, and by the vhost
//! in the path. What somebody may do with an exchange or a queue is not decided here: that is asked
//! for over AMQP, in their name.

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::connection::{Credentials, log_in};
use crate::wire::ShortString;

use super::answer::Refusal;
use super::http::{Head, Peer};

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Access to management, and to the vhost in the path if there is one.
    Management,
    /// The right to see all vhosts, and what clients of others do.
    Monitoring,
    /// The right to everything.
    Administrator,
}

/// What a user may do in management, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Their own vhosts.
    Management,
    /// All vhosts, connections and nodes too.
    Monitoring,
    /// Everything.
    Administrator,
}

/// Somebody who has said who they are.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The user.
    pub(super) user: ShortString,
    rank: Rank,
}

impl Caller {
    /// The tags, as RabbitMQ's tools want to see them.
    pub(super) fn tags(&self) -> Vec<&'static str> {
        match self.rank {
            Rank::Management => vec!["management"],
            Rank::Monitoring => vec!["monitoring"],
            Rank::Administrator => vec!["administrator"],
        }
    }

    /// Whether they may see what is in a vhost.
    pub(super) fn sees(&self, _virtual_host: &str) -> bool {
        // The one user there is may use every vhost.
        true
    }

    /// Whether they may see the connections of others.
    pub(super) fn sees_all(&self) -> bool {
        self.rank >= Rank::Monitoring
    }
}

/// Knows the users.
#[derive(Debug, Default)]
pub(super) struct Guard {
    credentials: Credentials,
}

impl Guard {
    /// Finds out who asks: by their password, or as the owner of the data directory.
    ///
    /// # Errors
    ///
    /// 401 for everybody else; the answer does not say what was wrong.
    pub(super) fn identify(&self, peer: Peer, head: &Head) -> Result<Caller, Refusal> {
        let address = match peer {
            Peer::Owner => return Ok(self.owner()),
            Peer::Address(address) => address,
        };
        let header = head.header("authorization");
        let (user, password) =
            header.and_then(basic).ok_or_else(|| Refusal::unknown("Not_Authorized"))?;
        let user = self.log_in(&user, &password, address);
        let user = user.ok_or_else(|| Refusal::unknown("Login failed"))?;
        Ok(Caller { user, rank: Rank::Administrator })
    }

    fn log_in(&self, user: &str, password: &str, address: IpAddr) -> Option<ShortString> {
        let response = format!("\0{user}\0{password}");
        match log_in(&self.credentials, "PLAIN", response.as_bytes(), address) {
            Ok(user) => Some(user),
            Err(error) => {
                log::warn!("HTTP access denied from {address}: {error}");
                None
            }
        }
    }

    /// The owner of the data directory has every right.
    fn owner(&self) -> Caller {
        let user = ShortString::clipped(&self.credentials.user);
        Caller { user, rank: Rank::Administrator }
    }

    /// Whether a caller may use a route.
    ///
    /// # Errors
    ///
    /// 401 in RabbitMQ's words if not.
    pub(super) fn admits(
        &self,
        caller: &Caller,
        rule: Rule,
        virtual_host: Option<&str>,
    ) -> Result<(), Refusal> {
        let needed = match rule {
            Rule::Management => Rank::Management,
            Rule::Monitoring => Rank::Monitoring,
            Rule::Administrator => Rank::Administrator,
        };
        if caller.rank < needed {
            return Err(Refusal::not_authorised(format!("Not {needed:?} user").to_lowercase()));
        }
        match virtual_host {
            Some(name) if !caller.sees(name) => {
                Err(Refusal::not_authorised("User not authorised to access virtual host"))
            }
            _ => Ok(()),
        }
    }
}

/// The name and password of an Authorization header of type Basic (RFC 7617).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// A request that a page of another site makes a browser send says so in `Origin`; it may carry
/// the password that the browser remembers, so it may not change anything.
///
/// # Errors
///
/// 401 for such a request.
pub(super) fn check_origin(head: &Head) -> Result<(), Refusal> {
    let reads = matches!(head.method.as_str(), "GET" | "HEAD" | "OPTIONS");
    let Some(origin) = head.header("origin").filter(|_| !reads) else { return Ok(()) };
    let host = head.header("host").unwrap_or_default();
    let own = origin.split_once("://").is_some_and(|(_, site)| site.eq_ignore_ascii_case(host));
    if own { Ok(()) } else { Err(Refusal::not_authorised("The request comes from another site")) }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LOOPBACK: Peer = Peer::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));

    fn identify(authorization: &str, peer: Peer) -> bool {
        let text = format!("GET / HTTP/1.1\r\nAuthorization: {authorization}\r\n\r\n");
        let head = Head::read(&text);
        Guard::default().identify(peer, &head).is_ok()
    }

    #[test]
    fn only_who_knows_the_password_and_is_here_gets_in() {
        let encoded = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        assert!(identify(&encoded("guest:guest"), LOOPBACK));
        assert!(!identify(&encoded("guest:wrong"), LOOPBACK));
        assert!(!identify(&encoded("guest"), LOOPBACK));
        assert!(!identify(&encoded("guest:guest\0"), LOOPBACK));
        assert!(!identify(&encoded(""), LOOPBACK));
        assert!(!identify("Basic ?", LOOPBACK));
        assert!(!identify("Bearer x", LOOPBACK));
        let elsewhere = Peer::Address(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
        assert!(!identify(&encoded("guest:guest"), elsewhere));
        assert!(identify("", Peer::Owner));
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        let from = |method: &str, origin: &str| {
            let text =
                format!("{method} / HTTP/1.1\r\nHost: localhost:15672\r\nOrigin: {origin}\r\n\r\n");
            check_origin(&Head::read(&text)).is_ok()
        };
        assert!(from("PUT", "http://localhost:15672"));
        assert!(!from("PUT", "http://evil.example"));
        assert!(!from("DELETE", "null"));
        assert!(from("GET", "http://evil.example"));
    }
}
