//! All settings as flags of `leveret serve`, from which variables and keys of files are made.

use std::path::PathBuf;

use ipnet::IpNet;
use log::LevelFilter;

use crate::broker::FsyncPolicy;
use crate::broker::access::Hashing;
use crate::connection::{CLUSTER, COMPATIBLE_VERSION, Identity, Mechanism, PRODUCT};

use super::first::FirstStart;
use super::limits::ClientLimits;
#[cfg(feature = "tls")]
use super::tls::TlsSettings;
use super::{OFF, values};

/// Where management is if nobody says otherwise.
const MANAGEMENT: &str = if cfg!(feature = "management") { "127.0.0.1:15672" } else { OFF };

/// The flags of `leveret serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// A file with any of these settings, as TOML; or RabbitMQ's, if its name ends in .conf, or a
    /// directory of such
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Refuse a file with unknown keys, instead of warning of them
    #[arg(long)]
    pub strict_config: bool,

    /// Where messages and definitions are kept
    #[arg(long, value_name = "DIR", default_value = "leveret-data")]
    pub data_dir: PathBuf,

    /// Where AMQP clients connect without TLS, or off; may be given more than once; a port alone is
    /// on all IPv4 addresses, port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT|off", default_value = "127.0.0.1:5672",
        value_parser = values::address_or_off)]
    pub listen: Vec<String>,

    /// Where AMQP clients connect with TLS; may be given more than once
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "ADDR:PORT", value_parser = values::address)]
    pub tls_listen: Vec<String>,

    /// The broker's certificate and those between it and its root, as PEM; read again on SIGHUP
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,

    /// The private key of the certificate, as PEM
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Roots that client certificates must come from, as PEM; without it none is asked for
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE")]
    pub tls_client_roots: Option<PathBuf>,

    /// Refuse TLS clients without a certificate
    #[cfg(feature = "tls")]
    #[arg(long)]
    pub tls_client_required: bool,

    /// Sessions, and names in client certificates.
    #[cfg(feature = "tls")]
    #[command(flatten)]
    pub tls: TlsSettings,

    /// How AMQP clients may log in; may be given more than once
    #[arg(long, value_name = "MECHANISM", value_enum, ignore_case = true,
        default_values_t = AuthMechanism::ALL)]
    pub auth_mechanisms: Vec<AuthMechanism>,

    /// A proxy (address or network, such as 10.0.0.0/8) that begins each of its connections with a
    /// PROXY header; may be given more than once
    #[arg(long, value_name = "NET", value_parser = values::network)]
    pub proxy_from: Vec<IpNet>,

    /// When messages are synced to disk: always, interval=200ms or never
    #[arg(long, value_name = "POLICY", default_value_t)]
    pub fsync: FsyncPolicy,

    /// Definitions to import at every start, of a directory all files; a first start makes no vhost
    /// and no user then
    #[arg(long, value_name = "FILE")]
    pub definitions: Option<PathBuf>,

    /// The first start.
    #[command(flatten)]
    pub first: FirstStart,

    /// Users who may connect from this machine only; may be given more than once, empty for nobody
    #[arg(long, value_name = "NAME", default_value = "guest")]
    pub loopback_users: Vec<String>,

    /// How new passwords are hashed: strong, or as RabbitMQ can read it
    #[arg(long, value_name = "HOW", value_enum, default_value_t = PasswordHashing::Strong)]
    pub password_hashing: PasswordHashing,

    /// Publishers are blocked while the disk has less room than this, in bytes or as 50MB, 2GiB
    #[arg(long, value_name = "BYTES", default_value = "50MB", value_parser = values::bytes)]
    pub disk_free_limit: u64,

    /// The same as a multiple of the memory, such as 1.0, instead of bytes
    #[arg(long, value_name = "MULTIPLE", value_parser = values::multiple)]
    pub disk_free_limit_relative: Option<f64>,

    /// Publishers are blocked while the broker uses more than this part of the memory; 0 is never
    #[arg(long, value_name = "FRACTION", default_value_t = 0.6, value_parser = values::fraction)]
    pub memory_high_watermark: f64,

    /// Publishers are blocked while the broker uses more than this, in bytes or as 2GiB; instead of
    /// a part of the memory
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub memory_limit: Option<u64>,

    /// Limits of clients.
    #[command(flatten)]
    pub limits: ClientLimits,

    /// The type of queues that say none, in vhosts that say none: classic, quorum or stream
    #[arg(long, value_name = "TYPE", default_value = "classic",
        value_parser = ["classic", "quorum", "stream"])]
    pub default_queue_type: String,

    /// Do as RabbitMQ 4.3 where Leveret can do more: a prefetch for a whole channel is one for each
    /// consumer; channel.flow with active=false and more than two `#` in a topic pattern are refused
    #[arg(long)]
    pub strict: bool,

    /// What clients and tools are told that this is; many look for RabbitMQ
    #[arg(long, value_name = "NAME", default_value = PRODUCT, value_parser = values::name)]
    pub product: String,

    /// The version of it that they are told; many do what that version of RabbitMQ can do
    #[arg(long, value_name = "VERSION", default_value = COMPATIBLE_VERSION, value_parser = values::name)]
    pub product_version: String,

    /// What clients and tools are told that the cluster is called
    #[arg(long, value_name = "NAME", default_value = CLUSTER, value_parser = values::name)]
    pub cluster_name: String,

    /// Where the HTTP API and the page are, or off
    #[arg(long, value_name = "ADDR:PORT|off", default_value = MANAGEMENT,
        value_parser = values::address_or_off)]
    pub management: String,

    /// Where the HTTP API and the page are with TLS, with the same certificate, or off
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "ADDR:PORT|off", default_value = OFF,
        value_parser = values::address_or_off)]
    pub management_tls: String,

    /// A name that the HTTP API and the page are reached by, besides addresses, localhost and this
    /// machine's name; may be given more than once, * for any
    #[arg(long, value_name = "NAME")]
    pub management_host: Vec<String>,

    /// Believe a proxy in front of the page: X-Forwarded-Host, X-Forwarded-Proto and Forwarded
    #[arg(long)]
    pub management_forwarded: bool,

    /// Where metrics are without a password, as on RabbitMQ's port 15692, or off
    #[arg(long, value_name = "ADDR:PORT|off", default_value = OFF,
        value_parser = values::address_or_off)]
    pub metrics: String,

    /// For tests only: segments and journals so small that they change all the time
    #[arg(long, hide = true)]
    pub tiny_files: bool,

    /// What is logged: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = values::level)]
    pub log: LevelFilter,

    /// How lines of the log are written
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// Publish the log to the exchange amq.rabbitmq.log too, in the vhost /
    #[arg(long)]
    pub log_exchange: bool,
}

impl Config {
    /// What clients and tools are told that this is.
    pub fn identity(&self) -> Identity {
        Identity {
            product: self.product.clone(),
            version: self.product_version.clone(),
            cluster: self.cluster_name.clone(),
        }
    }

    /// The addresses without TLS: none where one of them is `off`.
    pub fn plain_addresses(&self) -> impl Iterator<Item = &String> {
        let off = self.listen.iter().any(|address| address == OFF);
        self.listen.iter().filter(move |_| !off)
    }

    /// The bytes of free disk below which publishers are blocked, with so many bytes of memory.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a multiple of a number of bytes, to the megabyte"
    )]
    pub fn disk_limit(&self, memory: u64) -> u64 {
        let relative = self.disk_free_limit_relative;
        relative.map_or(self.disk_free_limit, |multiple| (memory as f64 * multiple) as u64)
    }

    /// The memory above which publishers are blocked, of `total` octets; 0 is never.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a part of a number of octets, to the megabyte"
    )]
    pub fn memory_limit(&self, total: u64) -> u64 {
        self.memory_limit.unwrap_or((total as f64 * self.memory_high_watermark) as u64)
    }
}

/// How new passwords are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PasswordHashing {
    /// PBKDF2-HMAC-SHA512: slow to guess; RabbitMQ cannot read it
    Strong,
    /// RabbitMQ's salted SHA-512: for definitions that go to RabbitMQ
    Rabbitmq,
}

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people
    #[value(alias = "plaintext")] // RabbitMQ's word
    Text,
    /// An object of JSON in each line
    Json,
}

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum AuthMechanism {
    /// Name and password
    Plain,
    /// Name and password in a table
    Amqplain,
    /// The name in a client certificate
    External,
}

impl AuthMechanism {
    const ALL: [Self; 3] = [Self::Plain, Self::Amqplain, Self::External];
}

impl From<AuthMechanism> for Mechanism {
    fn from(mechanism: AuthMechanism) -> Self {
        match mechanism {
            AuthMechanism::Plain => Self::Plain,
            AuthMechanism::Amqplain => Self::AmqPlain,
            AuthMechanism::External => Self::External,
        }
    }
}

impl From<PasswordHashing> for Hashing {
    fn from(hashing: PasswordHashing) -> Self {
        match hashing {
            PasswordHashing::Strong => Self::Pbkdf2,
            PasswordHashing::Rabbitmq => Self::Sha512,
        }
    }
}
