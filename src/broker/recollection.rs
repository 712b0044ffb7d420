//! What some types of exchange remember of the messages that came by.
//!
//! ```text
//!   x-recent-history          the last messages            for whoever is bound next
//!   x-message-deduplication   the headers of the last      duplicates are dropped
//!                             messages, by age
//! ```
//!
//! Both are bounded: a history by 4 MiB beside its length, all of them by 64 MiB, a window by 16 MiB
//! beside its size. A window is in the journal, if its exchange is durable; a history is lost with
//! the process, as RabbitMQ's.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::ids::Timestamp;
use crate::message::Message;

use super::exchange::Options;

/// The octets that one history keeps at most.
const HISTORY_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The octets that the histories of all exchanges keep at most.
const HISTORIES_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The octets of headers that one window keeps at most.
const WINDOW_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) enum Recollection {
    /// Nothing: most types.
    None,
    /// The last messages, the oldest first.
    History(History),
    /// The headers that were seen.
    Window(Window),
}

impl Recollection {
    /// That of a new exchange.
    pub(super) fn new(options: &Options) -> Self {
        match options {
            Options::RecentHistory { length } => Self::History(History::new(*length)),
            Options::Deduplication { size, .. } => Self::Window(Window::new(*size)),
            Options::Delayed(_, options) => Self::new(options),
            Options::None | Options::HashOn(_) | Options::FederationUpstream { .. } => Self::None,
        }
    }
}

/// The last messages of an exchange.
#[derive(Debug)]
pub(super) struct History {
    length: u64,
    messages: VecDeque<Message>,
    bytes: u64,
}

impl History {
    fn new(length: u64) -> Self {
        Self { length, messages: VecDeque::new(), bytes: 0 }
    }

    /// Adds a message; the oldest go where `total`, the octets of all histories, leaves no room.
    pub(super) fn push(&mut self, message: &Message, total: &mut u64) {
        let others = total.saturating_sub(self.bytes);
        let most = HISTORY_BYTES_MAX.min(HISTORIES_BYTES_MAX.saturating_sub(others));
        let copy = message.compact();
        self.bytes += copy.size();
        self.messages.push_back(copy);
        while self.messages.len() as u64 > self.length || self.bytes > most {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes -= oldest.size();
        }
        *total = others + self.bytes;
    }

    /// The octets that it keeps.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The messages, the oldest first.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter()
    }
}

/// The deduplication headers that an exchange has seen, and until when they count.
#[derive(Debug)]
pub(super) struct Window {
    size: u64,
    seen: HashMap<Box<[u8]>, Seen>,
    /// The headers in the order in which they were seen; one that was seen again later is in it
    /// more than once, and its older places count for nothing.
    order: VecDeque<(u64, Box<[u8]>)>,
    /// The octets of the headers in `order`.
    bytes: u64,
    next: u64,
}

/// When a header was seen, by number, and until when it counts; `None` is without end.
#[derive(Clone, Copy, Debug)]
struct Seen {
    number: u64,
    until: Option<Timestamp>,
}

impl Window {
    fn new(size: u64) -> Self {
        Self { size, seen: HashMap::new(), order: VecDeque::new(), bytes: 0, next: 0 }
    }

    /// Whether a header was seen and still counts.
    pub(super) fn contains(&self, header: &[u8], now: Timestamp) -> bool {
        self.seen.get(header).is_some_and(|seen| seen.until.is_none_or(|until| now < until))
    }

    /// Remembers a header; the oldest goes where there is no room.
    pub(super) fn insert(&mut self, header: &[u8], until: Option<Timestamp>) {
        self.next += 1;
        let number = self.next;
        self.seen.insert(header.into(), Seen { number, until });
        self.order.push_back((number, header.into()));
        self.bytes += header.len() as u64;
        let Self { size, seen, order, bytes, .. } = self;
        let is_last = |number, header: &[u8], seen: &HashMap<Box<[u8]>, Seen>| {
            seen.get(header).is_some_and(|seen| seen.number == number)
        };
        while seen.len() as u64 > *size || *bytes > WINDOW_BYTES_MAX {
            let Some((number, header)) = order.pop_front() else { break };
            *bytes -= header.len() as u64;
            if is_last(number, &header, seen) {
                seen.remove(&header);
            }
        }
        if order.len() > 2 * seen.len() + 64 {
            order.retain(|(number, header)| is_last(*number, header, seen));
            *bytes = order.iter().map(|(_, header)| header.len() as u64).sum();
        }
    }

    /// What it remembers, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<Timestamp>)> {
        self.order.iter().filter_map(|(number, header)| {
            let seen = self.seen.get(header).filter(|seen| seen.number == *number)?;
            Some((&**header, seen.until))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_keeps_the_last_messages_within_its_bounds() {
        let mut history = History::new(3);
        for number in 0..10_u8 {
            let message = Message::from_parts("", b"", &[0, 0], &[number], false);
            history.push(&message, &mut 0);
        }
        assert_eq!(history.messages().map(|kept| kept.body()[0]).collect::<Vec<_>>(), [7, 8, 9]);
        let mut long = History::new(u64::MAX);
        for _ in 0..100 {
            let mut total = long.bytes();
            let message = Message::from_parts("", b"", &[0, 0], &[0; 1 << 20], false);
            long.push(&message, &mut total);
        }
        assert_eq!(long.messages().count(), 3);
    }

    #[test]
    fn all_histories_together_have_a_bound() {
        let message = Message::from_parts("", b"", &[0, 0], &[0; 1 << 20], false);
        let mut total = 0;
        let mut histories: Vec<_> = (0..50).map(|_| History::new(u64::MAX)).collect();
        for _ in 0..5 {
            histories.iter_mut().for_each(|history| history.push(&message, &mut total));
        }
        assert_eq!(total, histories.iter().map(History::bytes).sum::<u64>());
        assert!(total <= HISTORIES_BYTES_MAX && total > HISTORIES_BYTES_MAX - (2 << 20));
    }

    #[test]
    fn a_window_forgets_the_oldest_and_what_is_over() {
        let mut window = Window::new(2);
        let now = Timestamp(10);
        window.insert(b"a", None);
        window.insert(b"b", Some(Timestamp(11)));
        assert!(window.contains(b"a", now) && window.contains(b"b", now));
        assert!(!window.contains(b"b", Timestamp(11)));
        window.insert(b"b", None);
        window.insert(b"c", None);
        assert!(!window.contains(b"a", now));
        assert_eq!(window.iter().map(|(header, _)| header).collect::<Vec<_>>(), [b"b", b"c"]);
        for number in 0..100_000_u32 {
            window.insert(&number.to_be_bytes(), None);
            window.insert(b"again", None);
        }
        assert!(window.order.len() <= 70 && window.seen.len() == 2);
        let mut long = Window::new(1_000_000);
        for number in 0..100_u8 {
            long.insert(&vec![number; 1 << 20], None);
        }
        assert_eq!(long.seen.len(), 16);
    }
}
