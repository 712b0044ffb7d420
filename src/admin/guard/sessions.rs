//! Logins of the page: a random token in place of the password.
//!
//! ```text
//!   POST /api/session, with a password ──▶ Set-Cookie: leveret_15672=token; HttpOnly; SameSite=Strict
//!   GET /api/queues, with the cookie and the header X-Requested-With ──▶ the user of the token
//!   DELETE /api/session, the user's new password or no more tag, 30 minutes unused ──▶ unknown
//! ```
//!
//! No script can read the cookie, and what the page keeps is no secret. A page of another site
//! cannot send the header without asking first, and is never allowed to.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::admin::answer::Refusal;
use crate::admin::http::Head;
use crate::broker::access::PasswordHash;
use crate::ids::Timestamp;
use crate::wire::ShortString;

/// The most tokens at a time; the one that was unused longest goes first.
const TOKENS_MAX: usize = 1000;

/// How long a token holds without being used, in milliseconds.
const UNUSED_MS_MAX: u64 = 30 * 60 * 1000;

/// How long a token holds at most, in milliseconds.
const AGE_MS_MAX: u64 = 12 * 60 * 60 * 1000;

/// The header that says that a request comes from a script of this site's own page.
pub(in super::super) const PAGE_HEADER: &str = "x-requested-with";

/// The octets of a token.
const TOKEN_OCTETS: usize = 32;

/// See the module. Kept are digests of tokens, not tokens.
#[derive(Debug, Default)]
pub(in super::super) struct Sessions {
    cookie: String,
    known: Mutex<HashMap<[u8; 32], Known>>,
}

/// What a token stands for.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) user: ShortString,
    /// The password that was right then.
    pub(super) password: Option<PasswordHash>,
    made: Timestamp,
    used: Timestamp,
}

impl Sessions {
    /// Sessions of the page at this port: brokers on one machine share its cookies.
    pub(super) fn new(port: u16) -> Self {
        Self { cookie: format!("leveret_{port}"), known: Mutex::default() }
    }

    /// Begins a session. Returns the value of the header Set-Cookie.
    ///
    /// # Errors
    ///
    /// 503 when the operating system has no random octets.
    pub(super) fn begin(
        &self,
        user: ShortString,
        password: Option<PasswordHash>,
        now: Timestamp,
        encrypted: bool,
    ) -> Result<String, Refusal> {
        let mut token = [0; TOKEN_OCTETS];
        getrandom::fill(&mut token).map_err(|_| Refusal::unavailable())?;
        let token = BASE64_URL_SAFE_NO_PAD.encode(token);
        let mut known = self.known.lock();
        known.retain(|_, known| known.holds(now));
        if known.len() >= TOKENS_MAX {
            let oldest = known.iter().min_by_key(|(_, known)| known.used).map(|(key, _)| *key);
            oldest.and_then(|key| known.remove(&key));
        }
        known.insert(digest(&token), Known { user, password, made: now, used: now });
        Ok(self.set_cookie(&token, encrypted))
    }

    /// The session of a request of the page.
    pub(super) fn find(&self, head: &Head, now: Timestamp) -> Option<Known> {
        head.header(PAGE_HEADER)?;
        let mut known = self.known.lock();
        let found = known.get_mut(&digest(self.token(head)?)).filter(|known| known.holds(now))?;
        found.used = now;
        Some(found.clone())
    }

    /// Ends the session of a request. Returns the value of the header Set-Cookie.
    pub(super) fn end(&self, head: &Head) -> String {
        if let Some(token) = self.token(head) {
            self.known.lock().remove(&digest(token));
        }
        format!("{}; Max-Age=0", self.set_cookie("", false))
    }

    fn token<'h>(&self, head: &'h Head) -> Option<&'h str> {
        let pairs = head.header("cookie")?.split(';').filter_map(|pair| pair.split_once('='));
        pairs
            .map(|(name, value)| (name.trim(), value.trim()))
            .find_map(|(name, value)| (name == self.cookie).then_some(value))
    }

    fn set_cookie(&self, token: &str, encrypted: bool) -> String {
        let secure = if encrypted { "; Secure" } else { "" };
        format!("{}={token}; Path=/; HttpOnly; SameSite=Strict{secure}", self.cookie)
    }
}

impl Known {
    fn holds(&self, now: Timestamp) -> bool {
        let within = |from: Timestamp, most: u64| now.0 < from.0.saturating_add(most);
        within(self.made, AGE_MS_MAX) && within(self.used, UNUSED_MS_MAX)
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(cookie: &str, page: bool) -> Head {
        let header = if page { "X-Requested-With: leveret\r\n" } else { "" };
        Head::read(&format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: a=b; {cookie}\r\n{header}\r\n"))
    }

    fn begin(sessions: &Sessions, now: u64) -> String {
        let user = ShortString::clipped("ann");
        let cookie = sessions.begin(user, None, Timestamp(now), true).unwrap();
        for attribute in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
            assert!(cookie.contains(&format!("; {attribute}")), "{cookie}");
        }
        cookie.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_token_is_its_users_until_it_ends() {
        let sessions = Sessions::new(15672);
        let cookie = begin(&sessions, 0);
        let user = |now: u64, page: bool| {
            sessions.find(&request(&cookie, page), Timestamp(now)).map(|it| it.user.to_string())
        };
        assert_eq!(user(1, true).as_deref(), Some("ann"));
        assert_eq!(user(1, false), None, "another site's page cannot send the header");
        assert!(sessions.find(&request("leveret_15672=guess", true), Timestamp(1)).is_none());
        assert!(sessions.end(&request(&cookie, true)).contains("Max-Age=0"));
        assert_eq!(user(2, true), None);
    }

    #[test]
    fn a_token_ends_with_time_used_or_not() {
        let sessions = Sessions::new(1);
        let cookie = begin(&sessions, 0);
        let holds = |now| sessions.find(&request(&cookie, true), Timestamp(now)).is_some();
        let mut now = 0;
        while now < AGE_MS_MAX {
            assert!(holds(now), "{now}");
            now += UNUSED_MS_MAX - 1;
        }
        assert!(!holds(AGE_MS_MAX));
        let unused = begin(&sessions, 0);
        assert!(sessions.find(&request(&unused, true), Timestamp(UNUSED_MS_MAX)).is_none());
    }

    #[test]
    fn there_are_so_many_tokens_and_no_more() {
        let sessions = Sessions::new(1);
        let first = begin(&sessions, 0);
        for now in 1..=TOKENS_MAX as u64 {
            begin(&sessions, now);
        }
        assert_eq!(sessions.known.lock().len(), TOKENS_MAX);
        assert!(sessions.find(&request(&first, true), Timestamp(1)).is_none());
    }
}
