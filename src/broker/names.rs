//! Names that the server makes: `amq.gen-…` for queues, `amq.ctag-…` for consumers.

use super::hash::mix;

/// A seeded source of names: 22 characters of base64url, 132 bits, as RabbitMQ's. The seed comes
/// from outside, so that a recorded run can be repeated.
#[derive(Debug)]
pub(super) struct Names {
    state: u64,
}

impl Names {
    /// Names that follow from `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A name that has not been given before, with `prefix` in front.
    pub(super) fn make(&mut self, prefix: &str) -> String {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut name = String::with_capacity(prefix.len() + 22);
        name.push_str(prefix);
        let mut bits = 0;
        for position in 0..22 {
            if position % 10 == 0 {
                bits = self.next();
            }
            name.push(char::from(ALPHABET[(bits & 63) as usize]));
            bits >>= 6;
        }
        name
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014): well mixed, small, and not a secret.
    pub(super) fn next(&mut self) -> u64 {
        let next = mix(self.state);
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_form_that_clients_expect_and_differ() {
        let mut names = Names::new(1);
        let (first, second) = (names.make("amq.gen-"), names.make("amq.gen-"));
        assert_eq!(first.len(), "amq.gen-".len() + 22);
        assert_ne!(first, second);
        assert_eq!(Names::new(1).make("amq.gen-"), first);
    }
}
