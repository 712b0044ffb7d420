//! Management with TLS: HTTPS with the broker's certificate, which may be read again.
#![cfg(all(feature = "management", feature = "tls"))]
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use leveret::admin::Admin;
use leveret::config::{Config, OFF};
use leveret::server::Server;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

struct Stage {
    config: Config,
    server: Option<Server>,
    admin: Option<Admin>,
    _directory: TempDir,
}

impl Stage {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().to_path_buf();
        let config = Config {
            data_dir: path.join("data"),
            listen: vec!["127.0.0.1:0".to_owned()],
            management: OFF.to_owned(),
            management_tls: "127.0.0.1:0".to_owned(),
            tls_certificate: Some(path.join("server.pem")),
            tls_key: Some(path.join("server.key")),
            ..Config::default()
        };
        issue(&config);
        let server = Server::start(&config).unwrap();
        let admin = Admin::start(&config, &server).unwrap();
        Self { config, server: Some(server), admin: Some(admin), _directory: directory }
    }

    fn socket(&self) -> TcpStream {
        let address = self.admin.as_ref().and_then(Admin::tls_address).unwrap();
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        socket
    }

    /// Asks for the name of the user, and takes no certificate but that of the file.
    fn ask(&self) -> std::io::Result<String> {
        let mut roots = RootCertStore::empty();
        let certificate = self.config.tls_certificate.as_ref().unwrap();
        roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(session, self.socket());
        stream.write_all(
            b"GET /api/whoami HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
              Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n",
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.admin.take());
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }
}

fn issue(config: &Config) {
    let CertifiedKey { cert, key_pair } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(config.tls_certificate.as_ref().unwrap(), cert.pem()).unwrap();
    fs::write(config.tls_key.as_ref().unwrap(), key_pair.serialize_pem()).unwrap();
}

#[test]
fn the_api_answers_over_https_while_others_hold_their_tongue() {
    let stage = Stage::new();
    let mut plain = stage.socket();
    let _silent = stage.socket();
    plain.write_all(b"GET /api/whoami HTTP/1.1\r\n\r\n").unwrap();
    let answer = stage.ask().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\"name\":\"guest\""), "{answer}");
    assert!(answer.contains("\r\nStrict-Transport-Security: max-age=31536000\r\n"), "{answer}");
    let mut alert = Vec::new();
    plain.read_to_end(&mut alert).unwrap();
    assert_eq!(alert.first(), Some(&21), "plain HTTP gets an alert, not an answer: {alert:?}");
}

#[test]
fn a_new_certificate_is_shown_when_it_is_read_again() {
    let stage = Stage::new();
    issue(&stage.config);
    let error = stage.ask().unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    stage.server.as_ref().unwrap().reload(&stage.config).unwrap();
    assert!(stage.ask().unwrap().starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn https_needs_a_certificate() {
    let directory = TempDir::new().unwrap();
    let config = Config {
        data_dir: directory.path().to_path_buf(),
        listen: vec!["127.0.0.1:0".to_owned()],
        management_tls: "127.0.0.1:0".to_owned(),
        ..Config::default()
    };
    let error = Server::start(&config).unwrap_err().to_string();
    assert!(error.contains("--tls-certificate FILE"), "{error}");
}
