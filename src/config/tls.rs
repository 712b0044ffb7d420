//! Flags about TLS beside the certificates.

use std::path::PathBuf;

use super::first::Secret;

/// Which sessions are taken, and who a client certificate stands for.
#[derive(Clone, Debug, clap::Args)]
pub struct TlsSettings {
    /// The password of the private key, if it is encrypted; everybody on this machine can read a
    /// command line
    #[arg(long, value_name = "PASSWORD", hide_env_values = true)]
    pub tls_key_password: Option<Secret>,

    /// A file with the password of the private key
    #[arg(long, value_name = "FILE")]
    pub tls_key_password_file: Option<PathBuf>,

    /// The versions of TLS that clients may have; may be given more than once
    #[arg(long, value_name = "VERSION", value_enum, default_values_t = TlsVersion::ALL)]
    pub tls_versions: Vec<TlsVersion>,

    /// What of a client certificate is the name that EXTERNAL logs in
    #[arg(long, value_name = "PART", value_enum, default_value_t = LoginFrom::DistinguishedName)]
    pub tls_login_from: LoginFrom,

    /// The type of the alternative names of which one is that name
    #[arg(long, value_name = "TYPE", value_enum, default_value_t = NameType::Dns)]
    pub tls_login_san_type: NameType,

    /// Which of the alternative names of that type it is, from 0
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub tls_login_san_index: usize,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TlsVersion {
    /// TLS 1.2
    #[value(name = "1.2", alias = "tlsv1.2")] // RabbitMQ's word
    V1_2,
    /// TLS 1.3
    #[value(name = "1.3", alias = "tlsv1.3")]
    V1_3,
}

impl TlsVersion {
    const ALL: [Self; 2] = [Self::V1_2, Self::V1_3];
}

/// A part of a client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LoginFrom {
    /// The whole subject, as `CN=alice,O=Example`
    #[value(alias = "distinguished_name")] // RabbitMQ's word
    DistinguishedName,
    /// The common names of the subject, with commas between them
    #[value(alias = "common_name")]
    CommonName,
    /// An alternative name of the subject
    #[value(alias = "subject_alternative_name", alias = "subject_alt_name")]
    SubjectAlternativeName,
}

/// A type of alternative names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum NameType {
    /// A host
    Dns,
    /// An address
    Ip,
    /// A mailbox
    Email,
    /// A URI
    Uri,
}
