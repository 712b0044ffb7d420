//! Field tables: named values of RabbitMQ's nineteen types.
//!
//! ```text
//!   table:  | length u32 | name shortstr | type u8 | value | name | type | value | ...
//!   array:  | length u32 | type u8 | value | type | value | ...
//! ```
//!
//! The types are those that RabbitMQ and its clients write, which are not those of the
//! specification's table: `s` is a 16-bit integer, `l` a 64-bit one.

use super::codec::{Reader, WireError, write_long, write_short};
use super::short::ShortString;

/// How deep tables and arrays may lie in each other: far deeper than anybody needs, far from the
/// end of a thread's stack.
pub const DEPTH_MAX: usize = 32;

/// A decimal number: `value` divided by ten to the power of `scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// Digits after the point.
    pub scale: u8,
    /// All digits.
    pub value: i32,
}

/// A value in a table. The letter is its type on the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// `t`
    Boolean(bool),
    /// `b`
    I8(i8),
    /// `B`
    U8(u8),
    /// `s`
    I16(i16),
    /// `u`
    U16(u16),
    /// `I`
    I32(i32),
    /// `i`
    U32(u32),
    /// `l`, also read from `L`
    I64(i64),
    /// `f`
    F32(f32),
    /// `d`
    F64(f64),
    /// `D`
    Decimal(Decimal),
    /// `S`: text or any other octets
    LongString(Vec<u8>),
    /// `A`
    Array(Vec<Self>),
    /// `T`: seconds since the Unix epoch
    Timestamp(u64),
    /// `F`
    Table(Table),
    /// `V`
    Void,
    /// `x`
    Bytes(Vec<u8>),
}

impl Field {
    /// The value if it is an integer of any width.
    pub fn as_integer(&self) -> Option<i64> {
        match *self {
            Self::I8(value) => Some(value.into()),
            Self::U8(value) => Some(value.into()),
            Self::I16(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::I32(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::I64(value) => Some(value),
            _ => None,
        }
    }

    /// RabbitMQ's name of the type, as its error texts have it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "bool",
            Self::I8(_) => "byte",
            Self::U8(_) => "unsignedbyte",
            Self::I16(_) => "short",
            Self::U16(_) => "unsignedshort",
            Self::I32(_) => "signedint",
            Self::U32(_) => "unsignedint",
            Self::I64(_) => "long",
            Self::F32(_) => "float",
            Self::F64(_) => "double",
            Self::Decimal(_) => "decimal",
            Self::LongString(_) => "longstr",
            Self::Array(_) => "array",
            Self::Timestamp(_) => "timestamp",
            Self::Table(_) => "table",
            Self::Void => "void",
            Self::Bytes(_) => "binary",
        }
    }

    fn read(reader: &mut Reader<'_>, depth: usize) -> Result<Self, WireError> {
        Ok(match reader.u8()? {
            b't' => Self::Boolean(reader.u8()? != 0),
            b'b' => Self::I8(reader.u8()?.cast_signed()),
            b'B' => Self::U8(reader.u8()?),
            b's' => Self::I16(reader.u16()?.cast_signed()),
            b'u' => Self::U16(reader.u16()?),
            b'I' => Self::I32(reader.u32()?.cast_signed()),
            b'i' => Self::U32(reader.u32()?),
            b'l' | b'L' => Self::I64(reader.u64()?.cast_signed()),
            b'f' => Self::F32(f32::from_bits(reader.u32()?)),
            b'd' => Self::F64(f64::from_bits(reader.u64()?)),
            b'D' => {
                let scale = reader.u8()?;
                Self::Decimal(Decimal { scale, value: reader.u32()?.cast_signed() })
            }
            b'S' => Self::LongString(reader.long()?.to_vec()),
            b'A' => Self::Array(read_array(reader.long()?, deeper(depth)?)?),
            b'T' => Self::Timestamp(reader.u64()?),
            b'F' => Self::Table(Table::read(reader.long()?, deeper(depth)?)?),
            b'V' => Self::Void,
            b'x' => Self::Bytes(reader.long()?.to_vec()),
            other => return Err(unknown_type(other)),
        })
    }

    /// Goes past a value without making anything of it.
    fn skip(reader: &mut Reader<'_>, depth: usize) -> Result<(), WireError> {
        let length = match reader.u8()? {
            b't' | b'b' | b'B' => 1,
            b's' | b'u' => 2,
            b'I' | b'i' | b'f' => 4,
            b'l' | b'L' | b'd' | b'T' => 8,
            b'D' => 5,
            b'V' => 0,
            b'S' | b'x' => return reader.long().map(drop),
            b'A' => {
                let mut items = Reader::new(reader.long()?);
                while items.left() > 0 {
                    Self::skip(&mut items, deeper(depth)?)?;
                }
                return Ok(());
            }
            b'F' => return Table::check_at(reader.long()?, deeper(depth)?),
            other => return Err(unknown_type(other)),
        };
        reader.take(length).map(drop)
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Boolean(value) => out.extend_from_slice(&[b't', u8::from(*value)]),
            Self::I8(value) => out.extend_from_slice(&[b'b', value.cast_unsigned()]),
            Self::U8(value) => out.extend_from_slice(&[b'B', *value]),
            Self::I16(value) => tagged(out, b's', &value.to_be_bytes()),
            Self::U16(value) => tagged(out, b'u', &value.to_be_bytes()),
            Self::I32(value) => tagged(out, b'I', &value.to_be_bytes()),
            Self::U32(value) => tagged(out, b'i', &value.to_be_bytes()),
            Self::I64(value) => tagged(out, b'l', &value.to_be_bytes()),
            Self::F32(value) => tagged(out, b'f', &value.to_bits().to_be_bytes()),
            Self::F64(value) => tagged(out, b'd', &value.to_bits().to_be_bytes()),
            Self::Decimal(Decimal { scale, value }) => {
                out.extend_from_slice(&[b'D', *scale]);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::LongString(bytes) => {
                out.push(b'S');
                write_long(out, bytes);
            }
            Self::Array(items) => {
                out.push(b'A');
                with_length(out, |out| items.iter().for_each(|item| item.write(out)));
            }
            Self::Timestamp(value) => tagged(out, b'T', &value.to_be_bytes()),
            Self::Table(table) => {
                out.push(b'F');
                table.encode(out);
            }
            Self::Void => out.push(b'V'),
            Self::Bytes(bytes) => {
                out.push(b'x');
                write_long(out, bytes);
            }
        }
    }
}

fn read_array(bytes: &[u8], depth: usize) -> Result<Vec<Field>, WireError> {
    let mut reader = Reader::new(bytes);
    let mut items = Vec::new();
    while reader.left() > 0 {
        items.push(Field::read(&mut reader, depth)?);
    }
    Ok(items)
}

fn deeper(depth: usize) -> Result<usize, WireError> {
    if depth >= DEPTH_MAX {
        return Err(WireError::syntax(format!("tables are nested deeper than {DEPTH_MAX}")));
    }
    Ok(depth + 1)
}

fn unknown_type(tag: u8) -> WireError {
    WireError::syntax(format!("unknown field type {tag}"))
}

fn tagged(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag);
    out.extend_from_slice(value);
}

/// Writes what `write` writes, with its length in front.
fn with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Named values in the order they came; of two with one name the later counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table(Vec<(ShortString, Field)>);

impl Table {
    /// Reads a table from the octets behind its length.
    ///
    /// # Errors
    ///
    /// 502 when they are none, or nested deeper than [`DEPTH_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        Self::read(bytes, 0)
    }

    /// Checks that octets are a table, without making anything of them.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`].
    pub fn check(bytes: &[u8]) -> Result<(), WireError> {
        Self::check_at(bytes, 0)
    }

    /// The value of one name in the octets of a table, without making anything of the others.
    pub fn find(bytes: &[u8], name: &str) -> Option<Field> {
        let mut reader = Reader::new(bytes);
        let mut found = None;
        while reader.left() > 0 {
            if reader.short().ok()? == name.as_bytes() {
                found = Some(Field::read(&mut reader, 0).ok()?);
            } else {
                Field::skip(&mut reader, 0).ok()?;
            }
        }
        found
    }

    fn read(bytes: &[u8], depth: usize) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let mut entries = Vec::new();
        while reader.left() > 0 {
            // A name need not be UTF-8 on the wire; RabbitMQ's clients only write such.
            let name = ShortString::clipped(&String::from_utf8_lossy(reader.short()?));
            entries.push((name, Field::read(&mut reader, depth)?));
        }
        Ok(Self(entries))
    }

    fn check_at(bytes: &[u8], depth: usize) -> Result<(), WireError> {
        let mut reader = Reader::new(bytes);
        while reader.left() > 0 {
            reader.short()?;
            Field::skip(&mut reader, depth)?;
        }
        Ok(())
    }

    /// Writes the table with its length.
    pub fn encode(&self, out: &mut Vec<u8>) {
        with_length(out, |out| {
            for (name, value) in &self.0 {
                write_short(out, name.as_bytes());
                value.write(out);
            }
        });
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.0.iter().rev().find(|(key, _)| **key == *name).map(|(_, value)| value)
    }

    /// Takes all values of a name out.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| **key != *name);
    }

    /// Adds a value at the end.
    pub fn insert(&mut self, name: ShortString, value: Field) {
        self.0.push((name, value));
    }

    /// Names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&ShortString, &Field)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(ShortString, Field)> for Table {
    fn from_iter<I: IntoIterator<Item = (ShortString, Field)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}
