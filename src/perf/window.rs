//! What a publisher has not had confirmed: when each of them was sent.
//!
//! ```text
//!   first unconfirmed                      next
//!        ▼                                  ▼
//!   ... | time | confirmed | time | time |      at most WINDOW slots; tags count from 1
//! ```
//!
//! A broker may confirm out of order; then the window stays where its first unconfirmed is.

use std::collections::VecDeque;

use super::incoming::Confirm;
use super::latency::Latency;

/// The unconfirmed messages of a channel.
#[derive(Debug)]
pub(super) struct Window {
    size: u64,
    /// The tag of the first slot.
    first: u64,
    /// When it was sent; `None` when it is confirmed.
    sent: VecDeque<Option<u64>>,
    confirmed: u64,
    refused: u64,
}

impl Window {
    /// A window of so many messages.
    pub(super) fn new(size: u32) -> Self {
        Self { size: size.into(), first: 1, sent: VecDeque::new(), confirmed: 0, refused: 0 }
    }

    /// How many may be published now.
    pub(super) fn room(&self) -> u64 {
        self.size - (self.sent.len() as u64).min(self.size)
    }

    /// Whether nothing is unconfirmed.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// How many were confirmed, and how many of all answers were refusals.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.confirmed, self.refused)
    }

    /// So many were published at this time, in nanoseconds of the run.
    pub(super) fn publish(&mut self, count: u64, time: u64) {
        self.sent.extend((0..count).map(|_| Some(time)));
    }

    /// The broker has answered. `latency`: where to count how long it took until `now`.
    pub(super) fn confirm(
        &mut self,
        confirm: Confirm,
        now: u64,
        mut latency: Option<&mut Latency>,
    ) -> Result<(), &'static str> {
        let slot = confirm.tag.checked_sub(self.first);
        let slot = slot.and_then(|slot| usize::try_from(slot).ok());
        let Some(slot) = slot.filter(|slot| *slot < self.sent.len()) else {
            return Err("basic.ack for what was not published, or twice");
        };
        let from = if confirm.multiple { 0 } else { slot };
        for place in self.sent.range_mut(from..=slot) {
            let Some(sent) = place.take() else { continue };
            if confirm.refused {
                self.refused += 1;
                continue;
            }
            self.confirmed += 1;
            if let Some(latency) = &mut latency {
                latency.note(now.saturating_sub(sent));
            }
        }
        while self.sent.front() == Some(&None) {
            self.sent.pop_front();
            self.first += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirm(window: &mut Window, tag: u64, multiple: bool) -> Result<(), &'static str> {
        window.confirm(Confirm { tag, multiple, refused: false }, 50, None)
    }

    #[test]
    fn confirms_make_room_in_order() {
        let mut window = Window::new(4);
        window.publish(4, 10);
        assert_eq!(window.room(), 0);
        confirm(&mut window, 2, false).unwrap();
        assert_eq!(window.room(), 0);
        confirm(&mut window, 1, false).unwrap();
        assert_eq!(window.room(), 2);
        window.publish(2, 20);
        confirm(&mut window, 6, true).unwrap();
        assert!(window.is_empty());
        assert_eq!(window.counts(), (6, 0));
    }

    #[test]
    fn a_confirm_of_nothing_is_found() {
        let mut window = Window::new(4);
        window.publish(1, 10);
        assert!(confirm(&mut window, 2, false).is_err());
        confirm(&mut window, 1, false).unwrap();
        assert!(confirm(&mut window, 1, false).is_err());
        assert!(confirm(&mut window, 0, true).is_err());
    }

    #[test]
    fn refusals_are_counted_apart() {
        let mut window = Window::new(4);
        window.publish(3, 10);
        confirm(&mut window, 2, false).unwrap();
        let all = Confirm { tag: 3, multiple: true, refused: true };
        let mut latency = Latency::new();
        window.confirm(all, 50, Some(&mut latency)).unwrap();
        assert_eq!(window.counts(), (1, 2));
        assert!(latency.summary().is_none());
    }
}
