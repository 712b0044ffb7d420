//! A refusal: what is sent when a client asks for what it may not have.
//!
//! Handlers return it as a value; [`super::Broker`] turns it, at one place, into channel.close or
//! connection.close, by the class of the code (AMQP 0-9-1, section 1.2: "constant", soft and hard).

use crate::wire::{MethodId, ReplyCode, ShortString};

/// Why a method was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The reply code, which also says whether the channel or the connection ends.
    pub code: ReplyCode,
    /// RabbitMQ's words, without the code's name in front.
    pub text: String,
    /// The method that was refused; `None` for the one that is being handled.
    pub method: Option<MethodId>,
}

impl Exception {
    /// A refusal of the method that is being handled.
    pub fn new(code: ReplyCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), method: None }
    }

    /// The text for the wire: `NOT_FOUND - no queue 'q' in vhost '/'`, at most 255 octets.
    pub fn reply_text(&self) -> ShortString {
        ShortString::clipped(&format!("{} - {}", self.code.name(), self.text))
    }
}

/// 403 ACCESS_REFUSED.
pub(super) fn access_refused(text: impl Into<String>) -> Exception {
    Exception::new(ReplyCode::AccessRefused, text)
}

/// 404 NOT_FOUND for a queue.
pub(super) fn no_queue(name: &str, vhost: &str) -> Exception {
    Exception::new(ReplyCode::NotFound, format!("no queue '{name}' in vhost '{vhost}'"))
}

/// 404 NOT_FOUND for an exchange.
pub(super) fn no_exchange(name: &str, vhost: &str) -> Exception {
    Exception::new(ReplyCode::NotFound, format!("no exchange '{name}' in vhost '{vhost}'"))
}

/// 406 PRECONDITION_FAILED.
pub(super) fn precondition_failed(text: impl Into<String>) -> Exception {
    Exception::new(ReplyCode::PreconditionFailed, text)
}

/// 405 RESOURCE_LOCKED for a queue that is exclusive to another connection, in RabbitMQ's words.
pub(super) fn locked(name: &str, vhost: &str) -> Exception {
    Exception::new(
        ReplyCode::ResourceLocked,
        format!(
            "cannot obtain exclusive access to locked queue '{name}' in vhost '{vhost}'. It could \
             be originally declared on another connection or the exclusive property value does \
             not match that of the original declaration."
        ),
    )
}

/// 504 CHANNEL_ERROR.
pub(super) fn channel_error(text: impl Into<String>) -> Exception {
    Exception::new(ReplyCode::ChannelError, text)
}

/// 530 NOT_ALLOWED.
pub(super) fn not_allowed(text: impl Into<String>) -> Exception {
    Exception::new(ReplyCode::NotAllowed, text)
}

/// 530 NOT_ALLOWED for a consumer tag that the channel has already.
pub(super) fn tag_in_use(tag: &str) -> Exception {
    not_allowed(format!("attempt to reuse consumer tag '{tag}'"))
}

/// 540 NOT_IMPLEMENTED.
pub(super) fn not_implemented(text: impl Into<String>) -> Exception {
    Exception::new(ReplyCode::NotImplemented, text)
}
