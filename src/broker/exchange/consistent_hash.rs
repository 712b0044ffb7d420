//! The exchange type `x-consistent-hash`: messages with the same hash go to the same destination.
//!
//! The binding key is a weight, 1 to 10,000: a destination of weight 2 gets twice the messages of
//! one of weight 1. What is hashed is the routing key, a header or a property.
//!
//! Each message asks every destination for a score, made of the message's hash and the
//! destination's number and stretched by its weight, and the highest wins (rendezvous hashing;
//! Thaler and Ravishankar, 1998). So a destination that comes takes its share evenly from all others, one that
//! goes leaves its share evenly to them, and nothing else moves; no ring has to be kept.
//!
//! Several bindings of one destination count as one, with the highest weight. RabbitMQ takes the
//! first, which a restart could not tell.
//!
//! Left out: an index. A message costs by the number of destinations.

use std::collections::BTreeMap;

use super::{Destination, InvalidBinding};
use crate::broker::arguments::value;
use crate::broker::hash::mix;
use crate::wire::Field;

/// The highest weight, as in RabbitMQ.
const WEIGHT_MAX: u32 = 10_000;

/// Destinations with their weights.
#[derive(Debug, Default)]
pub(super) struct ConsistentHash {
    /// How often a destination is bound with which weight; never empty.
    weights: BTreeMap<Destination, BTreeMap<u32, usize>>,
}

impl ConsistentHash {
    /// Adds a destination; the key is its weight.
    pub(super) fn add(
        &mut self,
        key: &str,
        destination: Destination,
    ) -> Result<(), InvalidBinding> {
        let weight = weight(key)?;
        *self.weights.entry(destination).or_default().entry(weight).or_default() += 1;
        Ok(())
    }

    /// Undoes one `add`.
    pub(super) fn remove(&mut self, key: &str, destination: Destination) {
        let (Ok(weight), Some(weights)) = (weight(key), self.weights.get_mut(&destination)) else {
            return;
        };
        if let Some(count) = weights.get_mut(&weight) {
            *count -= 1;
            if *count == 0 {
                weights.remove(&weight);
            }
        }
        if weights.is_empty() {
            self.weights.remove(&destination);
        }
    }

    /// Pushes the destination of messages with this hash.
    pub(super) fn route(&self, hash: u64, found: &mut Vec<Destination>) {
        let scored = self.weights.iter().filter_map(|(destination, weights)| {
            let weight = *weights.last_key_value()?.0;
            Some((score(hash, *destination, weight), *destination))
        });
        found.extend(scored.max_by(|(left, _), (right, _)| left.total_cmp(right)).map(|(_, d)| d));
    }
}

/// A number between 0 and 1 that is the higher, the higher the weight: the `weight`-th root of one
/// that is even, as its logarithm.
fn score(hash: u64, destination: Destination, weight: u32) -> f64 {
    let number = match destination {
        Destination::Queue(id) => id.0,
        Destination::Exchange(id) => !id.0,
    };
    // One half more, so that it is never 0.
    let bits = u32::try_from(mix(hash ^ mix(number)) >> 32).unwrap_or_default();
    let even = (f64::from(bits) + 0.5) / (f64::from(u32::MAX) + 1.0);
    even.ln() / f64::from(weight)
}

fn weight(key: &str) -> Result<u32, InvalidBinding> {
    let digits = key.strip_prefix(['-', '+']).unwrap_or(key);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        let term = value::term(&Field::LongString(key.as_bytes().to_vec()));
        return Err(InvalidBinding(format!("The binding key must be an integer: {term}")));
    }
    let negative = key.starts_with('-') || digits.bytes().all(|digit| digit == b'0');
    match digits.parse() {
        _ if negative => Err(InvalidBinding("The binding key must be greater than 0".to_owned())),
        Ok(weight) if weight <= WEIGHT_MAX => Ok(weight),
        _ => Err(InvalidBinding(format!("The binding key must not exceed {WEIGHT_MAX}"))),
    }
}
