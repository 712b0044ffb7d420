//! Who may log in: the users as the connections' threads see them.
//!
//! ```text
//!   broker ── users changed ──▶ Logins ◀── name, password ── a connection's thread
//!                                 │  remembered? ─▶ yes
//!                                 └  else hash it: one at a time, for wrong and unknown names too
//! ```
//!
//! A password's hash takes long on purpose. So that a thousand clients can come back at once, a
//! password that was right is remembered, as a keyed digest and until its hash changes; and hashes
//! are computed one at a time, so that guessing takes one core at most.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use sha2::{Digest, Sha256};

use crate::broker::access::{Hashing, PASSWORD_OCTETS_MAX, PasswordHash, SALT_OCTETS, User, Users};
use crate::ids::Timestamp;

/// Right passwords that are remembered at most.
const REMEMBERED_MAX: usize = 1024;

/// Peers whose failures are remembered at most.
const PEERS_MAX: usize = 1024;

/// Failed logins after which a peer gets no quick answers.
const FAILURES_MAX: u32 = 5;

/// How long a peer's failures count, in milliseconds.
const FAILURES_MS: u64 = 60_000;

/// The users, and what has been learned of who tried.
pub struct Logins {
    users: RwLock<Arc<Users>>,
    rules: RwLock<LoginRules>,
    /// The key of the digests below.
    key: [u8; 32],
    remembered: Mutex<HashSet<[u8; 32]>>,
    /// Held while a hash is computed.
    one_at_a_time: Mutex<()>,
    /// Stands in for the hash of a user that has none of our own kind.
    stand_in: PasswordHash,
    failures: Mutex<HashMap<IpAddr, Failures>>,
    strangers: AtomicUsize,
    /// How many passwords were tried, and how many of them were right.
    attempts: AtomicU64,
    successes: AtomicU64,
}

/// What an operator says of logins.
#[derive(Clone, Debug)]
pub struct LoginRules {
    /// Users who may only come from the machine itself.
    pub loopback_users: BTreeSet<String>,
    /// How new passwords are hashed.
    pub hashing: Hashing,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    since: Timestamp,
}

impl Logins {
    /// These users may log in; `key` is secret and random.
    pub fn new(
        users: Arc<Users>,
        loopback_users: impl IntoIterator<Item = String>,
        hashing: Hashing,
        key: [u8; 32],
    ) -> Self {
        Self {
            users: RwLock::new(users),
            rules: RwLock::new(LoginRules {
                loopback_users: loopback_users.into_iter().collect(),
                hashing,
            }),
            key,
            remembered: Mutex::default(),
            one_at_a_time: Mutex::default(),
            stand_in: PasswordHash::stand_in(),
            failures: Mutex::default(),
            strangers: AtomicUsize::new(0),
            attempts: AtomicU64::new(0),
            successes: AtomicU64::new(0),
        }
    }

    /// From now these are the users.
    pub fn replace(&self, users: Arc<Users>) {
        *self.users.write() = users;
    }

    /// From now on these are the rules.
    pub fn set_rules(&self, rules: LoginRules) {
        *self.rules.write() = rules;
    }

    /// All users.
    pub fn users(&self) -> Arc<Users> {
        Arc::clone(&self.users.read())
    }

    /// A user by name.
    pub fn user(&self, name: &str) -> Option<User> {
        self.users.read().get(name).cloned()
    }

    /// The user of this name, if the password is right. A wrong name takes as long as a wrong
    /// password, whatever the user's hash is.
    pub fn verify(&self, name: &str, password: &[u8]) -> Option<User> {
        let user = self.look_up(name, password);
        self.attempts.fetch_add(1, Ordering::Relaxed);
        self.successes.fetch_add(user.is_some().into(), Ordering::Relaxed);
        user
    }

    /// How many passwords were tried, and how many of them were right.
    pub fn attempts(&self) -> (u64, u64) {
        let successes = self.successes.load(Ordering::Relaxed);
        (self.attempts.load(Ordering::Relaxed).max(successes), successes)
    }

    fn look_up(&self, name: &str, password: &[u8]) -> Option<User> {
        let user = self.user(name);
        let hash = user.as_ref().and_then(|user| user.password.as_ref());
        let digest = hash.map(|hash| self.digest(name, hash, password));
        let known = |digest: &[u8; 32]| self.remembered.lock().contains(digest);
        if digest.as_ref().is_some_and(known) {
            return user;
        }
        if password.len() > PASSWORD_OCTETS_MAX {
            return None;
        }
        let _turn = self.one_at_a_time.lock();
        // While we waited, another may have found out.
        if digest.as_ref().is_some_and(known) {
            return user;
        }
        let right = hash.is_some_and(|hash| hash.verifies(password));
        if !right {
            if hash.is_none_or(|hash| hash.hashing() != Hashing::Pbkdf2) {
                let _ = self.stand_in.verifies(password);
            }
            return None;
        }
        if let Some(digest) = digest {
            self.remember(digest);
        }
        user
    }

    /// Whether a user may log in from an address.
    pub fn admits(&self, name: &str, peer: IpAddr) -> bool {
        is_loopback(peer) || !self.rules.read().loopback_users.contains(name)
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// When the operating system has no random octets.
    pub fn hash(&self, password: &[u8]) -> Result<PasswordHash, getrandom::Error> {
        let mut salt = [0; SALT_OCTETS];
        getrandom::fill(&mut salt)?;
        Ok(PasswordHash::new(self.rules.read().hashing, salt, password))
    }

    /// A login from there has failed. Says whether that peer fails so often that it is to wait for
    /// the answer. The machine itself never waits: programs on it share one address.
    pub fn failed(&self, peer: IpAddr, now: Timestamp) -> bool {
        if is_loopback(peer) {
            return false;
        }
        let mut peers = self.failures.lock();
        if peers.len() >= PEERS_MAX && !peers.contains_key(&peer) {
            peers.retain(|_, failures| now.0 < failures.since.0.saturating_add(FAILURES_MS));
            if peers.len() >= PEERS_MAX {
                return true; // so many fail that nobody gets quick answers
            }
        }
        let failures = peers.entry(peer).or_insert(Failures { count: 0, since: now });
        if now.0 >= failures.since.0.saturating_add(FAILURES_MS) {
            *failures = Failures { count: 0, since: now };
        }
        failures.count = failures.count.saturating_add(1);
        failures.count > FAILURES_MAX
    }

    /// A client comes whose name is not known; `None` if there are `max` such already.
    pub fn enter(self: &Arc<Self>, max: usize) -> Option<Stranger> {
        let entered = self.strangers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count < max).then_some(count + 1)
        });
        entered.ok().map(|_| Stranger(Arc::clone(self)))
    }

    fn digest(&self, name: &str, hash: &PasswordHash, password: &[u8]) -> [u8; 32] {
        let mut digest = Sha256::new_with_prefix(self.key);
        for part in [name.as_bytes(), hash.base64().as_bytes(), password] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    fn remember(&self, digest: [u8; 32]) {
        let mut remembered = self.remembered.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(digest);
    }
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins").finish_non_exhaustive()
    }
}

/// A client that has not logged in, counted while this lives.
#[derive(Debug)]
pub struct Stranger(Arc<Logins>);

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.strangers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether an address is the machine itself: 127/8, ::1, or 127/8 written as an IPv6 address.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ShortString;

    fn user(password: &[u8]) -> User {
        let hash = PasswordHash::new(Hashing::Sha256, [1; SALT_OCTETS], password);
        User { password: Some(hash), tags: vec![], max_connections: None, max_channels: None }
    }

    fn users(password: &[u8]) -> Arc<Users> {
        Arc::new([(ShortString::clipped("alice"), user(password))].into())
    }

    fn logins() -> Logins {
        Logins::new(users(b"secret"), ["guest".to_owned()], Hashing::Sha512, [0; 32])
    }

    #[test]
    fn a_remembered_password_is_forgotten_with_its_hash() {
        let logins = logins();
        for _ in 0..2 {
            assert!(logins.verify("alice", b"secret").is_some());
        }
        logins.replace(users(b"other"));
        assert!(logins.verify("alice", b"secret").is_none());
        assert!(logins.verify("alice", b"other").is_some());
        logins.replace(Arc::default());
        assert!(logins.verify("alice", b"other").is_none());
    }

    #[test]
    fn a_peer_that_fails_often_waits_until_it_has_not() {
        let logins = logins();
        let peer = "192.0.2.1".parse().unwrap();
        for _ in 0..FAILURES_MAX {
            assert!(!logins.failed(peer, Timestamp(0)));
        }
        assert!(logins.failed(peer, Timestamp(FAILURES_MS - 1)));
        assert!(!logins.failed("192.0.2.2".parse().unwrap(), Timestamp(0)));
        assert!(!logins.failed(peer, Timestamp(FAILURES_MS)));
    }

    #[test]
    fn there_are_so_many_strangers_and_no_more() {
        let logins = Arc::new(logins());
        let first = logins.enter(1);
        assert!(first.is_some() && logins.enter(1).is_none());
        drop(first);
        assert!(logins.enter(1).is_some());
    }

    #[test]
    fn new_passwords_get_a_salt_of_their_own() {
        let logins = logins();
        let (first, second) = (logins.hash(b"x").unwrap(), logins.hash(b"x").unwrap());
        assert!(first != second && first.verifies(b"x"));
    }
}
