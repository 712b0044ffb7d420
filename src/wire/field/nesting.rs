//! Tables and arrays in each other, read without recursion: how deep they are is the sender's
//! choice, how much stack there is is not.
//!
//! ```text
//!   octets   | a: { | b: [ | 1 | { | .. | } | ] | }
//!   open       {      { [        { [ {            the containers that are not at their end
//! ```

use super::super::codec::{Reader, WireError};
use super::super::short::ShortString;
use super::{DEPTH_MAX, Field, Table};

/// A container that is being read.
struct Open<'a> {
    rest: Reader<'a>,
    made: Made,
    /// The name of the container itself, where it lies in a table.
    name: ShortString,
}

/// What has been made of it.
enum Made {
    Table(Vec<(ShortString, Field)>),
    Array(Vec<Field>),
}

impl From<Made> for Field {
    fn from(made: Made) -> Self {
        match made {
            Made::Table(entries) => Self::Table(Table(entries)),
            Made::Array(items) => Self::Array(items),
        }
    }
}

impl<'a> Open<'a> {
    fn new(tag: u8, bytes: &'a [u8], name: ShortString) -> Self {
        let made = if tag == b'A' { Made::Array(Vec::new()) } else { Made::Table(Vec::new()) };
        Self { rest: Reader::new(bytes), made, name }
    }

    /// The name of the next value; that of an item of an array is empty.
    fn name(&mut self) -> Result<ShortString, WireError> {
        match self.made {
            Made::Array(_) => Ok(ShortString::default()),
            // A name need not be UTF-8 on the wire; RabbitMQ's clients only write such.
            Made::Table(_) => {
                self.rest.short().map(|it| ShortString::clipped(&String::from_utf8_lossy(it)))
            }
        }
    }

    fn add(&mut self, name: ShortString, value: Field) {
        match &mut self.made {
            Made::Table(entries) => entries.push((name, value)),
            Made::Array(items) => items.push(value),
        }
    }
}

/// Reads a table of `values_max` values at most, those in each other included.
pub(super) fn read(bytes: &[u8], values_max: usize) -> Result<Table, WireError> {
    let table = Open::new(b'F', bytes, ShortString::default());
    match read_within(table, values_max)? {
        Made::Table(entries) => Ok(Table(entries)),
        Made::Array(_) => Ok(Table::default()),
    }
}

fn read_within(outermost: Open<'_>, values_max: usize) -> Result<Made, WireError> {
    let mut current = outermost;
    let mut outer = Vec::new();
    let mut values = 0;
    loop {
        if current.rest.left() == 0 {
            let Some(next) = outer.pop() else { return Ok(current.made) };
            let Open { made, name, .. } = std::mem::replace(&mut current, next);
            current.add(name, made.into());
            continue;
        }
        values += 1;
        if values > values_max {
            return Err(WireError::syntax(format!("a table has more than {values_max} values")));
        }
        let name = current.name()?;
        match current.rest.u8()? {
            tag @ (b'A' | b'F') => {
                if outer.len() >= DEPTH_MAX {
                    return Err(too_deep());
                }
                let inner = Open::new(tag, current.rest.long()?, name);
                outer.push(std::mem::replace(&mut current, inner));
            }
            tag => {
                let value = Field::read_plain(tag, &mut current.rest)?;
                current.add(name, value);
            }
        }
    }
}

/// Reads the next value, if it is wanted, or goes past it.
pub(super) fn value(reader: &mut Reader<'_>, wanted: bool) -> Result<Option<Field>, WireError> {
    match reader.u8()? {
        tag @ (b'A' | b'F') => {
            let bytes = reader.long()?;
            if !wanted {
                return check_within(tag, bytes, 1).map(|()| None);
            }
            let container = Open::new(tag, bytes, ShortString::default());
            read_within(container, usize::MAX).map(|made| Some(made.into()))
        }
        tag if wanted => Field::read_plain(tag, reader).map(Some),
        tag => Field::skip_plain(tag, reader).map(|()| None),
    }
}

/// Checks that octets are a table.
pub(super) fn check(bytes: &[u8]) -> Result<(), WireError> {
    check_within(b'F', bytes, 0)
}

fn check_within(tag: u8, bytes: &[u8], depth: usize) -> Result<(), WireError> {
    let mut current = (tag, Reader::new(bytes));
    let mut outer = Vec::new();
    loop {
        let (kind, rest) = &mut current;
        if rest.left() == 0 {
            let Some(next) = outer.pop() else { return Ok(()) };
            current = next;
            continue;
        }
        if *kind == b'F' {
            rest.short()?;
        }
        match rest.u8()? {
            tag @ (b'A' | b'F') => {
                if depth + outer.len() >= DEPTH_MAX {
                    return Err(too_deep());
                }
                let inner = (tag, Reader::new(rest.long()?));
                outer.push(std::mem::replace(&mut current, inner));
            }
            tag => Field::skip_plain(tag, rest)?,
        }
    }
}

fn too_deep() -> WireError {
    WireError::syntax(format!("tables are nested deeper than {DEPTH_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_of_a_method_have_so_many_values_and_no_more() {
        let voids = |count: usize| b"\x01aV".repeat(count);
        assert_eq!(Table::decode_few(&voids(super::super::VALUES_MAX)).unwrap().len(), 4096);
        let error = Table::decode_few(&voids(4097)).unwrap_err();
        assert_eq!(error.to_string(), "SYNTAX_ERROR - a table has more than 4096 values");
        assert_eq!(Table::decode(&voids(40_000)).unwrap().len(), 40_000);
    }
}
