//! `leveret perf` against Leveret: every shape of load ends with nothing lost, doubled or reordered.
//! The results are only counted here: no time decides anything.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A broker that lives as long as the test.
struct Broker {
    process: Child,
    uri: String,
    _folder: tempfile::TempDir,
}

impl Broker {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_leveret"))
            .args(["--listen", "127.0.0.1:0", "--management", "off", "--log", "warn", "--data-dir"])
            .arg(folder.path().join("data"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").unwrap().split(',').next().unwrap();
        Self { process, uri: format!("amqp://guest:guest@{address}/%2f"), _folder: folder }
    }

    /// Runs `leveret perf` and returns its result and whether the exit code said that all is well.
    fn perf(&self, line: &str) -> (Value, bool) {
        let done = Command::new(env!("CARGO_BIN_EXE_leveret"))
            .args(["perf", "--json", "--uri", &self.uri])
            .args(line.split_whitespace())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&done.stderr);
        let result = serde_json::from_slice(&done.stdout)
            .unwrap_or_else(|error| panic!("perf {line}: {error}\n{errors}"));
        (result, done.status.success())
    }

    /// The same, for a load that must be in order; `[published, confirmed, consumed]`.
    fn load(&self, line: &str) -> [u64; 3] {
        let (result, ok) = self.perf(line);
        assert!(ok && result["check"]["ok"] == true, "perf {line}: {result:#}");
        ["published", "confirmed", "consumed"].map(|key| result["total"][key].as_u64().unwrap())
    }

    /// What `leveret perf` complains about.
    fn refusal(&self, line: &str) -> String {
        let done = Command::new(env!("CARGO_BIN_EXE_leveret"))
            .args(["perf", "--uri", &self.uri])
            .args(line.split_whitespace())
            .output()
            .unwrap();
        assert!(!done.status.success(), "perf {line}");
        String::from_utf8(done.stderr).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// How many messages each publisher sends: more in the slow form.
fn messages() -> u64 {
    if std::env::var_os("LEVERET_FULL").is_some() { 100_000 } else { 2_000 }
}

#[test]
fn every_shape_of_load_loses_nothing() {
    let broker = Broker::start();
    let n = messages();
    for (line, expected) in [
        (format!("--messages {n}"), [n, 0, n]),
        (format!("--messages {n} --persistent --confirm 100 --ack 50 --prefetch 500"), [n, n, n]),
        (
            format!(
                "--messages {} --persistent --confirm 20 --queues 50 --publishers 50 \
                 --consumers 50 --threads 2 --ack 1",
                n / 20
            ),
            [n / 20 * 50; 3],
        ),
        (format!("--messages {n} --publishers 4 --consumers 3 --confirm 50 --ack 7"), [4 * n; 3]),
        (
            format!("--messages {n} --exchange topic --bindings 300 --keys 200 --queues 4"),
            [n, 0, n],
        ),
        (format!("--messages {n} --exchange headers --keys 8 --queues 4"), [n, 0, n]),
        (
            format!("--messages {n} --exchange fanout --queues 5 --consumers 5 --publishers 2"),
            [2 * n, 0, 10 * n],
        ),
        (
            format!("--messages {} --size 300000 --durable --ack 2 --prefetch 4", n / 50),
            [n / 50, 0, n / 50],
        ),
        ("--messages 50 --rate 1000 --persistent --confirm 1".to_owned(), [50, 50, 50]),
    ] {
        assert_eq!(broker.load(&line), expected, "perf {line}");
    }
}

#[test]
fn what_is_published_can_be_drained_later() {
    let broker = Broker::start();
    let n = messages();
    let fill = format!("--messages {n} --publishers 3 --queues 2 --keys 4 --publish-only");
    assert_eq!(broker.load(&fill), [3 * n, 0, 3 * n]);
    assert_eq!(broker.load("--drain --queues 2 --keys 4 --ack 10"), [0, 0, 3 * n]);
    assert!(broker.refusal("--drain --queues 2").contains("404 NOT_FOUND"), "they are removed");
}

#[test]
fn things_come_and_go() {
    let broker = Broker::start();
    for scenario in ["connection-churn", "channel-churn", "queue-churn", "binding-churn"] {
        let line = format!("--scenario {scenario} --duration 0.2 --durable --threads 2");
        let (result, ok) = broker.perf(&line);
        assert!(ok && result["count"].as_u64().unwrap() > 0, "{scenario}: {result:#}");
    }
    for scenario in ["idle-connections", "idle-queues"] {
        let line = format!("--scenario {scenario} --duration 0 --count 50");
        let (result, ok) = broker.perf(&line);
        assert!(ok && result["count"] == 50, "{scenario}: {result:#}");
    }
}

#[test]
fn a_lossy_queue_fails_the_check() {
    let broker = Broker::start();
    let line = "--messages 500 --queue-argument x-max-length=100 --publish-only --patience 0.1";
    let (result, ok) = broker.perf(line);
    assert!(!ok && result["check"]["lost"] == 400, "{result:#}");
    let line = "--drain --patience 0.1 --keep";
    assert_eq!(broker.load(line), [0, 0, 100]);
}

#[test]
fn a_refusal_is_one_line() {
    let broker = Broker::start();
    let text = broker.refusal("--queue-argument x-max-length=ten");
    assert!(text.starts_with("leveret: the broker closed the channel: 406 PRECONDITION_FAILED"));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(broker.refusal("--size 15").lines().count(), 1);
}
