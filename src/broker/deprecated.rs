//! What RabbitMQ 4.3 refuses although its users have it: done here, with a warning, and refused
//! only where the operator wants it so ([`super::BrokerOptions::strict`]).

use crate::wire::ReplyCode;

use super::Broker;
use super::exception::Exception;

/// The features that were warned about: each is told once in a process.
#[derive(Debug, Default)]
pub(super) struct Warned {
    transient_queues: bool,
    global_prefetch: bool,
}

impl Broker {
    /// Checks a declaration of a queue that is neither durable nor exclusive.
    pub(super) fn transient_queue(&mut self, subject: &str) -> Result<(), Exception> {
        if self.options.strict {
            let text =
                "Feature `transient_nonexcl_queues` is deprecated. Its use is not permitted.";
            return Err(Exception::new(ReplyCode::InternalError, text));
        }
        if !std::mem::replace(&mut self.warned.transient_queues, true) {
            log::warn!(
                "{subject} is neither durable nor exclusive: RabbitMQ 4.3 refuses such queues"
            );
        }
        Ok(())
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
