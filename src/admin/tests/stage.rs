//! A broker with its management, and what tests say to it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use log::LevelFilter;
use serde_json::Value;
use tempfile::TempDir;

use crate::admin::Admin;
use crate::broker::FsyncPolicy;
use crate::client::Client;
use crate::config::{Config, PasswordHashing};
use crate::server::Server;

/// A broker; the password of each of its users is the user's name.
pub(super) struct Stage {
    server: Option<Server>,
    admin: Option<Admin>,
    _directory: TempDir,
}

impl Stage {
    pub(super) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let config = Config {
            data_dir: directory.path().to_path_buf(),
            listen: vec!["127.0.0.1:0".to_owned()],
            fsync: FsyncPolicy::Never,
            management: "127.0.0.1:0".to_owned(),
            password_hashing: PasswordHashing::Rabbitmq,
            disk_free_limit: 0,
            memory_high_watermark: 0.0,
            log: LevelFilter::Off,
            ..Config::default()
        };
        let server = Server::start(&config).unwrap();
        let admin = Admin::start(&config, &server).unwrap();
        Self { server: Some(server), admin: Some(admin), _directory: directory }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.admin.as_ref().and_then(Admin::address).unwrap()
    }

    /// An AMQP client of a user, in the vhost `/`.
    pub(super) fn client(&self, user: &str) -> Client {
        let address = self.server.as_ref().unwrap().addresses()[0];
        Client::connect(address, user, user).unwrap()
    }

    /// The status and the body of an answer; an empty user does not log in.
    pub(super) fn ask(&self, user: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
        let login = BASE64_STANDARD.encode(format!("{user}:{user}"));
        let login = if user.is_empty() {
            String::new()
        } else {
            format!("Authorization: Basic {login}\r\n")
        };
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{login}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// What the administrator `guest` does, which has to be done.
    pub(super) fn done(&self, method: &str, path: &str, body: &str) {
        let (status, answer) = self.ask("guest", method, path, body);
        assert!(status < 300, "{method} {path}: {status} {answer}");
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
