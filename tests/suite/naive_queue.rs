//! A queue as plainly as it can be told: a list of messages, looked through for every question.

/// What a queue of the test was declared with.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// x-message-ttl, in milliseconds.
    pub ttl: Option<u64>,
    /// x-max-length and x-overflow.
    pub limit: Option<(usize, Overflow)>,
    /// x-max-priority.
    pub priorities: Option<u8>,
    /// x-delivery-limit.
    pub failures: Option<u32>,
    /// x-message-deduplication.
    pub deduplicates: bool,
    /// Whether so little may stay in memory that most waits in logs.
    pub spill: bool,
}

/// x-overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overflow {
    DropHead,
    DropLowest,
    Reject,
    RejectDeadLetter,
}

impl Overflow {
    /// As the argument has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DropHead => "drop-head",
            Self::DropLowest => "drop-lowest-priority",
            Self::Reject => "reject-publish",
            Self::RejectDeadLetter => "reject-publish-dlx",
        }
    }
}

/// A message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Letter {
    pub id: u32,
    pub priority: u8,
    pub persistent: bool,
    /// x-deduplication-header.
    pub header: Option<u8>,
    pub expires: u64,
    pub deliveries: u32,
    pub failures: u32,
}

/// What a consumer or a get sees: the message, and whether it was delivered before.
pub(crate) type Seen = (u32, bool);

/// A queue, the one channel that uses it, and the dead letters that came out of it.
#[derive(Debug)]
pub(crate) struct NaiveQueue {
    pub rules: Rules,
    pub now: u64,
    /// In the order in which they were published.
    pub ready: Vec<Letter>,
    /// With their delivery tags, and whether the consumer has them.
    pub unacked: Vec<(u64, Letter, bool)>,
    /// With their reasons, in any order.
    pub dead: Vec<(u32, &'static str)>,
    pub next_tag: u64,
    /// The consumer's prefetch, if there is one.
    pub consumer: Option<usize>,
    pub delivered: Vec<Seen>,
}

impl NaiveQueue {
    pub(crate) fn new(rules: Rules, now: u64) -> Self {
        Self {
            rules,
            now,
            ready: Vec::new(),
            unacked: Vec::new(),
            dead: Vec::new(),
            next_tag: 1,
            consumer: None,
            delivered: Vec::new(),
        }
    }

    /// Publishes a message, which expires after `own` milliseconds if not earlier.
    pub(crate) fn publish(&mut self, letter: &Letter, own: Option<u64>) {
        if self.rules.deduplicates && letter.header.is_some() {
            self.expire();
            let unacked = self.unacked.iter().map(|(_, letter, _)| letter);
            if self.ready.iter().chain(unacked).any(|other| other.header == letter.header) {
                return;
            }
        }
        if let Some((most, overflow @ (Overflow::Reject | Overflow::RejectDeadLetter))) =
            self.rules.limit
        {
            self.expire();
            if self.ready.len() >= most {
                if overflow == Overflow::RejectDeadLetter {
                    self.dead.push((letter.id, "maxlen"));
                }
                return;
            }
        }
        let ttl = [self.rules.ttl, own].into_iter().flatten().min();
        let expires = ttl.map_or(u64::MAX, |ttl| self.now + ttl);
        let priority = self.rules.priorities.map_or(0, |highest| letter.priority.min(highest));
        self.ready.push(Letter { priority, expires, ..letter.clone() });
    }

    /// What happens by itself: deliveries, expirations, drops.
    pub(crate) fn end_turn(&mut self) {
        while self.consumer.is_some_and(|prefetch| {
            self.unacked.iter().filter(|(_, _, consumed)| *consumed).count() < prefetch
        }) {
            let Some(letter) = self.take_live() else { break };
            self.delivered.push((letter.id, letter.deliveries > 0));
            self.hand_out(letter, true);
        }
        self.expire();
        while let Some((most, overflow)) = self.rules.limit
            && self.ready.len() > most
            && matches!(overflow, Overflow::DropHead | Overflow::DropLowest)
        {
            let place = if overflow == Overflow::DropLowest { self.lowest() } else { self.first() };
            let Some(place) = place else { break };
            let letter = self.ready.remove(place);
            self.dead.push((letter.id, "maxlen"));
        }
    }

    pub(crate) fn get(&mut self, no_ack: bool) -> Option<Seen> {
        let letter = self.take_live()?;
        let seen = (letter.id, letter.deliveries > 0);
        if no_ack {
            self.next_tag += 1;
        } else {
            self.hand_out(letter, false);
        }
        Some(seen)
    }

    /// The nth of the unacknowledged deliveries, by its tag.
    pub(crate) fn settle(&mut self, nth: usize) -> Option<(u64, Letter)> {
        let place = nth.checked_rem(self.unacked.len())?;
        let (tag, letter, _) = self.unacked.remove(place);
        Some((tag, letter))
    }

    pub(crate) fn requeue(&mut self, mut letter: Letter, failed: bool) {
        letter.failures += u32::from(failed);
        if self.rules.failures.is_some_and(|limit| letter.failures > limit) {
            self.dead.push((letter.id, "delivery_limit"));
            return;
        }
        let place = self.ready.iter().position(|other| other.id > letter.id);
        self.ready.insert(place.unwrap_or(self.ready.len()), letter);
    }

    /// The broker begins anew: what is not persistent is gone, what was out has failed.
    pub(crate) fn restart(&mut self) {
        for (_, mut letter, _) in std::mem::take(&mut self.unacked) {
            letter.failures += 1;
            self.ready.push(letter);
        }
        self.ready.sort_by_key(|letter| letter.id);
        self.ready.retain(|letter| letter.persistent);
        self.consumer = None;
        self.next_tag = 1;
    }

    fn hand_out(&mut self, mut letter: Letter, consumed: bool) {
        letter.deliveries += 1;
        self.unacked.push((self.next_tag, letter, consumed));
        self.next_tag += 1;
    }

    fn take_live(&mut self) -> Option<Letter> {
        loop {
            let letter = self.ready.remove(self.first()?);
            if letter.expires <= self.now {
                self.dead.push((letter.id, "expired"));
            } else if self.rules.failures.is_some_and(|limit| letter.failures > limit) {
                self.dead.push((letter.id, "delivery_limit"));
            } else {
                return Some(letter);
            }
        }
    }

    fn expire(&mut self) {
        let now = self.now;
        let expired = self.ready.iter().filter(|letter| letter.expires <= now);
        self.dead.extend(expired.map(|letter| (letter.id, "expired")));
        self.ready.retain(|letter| letter.expires > now);
    }

    /// The first of the highest priority.
    fn first(&self) -> Option<usize> {
        let highest = self.ready.iter().map(|letter| letter.priority).max()?;
        self.ready.iter().position(|letter| letter.priority == highest)
    }

    /// The first of the lowest priority.
    fn lowest(&self) -> Option<usize> {
        let lowest = self.ready.iter().map(|letter| letter.priority).min()?;
        self.ready.iter().position(|letter| letter.priority == lowest)
    }
}
