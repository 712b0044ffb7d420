//! Field tables: named values of RabbitMQ's nineteen types.
//!
//! ```text
//!   table:  | length u32 | name shortstr | type u8 | value | name | type | value | ...
//!   array:  | length u32 | type u8 | value | type | value | ...
//! ```
//!
//! The types are those that RabbitMQ and its clients write, which are not those of the
//! specification's table: `s` is a 16-bit integer, `l` a 64-bit one.

mod nesting;

use super::codec::{Reader, WireError, write_long, write_short};
use super::short::ShortString;

/// How deep tables and arrays may lie in each other (RabbitMQ takes 40 tables, and 100 arrays).
pub const DEPTH_MAX: usize = 100;

/// Values in the arguments of one method at most: an empty one takes an octet on the wire, and in
/// memory as much as any other.
pub(super) const VALUES_MAX: usize = 4096;

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

    /// Reads a value that holds no others.
    fn read_plain(tag: u8, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(match tag {
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
            b'T' => Self::Timestamp(reader.u64()?),
            b'V' => Self::Void,
            b'x' => Self::Bytes(reader.long()?.to_vec()),
            other => return Err(unknown_type(other)),
        })
    }

    /// Goes past a value that holds no others, without making anything of it.
    fn skip_plain(tag: u8, reader: &mut Reader<'_>) -> Result<(), WireError> {
        let length = match tag {
            b't' | b'b' | b'B' => 1,
            b's' | b'u' => 2,
            b'I' | b'i' | b'f' => 4,
            b'l' | b'L' | b'd' | b'T' => 8,
            b'D' => 5,
            b'V' => 0,
            b'S' | b'x' => return reader.long().map(drop),
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
        nesting::read(bytes, usize::MAX)
    }

    /// As [`Self::decode`], for the arguments of a method, which may cost memory for long.
    ///
    /// # Errors
    ///
    /// As there, and 502 for more than [`VALUES_MAX`] values.
    pub(super) fn decode_few(bytes: &[u8]) -> Result<Self, WireError> {
        nesting::read(bytes, VALUES_MAX)
    }

    /// Checks that octets are a table, without making anything of them.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`].
    pub fn check(bytes: &[u8]) -> Result<(), WireError> {
        nesting::check(bytes)
    }

    /// The value of one name in the octets of a table, without making anything of the others.
    pub fn find(bytes: &[u8], name: &str) -> Option<Field> {
        let mut reader = Reader::new(bytes);
        let mut found = None;
        while reader.left() > 0 {
            let wanted = reader.short().ok()? == name.as_bytes();
            let value = nesting::value(&mut reader, wanted).ok()?;
            found = value.or(found);
        }
        found
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
