//! Which bindings of a headers exchange a message may meet, without looking at all of them.
//!
//! ```text
//!   binding, all: format=pdf, report=7        binding, any: format=pdf, urgent (void)
//!        │ the condition that the fewest          │ each of its conditions
//!        ▼ others have been filed under           ▼
//!   "report" = 7   ──▶ 1        "format" = pdf ──▶ 2        "urgent" is there ──▶ 2
//!
//!   message: format=pdf, report=8  ──▶  asks under "format" is there, "format" = pdf,
//!                                       "report" is there, "report" = 8  ──▶  2
//! ```
//!
//! What is found is a guess that leaves nothing out: the caller compares. So a place is a hash of
//! name and value, and of long or nested values only a part counts. A message costs what its headers
//! and the bindings found are, however many others there are.

use std::collections::{BTreeSet, HashMap};

use crate::broker::arguments::value;
use crate::broker::hash::hash;
use crate::wire::Field;

/// Octets of a text that count.
const OCTETS_MAX: usize = 64;

/// Where a binding is filed: a hash of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place(u64);

/// Bindings, as numbers, by their conditions.
#[derive(Debug, Default)]
pub(super) struct HeaderIndex {
    places: HashMap<Place, BTreeSet<usize>>,
    /// Those that ask for nothing.
    always: BTreeSet<usize>,
}

impl HeaderIndex {
    /// Files a binding that needs all of these conditions. Returns where.
    pub(super) fn add_all<'a>(
        &mut self,
        number: usize,
        wanted: impl Iterator<Item = (&'a str, &'a Field)>,
    ) -> Vec<Place> {
        let busy = |place: &Place| self.places.get(place).map_or(0, BTreeSet::len);
        let Some(place) = wanted.map(|(name, field)| of_condition(name, field)).min_by_key(busy)
        else {
            self.always.insert(number);
            return Vec::new();
        };
        self.places.entry(place).or_default().insert(number);
        vec![place]
    }

    /// Files a binding that needs any of these conditions. Returns where.
    pub(super) fn add_any<'a>(
        &mut self,
        number: usize,
        wanted: impl Iterator<Item = (&'a str, &'a Field)>,
    ) -> Vec<Place> {
        let places: Vec<_> = wanted.map(|(name, field)| of_condition(name, field)).collect();
        for place in &places {
            self.places.entry(*place).or_default().insert(number);
        }
        places
    }

    /// Takes a binding out; `places` is where it was filed.
    pub(super) fn remove(&mut self, number: usize, places: &[Place]) {
        self.always.remove(&number);
        for place in places {
            let Some(numbers) = self.places.get_mut(place) else { continue };
            numbers.remove(&number);
            if numbers.is_empty() {
                self.places.remove(place);
            }
        }
    }

    /// The bindings that a message with these headers may meet: each once, in order.
    pub(super) fn candidates<'a>(
        &self,
        headers: impl Iterator<Item = (&'a str, &'a Field)>,
    ) -> Vec<usize> {
        let mut found: Vec<_> = self.always.iter().copied().collect();
        for (name, field) in headers {
            for place in [of_presence(name), of_value(name, field)] {
                found.extend(self.places.get(&place).into_iter().flatten());
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Where a condition is filed. One without value asks for the header's presence only.
fn of_condition(name: &str, field: &Field) -> Place {
    if matches!(field, Field::Void) { of_presence(name) } else { of_value(name, field) }
}

fn of_presence(name: &str) -> Place {
    place(name, b'-', &[])
}

/// The same for all values that [`value::same`] takes for one.
fn of_value(name: &str, field: &Field) -> Place {
    if let Some(value) = value::integer(field) {
        return place(name, b'i', &value.to_be_bytes());
    }
    match field {
        Field::LongString(octets) | Field::Bytes(octets) => {
            place(name, b't', &octets[..octets.len().min(OCTETS_MAX)])
        }
        Field::Boolean(value) => place(name, b'b', &[u8::from(*value)]),
        Field::Timestamp(value) => place(name, b's', &value.to_be_bytes()),
        Field::F32(value) => place(name, b'f', &float(f64::from(*value))),
        Field::F64(value) => place(name, b'f', &float(*value)),
        other => place(name, b'o', value::type_name(other).as_bytes()),
    }
}

/// A float's octets, those of 0 for -0 too.
fn float(value: f64) -> [u8; 8] {
    let value = if value == 0.0 { 0.0 } else { value };
    value.to_be_bytes()
}

fn place(name: &str, kind: u8, value: &[u8]) -> Place {
    // No octet of a name is 0xFF, so name and value stay apart.
    let octets = name.bytes().chain([0xFF, kind]).chain(value.iter().copied());
    Place(hash(octets))
}
