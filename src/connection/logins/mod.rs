//! Who may log in: the users as the connections' threads see them.
//!
//! ```text
//!   broker ── users changed ──▶ Logins ◀── name, password ── a connection's thread
//!                                 │  remembered, or a hash that is quick? ─▶ yes, at once
//!                                 └  else workers hash it, for wrong and unknown names too
//! ```
//!
//! A password's hash takes long on purpose. So that thousands of clients can come back at once, a
//! password that was right is remembered, as a keyed digest and until its hash changes; the others
//! are hashed by a few workers, in turn by where they come from ([`queue`]).

mod failures;
mod queue;
mod remembered;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};
use sha2::{Digest, Sha256};

use crate::broker::access::{
    Hashing, NEW_PASSWORD_BYTES_MAX, PASSWORD_OCTETS_MAX, PasswordHash, SALT_OCTETS, User, Users,
};

use failures::{Failures, Origin};
use queue::{Job, Queue};
use remembered::Remembered;

pub use queue::{Ticket, Waker};

/// Threads that may wait for a verdict in [`Logins::verify`].
const WAITING_MAX: usize = 16;

/// How long they wait at most.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The users, and what has been learned of who tried.
pub struct Logins {
    users: RwLock<Arc<Users>>,
    rules: RwLock<LoginRules>,
    /// The key of the digests below.
    key: [u8; 32],
    remembered: Mutex<Remembered>,
    queue: Queue,
    /// Threads that wait for a verdict.
    waiting: AtomicUsize,
    /// Stands in for the hash of a user that has none of our own kind.
    stand_in: PasswordHash,
    failures: Mutex<Failures>,
    strangers: AtomicUsize,
    /// How many passwords were tried, and how many of them were right.
    attempts: AtomicU64,
    successes: AtomicU64,
}

/// What is known of a name and a password.
#[derive(Debug)]
pub enum Attempt {
    /// It is this user's.
    Right(User),
    /// There is no such user, or the password is another.
    Wrong,
    /// It is being hashed: to be settled by [`Logins::settle`].
    Pending(Ticket),
}

/// Too many threads wait for passwords to be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// What an operator says of logins.
#[derive(Clone, Debug)]
pub struct LoginRules {
    /// Users who may only come from the machine itself.
    pub loopback_users: BTreeSet<String>,
    /// How new passwords are hashed.
    pub hashing: Hashing,
}

/// Why a password cannot be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoHash {
    /// It has no room in the frame of a login.
    #[error("is longer than {NEW_PASSWORD_BYTES_MAX} bytes: no client could log in with it")]
    TooLong,
    /// There are no random bytes.
    #[error(transparent)]
    Random(#[from] getrandom::Error),
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
            queue: Queue::default(),
            waiting: AtomicUsize::new(0),
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

    /// Begins to find out whether a password is a user's. A wrong name takes as long as a wrong
    /// password, whatever the user's hash is. `waker` is called when a verdict is there.
    pub fn attempt(
        &self,
        name: &str,
        password: &[u8],
        peer: IpAddr,
        waker: Option<Waker>,
    ) -> Attempt {
        // Neither is anybody's.
        if password.is_empty() || password.len() > PASSWORD_OCTETS_MAX {
            return self.wrong(name, peer);
        }
        let user = self.user(name);
        let hash = user.as_ref().and_then(|user| user.password.clone());
        let digest = hash.as_ref().map(|hash| self.digest(name, hash, password));
        let known = digest.is_some_and(|digest| self.remembered.lock().has(&digest));
        let origin = Origin::new(peer, name);
        let often = self.failures.lock().often(&origin, Instant::now());
        // A hash that is quick is not worth a turn, unless it is guessed at.
        let quick = hash.as_ref().filter(|hash| !often && hash.hashing() != Hashing::Pbkdf2);
        if known || quick.is_some_and(|hash| hash.verifies(password)) {
            return self.right(user);
        }
        let job = Job {
            name: name.to_owned(),
            password: password.to_vec(),
            hash,
            digest,
            peer,
            waker,
            verdict: Mutex::default(),
            done: Condvar::new(),
        };
        if !self.queue.has_workers() {
            let right = self.compare(&job);
            return self.conclude(&job, right);
        }
        Attempt::Pending(self.queue.add(job, origin, often))
    }

    /// What has become of a password that was being hashed.
    pub fn settle(&self, ticket: Ticket) -> Attempt {
        let verdict = *ticket.0.verdict.lock();
        match verdict {
            None => Attempt::Pending(ticket),
            Some(right) => self.conclude(&ticket.0, right),
        }
    }

    /// As [`Self::attempt`], for a thread that waits for the verdict.
    ///
    /// # Errors
    /// When too many wait, or the verdict takes too long.
    pub fn verify(&self, name: &str, password: &[u8], peer: IpAddr) -> Result<Option<User>, Busy> {
        let ticket = match self.attempt(name, password, peer, None) {
            Attempt::Right(user) => return Ok(Some(user)),
            Attempt::Wrong => return Ok(None),
            Attempt::Pending(ticket) => ticket,
        };
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        if waiting < WAITING_MAX {
            ticket.wait(WAIT_MAX);
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        match self.settle(ticket) {
            Attempt::Right(user) => Ok(Some(user)),
            Attempt::Wrong => Ok(None),
            Attempt::Pending(_) => Err(Busy),
        }
    }

    /// One more thread will call [`Self::work`]: from now on passwords wait for that.
    pub fn hire(&self) {
        self.queue.hire();
    }

    /// Hashes passwords until [`Self::close`].
    pub fn work(&self) {
        self.queue.work(|job| job.finish(self.compare(job)));
    }

    /// Ends [`Self::work`].
    pub fn close(&self) {
        self.queue.close();
    }

    fn compare(&self, job: &Job) -> bool {
        let right = job.hash.as_ref().is_some_and(|hash| hash.verifies(&job.password));
        if !right && job.hash.as_ref().is_none_or(|hash| hash.hashing() != Hashing::Pbkdf2) {
            let _ = self.stand_in.verifies(&job.password);
        }
        right
    }

    fn conclude(&self, job: &Job, right: bool) -> Attempt {
        let user = self.user(&job.name).filter(|_| right);
        // The password may have been changed while it was hashed.
        if user.as_ref().is_none_or(|user| user.password != job.hash) {
            return self.wrong(&job.name, job.peer);
        }
        if let Some(digest) = job.digest {
            self.remembered.lock().add(digest);
        }
        self.right(user)
    }

    fn right(&self, user: Option<User>) -> Attempt {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        self.successes.fetch_add(user.is_some().into(), Ordering::Relaxed);
        user.map_or(Attempt::Wrong, Attempt::Right)
    }

    fn wrong(&self, name: &str, peer: IpAddr) -> Attempt {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        self.failures.lock().add(Origin::new(peer, name), Instant::now());
        Attempt::Wrong
    }

    /// How many passwords were tried, and how many of them were right.
    pub fn attempts(&self) -> (u64, u64) {
        let successes = self.successes.load(Ordering::Relaxed);
        (self.attempts.load(Ordering::Relaxed).max(successes), successes)
    }

    /// Whether a user may log in from an address.
    pub fn admits(&self, name: &str, peer: IpAddr) -> bool {
        is_loopback(peer) || !self.rules.read().loopback_users.contains(name)
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// When no client could log in with it, or the operating system has no random octets.
    pub fn hash(&self, password: &[u8]) -> Result<PasswordHash, NoHash> {
        if password.len() > NEW_PASSWORD_BYTES_MAX {
            return Err(NoHash::TooLong);
        }
        let mut salt = [0; SALT_OCTETS];
        getrandom::fill(&mut salt)?;
        Ok(PasswordHash::new(self.rules.read().hashing, salt, password))
    }

    /// Whether those who come from there fail so often that they get no quick answers.
    pub fn fails_often(&self, name: &str, peer: IpAddr) -> bool {
        self.failures.lock().often(&Origin::new(peer, name), Instant::now())
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
mod tests;
