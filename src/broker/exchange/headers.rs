//! The headers exchange: the binding's arguments are conditions on the message's headers
//! (AMQP 0-9-1, section 3.1.3.4).
//!
//! ```text
//!   x-match       the message must have              looks at arguments named x-..
//!   all (or none) every header, with that value      no
//!   any           at least one of the headers        no
//!   all-with-x    as all                             yes
//!   any-with-x    as any                             yes
//! ```
//!
//! An argument without value (void) asks for the header's presence only. Without arguments, `all`
//! matches every message and `any` none.
//!
//! A message is compared with the bindings that the index finds for its headers, and with each
//! different set of conditions once, however many destinations share it.

use std::collections::BTreeMap;

use slab::Slab;

use super::destinations::Destinations;
use super::header_index::{HeaderIndex, Place};
use super::{Destination, InvalidBinding};
use crate::broker::arguments::value;
use crate::wire::{Field, PackedTable, ShortString, Table};

/// Destinations by conditions. Bindings with the same arguments share an entry.
#[derive(Debug, Default)]
pub(super) struct Headers {
    numbers: BTreeMap<PackedTable, usize>,
    entries: Slab<Entry>,
    index: HeaderIndex,
}

/// The bindings with the same arguments.
#[derive(Debug)]
struct Entry {
    conditions: Conditions,
    destinations: Destinations,
    /// Where the index has it.
    places: Vec<Place>,
}

impl Headers {
    /// Adds a destination under the conditions that the arguments make.
    pub(super) fn add(
        &mut self,
        arguments: &PackedTable,
        destination: Destination,
    ) -> Result<(), InvalidBinding> {
        if let Some(number) = self.numbers.get(arguments) {
            self.entries[*number].destinations.add(destination);
            return Ok(());
        }
        let conditions = Conditions::parse(&arguments.unpack())?;
        let mut destinations = Destinations::default();
        destinations.add(destination);
        let vacant = self.entries.vacant_entry();
        let number = vacant.key();
        let wanted = conditions.wanted.iter().map(|(name, field)| (&**name, field));
        let places = match conditions.quantity {
            Quantity::All => self.index.add_all(number, wanted),
            Quantity::Any => self.index.add_any(number, wanted),
        };
        vacant.insert(Entry { conditions, destinations, places });
        self.numbers.insert(arguments.clone(), number);
        Ok(())
    }

    /// Undoes one `add`.
    pub(super) fn remove(&mut self, arguments: &PackedTable, destination: Destination) {
        let Some(number) = self.numbers.get(arguments).copied() else { return };
        let destinations = &mut self.entries[number].destinations;
        destinations.remove(destination);
        if destinations.is_empty() {
            self.numbers.remove(arguments);
            let entry = self.entries.remove(number);
            self.index.remove(number, &entry.places);
        }
    }

    /// Pushes the destinations whose conditions these headers meet.
    pub(super) fn route(&self, headers: &Table, found: &mut Vec<Destination>) {
        let headers: BTreeMap<&str, &Field> =
            headers.iter().map(|(name, field)| (&**name, field)).collect();
        let shown = headers.iter().map(|(name, field)| (*name, *field));
        for number in self.index.candidates(shown) {
            let Entry { conditions, destinations, .. } = &self.entries[number];
            if conditions.met_by(&headers) {
                destinations.push_all(found);
            }
        }
    }
}

/// What a binding's arguments ask of a message's headers.
#[derive(Debug)]
struct Conditions {
    quantity: Quantity,
    wanted: Vec<(ShortString, Field)>,
}

/// How many of the conditions must be met.
#[derive(Clone, Copy, Debug)]
enum Quantity {
    All,
    Any,
}

impl Conditions {
    fn parse(arguments: &Table) -> Result<Self, InvalidBinding> {
        let (quantity, with_x) = match arguments.get(X_MATCH) {
            None => (Quantity::All, false),
            Some(Field::LongString(text)) => match text.as_slice() {
                b"all" => (Quantity::All, false),
                b"any" => (Quantity::Any, false),
                b"all-with-x" => (Quantity::All, true),
                b"any-with-x" => (Quantity::Any, true),
                other => return Err(invalid_value(other)),
            },
            Some(other) => return Err(invalid_type(other)),
        };
        let wanted = arguments
            .iter()
            .filter(|(name, _)| is_condition(name, with_x))
            .map(|(name, field)| (name.clone(), field.clone()))
            .collect();
        Ok(Self { quantity, wanted })
    }

    fn met_by(&self, headers: &BTreeMap<&str, &Field>) -> bool {
        let mut met = self.wanted.iter().map(|(name, wanted)| match headers.get(&**name) {
            None => false,
            Some(_) if matches!(wanted, Field::Void) => true,
            Some(header) => value::same(wanted, header),
        });
        match self.quantity {
            Quantity::All => met.all(|met| met),
            Quantity::Any => met.any(|met| met),
        }
    }
}

/// Whether an argument with this name counts.
fn is_condition(name: &str, with_x: bool) -> bool {
    name != X_MATCH && (with_x || !name.starts_with("x-"))
}

fn invalid_value(value: &[u8]) -> InvalidBinding {
    InvalidBinding(format!(
        "Invalid x-match field value {}; expected all, any, all-with-x, or any-with-x",
        value::term(&Field::LongString(value.to_vec()))
    ))
}

fn invalid_type(field: &Field) -> InvalidBinding {
    InvalidBinding(format!(
        "Invalid x-match field type {} (value {}); expected longstr",
        value::type_name(field),
        value::term(field)
    ))
}

/// The argument that says how many of the others must be met.
const X_MATCH: &str = "x-match";
