//! What a flag of `leveret perf` can say beside numbers.

use std::str::FromStr;

use clap::ValueEnum;

use crate::wire::{Field, Method, ShortString, queue};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Messages go from publishers to consumers
    Load,
    /// Connect, open a channel, close
    ConnectionChurn,
    /// Open a channel, close it
    ChannelChurn,
    /// Declare a queue, delete it
    QueueChurn,
    /// Bind a queue, unbind it
    BindingChurn,
    /// Hold --count connections with a channel each for the duration
    IdleConnections,
    /// Hold --count queues for the duration
    IdleQueues,
}

impl Scenario {
    /// Its name on the command line and in the result.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// The types of exchange whose routing the check understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExchangeKind {
    /// A key leads to its queue
    Direct,
    /// Every message goes to every queue
    Fanout,
    /// Bindings are patterns, in turn perf.7.load, perf.7.* and *.7.#
    Topic,
    /// Bindings ask for a header
    Headers,
}

impl ExchangeKind {
    /// The name in exchange.declare.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
        }
    }
}

/// How deliveries are acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// By being sent (`no_ack`).
    Auto,
    /// After so many, all up to the last.
    Every(u32),
}

impl FromStr for Ack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "auto" => Ok(Self::Auto),
            Ok(every) if every > 0 => Ok(Self::Every(every)),
            _ => Err("it is auto, or how many deliveries share an acknowledgement".to_owned()),
        }
    }
}

/// A queue argument with its type.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueArgument {
    /// Its name: `x-max-length`.
    pub name: ShortString,
    /// Its value.
    pub field: Field,
}

impl FromStr for QueueArgument {
    type Err = String;

    /// The value is what transcripts write; what they do not know is a long string.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("an argument is NAME=VALUE")?;
        let name = ShortString::new(name).map_err(|error| error.to_string())?;
        let line = format!("queue.declare arguments={{x: {value}}}");
        let typed = match line.parse() {
            Ok(Method::Queue(queue::Method::Declare(declare))) if declare.arguments.len() == 1 => {
                declare.arguments.get("x").cloned()
            }
            _ => None,
        };
        let field = typed.unwrap_or_else(|| Field::LongString(value.as_bytes().to_vec()));
        Ok(Self { name, field })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argument(text: &str) -> Field {
        text.parse::<QueueArgument>().unwrap().field
    }

    #[test]
    fn queue_arguments_have_types() {
        assert_eq!(argument("x-max-length=10"), Field::I32(10));
        assert_eq!(argument("x-max-length=l(10)"), Field::I64(10));
        assert_eq!(argument("x-single-active-consumer=true"), Field::Boolean(true));
        assert_eq!(argument("x-queue-type=quorum"), Field::LongString(b"quorum".to_vec()));
        assert_eq!(argument("x-name=\"10\""), Field::LongString(b"10".to_vec()));
        assert_eq!(argument("x-odd=1, y: 2"), Field::LongString(b"1, y: 2".to_vec()));
        assert!("x-max-length".parse::<QueueArgument>().is_err());
    }

    #[test]
    fn acknowledgement_is_auto_or_a_number() {
        assert_eq!("auto".parse(), Ok(Ack::Auto));
        assert_eq!("50".parse(), Ok(Ack::Every(50)));
        assert!("0".parse::<Ack>().is_err());
    }
}
