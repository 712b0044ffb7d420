//! Who publishes what to where: names, keys, bindings, and what the check may expect of them.
//!
//! ```text
//!   publisher p ── key p mod queues, or round all keys ──▶ exchange ── binding b ──▶ queue b mod queues
//!                                                                                        │
//!   consumer c ◀── queue c mod queues; with fewer consumers than queues, every so-manieth ┘
//! ```
//!
//! A publisher that goes round its keys meets each queue in every so-manieth message. So within a
//! queue the sequence of a publisher grows by the same step always, and a gap shows at once.

use crate::wire::{Field, Properties, ShortBytes, ShortString, Table, basic, queue};

use super::choices::{ExchangeKind, Scenario};
use super::options::Options;

/// The names and numbers of a load.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    prefix: String,
    exchange: Option<ExchangeKind>,
    /// How many queues.
    pub(super) queues: u32,
    /// How many publishers.
    pub(super) publishers: u32,
    /// How many consumers.
    pub(super) consumers: u32,
    keys: u32,
    goes_round: bool,
    bindings: u32,
    persistent: bool,
}

impl Plan {
    /// Makes the plan that the options ask for.
    pub(super) fn new(options: &Options) -> Self {
        // Bindings that come and go need an exchange.
        let churned = options.scenario == Scenario::BindingChurn;
        let exchange = options.exchange.or_else(|| churned.then_some(ExchangeKind::Direct));
        let bindings = match exchange {
            None => 0,
            Some(ExchangeKind::Fanout) => options.queues,
            Some(_) => options.bindings.unwrap_or_else(|| options.keys()),
        };
        Self {
            prefix: options.prefix.clone(),
            exchange,
            queues: options.queues,
            publishers: options.publishers(),
            consumers: options.consumers(),
            keys: options.keys(),
            goes_round: options.keys.is_some(),
            bindings,
            persistent: options.persistent,
        }
    }

    /// The name of a queue.
    pub(super) fn queue(&self, queue: u32) -> ShortString {
        ShortString::clipped(&format!("{}-{queue}", self.prefix))
    }

    /// The name of the exchange; the default one's is empty.
    pub(super) fn exchange(&self) -> ShortString {
        ShortString::clipped(self.exchange.map_or("", |_| &self.prefix))
    }

    /// The type of the exchange; `None` for the default one.
    pub(super) fn exchange_kind(&self) -> Option<&'static str> {
        self.exchange.map(ExchangeKind::name)
    }

    /// The messages of a publisher, in the order in which it goes round them.
    pub(super) fn round(&self, publisher: u32) -> Vec<(basic::Publish, Properties)> {
        if self.goes_round {
            let start = publisher % self.keys;
            (start..self.keys).chain(0..start).map(|key| self.message(key)).collect()
        } else {
            vec![self.message(publisher % self.queues)]
        }
    }

    /// The queues of a consumer.
    pub(super) fn queues_of(&self, consumer: u32) -> Vec<u32> {
        if self.consumers >= self.queues {
            return vec![consumer % self.queues];
        }
        (consumer..self.queues).step_by(self.consumers as usize).collect()
    }

    /// All bindings, as the methods that make them.
    pub(super) fn bindings(&self) -> impl Iterator<Item = queue::Bind> {
        (0..self.bindings).map(|binding| self.binding(binding))
    }

    /// By how much a publisher's sequence grows from one message of a queue to the next.
    pub(super) fn step(&self) -> u64 {
        let round = self.goes_round && self.exchange != Some(ExchangeKind::Fanout);
        if round { self.queues.into() } else { 1 }
    }

    /// How many queues each message reaches.
    pub(super) fn copies(&self) -> u64 {
        if self.exchange == Some(ExchangeKind::Fanout) { self.queues.into() } else { 1 }
    }

    /// Whether no queue has two consumers, so that each sees all messages of its queues.
    pub(super) fn each_queue_has_one_consumer(&self) -> bool {
        self.consumers <= self.queues
    }

    fn message(&self, key: u32) -> (basic::Publish, Properties) {
        let routing_key = match self.exchange {
            None => self.queue(key % self.queues).as_str().to_owned(),
            Some(ExchangeKind::Topic) => format!("perf.{key}.load"),
            Some(_) => format!("key-{key}"),
        };
        let publish = basic::Publish {
            exchange: self.exchange(),
            routing_key: ShortBytes::clipped(routing_key.as_bytes()),
            ..Default::default()
        };
        let headers = (self.exchange == Some(ExchangeKind::Headers)).then(|| header(key));
        let delivery_mode = self.persistent.then_some(2);
        (publish, Properties { delivery_mode, headers, ..Default::default() })
    }

    fn binding(&self, binding: u32) -> queue::Bind {
        let mut arguments = Table::default();
        let routing_key = match (self.exchange, binding % 3) {
            (Some(ExchangeKind::Topic), 0) => format!("perf.{binding}.load"),
            (Some(ExchangeKind::Topic), 1) => format!("perf.{binding}.*"),
            (Some(ExchangeKind::Topic), _) => format!("*.{binding}.#"),
            (Some(ExchangeKind::Direct), _) => format!("key-{binding}"),
            (Some(ExchangeKind::Headers), _) => {
                arguments = header(binding);
                arguments
                    .insert(ShortString::clipped("x-match"), Field::LongString(b"all".to_vec()));
                String::new()
            }
            (Some(ExchangeKind::Fanout) | None, _) => String::new(),
        };
        queue::Bind {
            queue: self.queue(binding % self.queues),
            exchange: self.exchange(),
            routing_key: ShortString::clipped(&routing_key),
            no_wait: true,
            arguments,
        }
    }
}

/// The header that stands for a key in a headers exchange.
fn header(key: u32) -> Table {
    let value = Field::LongString(key.to_string().into_bytes());
    Table::from_iter([(ShortString::clipped("key"), value)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perf::options::tests::parse;

    fn plan(line: &str) -> Plan {
        Plan::new(&parse(line))
    }

    fn keys(line: &str, publisher: u32) -> Vec<String> {
        let round = plan(line).round(publisher);
        round
            .iter()
            .map(|(publish, _)| String::from_utf8(publish.routing_key.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn a_publisher_keeps_to_its_queue_or_goes_round() {
        assert_eq!(keys("--queues 2", 3), ["perf-1"]);
        assert_eq!(keys("--queues 2 --keys 4", 3), ["perf-1", "perf-0", "perf-1", "perf-0"]);
        assert_eq!(keys("--exchange topic --keys 2", 1), ["perf.1.load", "perf.0.load"]);
    }

    #[test]
    fn every_queue_has_a_consumer() {
        assert_eq!(plan("--consumers 2 --queues 5").queues_of(1), [1, 3]);
        assert_eq!(plan("--consumers 5 --queues 2").queues_of(3), [1]);
    }

    #[test]
    fn the_step_is_what_a_queue_sees_of_a_publisher() {
        assert_eq!(plan("--queues 4").step(), 1);
        assert_eq!(plan("--queues 4 --keys 8").step(), 4);
        let fanout = plan("--queues 4 --keys 8 --exchange fanout");
        assert_eq!((fanout.step(), fanout.copies()), (1, 4));
    }

    #[test]
    fn each_topic_key_has_one_binding() {
        let plan = plan("--exchange topic --bindings 3");
        let patterns: Vec<_> = plan.bindings().map(|bind| bind.routing_key.to_string()).collect();
        assert_eq!(patterns, ["perf.0.load", "perf.1.*", "*.2.#"]);
    }
}
