//! Who asks, and whether they may: the one place where management decides that.
//!
//! A route has a [`Rule`]; [`Guard::admits`] decides by it, by the caller's tags, and by the vhost
//! in the path. What somebody may do with an exchange or a queue is not decided here: that is asked
//! for over AMQP, in their name.

mod hosts;
mod sessions;

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::broker::access::{Tag, User};
use crate::connection::Logins;
use crate::ids::Timestamp;
use crate::wire::ShortString;

use super::answer::Refusal;
use super::http::{Head, Peer};
use super::questions::Questions;

pub(super) use hosts::Hosts;
pub(super) use sessions::PAGE_HEADER;
use sessions::Sessions;

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Access to management, and to the vhost in the path if there is one.
    Management,
    /// The right to make policies, in the vhost in the path if there is one.
    Policymaker,
    /// The right to see all vhosts, and what clients of others do.
    Monitoring,
    /// [`Self::Monitoring`], or to be the user in the path.
    OwnOrMonitoring,
    /// [`Self::Administrator`], or to be the user in the path.
    OwnOrAdministrator,
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
    /// The user; empty is the owner.
    pub(super) user: ShortString,
    rank: Rank,
    tags: Vec<ShortString>,
    /// The vhosts that they may enter; `None` is all.
    virtual_hosts: Option<Vec<ShortString>>,
}

impl Caller {
    /// The name for people.
    pub(super) fn name(&self) -> &str {
        if self.is_owner() { "owner of the data directory" } else { &self.user }
    }

    /// Whether it is the owner of the data directory.
    pub(super) fn is_owner(&self) -> bool {
        self.user.is_empty()
    }

    /// The tags, as RabbitMQ's tools want to see them.
    pub(super) fn tags(&self) -> &[ShortString] {
        &self.tags
    }

    /// Whether they may see what is in a vhost.
    pub(super) fn sees(&self, virtual_host: &str) -> bool {
        self.sees_all() || self.enters(virtual_host)
    }

    /// Whether they may do everything.
    pub(super) fn is_administrator(&self) -> bool {
        self.rank == Rank::Administrator
    }

    /// Whether they may see and set policies and parameters of a vhost.
    pub(super) fn makes_policies_in(&self, virtual_host: &str) -> bool {
        self.is_administrator() || (self.has(Tag::Policymaker) && self.enters(virtual_host))
    }

    /// Refuses what belongs to another user, unless they may touch that of others.
    ///
    /// # Errors
    ///
    /// 401 in RabbitMQ's words.
    pub(super) fn owns(&self, user: &str, others: bool) -> Result<(), Refusal> {
        if others || *self.user == *user {
            return Ok(());
        }
        Err(Refusal::not_authorised("User not authorised to access object"))
    }

    /// Whether a vhost is one of their own.
    fn enters(&self, virtual_host: &str) -> bool {
        let own = self.virtual_hosts.as_ref();
        own.is_none_or(|own| own.iter().any(|name| **name == *virtual_host))
    }

    fn has(&self, tag: Tag) -> bool {
        self.tags.iter().any(|own| **own == *tag.name())
    }

    /// Whether they may see the connections of others.
    pub(super) fn sees_all(&self) -> bool {
        self.rank >= Rank::Monitoring
    }
}

/// Knows the users.
#[derive(Debug)]
pub(super) struct Guard {
    logins: Arc<Logins>,
    questions: Option<Questions>,
    sessions: Sessions,
}

impl Guard {
    /// A guard of these users, for a page at this port; without anybody to ask, nobody but those who
    /// see everything sees a vhost.
    pub(super) fn new(logins: Arc<Logins>, questions: Option<Questions>, port: u16) -> Self {
        Self { logins, questions, sessions: Sessions::new(port) }
    }

    /// Finds out who asks: by their password, by the page's session, or as the owner of the data
    /// directory.
    ///
    /// # Errors
    ///
    /// 401 for everybody else; the answer does not say what was wrong. 503 when too many passwords
    /// are being checked.
    pub(super) fn identify(
        &self,
        peer: Peer,
        head: &Head,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        let Some(address) = peer.address() else { return Ok(owner()) };
        let (name, user) = match head.header("authorization") {
            Some(header) => {
                let said = basic(header).ok_or_else(|| Refusal::unknown("Not_Authorized"))?;
                let user = self.log_in(&said.0, &said.1, address)?;
                (said.0, user.ok_or_else(|| Refusal::unknown("Login failed"))?)
            }
            None => {
                let user = self.of_session(head, address, now);
                user.ok_or_else(|| Refusal::unknown("Not_Authorized"))?
            }
        };
        let rank = rank(&user).ok_or_else(|| Refusal::not_authorised("Not management user"))?;
        let name = ShortString::clipped(&name);
        let virtual_hosts = if rank == Rank::Administrator {
            None
        } else {
            let own = self.questions.as_ref().map(|it| it.virtual_hosts_of(&name));
            Some(own.transpose().map_err(|_| Refusal::unavailable())?.unwrap_or_default())
        };
        Ok(Caller { user: name, rank, tags: user.tags, virtual_hosts })
    }

    /// The user of the page's session, if the password is still the one that was right then.
    fn of_session(&self, head: &Head, address: IpAddr, now: Timestamp) -> Option<(String, User)> {
        let known = self.sessions.find(head, now)?;
        let user = self.logins.user(&known.user)?;
        let still = user.password == known.password && self.logins.admits(&known.user, address);
        still.then(|| (known.user.to_string(), user))
    }

    /// Begins a session of the page for a caller. Returns the value of the header Set-Cookie.
    ///
    /// # Errors
    ///
    /// 401 for the owner of the data directory, who is no user.
    pub(super) fn begin_session(
        &self,
        caller: &Caller,
        now: Timestamp,
        encrypted: bool,
    ) -> Result<String, Refusal> {
        let user = self.logins.user(&caller.user);
        let user = user.ok_or_else(|| Refusal::not_authorised("not a user"))?;
        self.sessions.begin(caller.user.clone(), user.password, now, encrypted)
    }

    /// Ends the session of a request. Returns the value of the header Set-Cookie.
    pub(super) fn end_session(&self, head: &Head) -> String {
        self.sessions.end(head)
    }

    fn log_in(&self, name: &str, password: &str, address: IpAddr) -> Result<Option<User>, Refusal> {
        let user = self.logins.verify(name, password.as_bytes(), address)?;
        let user = user.filter(|_| self.logins.admits(name, address));
        if user.is_none() {
            log::warn!("HTTP access denied: user '{}' from {address}", name.escape_debug());
        }
        Ok(user)
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
        path: &[(&'static str, String)],
    ) -> Result<(), Refusal> {
        let named = |wanted: &str| {
            path.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str())
        };
        let (virtual_host, user) = (named("vhost"), named("user").unwrap_or_default());
        let needed = match rule {
            Rule::Policymaker if !caller.has(Tag::Policymaker) => Rank::Administrator,
            Rule::Policymaker if virtual_host.is_some_and(|name| !caller.enters(name)) => {
                return Err(Refusal::not_authorised("User not authorised to access virtual host"));
            }
            Rule::OwnOrMonitoring => return caller.owns(user, caller.sees_all()),
            Rule::OwnOrAdministrator => return caller.owns(user, caller.is_administrator()),
            Rule::Policymaker | Rule::Management => Rank::Management,
            Rule::Monitoring => Rank::Monitoring,
            Rule::Administrator => Rank::Administrator,
        };
        if caller.rank < needed {
            return Err(Refusal::not_authorised(match needed {
                Rank::Administrator => "Not administrator user",
                Rank::Monitoring => "Not monitor user",
                Rank::Management => "Not management user",
            }));
        }
        match virtual_host {
            Some(name) if !caller.sees(name) => {
                Err(Refusal::not_authorised("User not authorised to access virtual host"))
            }
            _ => Ok(()),
        }
    }
}

/// The owner of the data directory has every right, in every vhost. No user has an empty name, so
/// the owner is none of them, and no change of users takes the owner's rights away.
pub(super) fn owner() -> Caller {
    let tags = vec![ShortString::clipped(Tag::Administrator.name())];
    let user = ShortString::default();
    Caller { user, rank: Rank::Administrator, tags, virtual_hosts: None }
}

/// What a user's tags allow; `None` is nothing here.
fn rank(user: &User) -> Option<Rank> {
    let ranks = [
        (Tag::Administrator, Rank::Administrator),
        (Tag::Monitoring, Rank::Monitoring),
        (Tag::Policymaker, Rank::Management),
        (Tag::Management, Rank::Management),
    ];
    ranks.into_iter().find(|(tag, _)| user.has(*tag)).map(|(_, rank)| rank)
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::broker::access::{Hashing, PasswordHash, SALT_OCTETS};

    fn guard() -> Guard {
        let password = PasswordHash::new(Hashing::Sha256, [1; SALT_OCTETS], b"guest");
        let tags = vec![ShortString::clipped("administrator")];
        let user =
            User { password: Some(password), tags, max_connections: None, max_channels: None };
        let users = Arc::new([(ShortString::clipped("guest"), user)].into());
        let logins = Logins::new(users, ["guest".to_owned()], Hashing::Sha256, [0; 32]);
        Guard::new(Arc::new(logins), None, 0)
    }

    const LOOPBACK: Peer = Peer::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));

    fn identify(authorization: &str, peer: Peer) -> bool {
        let text = format!("GET / HTTP/1.1\r\nAuthorization: {authorization}\r\n\r\n");
        let head = Head::read(&text);
        guard().identify(peer, &head, Timestamp(0)).is_ok()
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
}
