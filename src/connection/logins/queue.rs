//! Passwords that wait to be hashed.
//!
//! ```text
//!   attempt ──▶ by origin:  10.0.0.1 [ a b c d e ]      one of each in turn ──▶ workers
//!                           10.0.0.2 [ f ]                                        │
//!   of an origin that fails often: a second later                        verdict ─┘ wakes the client
//! ```
//!
//! A job lives as long as its ticket: when the client goes, or its time is over, nothing is
//! computed for it any more.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use parking_lot::{Condvar, Mutex};

use crate::broker::access::PasswordHash;

use super::failures::Origin;

/// How long an attempt of an origin that fails often waits before anything is computed for it.
const DELAY: Duration = Duration::from_secs(1);

/// Wakes whoever waits for a verdict.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// A password to hash and compare.
pub(super) struct Job {
    pub(super) name: String,
    pub(super) password: Vec<u8>,
    /// What to compare with; `None` for a name that no user has.
    pub(super) hash: Option<PasswordHash>,
    /// What to remember if it is right.
    pub(super) digest: Option<[u8; 32]>,
    pub(super) peer: IpAddr,
    pub(super) waker: Option<Waker>,
    pub(super) verdict: Mutex<Option<bool>>,
    pub(super) done: Condvar,
}

impl Job {
    /// Says whether the password is right.
    pub(super) fn finish(&self, right: bool) {
        *self.verdict.lock() = Some(right);
        self.done.notify_all();
        if let Some(waker) = &self.waker {
            waker();
        }
    }
}

/// A password that is being hashed. Without it nothing is computed.
pub struct Ticket(pub(super) Arc<Job>);

impl Ticket {
    /// Waits for the verdict, at most so long.
    pub(super) fn wait(&self, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        let mut verdict = self.0.verdict.lock();
        while verdict.is_none() && !self.0.done.wait_until(&mut verdict, deadline).timed_out() {}
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").finish_non_exhaustive()
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    waiting: HashMap<Origin, VecDeque<Weak<Job>>>,
    /// The origins of those that wait, each once.
    turns: VecDeque<Origin>,
    /// Those that do not wait yet, and when they begin to.
    delayed: VecDeque<(Instant, Origin, Weak<Job>)>,
    workers: usize,
    closed: bool,
}

impl Queue {
    /// Whether there is anybody to do the work.
    pub(super) fn has_workers(&self) -> bool {
        self.state.lock().workers > 0
    }

    /// Adds a job, with a delay for an origin that fails often.
    pub(super) fn add(&self, job: Job, origin: Origin, delayed: bool) -> Ticket {
        let job = Arc::new(job);
        let mut state = self.state.lock();
        if delayed {
            state.delayed.push_back((Instant::now() + DELAY, origin, Arc::downgrade(&job)));
        } else {
            state.add(origin, Arc::downgrade(&job));
        }
        drop(state);
        self.news.notify_one();
        Ticket(job)
    }

    /// Runs a worker: `work` gets one job after the other until the queue is closed.
    pub(super) fn work(&self, work: impl Fn(&Job)) {
        while let Some(job) = self.next() {
            work(&job);
        }
    }

    /// One more thread comes to work: from now on jobs wait for it.
    pub(super) fn hire(&self) {
        self.state.lock().workers += 1;
    }

    /// Sends the workers home.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.news.notify_all();
    }

    fn next(&self) -> Option<Arc<Job>> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            let due = state.release(Instant::now());
            if let Some(job) = state.take() {
                return Some(job);
            }
            match due {
                None => self.news.wait(&mut state),
                Some(due) => drop(self.news.wait_until(&mut state, due)),
            }
        }
    }
}

impl State {
    fn add(&mut self, origin: Origin, job: Weak<Job>) {
        let waiting = self.waiting.entry(origin.clone()).or_default();
        if waiting.is_empty() {
            self.turns.push_back(origin);
        }
        waiting.push_back(job);
    }

    /// Lets those wait whose delay is over. Returns when the next one's will be.
    fn release(&mut self, now: Instant) -> Option<Instant> {
        while let Some((due, origin, job)) = self.delayed.pop_front() {
            if due > now {
                self.delayed.push_front((due, origin, job));
                return Some(due);
            }
            self.add(origin, job);
        }
        None
    }

    /// The next job whose client still waits: one of each origin in turn.
    fn take(&mut self) -> Option<Arc<Job>> {
        while let Some(origin) = self.turns.pop_front() {
            let waiting = self.waiting.get_mut(&origin);
            let job = waiting.and_then(|jobs| {
                let job = std::iter::from_fn(|| jobs.pop_front()).find_map(|job| job.upgrade());
                job.map(|job| (job, jobs.is_empty()))
            });
            match job {
                Some((job, false)) => {
                    self.turns.push_back(origin);
                    return Some(job);
                }
                Some((job, true)) => {
                    self.waiting.remove(&origin);
                    return Some(job);
                }
                None => drop(self.waiting.remove(&origin)),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(queue: &Queue, peer: &str, name: &str, delayed: bool) -> Ticket {
        let job = Job {
            name: name.to_owned(),
            password: Vec::new(),
            hash: None,
            digest: None,
            peer: peer.parse().unwrap(),
            waker: None,
            verdict: Mutex::default(),
            done: Condvar::new(),
        };
        queue.add(job, Origin::new(peer.parse().unwrap(), name), delayed)
    }

    fn names(queue: &Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.state.lock().take()).map(|job| job.name.clone()).collect()
    }

    #[test]
    fn origins_take_turns_whatever_one_of_them_asks_for() {
        let queue = Queue::default();
        let flood: Vec<_> = (0..80).map(|_| add(&queue, "192.0.2.1", "flood", false)).collect();
        let _others = ["198.51.100.1", "198.51.100.2"].map(|peer| add(&queue, peer, peer, false));
        let served = names(&queue);
        assert_eq!(served[..4], ["flood", "198.51.100.1", "198.51.100.2", "flood"]);
        assert_eq!(served.len(), flood.len() + 2);
        assert!(queue.state.lock().waiting.is_empty());
    }

    #[test]
    fn nothing_is_computed_for_a_client_that_has_gone() {
        let queue = Queue::default();
        let mut tickets: Vec<_> = (0..9).map(|_| add(&queue, "192.0.2.1", "gone", false)).collect();
        let _stays = add(&queue, "192.0.2.1", "stays", false);
        tickets.clear();
        assert_eq!(names(&queue), ["stays"]);
    }

    #[test]
    fn an_origin_that_fails_often_waits_before_its_turn() {
        let queue = Queue::default();
        let _late = add(&queue, "192.0.2.1", "late", true);
        assert!(queue.state.lock().release(Instant::now()).is_some());
        assert!(names(&queue).is_empty());
        assert!(queue.state.lock().release(Instant::now() + DELAY).is_none());
        assert_eq!(names(&queue), ["late"]);
    }
}
