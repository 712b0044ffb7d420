//! TLS: certificates, and the encrypted socket of a client of AMQP.
//!
//! ```text
//!   socket ── read_tls ──▶ rustls ── plaintext ──▶ Connection
//!          ◀─ write_tls ──        ◀───────────────
//! ```
//!
//! A handshake happens in its connection's own thread, within the time that a client has to log in.
//! Certificates are read at the start and when they are asked to be read again: a connection keeps
//! those that it began with.
//!
//! Left out: revocation lists, and other versions than 1.2 and 1.3.

use std::fs;
use std::io::{self, BufRead, ErrorKind, IoSlice, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::warn;
use parking_lot::RwLock;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};

use crate::config::{Config, OFF, TlsSettings, TlsVersion};

use super::certificate_name::NameRule;
use super::private_key;

/// Octets of plaintext that may wait to be encrypted and written.
const PLAINTEXT_OCTETS_MAX: usize = 128 * 1024;

/// Where the certificates are, as PEM.
#[derive(Clone, Debug)]
pub(super) struct TlsFiles {
    /// The broker's certificate, followed by those between it and its root.
    pub(super) certificate: PathBuf,
    /// Its private key.
    pub(super) key: PathBuf,
    /// The roots that client certificates must come from; `None` asks for no certificate.
    pub(super) client_roots: Option<PathBuf>,
    /// Refuse clients without a certificate.
    pub(super) client_required: bool,
    /// The key's password, the versions, and who a client certificate stands for.
    pub(super) settings: TlsSettings,
}

impl TlsFiles {
    /// The files that a configuration names, if it does.
    pub(super) fn of(config: &Config) -> Result<Option<Self>, TlsError> {
        let needed = !config.tls_listen.is_empty() || config.management_tls != OFF;
        let (Some(certificate), Some(key)) = (&config.tls_certificate, &config.tls_key) else {
            let given = [&config.tls_certificate, &config.tls_key, &config.tls_client_roots];
            return match given.into_iter().flatten().next() {
                _ if needed => Err(TlsError::Missing),
                Some(path) => Err(TlsError::Unused(path.clone())),
                None if config.tls_client_required => Err(TlsError::Missing),
                None => Ok(None),
            };
        };
        if !needed {
            return Err(TlsError::Unused(certificate.clone()));
        }
        Ok(Some(Self {
            certificate: certificate.clone(),
            key: key.clone(),
            client_roots: config.tls_client_roots.clone(),
            client_required: config.tls_client_required,
            settings: config.tls.clone(),
        }))
    }
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not what it should be.
    #[error("cannot use {} for TLS: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is an address for TLS and nothing to show there.
    #[error("TLS needs a certificate and its key: --tls-certificate FILE --tls-key FILE")]
    Missing,
    /// There is a certificate, and no address to show it: clients would come without TLS.
    #[error("{} is for TLS, and there is no address for it: --tls-listen ADDR:PORT", .0.display())]
    Unused(PathBuf),
    /// Certificates of clients are required and cannot be checked.
    #[error("--tls-client-required needs --tls-client-roots FILE")]
    NoRoots,
    /// The files do not fit together, such as a key of another certificate.
    #[error("cannot use the certificate for TLS: {0}")]
    Settings(#[from] rustls::Error),
}

/// The certificates in use.
#[derive(Debug)]
pub(super) struct Tls {
    current: RwLock<Sessions>,
}

/// How new sessions begin.
#[derive(Debug)]
struct Sessions {
    /// Those of AMQP.
    amqp: Arc<ServerConfig>,
    /// Those of management, whose clients have passwords and are asked for no certificate.
    management: Arc<ServerConfig>,
    /// Who a client certificate stands for.
    rule: NameRule,
}

impl Tls {
    /// Reads the certificates.
    pub(super) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self { current: RwLock::new(sessions(files)?) })
    }

    /// Reads them again, perhaps from other files, for connections that come from now on. If they
    /// cannot be used, those there are stay in use.
    pub(super) fn reload(&self, files: &TlsFiles) -> Result<(), TlsError> {
        let fresh = sessions(files)?;
        *self.current.write() = fresh;
        Ok(())
    }

    /// A session with a client of management.
    pub(super) fn management(&self) -> io::Result<ServerConnection> {
        session(Arc::clone(&self.current.read().management))
    }

    /// A client's socket, encrypted from its first octet.
    pub(super) fn accept(&self, stream: TcpStream) -> io::Result<Secured> {
        let current = self.current.read();
        let session = session(Arc::clone(&current.amqp))?;
        Ok(Secured { stream, session, rule: current.rule, named: false })
    }
}

fn session(config: Arc<ServerConfig>) -> io::Result<ServerConnection> {
    let mut session = ServerConnection::new(config).map_err(io::Error::other)?;
    session.set_buffer_limit(Some(PLAINTEXT_OCTETS_MAX));
    Ok(session)
}

fn sessions(files: &TlsFiles) -> Result<Sessions, TlsError> {
    warn_of_open_key(&files.key);
    let amqp = server_config(files)?;
    let unasked = TlsFiles { client_roots: None, client_required: false, ..files.clone() };
    let management = server_config(&unasked)?;
    let rule = NameRule::of(&files.settings);
    Ok(Sessions { amqp: Arc::new(amqp), management: Arc::new(management), rule })
}

fn server_config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = private_key::read(&files.key, files.settings.tls_key_password.as_ref())
        .map_err(|reason| unusable(&files.key, &reason))?;
    let builder = ServerConfig::builder_with_protocol_versions(&versions(&files.settings));
    let builder = match &files.client_roots {
        None if files.client_required => return Err(TlsError::NoRoots),
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(path)? {
                roots.add(root)?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
            let verifier =
                if files.client_required { verifier } else { verifier.allow_unauthenticated() };
            let verifier = verifier.build().map_err(|error| unusable(path, &error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    builder.with_single_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            let certificate = files.certificate.display();
            unusable(&files.key, &format!("it is not the key of the certificate {certificate}"))
        }
        error => error.into(),
    })
}

/// The versions that clients may have.
fn versions(settings: &TlsSettings) -> Vec<&'static SupportedProtocolVersion> {
    let version = |version: &TlsVersion| match version {
        TlsVersion::V1_2 => &rustls::version::TLS12,
        TlsVersion::V1_3 => &rustls::version::TLS13,
    };
    settings.tls_versions.iter().map(version).collect()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(path).map_err(|error| unusable(path, &error))?;
    let found: Result<Vec<_>, _> = found.collect();
    let found = found.map_err(|error| unusable(path, &error))?;
    if found.is_empty() {
        return Err(unusable(path, "there is no certificate in it"));
    }
    Ok(found)
}

fn unusable(path: &Path, reason: &(impl ToString + ?Sized)) -> TlsError {
    TlsError::File { path: path.to_owned(), reason: reason.to_string() }
}

/// Says so if others than the owner can read the private key. Whether it can be read at all is
/// found out by reading it.
fn warn_of_open_key(path: &Path) {
    if fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0) {
        warn!("the private key {} can be read by others than its owner", path.display());
    }
}

/// A client's socket with its TLS session.
#[derive(Debug)]
pub(super) struct Secured {
    stream: TcpStream,
    session: ServerConnection,
    rule: NameRule,
    /// [`Self::client_name`] has been asked for after the handshake.
    named: bool,
}

impl Secured {
    /// The socket itself.
    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Reads what has come and appends what it says. Returns how much that is, which may be
    /// nothing; `None` when the client will say no more.
    pub(super) fn read(&mut self, into: &mut Vec<u8>) -> io::Result<Option<usize>> {
        match self.session.read_tls(&mut self.stream) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if is_passing(&error) => return Ok(Some(0)),
            Err(error) => return Err(error),
        }
        if let Err(error) = self.session.process_new_packets() {
            // The client is told why, if it still listens.
            let _ = self.session.write_tls(&mut self.stream);
            return Err(io::Error::new(ErrorKind::InvalidData, format!("TLS: {error}")));
        }
        let before = into.len();
        let mut reader = self.session.reader();
        loop {
            match reader.fill_buf() {
                Ok([]) => break,
                Ok(octets) => {
                    into.extend_from_slice(octets);
                    let length = octets.len();
                    reader.consume(length);
                }
                Err(error) if is_passing(&error) => return Ok(Some(into.len() - before)),
                Err(error) => return Err(error),
            }
        }
        Ok((into.len() > before).then(|| into.len() - before))
    }

    /// Encrypts as much as there is room for, and writes what the socket takes.
    pub(super) fn write(&mut self, runs: &[IoSlice<'_>]) -> io::Result<usize> {
        let taken = self.session.writer().write_vectored(runs)?;
        self.flush()?;
        if taken == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    /// Writes what is encrypted. Returns whether that is all.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.stream) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Says that nothing more comes.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.session.send_close_notify();
        self.flush().map(drop)
    }

    /// Who the certificate that the client has shown stands for: once, when the handshake is done.
    pub(super) fn client_name(&mut self) -> Option<String> {
        if self.named || self.session.is_handshaking() {
            return None;
        }
        self.named = true;
        self.rule.name(self.session.peer_certificates()?.first()?)
    }
}

pub(super) fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
