//! Short strings: at most 255 octets, which is why names fit everywhere.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::codec::WireError;

/// The most octets of a short string.
const OCTETS_MAX: usize = 255;

/// Text of at most 255 octets (`shortstr`): names, tags, reply texts. Cloning shares the octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortString(Arc<str>);

impl ShortString {
    /// The text, if it is short enough.
    ///
    /// # Errors
    ///
    /// With more than 255 octets.
    pub fn new(text: &str) -> Result<Self, WireError> {
        if text.len() > OCTETS_MAX {
            return Err(WireError::syntax("a short string has at most 255 octets"));
        }
        Ok(Self(text.into()))
    }

    /// The text as far as it fits, cut between two characters.
    pub fn clipped(text: &str) -> Self {
        let mut end = text.len().min(OCTETS_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(text[..end].into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ShortString {
    fn default() -> Self {
        Self("".into())
    }
}

impl Deref for ShortString {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ShortString {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ShortString {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShortString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ShortString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// At most 255 octets that need not be text: the routing keys of messages.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortBytes(Vec<u8>);

impl ShortBytes {
    /// The octets, if they are few enough.
    ///
    /// # Errors
    ///
    /// With more than 255.
    pub fn new(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > OCTETS_MAX {
            return Err(WireError::syntax("a short string has at most 255 octets"));
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The octets as far as they fit.
    pub fn clipped(bytes: &[u8]) -> Self {
        Self(bytes[..bytes.len().min(OCTETS_MAX)].to_vec())
    }
}

impl Deref for ShortBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ShortBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clipped_text_ends_between_two_characters() {
        let text = "ä".repeat(200);
        let short = ShortString::clipped(&text);
        assert_eq!(short.len(), 254);
        assert!(ShortString::new(&text).is_err());
    }
}
