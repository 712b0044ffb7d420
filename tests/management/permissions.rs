//! What each change over HTTP needs: what is listed is enough, and each of it is needed.

use serde_json::{Value, json};

use super::Stage;

/// A request, and its permissions: configure, write, read, each a pattern.
type Row = (&'static str, &'static str, Value, [&'static str; 3]);

fn rows() -> Vec<Row> {
    let publish = |properties: Value| {
        json!({"routing_key": "a", "payload": "m", "payload_encoding": "string",
            "properties": properties})
    };
    let letters = json!({"arguments": {"x-dead-letter-exchange": "other"}});
    let alternate = json!({"type": "direct", "arguments": {"alternate-exchange": "other"}});
    let get = json!({"count": 1, "ackmode": "ack_requeue_true"});
    vec![
        ("PUT", "/api/queues/%2F/new", json!({}), ["^new$", "", ""]),
        ("PUT", "/api/queues/%2F/new", letters, ["^new$", "^other$", "^new$"]),
        ("DELETE", "/api/queues/%2F/q", Value::Null, ["^q$", "", ""]),
        ("DELETE", "/api/queues/%2F/q/contents", Value::Null, ["", "", "^q$"]),
        ("POST", "/api/queues/%2F/q/get", get, ["", "", "^q$"]),
        ("PUT", "/api/exchanges/%2F/new", json!({"type": "direct"}), ["^new$", "", ""]),
        ("PUT", "/api/exchanges/%2F/new", alternate, ["^new$", "^other$", "^new$"]),
        ("DELETE", "/api/exchanges/%2F/x", Value::Null, ["^x$", "", ""]),
        ("POST", "/api/bindings/%2F/e/x/q/q", json!({"routing_key": "k"}), ["", "^q$", "^x$"]),
        ("POST", "/api/bindings/%2F/e/x/e/y", json!({"routing_key": "k"}), ["", "^y$", "^x$"]),
        ("DELETE", "/api/bindings/%2F/e/x/q/q/bound", Value::Null, ["", "^q$", "^x$"]),
        ("POST", "/api/exchanges/%2F/x/publish", publish(json!({})), ["", "^x$", ""]),
        (
            "POST",
            "/api/exchanges/%2F/amq.default/publish",
            publish(json!({})),
            ["", "^amq.default$", ""],
        ),
    ]
}

fn permit(stage: &Stage, [configure, write, read]: [&str; 3]) {
    let body = json!({"configure": configure, "write": write, "read": read});
    assert!(stage.status("PUT", "/api/permissions/%2F/ann", body) < 300);
}

/// What the requests are about, as it was at the beginning.
fn make(stage: &Stage) {
    for path in ["queues/%2F/new", "exchanges/%2F/new"] {
        stage.status("DELETE", &format!("/api/{path}"), Value::Null);
    }
    stage.status("PUT", "/api/queues/%2F/q", json!({}));
    for name in ["x", "y"] {
        stage.status("PUT", &format!("/api/exchanges/%2F/{name}"), json!({"type": "topic"}));
    }
    stage.status("POST", "/api/bindings/%2F/e/x/q/q", json!({"routing_key": "bound"}));
}

#[test]
fn every_change_needs_what_it_needs_over_amqp() {
    let stage = Stage::new();
    stage.user("ann", "management");
    for (method, path, body, needed) in rows() {
        for place in (0..3).filter(|place| !needed[*place].is_empty()) {
            make(&stage);
            let mut less = needed;
            less[place] = "^another$";
            permit(&stage, less);
            let status = stage.status_as("ann", method, path, body.clone());
            assert_eq!(status, 401, "{method} {path} without {place}");
        }
        make(&stage);
        permit(&stage, needed);
        let status = stage.status_as("ann", method, path, body);
        assert!(status < 300, "{method} {path}: {status}");
    }
}

#[test]
fn topic_permissions_hold_for_keys_copies_and_bindings() {
    let stage = Stage::new();
    stage.user("ann", "management");
    make(&stage);
    let topics = json!({"exchange": "x", "write": "^a", "read": "^a"});
    assert_eq!(stage.status("PUT", "/api/topic-permissions/%2F/ann", topics), 201);
    let publish = |key: &str, headers: Value| {
        let body = json!({"routing_key": key, "payload": "", "payload_encoding": "string",
            "properties": {"headers": headers}});
        stage.status_as("ann", "POST", "/api/exchanges/%2F/x/publish", body)
    };
    assert_eq!(publish("a.b", json!({})), 200);
    assert_eq!(publish("b", json!({})), 401);
    assert_eq!(publish("a.b", json!({"CC": ["b"]})), 401);
    assert_eq!(publish("a.b", json!({"BCC": ["b"]})), 401);
    assert_eq!(publish("a.b", json!({"CC": ["a.c"]})), 200);
    let bind = |key: &str| {
        let body = json!({ "routing_key": key });
        stage.status_as("ann", "POST", "/api/bindings/%2F/e/x/q/q", body)
    };
    assert_eq!((bind("a.#"), bind("b.#")), (201, 401));
}
