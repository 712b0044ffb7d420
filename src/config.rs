//! What can be told from outside, and the limits that follow from the machine.

use std::path::PathBuf;

use log::LevelFilter;

use crate::broker::FsyncPolicy;

/// What stands for no address.
pub const OFF: &str = "off";

/// Where management is if nobody says otherwise.
const MANAGEMENT: &str = if cfg!(feature = "management") { "127.0.0.1:15672" } else { OFF };

/// The flags of `leveret serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Where messages and definitions are kept
    #[arg(long, value_name = "DIR", env = "LEVERET_DATA_DIR", default_value = "leveret-data")]
    pub data_dir: PathBuf,

    /// Where AMQP clients connect; may be given more than once, port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5672")]
    pub listen: Vec<String>,

    /// When messages are synced to disk: always, interval=200ms or never
    #[arg(long, value_name = "POLICY", default_value_t)]
    pub fsync: FsyncPolicy,

    /// Where the HTTP API and the page are, or off
    #[arg(long, value_name = "ADDR:PORT|off", default_value = MANAGEMENT)]
    pub management: String,

    /// Where metrics are without a password, as on RabbitMQ's port 15692, or off
    #[arg(long, value_name = "ADDR:PORT|off", default_value = OFF)]
    pub metrics: String,

    /// What is logged: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: LevelFilter,
}
