//! The reply codes (section 1.2), one row each.

/// Declares the codes from one table.
macro_rules! reply_codes {
    ($($(#[$doc:meta])* $code:literal $variant:ident $name:literal $scope:ident,)*) => {
        /// A reply code: why a channel or a connection is closed, or a message returned.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ReplyCode {
            $($(#[$doc])* $variant,)*
        }

        impl ReplyCode {
            /// The number on the wire.
            pub const fn code(self) -> u16 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The name that begins RabbitMQ's reply texts: `NOT_FOUND`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whether it ends the connection; a soft one ends the channel.
            pub const fn is_hard(self) -> bool {
                match self { $(Self::$variant => reply_codes!(@$scope),)* }
            }
        }
    };
    (@soft) => { false };
    (@hard) => { true };
}

reply_codes! {
    /// A close that is no failure.
    200 ReplySuccess "REPLY_SUCCESS" soft,
    /// In the specification for bodies that are too long; RabbitMQ says 406 instead.
    311 ContentTooLarge "CONTENT_TOO_LARGE" soft,
    /// A mandatory message reaches no queue (basic.return).
    312 NoRoute "NO_ROUTE" soft,
    /// An immediate message finds no consumer; RabbitMQ never says it.
    313 NoConsumers "NO_CONSUMERS" soft,
    /// An operator closes the connection, or the broker stops.
    320 ConnectionForced "CONNECTION_FORCED" hard,
    /// Unused: an unknown vhost is 530.
    402 InvalidPath "INVALID_PATH" hard,
    /// Not permitted.
    403 AccessRefused "ACCESS_REFUSED" soft,
    /// No such queue or exchange.
    404 NotFound "NOT_FOUND" soft,
    /// The queue is exclusive to another connection.
    405 ResourceLocked "RESOURCE_LOCKED" soft,
    /// Arguments or state do not fit.
    406 PreconditionFailed "PRECONDITION_FAILED" soft,
    /// A malformed frame.
    501 FrameError "FRAME_ERROR" hard,
    /// A frame whose fields cannot be read.
    502 SyntaxError "SYNTAX_ERROR" hard,
    /// An unknown method.
    503 CommandInvalid "COMMAND_INVALID" hard,
    /// A method on a channel that is not open, or not in that state.
    504 ChannelError "CHANNEL_ERROR" hard,
    /// A frame that does not belong there.
    505 UnexpectedFrame "UNEXPECTED_FRAME" hard,
    /// The server has not enough of something.
    506 ResourceError "RESOURCE_ERROR" hard,
    /// Forbidden by a limit or a rule.
    530 NotAllowed "NOT_ALLOWED" hard,
    /// In the protocol, but not in this server.
    540 NotImplemented "NOT_IMPLEMENTED" hard,
    /// The server's own fault.
    541 InternalError "INTERNAL_ERROR" hard,
}
