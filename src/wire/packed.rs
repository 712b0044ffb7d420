//! Tables that are kept: as the bytes that they have on the wire.
//!
//! A void element takes a byte there and as much as any other value in a [`Table`]: 120 kB of them
//! would be 4 MB for as long as a queue lives.

use std::fmt;

use super::field::{Field, Table};

/// A table as bytes, without its length.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackedTable(Box<[u8]>);

impl PackedTable {
    /// The table again.
    pub fn unpack(&self) -> Table {
        // These bytes were a table's.
        Table::decode(&self.0).unwrap_or_default()
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<Field> {
        Table::find(&self.0, name)
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&Table> for PackedTable {
    fn from(table: &Table) -> Self {
        let mut bytes = Vec::new();
        if !table.is_empty() {
            table.encode(&mut bytes);
            bytes.drain(..4);
        }
        Self(bytes.into_boxed_slice())
    }
}

impl From<Table> for PackedTable {
    fn from(table: Table) -> Self {
        (&table).into()
    }
}

impl fmt::Debug for PackedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.unpack())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Method, ShortString};

    #[test]
    fn a_packed_table_is_as_long_as_on_the_wire_and_comes_back() {
        let line = "queue.declare arguments={a: 1, b: [void, {c: x(\"\\x00\")}], a: \"later\"}";
        let Method::Queue(crate::wire::queue::Method::Declare(declare)) = line.parse().unwrap()
        else {
            unreachable!()
        };
        let packed = PackedTable::from(&declare.arguments);
        assert_eq!(packed.unpack(), declare.arguments);
        assert_eq!(packed.get("a"), declare.arguments.get("a").cloned());
        assert!(PackedTable::from(&Table::default()).is_empty());
        let voids: Table = (0..1000).map(|_| (ShortString::clipped("a"), Field::Void)).collect();
        assert_eq!(PackedTable::from(&voids).0.len(), 3000);
    }
}
