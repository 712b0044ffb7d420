//! What can be told from outside, and the limits that follow from the machine.

use std::path::PathBuf;

use log::LevelFilter;

use crate::broker::FsyncPolicy;

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

    /// What is logged: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: LevelFilter,
    /// For tests only: segments and journals so small that they change all the time
    #[arg(long, hide = true)]
    pub tiny_files: bool,
}
