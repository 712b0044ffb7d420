//! Management over real sockets: the HTTP API, metrics, the control socket and `leveret ctl`.
#![cfg(feature = "management")]
#![expect(
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    reason = "a test reads best without references, and fails where it cannot go on"
)]

#[path = "management/consumers.rs"]
mod consumers;
#[path = "management/ctl.rs"]
mod ctl;
#[path = "management/fields.rs"]
mod fields;
#[path = "management/permissions.rs"]
mod permissions;
#[path = "management/rules.rs"]
mod rules;
#[path = "management/tenants.rs"]
mod tenants;
#[path = "management/visitors.rs"]
mod visitors;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output};
use std::time::Duration;

use leveret::admin::Admin;
use leveret::broker::FsyncPolicy;
use leveret::client::{Client, ClientError};
use leveret::config::{Config, PasswordHashing};
use leveret::server::Server;
use leveret::wire::{Properties, ShortBytes, ShortString, basic, queue};
use log::LevelFilter;
use serde_json::{Value, json};
use tempfile::TempDir;

/// guest:guest
const GUEST: &str = "Basic Z3Vlc3Q6Z3Vlc3Q=";

struct Stage {
    directory: TempDir,
    server: Option<Server>,
    admin: Option<Admin>,
}

impl Stage {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = TempDir::new().unwrap();
        let mut config = Config {
            data_dir: directory.path().to_path_buf(),
            listen: vec!["127.0.0.1:0".to_owned()],
            fsync: FsyncPolicy::Never,
            management: "127.0.0.1:0".to_owned(),
            metrics: "127.0.0.1:0".to_owned(),
            password_hashing: PasswordHashing::Rabbitmq,
            disk_free_limit: 0,
            memory_high_watermark: 0.0,
            log: LevelFilter::Off,
            product_version: "4.3.9".to_owned(),
            ..Config::default()
        };
        change(&mut config);
        let server = Server::start(&config).unwrap();
        let admin = Admin::start(&config, &server).unwrap();
        Self { directory, server: Some(server), admin: Some(admin) }
    }

    fn address(&self) -> SocketAddr {
        self.admin.as_ref().and_then(Admin::address).unwrap()
    }

    fn client(&self) -> Client {
        let address = self.server.as_ref().unwrap().addresses()[0];
        Client::connect(address, "guest", "guest").unwrap()
    }

    fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.ask_as(GUEST, method, path, body)
    }

    fn ask_as(&self, login: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!("Authorization: {login}\r\nContent-Length: {}\r\n", body.len());
        let answer = say(self.address(), &format!("{method} {path}"), &head, &body);
        (answer.status, serde_json::from_str(&answer.body).unwrap_or(Value::Null))
    }

    fn get(&self, path: &str) -> Value {
        let (status, value) = self.ask("GET", path, Value::Null);
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    fn status(&self, method: &str, path: &str, body: Value) -> u16 {
        self.ask(method, path, body).0
    }

    fn ctl(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
        command.arg("ctl").arg("--data-dir").arg(self.directory.path());
        command.args(arguments).output().unwrap()
    }

    fn ctl_says(&self, arguments: &[&str]) -> String {
        let output = self.ctl(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
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

struct Answer {
    status: u16,
    head: String,
    body: String,
}

fn say(address: SocketAddr, request: &str, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let text = format!(
        "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n{body}"
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

#[test]
fn queues_are_made_and_deleted_as_over_amqp() {
    let stage = Stage::new();
    let queue = "/api/queues/%2F/a%20queue%2F1";
    assert_eq!(stage.status("PUT", queue, json!({"durable": true})), 201);
    assert_eq!(stage.status("PUT", queue, json!({"durable": true})), 204);
    let (status, refusal) = stage.ask("PUT", queue, json!({"durable": false}));
    assert_eq!(status, 400);
    let reason = refusal["reason"].as_str().unwrap();
    assert!(reason.contains("PRECONDITION_FAILED - inequivalent arg 'durable'"), "{reason}");
    let found = stage.get(queue);
    assert_eq!(found["name"], "a queue/1");
    assert_eq!((&found["durable"], &found["type"]), (&json!(true), &json!("classic")));
    assert_eq!(stage.get("/api/queues").as_array().unwrap().len(), 1);
    assert_eq!(stage.status("DELETE", &format!("{queue}?if-empty=true"), Value::Null), 204);
    assert_eq!(stage.status("DELETE", queue, Value::Null), 404);
    assert_eq!(stage.status("PUT", "/api/queues/nowhere/q", json!({})), 404);
    assert_eq!(stage.status("PUT", "/api/queues/%2F/amq.x", json!({})), 401);
}

#[test]
fn messages_are_published_fetched_and_looked_at() {
    let stage = Stage::new();
    stage.status("PUT", "/api/queues/%2F/q", json!({}));
    let publish = |key: &str, payload: &str, encoding: &str| {
        let body = json!({"routing_key": key, "payload": payload, "payload_encoding": encoding,
            "properties": {"delivery_mode": 2, "headers": {"n": 1}}});
        stage.ask("POST", "/api/exchanges/%2F/amq.default/publish", body)
    };
    assert_eq!(publish("q", "hello", "string"), (200, json!({"routed": true})));
    assert_eq!(publish("q", "/wA=", "base64"), (200, json!({"routed": true})));
    assert_eq!(publish("nobody", "x", "string"), (200, json!({"routed": false})));
    assert_eq!(publish("q", "!", "base64").0, 400);

    let peeked = stage.get("/api/queues/%2F/q/peek?count=5");
    assert_eq!(peeked[0]["payload"], "hello");
    assert_eq!(peeked[0]["redelivered"], false);
    let get = |mode: &str, count: u64| {
        let body = json!({"count": count, "ackmode": mode, "encoding": "auto", "truncate": 3});
        stage.ask("POST", "/api/queues/%2F/q/get", body).1
    };
    let fetched = get("ack_requeue_true", 5);
    assert_eq!(fetched.as_array().unwrap().len(), 2);
    assert_eq!((&fetched[0]["payload"], &fetched[0]["payload_bytes"]), (&json!("hel"), &json!(5)));
    assert_eq!(fetched[0]["redelivered"], false, "a peek is no delivery");
    assert_eq!(fetched[1]["payload"], "/wA=");
    assert_eq!(fetched[1]["payload_encoding"], "base64");
    assert_eq!(fetched[0]["properties"], json!({"delivery_mode": 2, "headers": {"n": 1}}));
    assert_eq!(get("ack_requeue_false", 1)[0]["redelivered"], true);
    assert_eq!(stage.get("/api/queues/%2F/q")["messages"], 1);
    assert_eq!(stage.status("DELETE", "/api/queues/%2F/q/contents", Value::Null), 204);
    assert_eq!(get("ack_requeue_true", 1), json!([]));
    let totals = &stage.get("/api/overview")["message_stats"];
    assert_eq!((&totals["publish"], &totals["drop_unroutable"]), (&json!(3), &json!(0)));
    assert_eq!(stage.get("/api/drops")["purged"], 1);
    stage.status(
        "POST",
        "/api/exchanges/%2F/amq.default/publish",
        json!({"routing_key": "no", "payload": ""}),
    );
    let dropped = stage.get("/api/exchanges/%2F/amq.default/drops");
    assert_eq!(dropped["counts"]["unroutable"], 2);
    assert_eq!(dropped["last"][0]["routing_key"], "no");
    assert_eq!(stage.status("GET", "/api/queues/%2F/none/drops", Value::Null), 404);
}

#[test]
fn bindings_are_named_by_their_properties() {
    let stage = Stage::new();
    stage.status("PUT", "/api/queues/%2F/q", json!({}));
    assert_eq!(stage.status("PUT", "/api/exchanges/%2F/x", json!({"type": "headers"})), 201);
    assert_eq!(stage.status("PUT", "/api/exchanges/%2F/y", json!({"type": "nonsense"})), 400);
    let between = "/api/bindings/%2F/e/x/q/q";
    let arguments = json!({"x-match": "any", "a": 1});
    let bind = json!({"routing_key": "k~", "arguments": arguments});
    assert_eq!(stage.status("POST", between, bind), 201);
    assert_eq!(stage.status("POST", between, json!({"routing_key": "", "arguments": {}})), 201);
    let bindings = stage.get(between);
    let keys: Vec<_> =
        bindings.as_array().unwrap().iter().map(|it| &it["properties_key"]).collect();
    assert_eq!(keys[0], "~");
    let key = keys[1].as_str().unwrap().replace('%', "%25");
    assert!(key.starts_with("k%257E~"), "{key}");
    assert_eq!(stage.get(&format!("{between}/{key}"))["arguments"], arguments);
    assert_eq!(stage.status("DELETE", &format!("{between}/{key}"), Value::Null), 204);
    assert_eq!(stage.status("DELETE", &format!("{between}/{key}"), Value::Null), 404);
    assert_eq!(stage.get("/api/queues/%2F/q/bindings").as_array().unwrap().len(), 2);
    assert_eq!(stage.get("/api/exchanges/%2F/x/bindings/source").as_array().unwrap().len(), 1);
    let body = json!({"routing_key": "q"});
    let (_, found) = stage.ask("POST", "/api/exchanges/%2F/x/explain", body);
    assert_eq!(found["queues"], json!(["q"]));
    assert_eq!(stage.status("DELETE", "/api/exchanges/%2F/x?if-unused=true", Value::Null), 400);
    assert_eq!(stage.status("DELETE", "/api/exchanges/%2F/x", Value::Null), 204);
}

#[test]
fn connections_are_seen_and_closed() {
    let stage = Stage::new();
    let mut client = stage.client();
    let channel = client.open_channel(7).unwrap();
    let name = ShortString::clipped("q");
    client.call(channel, queue::Declare { queue: name.clone(), ..Default::default() }).unwrap();
    let consume = basic::Consume { queue: name, no_ack: false, ..Default::default() };
    client.call(channel, consume).unwrap();
    let publish = basic::Publish { routing_key: ShortBytes::clipped(b"q"), ..Default::default() };
    client.publish(channel, publish, &Properties::default(), b"x");
    client.flush().unwrap();
    client.receive(Duration::from_secs(10)).unwrap().unwrap();

    let connections = stage.get("/api/connections");
    assert_eq!(connections.as_array().unwrap().len(), 1, "those of management are not shown");
    let name = connections[0]["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("127.0.0.1:") && name.contains(" -> 127.0.0.1:"), "{name}");
    assert_eq!(connections[0]["auth_mechanism"], "PLAIN");
    assert!(connections[0]["recv_oct"].as_u64().unwrap() > 100);
    let channels = stage.get("/api/channels");
    assert_eq!(channels[0]["name"], format!("{name} (7)"));
    assert_eq!(channels[0]["messages_unacknowledged"], 1);
    assert_eq!(channels[0]["message_stats"]["deliver"], 1);
    let consumers = stage.get("/api/consumers/%2F");
    assert_eq!(consumers[0]["queue"], json!({"name": "q", "vhost": "/"}));
    let queue = stage.get("/api/queues/%2F/q");
    assert_eq!(queue["consumer_details"].as_array().unwrap().len(), 1);

    let path = format!("/api/connections/{}", name.replace(' ', "%20").replace('>', "%3E"));
    let headers = format!("Authorization: {GUEST}\r\nX-Reason: go home\r\n");
    assert_eq!(say(stage.address(), &format!("DELETE {path}"), &headers, "").status, 204);
    let Err(ClientError::Closed(close)) = client.receive(Duration::from_secs(10)) else {
        unreachable!("it was not closed")
    };
    let close = close.to_string();
    assert!(close.contains("reply_code=320") && close.contains("go home"), "{close}");
}

#[test]
fn who_is_not_known_gets_nothing() {
    let stage = Stage::new();
    for path in ["/api/overview", "/api/queues/%2F/q", "/metrics", "/api/connections"] {
        let answer = say(stage.address(), &format!("GET {path}"), "", "");
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.head.contains("WWW-Authenticate: Basic"), "{}", answer.head);
    }
    let wrong = "Authorization: Basic Z3Vlc3Q6d3Jvbmc=\r\n";
    assert_eq!(say(stage.address(), "GET /api/overview", wrong, "").status, 401);
    let known = format!("Authorization: {GUEST}\r\n");
    let elsewhere = format!("{known}Origin: http://evil.example\r\n");
    assert_eq!(say(stage.address(), "PUT /api/queues/%2F/q", &elsewhere, "").status, 401);
    assert_eq!(stage.get("/api/queues"), json!([]));
    let options = say(stage.address(), "OPTIONS /api/queues/%2F/q", &known, "");
    assert!(options.head.contains("Allow: OPTIONS, HEAD, GET, PUT, DELETE"), "{}", options.head);
    assert!(!options.head.contains("Access-Control"), "{}", options.head);
    assert_eq!(stage.status("PATCH", "/api/queues/%2F/q", Value::Null), 405);
    assert_eq!(stage.status("GET", "/api/nonsense", Value::Null), 404);
    assert_eq!(stage.status("PUT", "/api/queues/%2F/q", json!([1])), 400);
    let large = "x".repeat(300 * 1024);
    let headers = format!("{known}Content-Length: {}\r\n", large.len());
    assert_eq!(say(stage.address(), "PUT /api/queues/%2F/q", &headers, "").status, 413);
}

#[test]
fn messages_move_to_another_queue() {
    let stage = Stage::new();
    for queue in ["from", "to"] {
        stage.status("PUT", &format!("/api/queues/%2F/{queue}"), json!({"durable": true}));
    }
    let limits = json!({"arguments": {"x-max-length": 1, "x-overflow": "reject-publish"}});
    stage.status("PUT", "/api/queues/%2F/small", limits);
    // More than the broker moves in one go.
    let mut client = stage.client();
    let channel = client.open_channel(1).unwrap();
    for number in 0..1203 {
        let routing_key = ShortBytes::clipped(b"from");
        let publish = basic::Publish { routing_key, ..Default::default() };
        client.publish(channel, publish, &Properties::default(), number.to_string().as_bytes());
    }
    // The answer comes when all are there.
    client.call(channel, basic::Qos::default()).unwrap();
    let path = "/api/queues/%2F/from/move";
    let moved = |count| stage.ask("POST", path, json!({"destination": "to", "count": count}));
    assert_eq!(moved(json!(3)), (200, json!({"moved": 3})));
    let small = json!({"destination": "small"});
    assert_eq!(stage.ask("POST", path, small), (200, json!({"moved": 1})));
    assert_eq!(moved(Value::Null), (200, json!({"moved": 1199})));
    assert_eq!(moved(Value::Null), (200, json!({"moved": 0})));
    assert_eq!(stage.get("/api/queues/%2F/to")["messages_ready"], 1202);
    assert_eq!(stage.get("/api/queues/%2F/from/drops")["last"], json!([]));
    assert_eq!(stage.get("/api/queues/%2F/to/peek?count=4")[3]["payload"], "4");

    assert_eq!(stage.status("POST", path, json!({})), 400);
    assert_eq!(stage.status("POST", path, json!({"destination": "from"})), 400);
    assert_eq!(stage.status("POST", path, json!({"destination": "none"})), 404);
    assert_eq!(stage.status("POST", path, json!({"destination": "to", "count": -1})), 400);
    assert_eq!(
        stage.status("POST", "/api/queues/%2F/none/move", json!({"destination": "to"})),
        404
    );
}

#[test]
fn the_page_and_all_that_it_asks_for_is_there_and_nothing_else_is_let_in() {
    let stage = Stage::new();
    let page = say(stage.address(), "GET /", "", "");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("Content-Security-Policy: default-src 'self';"), "{}", page.head);
    for file in ["style.css", "parts.css", "app.js", "icon.svg"] {
        assert!(page.body.contains(&format!("\"{file}\"")));
    }
    for file in ["style.css", "app.js", "api.js", "pages/queue.js", "uplot/uPlot.iife.min.js"] {
        assert_eq!(say(stage.address(), &format!("GET /{file}"), "", "").status, 200, "{file}");
    }
    assert_eq!(say(stage.address(), "GET /other.js", "", "").status, 404);
}

#[test]
fn metrics_have_the_names_of_dashboards() {
    let stage = Stage::new();
    assert_eq!(stage.get("/api/overview")["rabbitmq_version"], "4.3.9");
    stage.status("PUT", "/api/queues/%2F/q%22%7D", json!({}));
    let address = stage.admin.as_ref().and_then(Admin::metrics_address).unwrap();
    let text = say(address, "GET /metrics", "", "").body;
    for name in [
        "rabbitmq_build_info{rabbitmq_version=\"4.3.9\"",
        "rabbitmq_identity_info{rabbitmq_node=",
        "rabbitmq_global_messages_received_total{protocol=\"amqp091\"} 0",
        "rabbitmq_queue_messages_ready 0",
        "rabbitmq_queues 1",
        "rabbitmq_process_open_fds ",
        "rabbitmq_alarms_memory_used_watermark 0",
        "rabbitmq_message_size_bytes_bucket{protocol=\"amqp091\",le=\"+Inf\"} 0",
        "leveret_turn_seconds_bucket{le=\"0.00001\"} ",
        "leveret_sync_seconds_sum ",
        "leveret_messages_dropped_total{cause=\"maxlen\"} 0",
    ] {
        assert!(text.contains(name), "{name} is missing");
    }
    let text = say(address, "GET /metrics/per-object", "", "").body;
    assert!(
        text.contains("rabbitmq_queue_messages_ready{vhost=\"/\",queue=\"q\\\"}\"} 0"),
        "{text}"
    );
    let types: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let mut once = types.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), types.len(), "a family is there twice");
    let detailed = "GET /metrics/detailed?family=queue_coarse_metrics&vhost=%2F";
    let text = say(address, detailed, "", "").body;
    assert!(text.contains("rabbitmq_detailed_queue_messages_ready{"), "{text}");
    assert!(!text.contains("exchange"), "{text}");
    let text = say(address, "GET /metrics/detailed?family=node_persister_metrics", "", "").body;
    assert!(text.contains("rabbitmq_detailed_io_sync_ops_total "), "{text}");
    assert_eq!(text.lines().count(), 6, "{text}");
    assert_eq!(say(address, "GET /api/overview", "", "").status, 404);
}

#[test]
fn ctl_speaks_as_rabbitmqctl_does() {
    let stage = Stage::new();
    stage.status("PUT", "/api/queues/%2F/q1", json!({}));
    let bind = json!({"routing_key": "k", "arguments": {"x-match": "all", "a": "1"}});
    stage.status("POST", "/api/bindings/%2F/e/amq.headers/q/q1", bind);
    let expected = "Listing bindings for vhost /...\n\
        source_name\tsource_kind\tdestination_name\tdestination_kind\trouting_key\targuments\n\
        \texchange\tq1\tqueue\tq1\t[]\n\
        amq.headers\texchange\tq1\tqueue\tk\t[{\"a\",\"1\"},{\"x-match\",\"all\"}]\n";
    assert_eq!(stage.ctl_says(&["list_bindings"]), expected);
    let columns = ["list_queues", "name", "durable", "messages", "-q", "--no-table-headers"];
    assert_eq!(stage.ctl_says(&columns), "q1\ttrue\t0\n");
    assert_eq!(stage.ctl_says(&["list_vhosts", "-s"]), "/\n");
    let json: Value =
        serde_json::from_str(&stage.ctl_says(&["--formatter", "json", "list_queues"])).unwrap();
    assert_eq!(json, json!([{"name": "q1", "messages": 0}]));
    assert!(stage.ctl_says(&["explain", "amq.headers", "k", "{\"a\": \"1\"}"]).contains("'q1'"));
    assert!(stage.ctl_says(&["status"]).contains("Queues: 1\n"));
    assert_eq!(stage.ctl_says(&["ping"]), "Ping succeeded\n");
    stage.ctl_says(&["purge_queue", "q1"]);
    stage.ctl_says(&["delete_queue", "q1", "--if-empty"]);
    let code = |arguments: &[&str]| stage.ctl(arguments).status.code();
    assert_eq!(code(&["delete_queue", "q1"]), Some(65));
    assert_eq!(code(&["nonsense"]), Some(64));
    assert_eq!(code(&["list_queues", "nonsense"]), Some(64));
    assert_eq!(code(&["delete_queue"]), Some(64));
    assert_eq!(code(&["--nonsense"]), Some(64));
    assert_eq!(code(&["ping", "--data-dir", "/nowhere"]), Some(64), "it was given twice");
    assert_eq!(code(&["ping", "--url", "http://127.0.0.1:1"]), Some(69));
    let url = format!("http://{}", stage.address());
    assert_eq!(code(&["ping", "--url", &url]), Some(0));
    assert_eq!(code(&["ping", "--url", &url, "--password", "wrong"]), Some(77));
}

#[test]
fn a_client_that_says_nothing_is_left_waiting_alone() {
    let stage = Stage::new();
    let idle: Vec<_> = (0..10).map(|_| TcpStream::connect(stage.address()).unwrap()).collect();
    let mut slow = TcpStream::connect(stage.address()).unwrap();
    slow.write_all(b"GET /api/overview HT").unwrap();
    assert_eq!(stage.get("/api/whoami")["name"], "guest");
    drop(idle);
}

#[test]
fn an_alarm_shows_wherever_somebody_looks() {
    let stage = Stage::with(|config| config.memory_high_watermark = 0.000_000_1);
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while stage.status("GET", "/api/health/checks/alarms", Value::Null) == 200 {
        assert!(std::time::Instant::now() < deadline, "the watchdog sees nothing");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (status, answer) = stage.ask("GET", "/api/health/checks/local-alarms", Value::Null);
    assert_eq!((status, &answer["status"]), (503, &json!("failed")));
    assert_eq!(answer["reason"], "There are alarms in effect on the node");
    assert_eq!(answer["alarms"], json!([{"node": "leveret@localhost", "resource": "memory"}]));
    let node = &stage.get("/api/nodes")[0];
    assert_eq!((&node["mem_alarm"], &node["disk_free_alarm"]), (&json!(true), &json!(false)));
    let metrics = say(stage.address(), "GET /metrics", &format!("Authorization: {GUEST}\r\n"), "");
    assert!(metrics.body.contains("\nrabbitmq_alarms_memory_used_watermark 1\n"));
    assert!(metrics.body.contains("\nrabbitmq_alarms_free_disk_space_watermark 0\n"));
    assert_eq!(stage.ctl_says(&["alarms", "-s"]), "memory\n");
    assert!(stage.ctl_says(&["status"]).contains("Memory alarm: true\n"));
    stage.status("PUT", "/api/queues/%2F/q", json!({}));
    let body = json!({"routing_key": "q", "payload": "", "payload_encoding": "string",
        "properties": {}});
    let publish = "/api/exchanges/%2F/amq.default/publish";
    assert_eq!(stage.status("POST", publish, body), 503, "publishers are blocked");
}
