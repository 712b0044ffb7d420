//! The consumers of one queue: who they are, and whose turn it is.
//!
//! ```text
//!   members   every consumer, the highest priority first, then the one that came first
//!   line      those that may be able to take a message, by priority:
//!               priority 10   [ c7 c2 ]      while one of these has room ...
//!               priority  0   [ c1 c5 c9 ]   ... none of these gets anything
//! ```
//!
//! Within a priority each gets one message in turn. A consumer that has no room when its turn comes
//! leaves the line until something makes room, so a turn costs what it delivers.
//!
//! With `x-single-active-consumer` only the active consumer stands in line. When it goes, the first
//! member follows. In a quorum queue a member of higher priority takes over as well, as soon as the
//! active one has nothing unacknowledged: two consumers never work at the same time.
//!
//! A consumer that is removed stays in the line as a gap, found when its turn comes or when most
//! of the line is gaps. So each of ten thousand consumers of a queue goes at the cost of one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use super::arguments::{QueueArguments, QueueType};
use super::consumer::ConsumerKey;

/// The gaps that a line may always have.
const GAPS_MAX: usize = 64;

/// What a consumer is among those of its queue: its priority, and its number, which tells who came
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    priority: Reverse<i64>,
    number: u64,
}

impl Rank {
    /// The rank of the consumer with this number.
    pub(super) fn new(priority: i64, number: u64) -> Self {
        Self { priority: Reverse(priority), number }
    }
}

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// The consumer's number.
    pub number: u64,
    /// Where it is kept.
    pub key: ConsumerKey,
}

/// Which members get messages.
#[derive(Debug)]
enum Choice {
    /// All that have room.
    All,
    /// One at a time (`x-single-active-consumer`).
    One {
        active: Option<Rank>,
        /// Whether a higher priority takes over from an active consumer.
        by_priority: bool,
    },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Consumers {
    members: BTreeMap<Rank, ConsumerKey>,
    line: BTreeMap<Reverse<i64>, VecDeque<Turn>>,
    /// How many stand in the line, gaps included.
    standing: usize,
    gaps: usize,
    choice: Choice,
    exclusive: bool,
}

impl Consumers {
    /// No consumers yet, of a queue with these arguments.
    pub(super) fn new(arguments: &QueueArguments) -> Self {
        let by_priority = arguments.queue_type == QueueType::Quorum;
        let choice = if arguments.single_active_consumer {
            Choice::One { active: None, by_priority }
        } else {
            Choice::All
        };
        let (members, line) = Default::default();
        Self { members, line, standing: 0, gaps: 0, choice, exclusive: false }
    }

    /// Adds a consumer, which does not stand in line yet; `exclusive` ones have asked to be alone.
    pub(super) fn add(&mut self, rank: Rank, key: ConsumerKey, exclusive: bool) {
        self.members.insert(rank, key);
        self.exclusive |= exclusive;
        if let Choice::One { active, .. } = &mut self.choice {
            active.get_or_insert(rank);
        }
    }

    /// Removes a consumer, which stood in line if `in_line`. Returns the one that is active from
    /// now on, if that has changed.
    pub(super) fn remove(&mut self, rank: Rank, in_line: bool) -> Option<ConsumerKey> {
        self.members.remove(&rank)?;
        self.exclusive = false;
        if in_line {
            self.gaps += 1;
            self.close_gaps();
        }
        match &mut self.choice {
            Choice::One { active, .. } if *active == Some(rank) => {
                let next = self.members.first_key_value();
                *active = next.map(|(rank, _)| *rank);
                next.map(|(_, key)| *key)
            }
            Choice::One { .. } | Choice::All => None,
        }
    }

    /// Puts a consumer at the end of the line of its priority. Says whether it stands there: those
    /// that are not active do not.
    pub(super) fn stand(&mut self, rank: Rank, key: ConsumerKey) -> bool {
        if !self.is_active(rank) {
            return false;
        }
        self.line.entry(rank.priority).or_default().push_back(Turn { number: rank.number, key });
        self.standing += 1;
        true
    }

    /// Whose turn it is.
    pub(super) fn first(&self) -> Option<Turn> {
        self.line.first_key_value().and_then(|(_, level)| level.front().copied())
    }

    /// The first in line has got a message: the next one of its priority is first.
    pub(super) fn pass(&mut self) {
        if let Some(mut level) = self.line.first_entry() {
            level.get_mut().rotate_left(1);
        }
    }

    /// The first in line leaves it; `gap` if that one is no member any more.
    pub(super) fn leave(&mut self, gap: bool) {
        let Some(mut level) = self.line.first_entry() else { return };
        level.get_mut().pop_front();
        if level.get().is_empty() {
            level.remove();
        }
        self.standing -= 1;
        self.gaps -= usize::from(gap);
    }

    /// The active consumer has nothing unacknowledged: one of higher priority may take over.
    /// Returns that one.
    pub(super) fn take_over(&mut self) -> Option<ConsumerKey> {
        let (rank, key) = self.challenger()?;
        if let Choice::One { active, .. } = &mut self.choice {
            *active = Some(rank);
        }
        Some(key)
    }

    /// Whether a consumer of higher priority waits for the active one to finish.
    pub(super) fn is_challenged(&self) -> bool {
        self.challenger().is_some()
    }

    /// The consumer of higher priority that waits for the active one to finish.
    pub(super) fn challenger(&self) -> Option<(Rank, ConsumerKey)> {
        let Choice::One { active: Some(active), by_priority: true } = self.choice else {
            return None;
        };
        let (first, key) = self.members.first_key_value()?;
        (first.priority < active.priority).then_some((*first, *key))
    }

    /// Whether a consumer may get messages: all may, or the single active one.
    pub(super) fn is_active(&self, rank: Rank) -> bool {
        match self.choice {
            Choice::All => true,
            Choice::One { active, .. } => active == Some(rank),
        }
    }

    /// The single active consumer; `None` if all are, or if there are none.
    pub(super) fn single_active(&self) -> Option<ConsumerKey> {
        match self.choice {
            Choice::All => None,
            Choice::One { active, .. } => self.members.get(&active?).copied(),
        }
    }

    /// Whether another consumer would be refused: there is one that has asked to be alone.
    pub(super) fn refuse_others(&self) -> bool {
        self.exclusive
    }

    /// Whether a consumer that asks to be alone would be refused.
    pub(super) fn refuse_exclusive(&self) -> bool {
        !self.is_empty() || self.is_single()
    }

    /// Whether one consumer at a time gets messages.
    pub(super) fn is_single(&self) -> bool {
        matches!(self.choice, Choice::One { .. })
    }

    /// All of them, in the order in which they are served.
    pub(super) fn keys(&self) -> impl Iterator<Item = ConsumerKey> + '_ {
        self.members.values().copied()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Takes all out.
    pub(super) fn take(&mut self) -> impl Iterator<Item = ConsumerKey> + use<> {
        self.line.clear();
        (self.standing, self.gaps) = (0, 0);
        std::mem::take(&mut self.members).into_values()
    }

    fn close_gaps(&mut self) {
        if self.gaps <= GAPS_MAX + self.standing / 2 {
            return;
        }
        let Self { members, line, .. } = self;
        line.retain(|priority, level| {
            level.retain(|turn| {
                members.contains_key(&Rank { priority: *priority, number: turn.number })
            });
            !level.is_empty()
        });
        self.standing -= self.gaps;
        self.gaps = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &str) -> Consumers {
        let declare = format!("queue.declare arguments={{{arguments}}}");
        let method = declare.parse().unwrap();
        let crate::wire::Method::Queue(crate::wire::queue::Method::Declare(declare)) = method
        else {
            unreachable!("a declaration")
        };
        Consumers::new(&QueueArguments::parse(&declare.arguments).unwrap())
    }

    fn add(consumers: &mut Consumers, priority: i64, number: u64) -> Rank {
        let rank = Rank::new(priority, number);
        let key = ConsumerKey(usize::try_from(number).unwrap());
        consumers.add(rank, key, false);
        consumers.stand(rank, key);
        rank
    }

    fn turns(consumers: &mut Consumers, count: usize) -> Vec<u64> {
        (0..count)
            .map(|_| {
                let turn = consumers.first().unwrap();
                consumers.pass();
                turn.number
            })
            .collect()
    }

    #[test]
    fn each_of_a_priority_has_its_turn_and_lower_ones_wait() {
        let mut consumers = of("");
        for (priority, number) in [(0, 1), (5, 2), (5, 3)] {
            add(&mut consumers, priority, number);
        }
        assert_eq!(turns(&mut consumers, 4), [2, 3, 2, 3]);
        consumers.leave(false);
        assert_eq!(turns(&mut consumers, 2), [3, 3]);
        consumers.leave(false);
        assert_eq!(turns(&mut consumers, 2), [1, 1]);
    }

    #[test]
    fn the_active_consumer_is_followed_by_the_first_of_the_highest_priority() {
        let mut consumers = of("x-single-active-consumer: true");
        let first = add(&mut consumers, 0, 1);
        let second = add(&mut consumers, 0, 2);
        let third = add(&mut consumers, 7, 3);
        assert_eq!(turns(&mut consumers, 2), [1, 1]);
        assert!(!consumers.is_challenged());
        assert_eq!(consumers.remove(first, true), Some(ConsumerKey(3)));
        assert_eq!(consumers.remove(second, false), None);
        assert!(consumers.is_active(third));
    }

    #[test]
    fn a_higher_priority_takes_over_in_a_quorum_queue() {
        let mut consumers = of("x-single-active-consumer: true, x-queue-type: \"quorum\"");
        let first = add(&mut consumers, 0, 1);
        add(&mut consumers, 0, 2);
        assert!(!consumers.is_challenged());
        let third = add(&mut consumers, 1, 3);
        assert!(consumers.is_challenged() && consumers.is_active(first));
        assert_eq!(consumers.take_over(), Some(ConsumerKey(3)));
        assert!(consumers.is_active(third) && !consumers.is_challenged());
    }

    #[test]
    fn what_is_removed_leaves_gaps_that_are_closed() {
        let mut consumers = of("");
        let ranks: Vec<_> =
            (0..10_000).map(|number| add(&mut consumers, number % 7, number as u64)).collect();
        for rank in ranks.iter().rev().skip(10) {
            consumers.remove(*rank, true);
        }
        assert_eq!(consumers.len(), 10);
        assert!(consumers.standing <= 10 + 2 * GAPS_MAX, "{}", consumers.standing);
        let standing: usize = consumers.line.values().map(VecDeque::len).sum();
        assert_eq!(consumers.standing, standing);
    }
}
