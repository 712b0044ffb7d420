//! What RabbitMQ 4.3 deprecates or refuses although its users have it: done here, with a warning
//! where that differs from RabbitMQ, and as RabbitMQ does it only where the operator wants it so
//! ([`super::BrokerOptions::strict`]).

use super::Broker;
use super::exception::{Exception, not_implemented};

/// The features that were warned about: each is told once in a process.
#[derive(Debug, Default)]
pub(super) struct Warned {
    transient_queues: bool,
    global_prefetch: bool,
}

impl Broker {
    /// Logs the first declaration of a queue that is neither durable nor exclusive. RabbitMQ 4.3 takes
    /// such queues, and logs that a later version may not.
    pub(super) fn transient_queue(&mut self, subject: &str) {
        if !std::mem::replace(&mut self.warned.transient_queues, true) {
            log::warn!(
                "{subject} is neither durable nor exclusive: RabbitMQ 4.3 takes such queues, and \
                 calls them deprecated"
            );
        }
    }

    /// Checks channel.flow with `active=false`, which pauses deliveries here; in strict mode it ends
    /// the connection, as in RabbitMQ.
    pub(super) fn pause_flow(&self) -> Result<(), Exception> {
        if self.options.strict { Err(not_implemented("active=false")) } else { Ok(()) }
    }

    /// Whether basic.qos with `global` means the channel; in strict mode each consumer, as in
    /// RabbitMQ 4.3.
    pub(super) fn global_prefetch(&mut self) -> bool {
        if self.options.strict {
            return false;
        }
        if !std::mem::replace(&mut self.warned.global_prefetch, true) {
            log::warn!("basic.qos with global=true is in use: RabbitMQ 4.3 treats it as false");
        }
        true
    }
}
