//! Equivalence on redeclaration: rule `equivalent` of exchange.declare and queue.declare.

use std::fmt;

use super::value;
use crate::wire::{Field, Table};

/// A property or argument that a redeclaration gives differently: 406 PRECONDITION_FAILED.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    argument: String,
    received: String,
    current: String,
}

impl Difference {
    /// The difference of a property such as `durable`, if there is one.
    pub fn of_property<T: PartialEq + fmt::Display>(
        property: &str,
        current: &T,
        received: &T,
    ) -> Option<Self> {
        (current != received).then(|| Self {
            argument: property.to_owned(),
            received: format!("'{received}'"),
            current: format!("'{current}'"),
        })
    }

    /// The difference of an argument, if there is one. Two integers are the same if their values
    /// are; no `x-queue-type` is the same as `classic`.
    fn of_argument(
        argument: &str,
        current: Option<&Field>,
        received: Option<&Field>,
    ) -> Option<Self> {
        let (received, current) = match (received, current) {
            (None, None) => return None,
            (Some(received), Some(current)) if value::same(received, current) => return None,
            (Some(received), Some(current)) => quoted(received, current),
            (Some(one), None) | (None, Some(one)) if is_default(argument, one) => return None,
            (Some(received), None) => (typed(received), "none".to_owned()),
            (None, Some(current)) => ("none".to_owned(), typed(current)),
        };
        Some(Self { argument: argument.to_owned(), received, current })
    }

    /// RabbitMQ's text for it; `subject` is as in `queue 'q' in vhost '/'`.
    #[must_use]
    pub fn text(&self, subject: impl fmt::Display) -> String {
        let Self { argument, received, current } = self;
        format!(
            "inequivalent arg '{argument}' for {subject}: \
             received {received} but current is {current}"
        )
    }
}

/// The first of the known arguments that two tables give differently, if there is one.
pub fn first_difference(
    declared: &Table,
    received: &Table,
    known: impl IntoIterator<Item = &'static str>,
) -> Option<Difference> {
    known.into_iter().find_map(|argument| {
        Difference::of_argument(argument, declared.get(argument), received.get(argument))
    })
}

/// Whether an argument with this value means the same as no argument.
fn is_default(argument: &str, field: &Field) -> bool {
    argument == "x-queue-type" && matches!(field, Field::LongString(text) if text == b"classic")
}

/// Both values between quotation marks, as RabbitMQ has them; with their types where only these
/// tell them apart, which RabbitMQ leaves one to guess.
fn quoted(received: &Field, current: &Field) -> (String, String) {
    let texts = [received, current].map(|field| format!("'{}'", value::plain(field)));
    let [left, right] = if texts[0] == texts[1] { [received, current].map(typed) } else { texts };
    (left, right)
}

/// A value with its type.
fn typed(field: &Field) -> String {
    format!("the value '{}' of type '{}'", value::plain(field), value::type_name(field))
}
