//! The flags of `leveret perf`, checked against each other before anything is connected.

use std::time::Duration;

use crate::wire::Table;

use super::choices::{Ack, ExchangeKind, QueueArgument, Scenario};
use super::error::PerfError;
use super::stamp::STAMP_OCTETS;
use super::uri::Uri;

/// Publishers at most: a message names its publisher in 16 bits.
const PUBLISHERS_MAX: u32 = 65_536;

/// How many of one thing can be asked for.
const COUNT_MAX: u32 = 10_000_000;

/// The flags of `leveret perf`.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The broker: amqp://user:password@host:port/vhost; given more than once, connections are
    /// dealt out to them in turn
    #[arg(long, value_name = "URI", default_value = "amqp://guest:guest@127.0.0.1:5672/%2f")]
    pub uri: Vec<Uri>,

    /// What is done
    #[arg(long, value_enum, default_value_t = Scenario::Load)]
    pub scenario: Scenario,

    /// How many publishers, a connection each
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub publishers: u32,

    /// How many consumers, a connection each; consumer c takes from queue c modulo the queues, and
    /// from several when there are more queues
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub consumers: u32,

    /// How many queues; publisher p keeps to queue p modulo this, unless --keys is given
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub queues: u32,

    /// Threads for the publishers, and as many for the consumers; without it each connection has
    /// its own. For churn: how many churn at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,

    /// Octets of a body, 16 or more (they hold publisher, sequence and time)
    #[arg(long, value_name = "OCTETS", default_value_t = 16)]
    pub size: u32,

    /// Messages are persistent; queues and exchange are durable with it, unless --transient
    #[arg(long)]
    pub persistent: bool,

    /// Queues and exchange are durable
    #[arg(long, conflicts_with = "transient")]
    pub durable: bool,

    /// Queues and exchange are not durable, whatever the messages are
    #[arg(long)]
    pub transient: bool,

    /// Publisher confirms, and how many messages may be unconfirmed for each publisher
    #[arg(long, value_name = "WINDOW", value_parser = clap::value_parser!(u32).range(1..))]
    pub confirm: Option<u32>,

    /// Acknowledgement: auto, or after every N-th delivery for all up to it
    #[arg(long, value_name = "auto|N", default_value = "auto")]
    pub ack: Ack,

    /// Deliveries that a consumer may have unacknowledged; 0 is no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub prefetch: u16,

    /// Messages a second of each publisher; without it, as fast as the broker takes them
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,

    /// Publish to an exchange of this type instead of the default one
    #[arg(long, value_enum, value_name = "TYPE")]
    pub exchange: Option<ExchangeKind>,

    /// Bindings of a direct, topic or headers exchange, at least as many as keys; binding b leads
    /// to queue b modulo the queues. For binding churn: how many there are beside
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub bindings: Option<u32>,

    /// Each publisher goes round N routing keys (a multiple of the queues) instead of keeping to
    /// that of its queue
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub keys: Option<u32>,

    /// An argument of the queues: x-max-length=10, x-queue-type=quorum, x-flag=true, x-wide=l(5)
    #[arg(long, value_name = "K=V")]
    pub queue_argument: Vec<QueueArgument>,

    /// What the names of queues and exchange begin with
    #[arg(long, value_name = "TEXT", default_value = "perf", value_parser = parse_prefix)]
    pub prefix: String,

    /// How long it is measured, in seconds, when the number of messages does not say it
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub duration: Duration,

    /// Each publisher ends after so many messages
    #[arg(long, value_name = "N")]
    pub messages: Option<u64>,

    /// How long it runs before it is measured, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = parse_seconds)]
    pub warm_up: Duration,

    /// How long nothing may arrive at the end before what is missing is lost, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub patience: Duration,

    /// No consumers: the messages stay in the queues
    #[arg(long, conflicts_with = "drain")]
    pub publish_only: bool,

    /// No publishers: consume what is in the queues, then end
    #[arg(long)]
    pub drain: bool,

    /// Leave queues and exchange there at the end (--publish-only always does)
    #[arg(long)]
    pub keep: bool,

    /// For idle scenarios: how many
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub count: u32,

    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

impl Options {
    /// Says what does not go together.
    ///
    /// # Errors
    ///
    /// One line for the first thing that is wrong.
    pub(super) fn check(&self) -> Result<(), PerfError> {
        let wrong = if (self.size as usize) < STAMP_OCTETS {
            "--size is 16 or more: a message carries publisher, sequence and time"
        } else if self.publishers > PUBLISHERS_MAX || self.largest() > COUNT_MAX {
            "too many: at most 65,536 publishers and 10,000,000 of anything else"
        } else if self.queues == 0 || self.publishers + self.consumers == 0 {
            "nothing to do: give queues, and publishers or consumers"
        } else if self.keys.is_some_and(|keys| keys % self.queues != 0) {
            "--keys is a multiple of --queues, so that each queue gets every so-manieth message"
        } else if self.bindings.is_some()
            && matches!(self.exchange, None | Some(ExchangeKind::Fanout))
            && !self.is_churn()
        {
            "--bindings needs --exchange direct, topic or headers"
        } else if self.bindings.is_some_and(|bindings| bindings < self.keys()) && !self.is_churn() {
            "--bindings is at least --keys, or --queues: each key has a binding"
        } else if matches!(self.ack, Ack::Every(every) if (1..every).contains(&self.prefetch.into()))
        {
            "--ack is at most --prefetch: the broker would wait for it for ever"
        } else {
            return Ok(());
        };
        Err(PerfError::Usage(wrong.to_owned()))
    }

    /// How many publishers there really are.
    pub(super) fn publishers(&self) -> u32 {
        if self.drain { 0 } else { self.publishers }
    }

    /// How many consumers there really are.
    pub(super) fn consumers(&self) -> u32 {
        if self.publish_only { 0 } else { self.consumers }
    }

    /// How many routing keys are in use.
    pub(super) fn keys(&self) -> u32 {
        self.keys.unwrap_or(self.queues)
    }

    /// Whether queues and exchange are durable.
    pub(super) fn is_durable(&self) -> bool {
        self.durable || (self.persistent && !self.transient)
    }

    /// Whether queues and exchange stay there at the end.
    pub(super) fn keeps(&self) -> bool {
        self.keep || self.publish_only
    }

    /// The arguments of the queues.
    pub(super) fn queue_arguments(&self) -> Table {
        self.queue_argument.iter().map(|it| (it.name.clone(), it.field.clone())).collect()
    }

    /// The broker of the connection with this number.
    pub(super) fn uri(&self, number: u32) -> Result<&Uri, PerfError> {
        let count = self.uri.len().max(1);
        let place = usize::try_from(number).unwrap_or_default() % count;
        self.uri.get(place).ok_or_else(|| PerfError::Usage("no --uri".to_owned()))
    }

    fn largest(&self) -> u32 {
        let bindings = self.bindings.unwrap_or_default();
        self.count.max(self.queues).max(self.consumers).max(self.keys()).max(bindings)
    }

    fn is_churn(&self) -> bool {
        self.scenario == Scenario::BindingChurn
    }
}

/// Leaves room in a short string for what names end with.
fn parse_prefix(text: &str) -> Result<String, String> {
    if text.len() > 200 { Err("at most 200 octets".to_owned()) } else { Ok(text.to_owned()) }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    pub(crate) fn parse(line: &str) -> Options {
        let words = std::iter::once("perf").chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap().options
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for line in [
            "--size 15",
            "--queues 0",
            "--queues 3 --keys 4",
            "--bindings 10",
            "--exchange topic --keys 10 --bindings 9",
            "--ack 50 --prefetch 49",
            "--publishers 70000",
        ] {
            assert!(parse(line).check().is_err(), "{line}");
        }
        for line in ["", "--ack 50", "--ack 50 --prefetch 50", "--exchange topic --keys 10"] {
            parse(line).check().unwrap();
        }
    }

    #[test]
    fn queues_are_durable_when_messages_are_persistent() {
        assert!(parse("--persistent").is_durable() && parse("--durable").is_durable());
        assert!(!parse("--persistent --transient").is_durable() && !parse("").is_durable());
    }
}
