//! What can be told from outside, and the limits that follow from the machine.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
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

    /// Where AMQP clients connect with TLS; may be given more than once
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "ADDR:PORT", requires_all = ["tls_certificate", "tls_key"])]
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
    #[arg(long, requires = "tls_client_roots")]
    pub tls_client_required: bool,

    /// A proxy (address or network, such as 10.0.0.0/8) that begins each of its connections with a
    /// PROXY header; may be given more than once
    #[arg(long, value_name = "NET", value_parser = network)]
    pub proxy_from: Vec<IpNet>,

    /// When messages are synced to disk: always, interval=200ms or never
    #[arg(long, value_name = "POLICY", default_value_t)]
    pub fsync: FsyncPolicy,

    /// What is logged: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: LevelFilter,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("leveret-data"),
            listen: vec!["127.0.0.1:5672".to_owned()],
            #[cfg(feature = "tls")]
            tls_listen: Vec::new(),
            #[cfg(feature = "tls")]
            tls_certificate: None,
            #[cfg(feature = "tls")]
            tls_key: None,
            #[cfg(feature = "tls")]
            tls_client_roots: None,
            #[cfg(feature = "tls")]
            tls_client_required: false,
            proxy_from: Vec::new(),
            fsync: FsyncPolicy::default(),
            log: LevelFilter::Info,
        }
    }
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
    text.parse().ok().or_else(address).ok_or_else(|| "no address or network".to_owned())
}
