//! Reading and writing the elementary types, in network byte order (section 4.2.5).

use byteorder::{BigEndian, ByteOrder};

use super::MethodId;
use super::field::Table;
use super::reply_code::ReplyCode;
use super::short::{ShortBytes, ShortString};

/// What a peer did wrong: the code and the words to close with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} - {text}", code.name())]
pub struct WireError {
    /// The reply code.
    pub code: ReplyCode,
    /// The words after the code's name.
    pub text: String,
    /// The method whose arguments are wrong, if it is known by then.
    pub method: Option<MethodId>,
}

impl WireError {
    /// An error with this code.
    pub fn new(code: ReplyCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), method: None }
    }

    /// 502: a field that cannot be read.
    pub fn syntax(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::SyntaxError, text)
    }

    /// 501: a frame that is none.
    pub fn frame(text: impl Into<String>) -> Self {
        Self::new(ReplyCode::FrameError, text)
    }
}

/// Octets that are being read from the front. Every length is checked against what is there before
/// anything is made of it.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads these octets.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The next `length` octets.
    ///
    /// # Errors
    ///
    /// 502 when there are fewer.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let Some((taken, rest)) = self.bytes.split_at_checked(length) else {
            return Err(WireError::syntax("a field is longer than its frame"));
        };
        self.bytes = rest;
        Ok(taken)
    }

    /// An octet.
    pub fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.take(1)?[0])
    }

    /// 16 bits.
    pub fn u16(&mut self) -> Result<u16, WireError> {
        self.take(2).map(BigEndian::read_u16)
    }

    /// 32 bits.
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.take(4).map(BigEndian::read_u32)
    }

    /// 64 bits.
    pub fn u64(&mut self) -> Result<u64, WireError> {
        self.take(8).map(BigEndian::read_u64)
    }

    /// A short string's octets.
    pub fn short(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    /// A short string that must be text.
    ///
    /// # Errors
    ///
    /// 501, as RabbitMQ says for a method whose short string is not UTF-8.
    pub fn short_str(&mut self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.short()?)
            .map_err(|_| WireError::frame("a short string is not UTF-8"))
    }

    /// A long string's octets.
    pub fn long(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.u32()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// How many octets are left.
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    /// # Errors
    ///
    /// 502 when anything is left.
    pub fn end(&self) -> Result<(), WireError> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(WireError::syntax("a frame is longer than its fields"))
        }
    }
}

/// A method's arguments that are being read: fields one after the other, bits packed into octets
/// (section 4.2.5.2).
pub(super) struct ArgumentReader<'a> {
    reader: Reader<'a>,
    octet: u8,
    /// The next bit of `octet`; 8 when the next bit begins an octet.
    bit: u32,
}

impl<'a> ArgumentReader<'a> {
    pub(super) fn new(reader: Reader<'a>) -> Self {
        Self { reader, octet: 0, bit: 8 }
    }

    /// The reader, for a field that is no bit.
    fn whole(&mut self) -> &mut Reader<'a> {
        self.bit = 8;
        &mut self.reader
    }

    pub(super) fn end(&self) -> Result<(), WireError> {
        self.reader.end().map_err(cut_short)
    }
}

/// A method's arguments that are being written.
pub(super) struct ArgumentWriter<'a> {
    out: &'a mut Vec<u8>,
    bit: u32,
}

impl<'a> ArgumentWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, bit: 8 }
    }

    fn whole(&mut self) -> &mut Vec<u8> {
        self.bit = 8;
        self.out
    }
}

/// The type of an argument in the table of methods: how it is read and written.
pub(super) trait Argument: Sized {
    /// Reads a value.
    fn read(reader: &mut ArgumentReader<'_>) -> Result<Self, WireError>;
    /// Writes it.
    fn write(&self, writer: &mut ArgumentWriter<'_>);
}

impl Argument for bool {
    fn read(reader: &mut ArgumentReader<'_>) -> Result<Self, WireError> {
        if reader.bit == 8 {
            reader.octet = reader.reader.u8().map_err(cut_short)?;
            reader.bit = 0;
        }
        let set = reader.octet >> reader.bit & 1 == 1;
        reader.bit += 1;
        Ok(set)
    }

    fn write(&self, writer: &mut ArgumentWriter<'_>) {
        if writer.bit == 8 {
            writer.out.push(0);
            writer.bit = 0;
        }
        if let Some(octet) = writer.out.last_mut() {
            *octet |= u8::from(*self) << writer.bit;
        }
        writer.bit += 1;
    }
}

/// Types that fill whole octets: how to read one, how to write one.
macro_rules! whole_arguments {
    ($($type:ty: |$reader:ident| $read:expr, |$value:ident, $out:ident| $write:expr;)*) => {
        $(impl Argument for $type {
            fn read(reader: &mut ArgumentReader<'_>) -> Result<Self, WireError> {
                let $reader = reader.whole();
                $read
            }

            fn write(&self, writer: &mut ArgumentWriter<'_>) {
                let ($value, $out) = (self, writer.whole());
                $write
            }
        })*
    };
}

whole_arguments! {
    u8: |reader| reader.u8().map_err(cut_short), |value, out| out.push(*value);
    u16: |reader| reader.u16().map_err(cut_short),
        |value, out| out.extend_from_slice(&value.to_be_bytes());
    u32: |reader| reader.u32().map_err(cut_short),
        |value, out| out.extend_from_slice(&value.to_be_bytes());
    u64: |reader| reader.u64().map_err(cut_short),
        |value, out| out.extend_from_slice(&value.to_be_bytes());
    ShortString: |reader| reader.short_str().map(Self::clipped).map_err(cut_short),
        |value, out| write_short(out, value.as_bytes());
    ShortBytes: |reader| reader.short().map(Self::clipped).map_err(cut_short),
        |value, out| write_short(out, value);
    Vec<u8>: |reader| reader.long().map(<[u8]>::to_vec).map_err(cut_short),
        |value, out| write_long(out, value);
    Table: |reader| Self::decode_few(reader.long().map_err(cut_short)?),
        |value, out| value.encode(out);
}

/// An argument that is not all there makes the frame wrong, as in RabbitMQ (501); what is wrong
/// within a table is wrong syntax.
pub(super) fn cut_short(error: WireError) -> WireError {
    WireError { code: ReplyCode::FrameError, ..error }
}

/// Writes a short string; its types hold at most 255 octets.
#[expect(clippy::cast_possible_truncation, reason = "cut to 255 octets in the same line")]
pub(super) fn write_short(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(255)];
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}

/// Writes a long string. Nothing longer than 4 GiB gets this far: frames are far smaller.
pub(super) fn write_long(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}
