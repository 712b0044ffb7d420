//! Equivalence on redeclaration: rule `equivalent` of exchange.declare and queue.declare.

use std::fmt;

use super::value;
use crate::secrets::without_credentials;
use crate::wire::{Field, Table};

/// What a redeclaration gives differently: 406 PRECONDITION_FAILED if there is anything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Differences(Vec<Difference>);

/// A property or argument with its two values.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Difference {
    argument: String,
    received: String,
    current: String,
}

impl Differences {
    /// Compares a property such as `durable`.
    #[must_use]
    pub fn property<T: PartialEq + fmt::Display>(
        mut self,
        property: &str,
        current: &T,
        received: &T,
    ) -> Self {
        if current != received {
            self.0.push(Difference {
                argument: property.to_owned(),
                received: format!("'{received}'"),
                current: format!("'{current}'"),
            });
        }
        self
    }

    /// Compares the known ones of two tables of arguments, in this order. Two integers are the same
    /// if their values are; no `x-queue-type` is the same as `classic`.
    #[must_use]
    pub fn arguments(
        mut self,
        current: &Table,
        received: &Table,
        known: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        self.0.extend(known.into_iter().filter_map(|argument| {
            Difference::of_argument(argument, current.get(argument), received.get(argument))
        }));
        self
    }

    /// RabbitMQ's text for the first difference, and behind it all others in the same manner, which
    /// RabbitMQ lets one find out one by one. `None` if there is no difference. `subject` is as in
    /// `queue 'q' in vhost '/'`. Credentials in URIs are cut out: the client need not be the one that
    /// gave them.
    #[must_use]
    pub fn text(&self, subject: impl fmt::Display) -> Option<String> {
        let (first, others) = self.0.split_first()?;
        let Difference { argument, received, current } = first;
        let mut text = format!(
            "inequivalent arg '{argument}' for {subject}: \
             received {received} but current is {current}"
        );
        for Difference { argument, received, current } in others {
            text += &format!("; '{argument}': received {received} but current is {current}");
        }
        Some(without_credentials(&text).into_owned())
    }
}

impl Difference {
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
