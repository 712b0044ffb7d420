//! Durable queues, exchanges and bindings that come and go. After a restart they are as the last
//! answer said; what was under way may have happened, whole, or not.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use leveret::client::{Client, ClientError};
use leveret::ids::ChannelNumber;
use leveret::wire::{
    Method, Properties, ShortBytes, ShortString, basic, channel, confirm, exchange, queue,
};

use crate::random::Random;

const QUEUES: u64 = 5;
const EXCHANGES: u64 = 3;

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topology {
    queues: BTreeSet<u64>,
    exchanges: BTreeSet<u64>,
    /// Exchange, queue; the routing key is the queue's name.
    bindings: BTreeSet<(u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Queue(u64),
    Exchange(u64),
    Bind(u64, u64),
    Unbind(u64, u64),
    NoQueue(u64),
    NoExchange(u64),
}

/// What was answered, and what was asked and not answered.
#[derive(Debug, Default)]
pub(crate) struct Known {
    sure: Topology,
    asked: Option<Change>,
}

impl Topology {
    fn change(&mut self, change: Change) {
        match change {
            Change::Queue(queue) => drop(self.queues.insert(queue)),
            Change::Exchange(exchange) => drop(self.exchanges.insert(exchange)),
            Change::Bind(exchange, queue) => drop(self.bindings.insert((exchange, queue))),
            Change::Unbind(exchange, queue) => drop(self.bindings.remove(&(exchange, queue))),
            Change::NoQueue(queue) => {
                self.queues.remove(&queue);
                self.bindings.retain(|binding| binding.1 != queue);
            }
            Change::NoExchange(exchange) => {
                self.exchanges.remove(&exchange);
                self.bindings.retain(|binding| binding.0 != exchange);
            }
        }
    }

    /// A change that the broker will not refuse.
    fn some_change(&self, random: &mut Random) -> Change {
        let (exchange, queue) = (random.below(EXCHANGES), random.below(QUEUES));
        let bound = self.bindings.contains(&(exchange, queue));
        match random.below(8) {
            0 => Change::NoQueue(queue),
            1 => Change::NoExchange(exchange),
            _ if !self.queues.contains(&queue) => Change::Queue(queue),
            _ if !self.exchanges.contains(&exchange) => Change::Exchange(exchange),
            _ if bound => Change::Unbind(exchange, queue),
            _ => Change::Bind(exchange, queue),
        }
    }
}

impl Known {
    /// Compares what is there with what was answered; fails if the broker dies meanwhile.
    pub(crate) fn check(&mut self, address: SocketAddr) -> Result<(), ClientError> {
        let found = Topology::found(address)?;
        let mut other = self.sure.clone();
        if let Some(change) = self.asked.take() {
            other.change(change);
        }
        let sure = &self.sure;
        assert!(found == *sure || found == other, "{found:?}, neither {sure:?} nor {other:?}");
        self.sure = found;
        Ok(())
    }

    /// Changes the topology in a thread of its own, until the broker dies or that is told to stop.
    pub(crate) fn keep_changing(mut self, address: SocketAddr, seed: u64) -> Changing {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let _ = self.run(address, Random(seed), &stopped);
            self
        });
        Changing { stop, thread }
    }

    fn run(
        &mut self,
        address: SocketAddr,
        mut random: Random,
        stop: &AtomicBool,
    ) -> Result<(), ClientError> {
        let mut client = Client::connect(address, "guest", "guest")?;
        let channel = client.open_channel(1)?;
        while !stop.load(Ordering::Relaxed) {
            let change = self.sure.some_change(&mut random);
            self.asked = Some(change);
            client.call(channel, method(change))?;
            self.sure.change(change);
            self.asked = None;
        }
        Ok(())
    }
}

/// A thread that changes the topology.
pub(crate) struct Changing {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Known>,
}

impl Changing {
    pub(crate) fn end(self) -> Known {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn queue_name(number: u64) -> ShortString {
    ShortString::clipped(&format!("queue {number}"))
}

fn exchange_name(number: u64) -> ShortString {
    ShortString::clipped(&format!("exchange {number}"))
}

fn declare_queue(number: u64, passive: bool) -> Method {
    let queue = queue_name(number);
    queue::Declare { queue, durable: true, passive, ..Default::default() }.into()
}

fn declare_exchange(number: u64, passive: bool) -> Method {
    let (exchange, kind) = (exchange_name(number), ShortString::clipped("direct"));
    exchange::Declare { exchange, kind, durable: true, passive, ..Default::default() }.into()
}

fn method(change: Change) -> Method {
    match change {
        Change::Queue(queue) => declare_queue(queue, false),
        Change::Exchange(exchange) => declare_exchange(exchange, false),
        Change::Bind(exchange, queue) => {
            let (exchange, queue) = (exchange_name(exchange), queue_name(queue));
            let routing_key = queue.clone();
            queue::Bind { queue, exchange, routing_key, ..Default::default() }.into()
        }
        Change::Unbind(exchange, queue) => {
            let (exchange, queue) = (exchange_name(exchange), queue_name(queue));
            let routing_key = queue.clone();
            queue::Unbind { queue, exchange, routing_key, ..Default::default() }.into()
        }
        Change::NoQueue(queue) => {
            queue::Delete { queue: queue_name(queue), ..Default::default() }.into()
        }
        Change::NoExchange(exchange) => {
            exchange::Delete { exchange: exchange_name(exchange), ..Default::default() }.into()
        }
    }
}

impl Topology {
    /// What a broker has, as far as a client can tell.
    fn found(address: SocketAddr) -> Result<Self, ClientError> {
        let mut client = Client::connect(address, "guest", "guest")?;
        let mut found = Self::default();
        for queue in 0..QUEUES {
            if exists(&mut client, declare_queue(queue, true))? {
                found.queues.insert(queue);
            }
        }
        for exchange in 0..EXCHANGES {
            if exists(&mut client, declare_exchange(exchange, true))? {
                found.exchanges.insert(exchange);
            }
        }
        let channel = client.open_channel(1)?;
        client.call(channel, confirm::Select { no_wait: false })?;
        for &exchange in &found.exchanges {
            for &queue in &found.queues {
                if routes(&mut client, channel, exchange, queue)? {
                    found.bindings.insert((exchange, queue));
                }
            }
        }
        Ok(found)
    }
}

/// Whether a passive declaration is answered with ok.
fn exists(client: &mut Client, declare: Method) -> Result<bool, ClientError> {
    let number = client.open_channel(1)?;
    match client.call(number, declare) {
        Ok(_) => client.call(number, channel::Close::default()).map(|_| true),
        Err(ClientError::Closed(close)) if matches!(*close, Method::Channel(_)) => {
            client.send(number, channel::CloseOk {});
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Whether a message arrives by a binding; a mandatory one comes back if there is none.
fn routes(
    client: &mut Client,
    channel: ChannelNumber,
    exchange: u64,
    queue: u64,
) -> Result<bool, ClientError> {
    let exchange = exchange_name(exchange);
    let routing_key = ShortBytes::clipped(queue_name(queue).as_str().as_bytes());
    let publish = basic::Publish { exchange, routing_key, mandatory: true, ..Default::default() };
    client.publish(channel, publish, &Properties::default(), b"");
    client.flush()?;
    let mut routed = true;
    while let Some(incoming) = client.receive(std::time::Duration::from_secs(30))? {
        match incoming.method {
            Method::Basic(basic::Method::Return(_)) => routed = false,
            Method::Basic(basic::Method::Ack(_)) => return Ok(routed),
            _ => {}
        }
    }
    panic!("neither a return nor a confirm");
}
