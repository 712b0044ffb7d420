//! A publisher's messages, encoded once: only the stamps are written anew for each round.
//!
//! ```text
//!   | method | header | body: stamp ..... | method | header | body: stamp ..... | ...   one round
//!                             ▲ places[0]   ends[0]              ▲ places[1]  ends[1]
//! ```
//!
//! A run of messages goes out with one write, so a message costs the generator sixteen octets of
//! copying and its share of a system call.

use std::ops::Range;

use crate::ids::ChannelNumber;
use crate::wire::{
    FRAME_END, FRAME_OVERHEAD, Properties, basic, write_body_frame_header, write_content_header,
    write_method_frame,
};

use super::stamp::{STAMP_OCTETS, Stamp};

/// Octets that go out with one write, if there is so much to publish.
const BATCH_OCTETS: usize = 64 * 1024;

/// A round of encoded messages.
#[derive(Debug)]
pub(super) struct Template {
    bytes: Vec<u8>,
    messages: Vec<Place>,
    next: usize,
}

/// Where a message is in the round.
#[derive(Clone, Copy, Debug)]
struct Place {
    stamp: usize,
    end: usize,
}

impl Template {
    /// Encodes these messages with bodies of `size` octets, over and over until a batch is full.
    pub(super) fn new(
        messages: &[(basic::Publish, Properties)],
        channel: ChannelNumber,
        size: u32,
        frame_max: u32,
    ) -> Self {
        let mut template = Self { bytes: Vec::new(), messages: Vec::new(), next: 0 };
        let mut rounds = 0;
        while !messages.is_empty() && (rounds == 0 || template.bytes.len() < BATCH_OCTETS) {
            for (publish, properties) in messages {
                write_method_frame(&mut template.bytes, channel, &publish.clone().into());
                let mut flags = Vec::new();
                properties.encode(&mut flags);
                write_content_header(&mut template.bytes, channel, &flags, size.into());
                template.write_body(channel, size, frame_max);
            }
            rounds += 1;
        }
        template
    }

    /// Stamps the next messages, at most `count`, with sequences from `first.sequence` on. Returns
    /// how many there are (one batch at most) and where.
    pub(super) fn stamp(&mut self, first: Stamp, count: u64) -> (u64, Range<usize>) {
        let start = self.messages[..self.next].last().map_or(0, |place| place.end);
        let (mut end, mut stamped) = (start, 0);
        for place in &self.messages[self.next..] {
            if stamped == count || end - start >= BATCH_OCTETS {
                break;
            }
            let octets = Stamp { sequence: first.sequence + stamped, ..first }.to_octets();
            self.bytes[place.stamp..place.stamp + STAMP_OCTETS].copy_from_slice(&octets);
            end = place.end;
            stamped += 1;
            self.next += 1;
        }
        if self.next == self.messages.len() {
            self.next = 0;
        }
        (stamped, start..end)
    }

    /// The octets of a run of messages.
    pub(super) fn octets(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    fn write_body(&mut self, channel: ChannelNumber, size: u32, frame_max: u32) {
        let part_max = frame_max - FRAME_OVERHEAD;
        let stamp = self.bytes.len() + (FRAME_OVERHEAD as usize - 1);
        let mut left = size;
        while left > 0 {
            let part = left.min(part_max);
            write_body_frame_header(&mut self.bytes, channel, part);
            self.bytes.resize(self.bytes.len() + part as usize, b'.');
            self.bytes.push(FRAME_END);
            left -= part;
        }
        self.messages.push(Place { stamp, end: self.bytes.len() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{FrameKind, ShortBytes, parse_frame};

    fn messages(keys: &[&str]) -> Vec<(basic::Publish, Properties)> {
        let message = |key: &&str| {
            let routing_key = ShortBytes::clipped(key.as_bytes());
            (basic::Publish { routing_key, ..Default::default() }, Properties::default())
        };
        keys.iter().map(message).collect()
    }

    #[test]
    fn messages_follow_each_other_round_after_round() {
        let mut template = Template::new(&messages(&["a", "b", "c"]), ChannelNumber(1), 16, 4096);
        let mut stamp = Stamp { publisher: 7, sequence: 0, time: 99 };
        let mut seen = Vec::new();
        while stamp.sequence < 5000 {
            let (count, range) = template.stamp(stamp, 700);
            assert!((1..=700).contains(&count));
            let mut rest = template.octets(range);
            while let Some((frame, taken)) = parse_frame(rest, 4096).unwrap() {
                if frame.kind == FrameKind::Body {
                    seen.push(Stamp::read(frame.payload).unwrap());
                }
                rest = &rest[taken..];
            }
            assert!(rest.is_empty());
            stamp.sequence += count;
        }
        for (sequence, seen) in (0..).zip(seen) {
            assert_eq!(seen, Stamp { publisher: 7, sequence, time: 99 });
        }
    }

    #[test]
    fn a_large_body_is_split_and_stamped_once() {
        let mut template = Template::new(&messages(&["a"]), ChannelNumber(1), 10_000, 4096);
        let (_, range) = template.stamp(Stamp { publisher: 1, sequence: 2, time: 3 }, 1);
        let (mut rest, mut sizes) = (template.octets(range), Vec::new());
        while let Some((frame, taken)) = parse_frame(rest, 4096).unwrap() {
            if frame.kind == FrameKind::Body {
                sizes.push(frame.payload.len());
                assert_eq!(Stamp::read(frame.payload).is_some(), sizes.len() == 1);
            }
            rest = &rest[taken..];
        }
        assert_eq!(sizes, [4088, 4088, 1824]);
    }
}
