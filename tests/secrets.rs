//! Secrets of operators and clients, looked for wherever a broker shows something.
#![cfg(feature = "management")]
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use leveret::client::Client;
use leveret::wire::{Field, ShortString, Table, basic, exchange, queue};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What is to be seen nowhere.
const SENTINEL: &str = "SENTINEL-f00d";

/// A URI with it in both places where URIs have secrets.
fn uri() -> String {
    format!("amqps://someone:{SENTINEL}@upstream/v?password={SENTINEL}")
}

struct Broker {
    process: Child,
    directory: TempDir,
    amqp: SocketAddr,
    http: SocketAddr,
}

/// An address that nothing listens to now.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Broker {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let (amqp, http) = (free(), free());
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_leveret"))
            .args(["--log", "trace", "--log-exchange", "--password-hashing", "rabbitmq"])
            .args(["--disk-free-limit", "0", "--listen", &amqp.to_string()])
            .args(["--management", &http.to_string(), "--data-dir"])
            .arg(directory.path().join("data"))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let broker = Self { process, directory, amqp, http };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(http).is_err() {
            assert!(Instant::now() < deadline, "{}", broker.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        broker
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    fn ask(&self, user: &str, method: &str, path: &str, body: &Value) -> (u16, String) {
        let login = BASE64_STANDARD.encode(user);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Authorization: Basic {login}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn put(&self, path: &str, body: &Value) {
        let (status, answer) = self.ask("guest:guest", "PUT", path, body);
        assert!(status < 300, "{path}: {answer}");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn name(text: &str) -> ShortString {
    ShortString::clipped(text)
}

fn arguments() -> Table {
    let nested = Field::Array(vec![Field::LongString(uri().into_bytes())]);
    [(name("x-link"), Field::LongString(uri().into_bytes())), (name("x-links"), nested)]
        .into_iter()
        .collect()
}

/// Puts secrets wherever they can be put.
fn scatter(broker: &Broker, client: &mut Client) {
    for (user, tags) in
        [("pam", "policymaker"), ("moe", "monitoring,policymaker"), ("meg", "management")]
    {
        let body = json!({"password": format!("{user}{SENTINEL}"), "tags": tags});
        broker.put(&format!("/api/users/{user}"), &body);
        let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
        broker.put(&format!("/api/permissions/%2F/{user}"), &all);
    }
    let global = json!({"value": {"uri": uri(), "plain": SENTINEL}});
    broker.ask(
        "guest:guest",
        "PUT",
        "/api/global-parameters/uri",
        &json!({"value": {"uri": [uri()]}}),
    );
    broker.ask("guest:guest", "PUT", "/api/global-parameters/plain", &global);
    broker.ask("guest:guest", "DELETE", "/api/global-parameters/plain", &Value::Null);
    let parameter = json!({"value": {"src-uri": uri(), "dest-uri": [uri()]}});
    broker.ask("guest:guest", "PUT", "/api/parameters/shovel/%2F/s", &parameter);
    let policy = json!({"pattern": "^none$", "definition": {"dead-letter-routing-key": uri()}});
    broker.put("/api/policies/%2F/p", &policy);
    broker.put("/api/vhosts/v", &json!({"description": uri()}));
    let file = json!({"parameters": [
        {"component": "shovel", "vhost": "/", "name": "imported", "value": {"src-uri": uri()}}]});
    broker.ask("guest:guest", "POST", "/api/definitions", &file);
    broker.ask(&format!("guest:{SENTINEL}"), "GET", "/api/overview", &Value::Null);
    assert!(Client::connect(broker.amqp, "guest", SENTINEL).is_err());

    let channel = client.open_channel(1).unwrap();
    let declare = queue::Declare {
        queue: name("q"),
        durable: true,
        arguments: arguments(),
        ..Default::default()
    };
    client.call(channel, declare).unwrap();
    let declare = exchange::Declare {
        exchange: name("x"),
        kind: name("topic"),
        durable: true,
        arguments: arguments(),
        ..Default::default()
    };
    client.call(channel, declare).unwrap();
    let bind = queue::Bind {
        queue: name("q"),
        exchange: name("x"),
        arguments: arguments(),
        ..Default::default()
    };
    client.call(channel, bind).unwrap();
    let consume = basic::Consume { queue: name("q"), arguments: arguments(), ..Default::default() };
    client.call(channel, consume).unwrap();
    let declare = queue::Declare {
        queue: name("q"),
        durable: true,
        arguments: [(name("x-max-length"), Field::LongString(uri().into_bytes()))]
            .into_iter()
            .collect(),
        ..Default::default()
    };
    // Refused, with the value in the reply's text and in the log.
    assert!(client.call(channel, declare).is_err());
}

fn inspected(data: &Path, more: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_leveret"))
        .arg("inspect")
        .args(more)
        .arg(data)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(text.len() > 100, "nothing was inspected: {}", String::from_utf8_lossy(&text));
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn secrets_are_shown_to_administrators_only() {
    let broker = Broker::start();
    let mut client = Client::connect(broker.amqp, "guest", "guest").unwrap();
    // What the broker says of itself is caught in queues before anything is told.
    for (queue, exchange) in [("log", "amq.rabbitmq.log"), ("events", "amq.rabbitmq.event")] {
        broker.put(&format!("/api/queues/%2F/{queue}"), &json!({}));
        let path = format!("/api/bindings/%2F/e/{exchange}/q/{queue}");
        let bind = json!({"routing_key": "#"});
        assert_eq!(broker.ask("guest:guest", "POST", &path, &bind).0, 201);
    }
    scatter(&broker, &mut client);
    let clean = |what: &str, text: &str| {
        let at = text.find(SENTINEL).map(|at| text[at.saturating_sub(300)..].chars().take(400));
        assert!(at.is_none(), "{what}: …{}", at.into_iter().flatten().collect::<String>());
    };
    for queue in ["log", "events"] {
        let path = format!("/api/queues/%2F/{queue}/get");
        let get = json!({"count": 1000, "ackmode": "ack_requeue_true", "encoding": "auto"});
        let (status, messages) = broker.ask("guest:guest", "POST", &path, &get);
        assert!(status == 200 && messages.len() > 200, "{queue}: {messages}");
        clean(queue, &messages);
    }
    for user in ["pam", "moe", "meg"] {
        for path in [
            "overview",
            "queues",
            "queues/%2F/q",
            "exchanges",
            "exchanges/%2F/x",
            "bindings",
            "bindings/%2F/e/x/q/q",
            "consumers",
            "connections",
            "channels",
            "policies",
            "policies/%2F/p",
            "parameters",
            "parameters/shovel",
            "global-parameters",
            "global-parameters/uri",
            "vhosts",
            "vhosts/v",
            "users",
            "definitions",
            "queues/%2F/q/drops",
        ] {
            let login = format!("{user}:{user}{SENTINEL}");
            let (_, answer) = broker.ask(&login, "GET", &format!("/api/{path}"), &Value::Null);
            clean(&format!("{user} {path}"), &answer);
        }
    }
    // Those who need it see it: what is exported can be imported again.
    let (_, whole) = broker.ask("guest:guest", "GET", "/api/definitions", &Value::Null);
    assert!(whole.contains(&uri()), "{whole}");
    let (_, uris) = broker.ask("guest:guest", "GET", "/api/global-parameters/uri", &Value::Null);
    assert!(uris.contains(&uri()), "{uris}");

    broker.ask("guest:guest", "POST", "/api/stop", &Value::Null);
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(broker.amqp).is_ok() {
        assert!(Instant::now() < deadline, "it does not stop");
        std::thread::sleep(Duration::from_millis(20));
    }
    let data = broker.directory.path().join("data");
    let wait = Instant::now() + Duration::from_secs(60);
    while fs::File::open(data.join("control.sock")).is_ok() && Instant::now() < wait {
        std::thread::sleep(Duration::from_millis(20));
    }
    clean("log", &broker.log());
    assert!(broker.log().contains("put-global-parameter"), "{}", broker.log());
    clean("inspect", &inspected(&data, &[]));
    clean("inspect --json", &inspected(&data, &["--json"]));
}
