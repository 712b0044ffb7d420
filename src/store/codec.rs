//! Numbers and texts inside a record's payload.
//!
//! ```text
//!   number   1 to 10 octets, 7 bits each, lowest first; the top bit says that more follow (LEB128)
//!   text     | length: number | octets |
//! ```

use std::ops::Range;

/// Where payloads are put.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]);

    fn put_number(&mut self, number: u64) {
        let mut octets = [0; 10];
        let mut rest = number;
        let mut length = 0;
        for octet in &mut octets {
            *octet = rest.to_le_bytes()[0] & 0x7f;
            rest >>= 7;
            length += 1;
            if rest == 0 {
                break;
            }
            *octet |= 0x80;
        }
        self.put(&octets[..length]);
    }

    fn put_text(&mut self, text: &[u8]) {
        self.put_number(text.len() as u64);
        self.put(text);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Reads a payload from front to back. Everything is optional: a payload whose checksum is right
/// may still be one that this version does not know.
pub(super) struct Source<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Source<'a> {
    /// Reads the octets `range` of `bytes`.
    pub(super) fn new(bytes: &'a [u8], range: Range<usize>) -> Self {
        let end = range.end.min(bytes.len());
        Self { bytes, at: range.start.min(end), end }
    }

    pub(super) fn octet(&mut self) -> Option<u8> {
        self.take(1).map(|range| self.bytes[range.start])
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            let bits = u64::from(octet & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if octet & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn number_u32(&mut self) -> Option<u32> {
        self.number().and_then(|number| u32::try_from(number).ok())
    }

    /// Where the octets of a text are.
    pub(super) fn text(&mut self) -> Option<Range<usize>> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    /// Where the rest is.
    pub(super) fn rest(&mut self) -> Range<usize> {
        let range = self.at..self.end;
        self.at = self.end;
        range
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at == self.end
    }

    fn take(&mut self, length: usize) -> Option<Range<usize>> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.end)?;
        let range = self.at..end;
        self.at = end;
        Some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_they_were_written() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            bytes.put_number(number);
            let mut source = Source::new(&bytes, 0..bytes.len());
            assert_eq!(source.number(), Some(number));
            assert!(source.is_empty());
        }
    }

    #[test]
    fn what_is_cut_or_too_large_is_no_number() {
        assert_eq!(Source::new(&[0x80, 0x80], 0..2).number(), None);
        assert_eq!(Source::new(&[0xff; 10], 0..10).number(), None);
        assert_eq!(Source::new(&[0x05, b'a'], 0..2).text(), None);
    }
}
