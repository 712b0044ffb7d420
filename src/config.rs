//! What can be told from outside, and the limits that follow from the machine.

use std::path::PathBuf;

use log::LevelFilter;

use crate::broker::FsyncPolicy;
use crate::broker::access::Hashing;

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

    /// Definitions to import at every start; a first start makes no vhost and no user then
    #[arg(long, value_name = "FILE")]
    pub definitions: Option<PathBuf>,

    /// Users who may connect from this machine only, separated by commas; empty for none
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "guest")]
    pub loopback_users: Vec<String>,

    /// How new passwords are hashed: strong, or as RabbitMQ can read it
    #[arg(long, value_name = "HOW", value_enum, default_value_t = PasswordHashing::Strong)]
    pub password_hashing: PasswordHashing,

    /// What is logged: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: LevelFilter,
}

/// How new passwords are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PasswordHashing {
    /// PBKDF2-HMAC-SHA512: slow to guess; RabbitMQ cannot read it
    Strong,
    /// RabbitMQ's salted SHA-512: for definitions that go to RabbitMQ
    Rabbitmq,
}

impl From<PasswordHashing> for Hashing {
    fn from(hashing: PasswordHashing) -> Self {
        match hashing {
            PasswordHashing::Strong => Self::Pbkdf2,
            PasswordHashing::Rabbitmq => Self::Sha512,
        }
    }
}
