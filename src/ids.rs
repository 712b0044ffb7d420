//! Newtypes for everything that is counted or named by a number.
//!
//! A bare `u64` in a signature says nothing; these say which counter it is and keep one from being
//! passed for another.

use std::fmt;
use std::time::Duration;

/// Declares a counter newtype with the few operations that its users need.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl $name {
            /// The number after this one.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// A connection, numbered from 1 in the order of acceptance; never used twice in a process.
    ConnectionId(u64),
    "c"
);
id!(
    /// A channel's number within its connection; 0 is the connection itself.
    ChannelNumber(u16),
    ""
);
id!(
    /// A delivery's number within its channel, from 1 (AMQP 0-9-1, section 2.3.5.1).
    DeliveryTag(u64),
    ""
);
id!(
    /// A message's place in its queue: grows by one for each message that enters, never used twice.
    Ordinal(u64),
    "#"
);
id!(
    /// A queue, for as long as the data directory lives; never used twice.
    QueueId(u64),
    "q"
);
id!(
    /// An exchange, for as long as the data directory lives; never used twice.
    ExchangeId(u64),
    "x"
);
id!(
    /// A moment in the journal: everything written before it is durable once it is synced.
    SyncPoint(u64),
    "s"
);

/// A moment of the broker's own time (see the module `clock`), in milliseconds, given from outside.
/// It began as the wall clock's, and follows no step of that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The moment `duration` later, at most the last one that can be written.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}
