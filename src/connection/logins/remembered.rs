//! Passwords that were right, as keyed digests: what need not be hashed again.

use std::collections::HashSet;
use std::mem;

/// Digests of one half at most; there are two halves of 32 bytes each and some overhead.
const HALF_MAX: usize = 32 * 1024;

/// The digests that were seen last: a new one pushes out those that have not been seen for longest,
/// half of all at a time.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    recent: HashSet<[u8; 32]>,
    older: HashSet<[u8; 32]>,
}

impl Remembered {
    /// Whether a digest is among them; if so it counts as seen just now.
    pub(super) fn has(&mut self, digest: &[u8; 32]) -> bool {
        if self.recent.contains(digest) {
            return true;
        }
        let found = self.older.remove(digest);
        if found {
            self.add(*digest);
        }
        found
    }

    /// Adds a digest.
    pub(super) fn add(&mut self, digest: [u8; 32]) {
        if self.recent.len() >= HALF_MAX {
            self.older = mem::take(&mut self.recent);
        }
        self.recent.insert(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> [u8; 32] {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn what_is_used_stays_and_there_is_an_end_to_what_is_kept() {
        let mut remembered = Remembered::default();
        for number in 0..10 * HALF_MAX {
            remembered.add(digest(number));
            assert!(remembered.has(&digest(0)));
        }
        assert!(remembered.recent.len() + remembered.older.len() <= 2 * HALF_MAX);
        let last = 10 * HALF_MAX - 1;
        assert!(remembered.has(&digest(last)) && remembered.has(&digest(last - HALF_MAX / 2)));
        assert!(!remembered.has(&digest(1)));
    }
}
