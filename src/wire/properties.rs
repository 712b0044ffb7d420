//! The fourteen properties of class basic (section 1.8.1), from one table.
//!
//! ```text
//!   | flags u16 | values of the properties whose flag is set, in the order of the table |
//!     bit 15 content-type ... bit 2 cluster-id; bit 1 unused; bit 0 "more flags follow"
//! ```
//!
//! The broker passes properties on as the octets that came. It looks into them with a
//! [`PropertiesView`], which allocates nothing; [`Properties`] owns its values.

use std::fmt;
use std::str::FromStr;

use super::codec::{Argument, ArgumentReader, ArgumentWriter, Reader, WireError};
use super::field::Table;
use super::short::ShortBytes;
use super::text::{Scanner, Text, TextError};

/// Declares the properties from one table: bit, name, how it is viewed, how it is owned.
macro_rules! properties {
    ($($(#[$doc:meta])* $bit:literal $name:ident: $view:ty => $owned:ty, $read:expr;)*) => {
        /// Properties that lie in the octets they were read from.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct PropertiesView<'a> {
            $($name: Option<$view>,)*
        }

        impl<'a> PropertiesView<'a> {
            /// Reads flags and values, and checks them all, nested tables too.
            ///
            /// # Errors
            ///
            /// 502 when they cannot be read, or when a flag is set that has no property.
            pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
                let mut reader = Reader::new(bytes);
                let flags = reader.u16()?;
                if flags & 0b11 != 0 {
                    return Err(WireError::syntax("unknown property flags"));
                }
                let mut view = Self::default();
                $(if flags & (1 << $bit) != 0 {
                    let read: fn(&mut Reader<'a>) -> Result<$view, WireError> = $read;
                    view.$name = Some(read(&mut reader)?);
                })*
                reader.end()?;
                Ok(view)
            }

            $($(#[$doc])* pub fn $name(&self) -> Option<$view> {
                self.$name
            })*
        }

        /// Properties with values of their own.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Properties {
            $($(#[$doc])* pub $name: Option<$owned>,)*
        }

        impl Properties {
            /// Reads flags and values.
            ///
            /// # Errors
            ///
            /// As [`PropertiesView::parse`].
            pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
                PropertiesView::parse(bytes)?;
                let mut reader = Reader::new(bytes);
                let flags = reader.u16()?;
                let mut reader = ArgumentReader::new(reader);
                let mut properties = Self::default();
                $(if flags & (1 << $bit) != 0 {
                    properties.$name = Some(Argument::read(&mut reader)?);
                })*
                Ok(properties)
            }

            /// Writes flags and values.
            pub fn encode(&self, out: &mut Vec<u8>) {
                let mut flags = 0_u16;
                $(if self.$name.is_some() {
                    flags |= 1 << $bit;
                })*
                out.extend_from_slice(&flags.to_be_bytes());
                let mut writer = ArgumentWriter::new(out);
                $(if let Some(value) = &self.$name {
                    value.write(&mut writer);
                })*
            }
        }

        impl fmt::Display for Properties {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut shown = 0;
                $(if let Some(value) = &self.$name {
                    let separator = if shown > 0 { ", " } else { "" };
                    write!(f, "{separator}{}: ", stringify!($name))?;
                    value.show(f)?;
                    shown += 1;
                })*
                debug_assert!(shown <= 14);
                Ok(())
            }
        }

        impl FromStr for Properties {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                let mut scanner = Scanner::new(text);
                let mut properties = Self::default();
                while let Some(name) = scanner.entry_name()? {
                    match name {
                        $(stringify!($name) => {
                            properties.$name = Some(Text::parse(&mut scanner)?);
                        })*
                        other => return Err(TextError::unknown(other)),
                    }
                }
                Ok(properties)
            }
        }
    };
}

properties! {
    /// MIME type of the body.
    15 content_type: &'a [u8] => ShortBytes, Reader::short;
    /// MIME encoding of the body.
    14 content_encoding: &'a [u8] => ShortBytes, Reader::short;
    /// The application's headers: in a view, the octets of the table behind its length.
    13 headers: &'a [u8] => Table, checked_table;
    /// 2 is persistent, 1 and none are not.
    12 delivery_mode: u8 => u8, Reader::u8;
    /// 0 to 255.
    11 priority: u8 => u8, Reader::u8;
    /// What the message is an answer to.
    10 correlation_id: &'a [u8] => ShortBytes, Reader::short;
    /// Where an answer is to go.
    9 reply_to: &'a [u8] => ShortBytes, Reader::short;
    /// Time to live in milliseconds, as digits.
    8 expiration: &'a [u8] => ShortBytes, Reader::short;
    /// The application's name for the message.
    7 message_id: &'a [u8] => ShortBytes, Reader::short;
    /// Seconds since the Unix epoch.
    6 timestamp: u64 => u64, Reader::u64;
    /// The application's type of message.
    5 kind: &'a [u8] => ShortBytes, Reader::short;
    /// The user who published it; checked by the broker.
    4 user_id: &'a [u8] => ShortBytes, Reader::short;
    /// The application that published it.
    3 app_id: &'a [u8] => ShortBytes, Reader::short;
    /// Unused.
    2 cluster_id: &'a [u8] => ShortBytes, Reader::short;
}

impl PropertiesView<'_> {
    /// The application's headers as a table.
    pub fn headers_table(&self) -> Option<Table> {
        Table::decode(self.headers?).ok()
    }
}

/// The octets of a table that was found to be one.
fn checked_table<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], WireError> {
    let bytes = reader.long()?;
    Table::check(bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "content_type: \"text/plain\", content_encoding: \"utf-8\", \
        headers: {a: 1, b: [x(\"\\x00\"), {c: void}]}, delivery_mode: 2, priority: 9, \
        correlation_id: \"c\", reply_to: \"r\", expiration: \"60000\", message_id: \"m\", \
        timestamp: 1700000000, kind: \"t\", user_id: \"guest\", app_id: \"app\", \
        cluster_id: \"none\"";

    #[test]
    fn all_fourteen_come_back_octet_for_octet() {
        let properties: Properties = ALL.parse().unwrap();
        assert_eq!(properties.to_string(), ALL);
        let mut bytes = Vec::new();
        properties.encode(&mut bytes);
        assert_eq!(bytes[..2], [0xff, 0xfc]);
        assert_eq!(Properties::decode(&bytes).unwrap(), properties);
        let view = PropertiesView::parse(&bytes).unwrap();
        assert_eq!(view.expiration(), Some(&b"60000"[..]));
        assert_eq!(view.headers_table(), properties.headers);
        for end in 0..bytes.len() {
            assert!(PropertiesView::parse(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn unknown_flags_and_octets_behind_the_values_are_refused() {
        assert!(PropertiesView::parse(&[0, 1]).is_err());
        assert!(PropertiesView::parse(&[0, 0, 0]).is_err());
        assert_eq!(PropertiesView::parse(&[0, 0]).unwrap(), PropertiesView::default());
    }
}
