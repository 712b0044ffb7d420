//! basic.publish as it comes by the million: read without making anything.

use std::ops::Range;

use super::MethodId;
use super::codec::{Reader, WireError, cut_short};

/// A basic.publish whose names lie in the payload that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishView {
    /// Where the exchange's name is in the payload; it is UTF-8.
    pub exchange: Range<usize>,
    /// Where the routing key is in the payload.
    pub routing_key: Range<usize>,
    /// Return it if it reaches no queue.
    pub mandatory: bool,
    /// Return it if it reaches no consumer at once; refused by the broker.
    pub immediate: bool,
}

impl PublishView {
    /// Whether a method frame's payload is a basic.publish.
    pub fn is_publish(payload: &[u8]) -> bool {
        payload.starts_with(&[0, 60, 0, 40])
    }

    /// Reads a method frame's payload that is a basic.publish.
    ///
    /// # Errors
    ///
    /// 501 when the arguments are cut short, or the exchange's name is not UTF-8.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        Self::parse_arguments(payload)
            .map_err(|error| WireError { method: MethodId::of(payload).ok(), ..cut_short(error) })
    }

    fn parse_arguments(payload: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(payload);
        reader.take(6)?; // class, method and the reserved ticket
        let start = 7;
        let exchange = reader.short_str()?.len();
        let key_start = start + exchange + 1;
        let key = reader.short()?.len();
        let bits = reader.u8()?;
        reader.end()?;
        Ok(Self {
            exchange: start..start + exchange,
            routing_key: key_start..key_start + key,
            mandatory: bits & 1 != 0,
            immediate: bits & 2 != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Method;

    #[test]
    fn it_sees_what_the_table_decodes() {
        let line = "basic.publish exchange=\"logs\" routing_key=\"a.b\" mandatory=true";
        let mut payload = Vec::new();
        line.parse::<Method>().unwrap().encode(&mut payload);
        assert!(PublishView::is_publish(&payload));
        let view = PublishView::parse(&payload).unwrap();
        assert_eq!(&payload[view.exchange], b"logs");
        assert_eq!(&payload[view.routing_key], b"a.b");
        assert!(view.mandatory && !view.immediate);
        for end in 4..payload.len() {
            assert!(PublishView::parse(&payload[..end]).is_err());
        }
    }
}
