//! Which messages of a stream a consumer wants (`x-stream-filter`, `x-stream-match-unfiltered`).
//!
//! A publisher gives a message a filter value in the header `x-stream-filter-value`. A consumer that
//! names values gets the messages with one of these, and those without a value if it says so.

use std::collections::BTreeSet;

use crate::message::Message;
use crate::wire::{Field, PropertiesView, Table};

/// The filter of a consumer.
#[derive(Debug)]
pub(super) struct Filter {
    values: BTreeSet<Vec<u8>>,
    /// Whether messages without a value are wanted too.
    unfiltered: bool,
}

impl Filter {
    /// The filter that a consumer's arguments ask for. As in RabbitMQ one text or an array of texts
    /// is a filter, and anything else is none.
    pub(super) fn of(arguments: &Table) -> Option<Self> {
        let values = match arguments.get("x-stream-filter")? {
            Field::LongString(value) => BTreeSet::from([value.clone()]),
            Field::Array(fields) => fields
                .iter()
                .filter_map(|field| match field {
                    Field::LongString(value) => Some(value.clone()),
                    _ => None,
                })
                .collect(),
            _ => return None,
        };
        let unfiltered =
            matches!(arguments.get("x-stream-match-unfiltered"), Some(Field::Boolean(true)));
        Some(Self { values, unfiltered })
    }

    /// Whether a message passes.
    pub(super) fn passes(&self, message: &Message) -> bool {
        let headers = PropertiesView::parse(message.properties()).ok().and_then(|it| it.headers());
        match headers.and_then(|headers| Table::find(headers, "x-stream-filter-value")) {
            Some(Field::LongString(value)) => self.values.contains(&value),
            _ => self.unfiltered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Properties;

    fn filter(arguments: &str) -> Option<Filter> {
        let method = format!("basic.consume arguments={{{arguments}}}").parse().unwrap();
        let crate::wire::Method::Basic(crate::wire::basic::Method::Consume(consume)) = method
        else {
            unreachable!("a consume")
        };
        Filter::of(&consume.arguments)
    }

    fn message(properties: &str) -> Message {
        let mut octets = Vec::new();
        properties.parse::<Properties>().unwrap().encode(&mut octets);
        Message::from_parts("", b"", &octets, b"", true)
    }

    #[test]
    fn values_match_exactly_and_unvalued_ones_if_asked_for() {
        let (a, none) = ("headers: {x-stream-filter-value: \"a\"}", "");
        for (arguments, properties, passes) in [
            ("x-stream-filter: \"a\"", a, true),
            ("x-stream-filter: \"aa\"", a, false),
            ("x-stream-filter: [\"b\", 7, \"a\"]", a, true),
            ("x-stream-filter: []", a, false),
            ("x-stream-filter: \"a\"", none, false),
            ("x-stream-filter: \"b\", x-stream-match-unfiltered: true", none, true),
            ("x-stream-filter: \"b\", x-stream-match-unfiltered: true", a, false),
        ] {
            let filter = filter(arguments).unwrap();
            assert_eq!(filter.passes(&message(properties)), passes, "{arguments} {properties}");
        }
        assert!(filter("x-stream-filter: 5").is_none());
        assert!(filter("x-stream-match-unfiltered: true").is_none());
    }
}
