//! What every message carries in its first sixteen octets.
//!
//! ```text
//!   | magic u8 | publisher u16 | sequence u40 | time u64: nanoseconds since the run began |
//! ```
//!
//! The sequence counts the messages of one publisher from 0, over all its routing keys.

/// Octets of a stamp.
pub(super) const STAMP_OCTETS: usize = 16;

/// Sequences are below this: ten days at a million a second.
pub(super) const SEQUENCE_MAX: u64 = 1 << 40;

/// Tells our messages from those that others left in a queue.
const MAGIC: u8 = 0x4c;

/// Who published a message, as which one, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The publisher's number.
    pub(super) publisher: u16,
    /// How many messages the publisher had published before.
    pub(super) sequence: u64,
    /// When it was handed to the socket, in nanoseconds since the run began.
    pub(super) time: u64,
}

impl Stamp {
    /// The octets that begin the body.
    pub(super) fn to_octets(self) -> [u8; STAMP_OCTETS] {
        let word = self.word().to_be_bytes();
        let mut octets = [0; STAMP_OCTETS];
        octets[..8].copy_from_slice(&word);
        octets[8..].copy_from_slice(&self.time.to_be_bytes());
        octets
    }

    /// Reads the stamp that a body begins with; `None` if it is not one of ours.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let (octets, _) = body.split_first_chunk::<STAMP_OCTETS>()?;
        let [magic, p, q, a, b, c, d, e, time @ ..] = *octets;
        (magic == MAGIC).then(|| Self {
            publisher: u16::from_be_bytes([p, q]),
            sequence: u64::from_be_bytes([0, 0, 0, a, b, c, d, e]),
            time: u64::from_be_bytes(time),
        })
    }

    /// A number that is its own for each message. Their sum over all messages tells whether two
    /// sets of the same size are the same; it does not depend on the order.
    pub(super) fn fingerprint(self) -> u64 {
        // The steps of splitmix64: nothing linear is left of the sequence.
        let mixed = self.word().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    }

    fn word(self) -> u64 {
        u64::from(MAGIC) << 56 | u64::from(self.publisher) << 40 | (self.sequence % SEQUENCE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_as_it_went() {
        let stamp = Stamp { publisher: 0xfeed, sequence: SEQUENCE_MAX - 2, time: u64::MAX };
        let octets = stamp.to_octets();
        assert_eq!(Stamp::read(&octets), Some(stamp));
        assert_eq!(Stamp::read(&octets[..15]), None);
        assert_eq!(Stamp::read(&[0; 16]), None);
    }

    #[test]
    fn fingerprints_tell_sets_of_the_same_sum_apart() {
        let sum = |sequences: &[u64]| {
            let each = sequences
                .iter()
                .map(|sequence| Stamp { publisher: 1, sequence: *sequence, time: 0 }.fingerprint());
            each.fold(0, u64::wrapping_add)
        };
        assert_eq!(sum(&[1, 2, 3]), sum(&[3, 1, 2]));
        assert_ne!(sum(&[1, 4]), sum(&[2, 3]));
        assert_ne!(sum(&[2, 2]), sum(&[1, 3]));
    }
}
