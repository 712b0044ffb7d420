//! Limits of clients, and what queues have unless they say otherwise.

use std::time::Duration;

use super::values::{bytes, duration};

/// The longest body that may be allowed, in bytes: AMQP lets none be longer.
const MESSAGE_BYTES_MOST: u64 = 512 << 20;

/// Flags about limits.
#[derive(Clone, Debug, clap::Args)]
pub struct ClientLimits {
    /// The most AMQP connections at a time; without it as many as there are descriptors for
    #[arg(long, value_name = "COUNT")]
    pub connection_max: Option<usize>,

    /// The most channels of a connection; 0 is as many as there are numbers
    #[arg(long, value_name = "COUNT", default_value_t = 2047)]
    pub channel_max: u16,

    /// The longest frame that clients are offered, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 131_072,
        value_parser = clap::value_parser!(u32).range(4096..=1 << 20))]
    pub frame_max: u32,

    /// The heartbeat that clients are offered, in seconds; 0 is none
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub heartbeat: u16,

    /// How long a client may take from connecting to connection.open
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub handshake_timeout: Duration,

    /// The longest body of a message, in bytes or as 16MiB
    #[arg(long, value_name = "BYTES", default_value = "16MiB", value_parser = message_bytes)]
    pub max_message_size: u64,

    /// How long a consumer may keep a delivery if neither it nor its queue says so; 0 is for ever
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration)]
    pub consumer_timeout: Duration,
}

fn message_bytes(text: &str) -> Result<u64, String> {
    let found = bytes(text)?;
    let fits = (1..=MESSAGE_BYTES_MOST).contains(&found);
    fits.then_some(found).ok_or_else(|| format!("'{text}' is not from 1 byte to 512MiB"))
}
