//! What can be told from outside: by flags, by the environment, by a file.

mod setting;

mod rabbitmq;

mod file;

mod line;

mod source;

pub use line::{command, variable};
pub use setting::FileError;
pub use source::{Changed, Reading, Source};

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgMatches, Args, FromArgMatches};
use ipnet::IpNet;
use log::LevelFilter;

use crate::broker::FsyncPolicy;
use crate::broker::access::Hashing;
use crate::connection::{COMPATIBLE_VERSION, Identity, PRODUCT};

/// What stands for no address.
pub const OFF: &str = "off";

/// The longest name for others, in octets: all of them have to fit into one frame.
const NAME_OCTETS_MAX: usize = 100;

/// Where management is if nobody says otherwise.
const MANAGEMENT: &str = if cfg!(feature = "management") { "127.0.0.1:15672" } else { OFF };

/// The flags of `leveret serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// A file with any of these settings, as TOML; or RabbitMQ's, if its name ends in .conf
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Refuse a file with unknown keys, instead of warning of them
    #[arg(long)]
    pub strict_config: bool,

    /// Where messages and definitions are kept
    #[arg(long, value_name = "DIR", default_value = "leveret-data")]
    pub data_dir: PathBuf,

    /// Where AMQP clients connect; may be given more than once, port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5672")]
    pub listen: Vec<String>,

    /// Where AMQP clients connect with TLS; may be given more than once
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "ADDR:PORT")]
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

    /// A proxy (address or network, such as 10.0.0.0/8) that begins each of its connections with a
    /// PROXY header; may be given more than once
    #[arg(long, value_name = "NET", value_parser = network)]
    pub proxy_from: Vec<IpNet>,

    /// When messages are synced to disk: always, interval=200ms or never
    #[arg(long, value_name = "POLICY", default_value_t)]
    pub fsync: FsyncPolicy,

    /// Definitions to import at every start, of a directory all files; a first start makes no vhost
    /// and no user then
    #[arg(long, value_name = "FILE")]
    pub definitions: Option<PathBuf>,

    /// Users who may connect from this machine only; may be given more than once, empty for nobody
    #[arg(long, value_name = "NAME", default_value = "guest")]
    pub loopback_users: Vec<String>,

    /// How new passwords are hashed: strong, or as RabbitMQ can read it
    #[arg(long, value_name = "HOW", value_enum, default_value_t = PasswordHashing::Strong)]
    pub password_hashing: PasswordHashing,

    /// Publishers are blocked while the disk has less room than this, in bytes or as 50MB, 2GiB
    #[arg(long, value_name = "BYTES", default_value = "50MB", value_parser = octets)]
    pub disk_free_limit: u64,

    /// Publishers are blocked while the broker uses more than this part of the memory; 0 is never
    #[arg(long, value_name = "FRACTION", default_value_t = 0.6, value_parser = fraction)]
    pub memory_high_watermark: f64,

    /// Publishers are blocked while the broker uses more than this, in bytes or as 2GiB; instead of
    /// a part of the memory
    #[arg(long, value_name = "BYTES", value_parser = octets)]
    pub memory_limit: Option<u64>,

    /// Do as RabbitMQ 4.3 where Leveret can do more: a prefetch for a whole channel is one for each
    /// consumer; channel.flow with active=false and more than two `#` in a topic pattern are refused
    #[arg(long)]
    pub strict: bool,

    /// What clients and tools are told that this is; many look for RabbitMQ
    #[arg(long, value_name = "NAME", default_value = PRODUCT, value_parser = name)]
    pub product: String,

    /// The version of it that they are told; many do what that version of RabbitMQ can do
    #[arg(long, value_name = "VERSION", default_value = COMPATIBLE_VERSION, value_parser = name)]
    pub product_version: String,

    /// Where the HTTP API and the page are, or off
    #[arg(long, value_name = "ADDR:PORT|off", default_value = MANAGEMENT)]
    pub management: String,

    /// Where the HTTP API and the page are with TLS, with the same certificate, or off
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "ADDR:PORT|off", default_value = OFF)]
    pub management_tls: String,

    /// Where metrics are without a password, as on RabbitMQ's port 15692, or off
    #[arg(long, value_name = "ADDR:PORT|off", default_value = OFF)]
    pub metrics: String,

    /// For tests only: segments and journals so small that they change all the time
    #[arg(long, hide = true)]
    pub tiny_files: bool,

    /// What is logged: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: LevelFilter,

    /// How lines of the log are written
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// Publish the log to the exchange amq.rabbitmq.log too, in the vhost /
    #[arg(long)]
    pub log_exchange: bool,
}

impl Config {
    /// Reads the command line of `leveret serve` without its first word, the environment, and the
    /// file that one of them names. What is unknown in the file is returned beside, to be warned
    /// of, unless `--strict-config` refuses it.
    ///
    /// # Errors
    /// One line for people: a flag, variable or key that is not understood; a file that cannot be
    /// read. Also the help text, if that was asked for.
    pub fn read(flags: &[OsString]) -> Result<(Self, Vec<FileError>), ConfigError> {
        Self::matches(flags).map(|(_, config, unknown)| (config, unknown))
    }

    /// The same with the settings as they are written.
    fn matches(flags: &[OsString]) -> Result<(ArgMatches, Self, Vec<FileError>), ConfigError> {
        let command = command();
        let matches = command.clone().no_binary_name(true).try_get_matches_from(flags)?;
        let config = Self::from_arg_matches(&matches)?;
        let Some(path) = &config.config else { return Ok((matches, config, Vec::new())) };
        let (mut arguments, mut unknown) = line::arguments(path, &command, &matches)?;
        arguments.extend(flags.iter().cloned());
        let matches = command.no_binary_name(true).try_get_matches_from(arguments)?;
        let config = Self::from_arg_matches(&matches)?;
        if config.strict_config && !unknown.is_empty() {
            return Err(unknown.swap_remove(0).into());
        }
        Ok((matches, config, unknown))
    }

    /// What clients and tools are told that this is.
    pub fn identity(&self) -> Identity {
        Identity { product: self.product.clone(), version: self.product_version.clone() }
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

impl From<PasswordHashing> for Hashing {
    fn from(hashing: PasswordHashing) -> Self {
        match hashing {
            PasswordHashing::Strong => Self::Pbkdf2,
            PasswordHashing::Rabbitmq => Self::Sha512,
        }
    }
}

/// Why the broker cannot be configured so.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line, or a value from the environment or the file. Also a call for help.
    #[error("{}", first_line(.0))]
    Line(#[from] clap::Error),
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What is wrong, without the usage that clap puts behind it.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

impl Default for Config {
    /// What holds when nothing is said: neither flags nor environment.
    fn default() -> Self {
        let command = Self::augment_args(clap::Command::new("leveret"));
        let command = command.mut_args(|arg| arg.env(None::<&'static str>)).no_binary_name(true);
        let matches = command.get_matches_from(Vec::<OsString>::new());
        Self::from_arg_matches(&matches).expect("defaults are valid")
    }
}

/// A number of octets: `1000`, `50MB`, `2GiB`.
fn octets(text: &str) -> Result<u64, String> {
    let units = [
        ("kB", 1000),
        ("MB", 1000 * 1000),
        ("GB", 1000 * 1000 * 1000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ];
    let split = units.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (number, unit) = split.unwrap_or((text, 1));
    let octets = number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    octets.ok_or_else(|| format!("'{text}' is no number of bytes such as 50000000, 50MB or 2GiB"))
}

/// A part of a whole, from 0 to 1.
fn fraction(text: &str) -> Result<f64, String> {
    let parsed = text.parse::<f64>().ok().filter(|part| (0.0..=1.0).contains(part));
    parsed.ok_or_else(|| format!("'{text}' is no fraction from 0 to 1"))
}

/// A name for others: not nothing, and short.
fn name(text: &str) -> Result<String, String> {
    let fits = (1..=NAME_OCTETS_MAX).contains(&text.len());
    fits.then(|| text.to_owned()).ok_or_else(|| "1 to 100 octets are expected".to_owned())
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
    text.parse().ok().or_else(address).ok_or_else(|| "no address or network".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, flags: &[&str]) -> Result<(Config, Vec<String>), String> {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("leveret.toml");
        std::fs::write(&path, file).unwrap();
        let mut words = vec![OsString::from("--config"), path.into()];
        words.extend(flags.iter().map(OsString::from));
        let (config, unknown) = Config::read(&words).map_err(|error| error.to_string())?;
        Ok((config, unknown.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let file = "fsync = 'never'\nlisten = ['127.0.0.1:1', '127.0.0.1:2']\nlog = 'warn'\n";
        let (config, _) = read(file, &["--log", "debug"]).unwrap();
        assert_eq!(config.fsync, FsyncPolicy::Never);
        assert_eq!(config.listen, ["127.0.0.1:1", "127.0.0.1:2"]);
        assert_eq!(config.log, LevelFilter::Debug);
        let (config, _) = read(file, &["--listen", "127.0.0.1:3"]).unwrap();
        assert_eq!(config.listen, ["127.0.0.1:3"]);
    }

    #[test]
    fn a_value_is_refused_in_the_words_of_the_command_line() {
        let error = read("fsync = 'sometimes'", &[]).unwrap_err();
        assert!(error.contains("'sometimes' is not an fsync policy"), "{error}");
    }

    #[test]
    fn unknown_keys_are_warned_of_or_refused() {
        let file = "data_dri = '/d'\n[nothing]\nlike_it = 1\n";
        let (_, unknown) = read(file, &[]).unwrap();
        assert_eq!(unknown.len(), 2);
        assert!(unknown[0].ends_with("unknown key 'data_dri'; did you mean 'data_dir'?"));
        assert!(unknown[1].ends_with("unknown key 'nothing.like_it'"), "{}", unknown[1]);
        let error = read(file, &["--strict-config"]).unwrap_err();
        assert!(error.contains("unknown key 'data_dri'"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let words = ["--config=/nowhere/leveret.toml".into()];
        let error = Config::read(&words).unwrap_err().to_string();
        assert!(error.starts_with("cannot read the configuration /nowhere/leveret.toml: "));
    }

    #[test]
    fn what_rabbitmq_calls_otherwise_is_a_flag_here() {
        let flags = rabbitmq::KEYS.iter().map(|(_, flag, _)| flag);
        for flag in flags.chain(rabbitmq::ENDPOINTS.iter().map(|(_, flag, _)| flag)) {
            let known = command().get_arguments().any(|arg| arg.get_long() == Some(flag));
            assert!(known || cfg!(not(feature = "tls")), "{flag}");
        }
    }

    #[test]
    fn octets_have_units() {
        assert_eq!(octets("123"), Ok(123));
        assert_eq!(octets("50MB"), Ok(50_000_000));
        assert_eq!(octets("2GiB"), Ok(2 << 30));
        for text in ["", "MB", "-1", "1.5GB", "99999999999GiB", "5 parsecs"] {
            assert!(octets(text).is_err(), "{text}");
        }
        assert_eq!(read("", &[]).unwrap().0.memory_limit(1000), 600);
        assert_eq!(read("memory_limit = '2kB'", &[]).unwrap().0.memory_limit(1000), 2000);
        assert!(fraction("0.6").is_ok() && fraction("1.1").is_err() && fraction("NaN").is_err());
    }
}
