//! Encrypted connections: who is let in, and with which certificates.

use std::fs;
use std::io;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::endings::frame;
use super::*;
use crate::config::{AuthMechanism, LoginFrom, Secret, TlsVersion};
use crate::wire::connection;

/// A root and what it signs.
struct Authority {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { certificate: params.self_signed(&key).unwrap(), key }
    }

    /// Writes `name.pem` and `name.key`; the certificate is good until the end of a year.
    fn issue(&self, directory: &Path, name: &str, until: i32) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 12, 31);
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// A broker with TLS whose client certificates come from `authority`.
fn start_secured(directory: &TempDir, authority: &Authority, client_required: bool) -> Server {
    authority.issue(directory.path(), "server", 4000);
    fs::write(directory.path().join("roots.pem"), authority.certificate.pem()).unwrap();
    Server::start(&secured(directory, client_required)).unwrap()
}

fn secured(directory: &TempDir, client_required: bool) -> Config {
    let path = directory.path();
    Config {
        tls_listen: vec!["127.0.0.1:0".to_owned()],
        tls_certificate: Some(path.join("server.pem")),
        tls_key: Some(path.join("server.key")),
        tls_client_roots: Some(path.join("roots.pem")),
        tls_client_required: client_required,
        ..config(directory)
    }
}

/// As [`greet_on`], without the socket.
fn greet(
    server: &Server,
    authority: &Authority,
    identity: Option<(&Path, &str)>,
) -> io::Result<ClientConnection> {
    greet_on(server, authority, identity).map(|stream| stream.conn)
}

/// Connects, says the protocol header, and reads the beginning of connection.start.
fn greet_on(
    server: &Server,
    authority: &Authority,
    identity: Option<(&Path, &str)>,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let versions = rustls::ALL_VERSIONS;
    let mut stream = reach(&server.addresses()[1], authority, identity, versions);
    stream.write_all(&PROTOCOL_HEADER)?;
    let mut frame = [0; 7];
    stream.read_exact(&mut frame)?;
    assert_eq!(frame[..3], [1, 0, 0], "a method frame on channel 0");
    Ok(stream)
}

/// A client's socket that has not said anything.
fn reach(
    address: &SocketAddr,
    authority: &Authority,
    identity: Option<(&Path, &str)>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_protocol_versions(versions);
    let builder = builder.with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((directory, name)) => {
            let chain = CertificateDer::from_pem_file(directory.join(format!("{name}.pem")));
            let key = PrivateKeyDer::from_pem_file(directory.join(format!("{name}.key")));
            builder.with_client_auth_cert(vec![chain.unwrap()], key.unwrap()).unwrap()
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(config.into(), name).unwrap();
    StreamOwned::new(session, TcpStream::connect(address).unwrap())
}

/// The next method that the server sends.
fn next_method(stream: &mut impl Read) -> io::Result<Method> {
    let mut head = [0; 7];
    stream.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
    let mut payload = vec![0; length as usize + 1];
    stream.read_exact(&mut payload)?;
    payload.pop();
    Method::decode(&payload).map_err(io::Error::other)
}

#[test]
fn a_client_is_served_with_and_without_a_certificate() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::named("root");
    let server = start_secured(&directory, &authority, false);
    authority.issue(directory.path(), "client", 4000);
    greet(&server, &authority, None).unwrap();
    greet(&server, &authority, Some((directory.path(), "client"))).unwrap();
    server.stop();
}

#[test]
fn an_encrypted_client_that_closed_may_go_on_writing() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::named("root");
    let server = start_secured(&directory, &authority, false);
    let mut stream = greet_on(&server, &authority, None).unwrap();
    stream.sock.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let close = connection::Close { reply_code: 200, ..Default::default() };
    stream.write_all(&frame(0, close)).unwrap();
    let mut answer = Vec::new();
    // The session is closed in order: else this would be an unexpected end.
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(&frame(0, connection::CloseOk::default())));
    for _ in 0..100 {
        stream.write_all(&[0; 64 * 1024]).unwrap();
    }
    server.stop();
}

#[test]
fn a_client_with_a_wrong_certificate_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let authority = Authority::named("root");
    let server = start_secured(&directory, &authority, true);
    authority.issue(path, "client", 4000);
    authority.issue(path, "expired", 2002);
    Authority::named("stranger").issue(path, "stranger", 4000);
    greet(&server, &authority, Some((path, "client"))).unwrap();
    for (identity, alert) in [
        (None, "CertificateRequired"),
        (Some((path, "expired")), "CertificateExpired"),
        (Some((path, "stranger")), "UnknownCA"),
    ] {
        let error = greet(&server, &authority, identity).unwrap_err();
        assert!(error.to_string().contains(alert), "{alert}: {error}");
    }
    // Somebody who does not speak TLS is no trouble to others.
    let mut plain = TcpStream::connect(server.addresses()[1]).unwrap();
    plain.write_all(&PROTOCOL_HEADER).unwrap();
    let mut alert = Vec::new();
    plain.read_to_end(&mut alert).unwrap();
    greet(&server, &authority, Some((path, "client"))).unwrap();
    server.stop();
}

#[test]
fn certificates_are_read_again_and_bad_ones_not_taken() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::named("root");
    let server = start_secured(&directory, &authority, false);
    let shown = || greet(&server, &authority, None).unwrap().peer_certificates().unwrap().to_vec();
    let first = shown();
    authority.issue(directory.path(), "server", 4001);
    assert_eq!(shown(), first);
    server.reload(&secured(&directory, false)).unwrap();
    let second = shown();
    assert_ne!(second, first);
    fs::write(directory.path().join("server.pem"), "no certificate").unwrap();
    server.reload(&secured(&directory, false)).unwrap_err();
    assert_eq!(shown(), second);
    server.stop();
}

#[test]
fn unusable_certificates_are_an_error_with_their_name() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::named("root");
    authority.issue(directory.path(), "one", 4000);
    authority.issue(directory.path(), "other", 4000);
    let start = |certificate: &str, key: &str| {
        let config = Config {
            tls_listen: vec!["127.0.0.1:0".to_owned()],
            tls_certificate: Some(directory.path().join(certificate)),
            tls_key: Some(directory.path().join(key)),
            ..config(&directory)
        };
        Server::start(&config).unwrap_err().to_string()
    };
    assert!(start("none.pem", "one.key").contains("none.pem"));
    assert!(start("one.key", "one.key").contains("there is no certificate in it"));
    assert!(start("one.pem", "other.key").contains("other.key for TLS: it is not the key of"));
    assert!(start("one.pem", "one.pem").contains("there is no private key in it"));
}

#[test]
fn a_certificate_that_nobody_would_be_shown_stops_the_start() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::named("root");
    authority.issue(directory.path(), "server", 4000);
    let whole = secured(&directory, false);
    for config in [
        Config { tls_listen: Vec::new(), ..whole.clone() },
        Config { tls_listen: Vec::new(), tls_key: None, ..whole.clone() },
        Config { tls_listen: Vec::new(), tls_key: None, tls_certificate: None, ..whole },
    ] {
        let error = Server::start(&config).unwrap_err().to_string();
        assert!(error.contains("there is no address for it: --tls-listen"), "{error}");
        assert!(!config.data_dir.exists(), "nothing is made");
    }
}

#[test]
fn only_the_versions_of_the_settings_are_spoken() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::named("root");
    authority.issue(directory.path(), "server", 4000);
    fs::write(directory.path().join("roots.pem"), authority.certificate.pem()).unwrap();
    let mut config = secured(&directory, false);
    config.tls.tls_versions = vec![TlsVersion::V1_3];
    config.listen = vec!["off".to_owned()];
    let server = Server::start(&config).unwrap();
    let [address] = server.addresses() else { unreachable!("no plain address") };
    let hello = |version| {
        let mut stream = reach(address, &authority, None, &[version]);
        stream.write_all(&PROTOCOL_HEADER)?;
        next_method(&mut stream)
    };
    assert!(hello(&rustls::version::TLS13).is_ok());
    let error = hello(&rustls::version::TLS12).unwrap_err().to_string();
    assert!(error.contains("ProtocolVersion"), "{error}");
    server.stop();
}

#[test]
fn external_logs_in_the_name_that_the_settings_mean() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::named("root");
    authority.issue(directory.path(), "server", 4000);
    authority.issue(directory.path(), "guest", 4000);
    fs::write(directory.path().join("roots.pem"), authority.certificate.pem()).unwrap();
    let mut config = secured(&directory, false);
    config.tls.tls_login_from = LoginFrom::CommonName;
    config.auth_mechanisms = vec![AuthMechanism::External];
    let server = Server::start(&config).unwrap();
    let greeted = |identity| {
        let versions = rustls::ALL_VERSIONS;
        let mut stream = reach(&server.addresses()[1], &authority, identity, versions);
        stream.write_all(&PROTOCOL_HEADER).unwrap();
        match next_method(&mut stream).unwrap() {
            Method::Connection(connection::Method::Start(start)) => (stream, start.mechanisms),
            other => unreachable!("{other}"),
        }
    };
    // Without a certificate there is no way in.
    assert_eq!(greeted(None).1, b"");
    let (mut stream, mechanisms) = greeted(Some((directory.path(), "guest")));
    assert_eq!(mechanisms, b"EXTERNAL");
    let mechanism = ShortString::clipped("EXTERNAL");
    let start_ok = connection::StartOk { mechanism, ..Default::default() };
    stream.write_all(&frame(0, start_ok)).unwrap();
    let tune = next_method(&mut stream).unwrap();
    assert!(matches!(tune, Method::Connection(connection::Method::Tune(_))), "{tune}");
    // A password is no way in, also not for who knows one.
    assert!(Client::connect(server.addresses()[0], "guest", "guest").is_err());
    drop(stream);
    server.stop();
}

#[test]
fn an_encrypted_key_needs_its_password() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::named("root");
    authority.issue(directory.path(), "server", 4000);
    fs::write(directory.path().join("roots.pem"), authority.certificate.pem()).unwrap();
    let path = directory.path().join("server.key");
    let plain = PrivateKeyDer::from_pem_file(&path).unwrap();
    let plain = pkcs8::PrivateKeyInfo::try_from(plain.secret_der()).unwrap();
    let parameters =
        pkcs8::pkcs5::pbes2::Parameters::pbkdf2_sha256_aes256cbc(100, b"saltsalt", &[7; 16]);
    let encrypted = plain.encrypt_with_params(parameters.unwrap(), b"geheim").unwrap();
    let pem = encrypted.to_pem("ENCRYPTED PRIVATE KEY", pkcs8::LineEnding::LF).unwrap();
    fs::write(&path, pem.as_bytes()).unwrap();
    let start = |password: Option<&str>| {
        let mut config = secured(&directory, false);
        config.tls.tls_key_password = password.map(|password| Secret(password.to_owned()));
        Server::start(&config).map_err(|error| error.to_string())
    };
    assert!(start(None).unwrap_err().contains("it is encrypted: --tls-key-password-file"));
    let error = start(Some("falsch")).unwrap_err();
    assert!(error.contains("its password is another one") && !error.contains("falsch"), "{error}");
    let server = start(Some("geheim")).unwrap();
    greet(&server, &authority, None).unwrap();
    server.stop();
    fs::write(&path, "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n").unwrap();
    assert!(start(Some("geheim")).unwrap_err().contains("openssl pkcs8 -topk8"));
}
