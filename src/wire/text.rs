//! Methods and properties as text: the lines of golden scripts and of the trace log.
//!
//! ```text
//!   queue.declare queue="q" durable=true arguments={x-max-length: 10, name: "a", list: [1, 2]}
//! ```
//!
//! Arguments with their default value are left out. A plain integer in a table is of type `I`, or
//! `l` if it does not fit; the other types carry their letter: `b(1) B(1) s(1) u(1) i(1) l(1)
//! f(1.5) d(1.5) D(2, 314) T(0) x("octets")`; `void` is the value of type `V`. Octets that are not
//! printable stand as `\x00`.

use std::fmt;

use super::field::{Decimal, Field, Table};
use super::short::{ShortBytes, ShortString};

/// Text that is no method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TextError(String);

impl TextError {
    pub(super) fn unknown(word: &str) -> Self {
        Self(format!("'{word}' is not known here"))
    }

    fn expected(what: &str, scanner: &Scanner<'_>) -> Self {
        Self(format!("expected {what} at '{}'", scanner.rest))
    }
}

/// A type whose values can be printed and understood.
pub(super) trait Text: Sized + Default + PartialEq {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    fn parse(scanner: &mut Scanner<'_>) -> Result<Self, TextError>;
}

/// Prints ` name=value` unless the value is the default.
pub(super) fn show_argument<T: Text>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    value: &T,
) -> fmt::Result {
    if *value == T::default() {
        return Ok(());
    }
    write!(f, " {name}=")?;
    value.show(f)
}

/// Text that is being understood from the front.
pub(super) struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.trim() }
    }

    /// The next word: up to a space.
    pub(super) fn word(&mut self) -> &'a str {
        let (word, rest) = self.rest.split_once(' ').unwrap_or((self.rest, ""));
        self.rest = rest;
        word
    }

    /// The name before the next `=`; `None` at the end.
    pub(super) fn argument_name(&mut self) -> Result<Option<&'a str>, TextError> {
        self.spaces();
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (name, rest) =
            self.rest.split_once('=').ok_or_else(|| TextError::expected("name=", self))?;
        self.rest = rest;
        Ok(Some(name))
    }

    /// The name before the next `:`; `None` at the end.
    pub(super) fn entry_name(&mut self) -> Result<Option<&'a str>, TextError> {
        self.spaces();
        self.accept(',');
        self.spaces();
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (name, rest) =
            self.rest.split_once(':').ok_or_else(|| TextError::expected("name:", self))?;
        self.rest = rest.trim_start();
        Ok(Some(name))
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn accept(&mut self, wanted: char) -> bool {
        let accepted = self.rest.strip_prefix(wanted);
        self.rest = accepted.unwrap_or(self.rest);
        accepted.is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<(), TextError> {
        self.spaces();
        if self.accept(wanted) {
            Ok(())
        } else {
            Err(TextError::expected(&wanted.to_string(), self))
        }
    }

    /// Letters, digits, signs and points: a number, a keyword or a type letter.
    fn token(&mut self) -> &'a str {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')))
            .unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        token
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, TextError> {
        self.spaces();
        let error = TextError::expected("a number", self);
        self.token().parse().map_err(|_| error)
    }

    fn quoted(&mut self) -> Result<Vec<u8>, TextError> {
        self.expect('"')?;
        let mut bytes = Vec::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(bytes);
                }
                '\\' => match characters.next() {
                    Some((at, 'x')) => {
                        let digits = self.rest.get(at + 1..at + 3);
                        let octet = digits.and_then(|hex| u8::from_str_radix(hex, 16).ok());
                        bytes.push(octet.ok_or_else(|| TextError::expected("\\xNN", self))?);
                        characters.next();
                        characters.next();
                    }
                    Some((_, escaped @ ('"' | '\\'))) => bytes.push(escaped as u8),
                    _ => return Err(TextError::expected("an escape", self)),
                },
                other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        Err(TextError::expected("a closing quote", self))
    }
}

/// Prints octets between quotes.
fn show_quoted(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str("\"")?;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                control if control.is_ascii_control() => write!(f, "\\x{:02x}", control as u32)?,
                other => write!(f, "{other}")?,
            }
        }
        for octet in chunk.invalid() {
            write!(f, "\\x{octet:02x}")?;
        }
    }
    f.write_str("\"")
}

impl Text for bool {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }

    fn parse(scanner: &mut Scanner<'_>) -> Result<Self, TextError> {
        match scanner.token() {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(TextError::unknown(other)),
        }
    }
}

/// Integers print and read alike.
macro_rules! integer_text {
    ($($type:ty)*) => {
        $(impl Text for $type {
            fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }

            fn parse(scanner: &mut Scanner<'_>) -> Result<Self, TextError> {
                scanner.number()
            }
        })*
    };
}

integer_text! { u8 u16 u32 u64 }

impl Text for ShortString {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_quoted(f, self.as_bytes())
    }

    fn parse(scanner: &mut Scanner<'_>) -> Result<Self, TextError> {
        let bytes = scanner.quoted()?;
        let text = String::from_utf8(bytes).map_err(|_| TextError("not UTF-8".to_owned()))?;
        Self::new(&text).map_err(|error| TextError(error.text))
    }
}

impl Text for ShortBytes {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_quoted(f, self)
    }

    fn parse(scanner: &mut Scanner<'_>) -> Result<Self, TextError> {
        Ok(Self::clipped(&scanner.quoted()?))
    }
}

impl Text for Vec<u8> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_quoted(f, self)
    }

    fn parse(scanner: &mut Scanner<'_>) -> Result<Self, TextError> {
        scanner.quoted()
    }
}

impl Text for Table {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, (name, value)) in self.iter().enumerate() {
            if place > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{name}: {value}")?;
        }
        f.write_str("}")
    }

    fn parse(scanner: &mut Scanner<'_>) -> Result<Self, TextError> {
        scanner.expect('{')?;
        let mut table = Self::default();
        loop {
            scanner.spaces();
            if scanner.accept('}') {
                return Ok(table);
            }
            let Some(name) = scanner.entry_name()? else {
                return Err(TextError::expected("}", scanner));
            };
            let name = ShortString::new(name).map_err(|error| TextError(error.text))?;
            table.insert(name, parse_field(scanner)?);
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(f)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::I8(value) => write!(f, "b({value})"),
            Self::U8(value) => write!(f, "B({value})"),
            Self::I16(value) => write!(f, "s({value})"),
            Self::U16(value) => write!(f, "u({value})"),
            Self::I32(value) => write!(f, "{value}"),
            Self::U32(value) => write!(f, "i({value})"),
            Self::I64(value) => write!(f, "l({value})"),
            Self::F32(value) => write!(f, "f({value})"),
            Self::F64(value) => write!(f, "d({value})"),
            Self::Decimal(Decimal { scale, value }) => write!(f, "D({scale}, {value})"),
            Self::LongString(bytes) => show_quoted(f, bytes),
            Self::Array(items) => {
                f.write_str("[")?;
                for (place, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if place > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Timestamp(value) => write!(f, "T({value})"),
            Self::Table(table) => table.show(f),
            Self::Void => f.write_str("void"),
            Self::Bytes(bytes) => {
                f.write_str("x(")?;
                show_quoted(f, bytes)?;
                f.write_str(")")
            }
        }
    }
}

fn parse_field(scanner: &mut Scanner<'_>) -> Result<Field, TextError> {
    scanner.spaces();
    if scanner.rest.starts_with('"') {
        return scanner.quoted().map(Field::LongString);
    }
    if scanner.rest.starts_with('{') {
        return Table::parse(scanner).map(Field::Table);
    }
    if scanner.accept('[') {
        return parse_array(scanner).map(Field::Array);
    }
    let token = scanner.token();
    if scanner.accept('(') {
        let field = parse_tagged(scanner, token)?;
        scanner.expect(')')?;
        return Ok(field);
    }
    match token {
        "true" => Ok(Field::Boolean(true)),
        "false" => Ok(Field::Boolean(false)),
        "void" => Ok(Field::Void),
        number => number
            .parse()
            .map(Field::I32)
            .or_else(|_| number.parse().map(Field::I64))
            .map_err(|_| TextError::unknown(number)),
    }
}

fn parse_array(scanner: &mut Scanner<'_>) -> Result<Vec<Field>, TextError> {
    let mut items = Vec::new();
    loop {
        scanner.spaces();
        scanner.accept(',');
        scanner.spaces();
        if scanner.accept(']') {
            return Ok(items);
        }
        items.push(parse_field(scanner)?);
    }
}

fn parse_tagged(scanner: &mut Scanner<'_>, tag: &str) -> Result<Field, TextError> {
    Ok(match tag {
        "b" => Field::I8(scanner.number()?),
        "B" => Field::U8(scanner.number()?),
        "s" => Field::I16(scanner.number()?),
        "u" => Field::U16(scanner.number()?),
        "I" => Field::I32(scanner.number()?),
        "i" => Field::U32(scanner.number()?),
        "l" => Field::I64(scanner.number()?),
        "f" => Field::F32(scanner.number()?),
        "d" => Field::F64(scanner.number()?),
        "T" => Field::Timestamp(scanner.number()?),
        "x" => Field::Bytes(scanner.quoted()?),
        "D" => {
            let scale = scanner.number()?;
            scanner.expect(',')?;
            Field::Decimal(Decimal { scale, value: scanner.number()? })
        }
        other => return Err(TextError::unknown(other)),
    })
}
