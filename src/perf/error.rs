//! Why a run came to nothing.

use std::io;

use crate::client::ClientError;
use crate::wire::{Method, WireError, channel, connection};

/// A run that could not be made, in one line.
#[derive(Debug, thiserror::Error)]
pub enum PerfError {
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// A file, a thread or standard output failed.
    #[error("{0}: {1}")]
    Io(&'static str, #[source] io::Error),
    /// A connection could not be made.
    #[error("cannot connect to {0}: {1}")]
    Connect(String, #[source] Box<Self>),
    /// The socket failed, or the broker closed it without a word.
    #[error("the connection is lost: {0}")]
    Lost(#[source] io::Error),
    /// The broker sent what is no AMQP.
    #[error("the broker sent no AMQP: {0}")]
    Wire(#[from] WireError),
    /// The broker ended the conversation.
    #[error("the broker closed the {scope}: {code} {text}")]
    Closed {
        /// `channel` or `connection`.
        scope: &'static str,
        /// The reply code, for example 404.
        code: u16,
        /// The broker's words.
        text: String,
    },
    /// Nothing went on any more.
    #[error("nothing has been taken, confirmed or delivered for {0} s, and not all is done")]
    Stalled(f64),
    /// The broker sent a method that has no place here.
    #[error("the broker sent an unexpected {0}")]
    Unexpected(&'static str),
}

impl PerfError {
    /// Makes an error of what the broker says instead of what was asked for.
    pub(super) fn from_method(method: &Method) -> Self {
        let (scope, code, text) = match method {
            Method::Connection(connection::Method::Close(it)) => {
                ("connection", it.reply_code, &it.reply_text)
            }
            Method::Channel(channel::Method::Close(it)) => {
                ("channel", it.reply_code, &it.reply_text)
            }
            other => return Self::Unexpected(other.name()),
        };
        Self::Closed { scope, code, text: text.as_str().replace(['\n', '\r'], " ") }
    }
}

impl From<ClientError> for PerfError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Io(error) => Self::Lost(error),
            ClientError::Wire(error) => Self::Wire(error),
            ClientError::Closed(method) => Self::from_method(&method),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_is_one_line_with_its_code() {
        let line = "channel.close reply_code=404 reply_text=\"NOT_FOUND - no queue 'q'\"";
        let error = PerfError::from_method(&line.parse().unwrap());
        assert_eq!(
            error.to_string(),
            "the broker closed the channel: 404 NOT_FOUND - no queue 'q'"
        );
    }
}
