//! A field of a request that is not what it has to be makes nothing.

use serde_json::{Value, json};

use super::Stage;

/// What is neither true nor false, though somebody may mean it so.
fn no_booleans() -> [Value; 9] {
    ["True", "FALSE", "yes", "1", ""]
        .map(Value::from)
        .into_iter()
        .chain([json!(1), json!(0), json!(null), json!([true])])
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

#[test]
fn what_is_no_boolean_is_refused_and_nothing_is_made() {
    let stage = Stage::new();
    for value in no_booleans() {
        for field in ["durable", "auto_delete", "exclusive"] {
            let (status, answer) = stage.ask("PUT", "/api/queues/%2F/q", json!({field: value}));
            assert_eq!(status, 400, "{field} {value}");
            assert_eq!(answer["reason"], json!(["not_boolean", value]), "{field}");
        }
        for field in ["durable", "auto_delete", "internal"] {
            let body = json!({"type": "direct", field: value});
            let (status, answer) = stage.ask("PUT", "/api/exchanges/%2F/x", body);
            assert_eq!((status, &answer["error"]), (400, &json!("bad_request")), "{field} {value}");
            assert_eq!(answer["reason"], json!(["not_boolean", value]), "{field}");
        }
        let traced = json!({"tracing": value});
        assert_eq!(stage.ask("PUT", "/api/vhosts/v", traced).0, 400, "{value}");
    }
    assert_eq!(stage.get("/api/queues"), json!([]));
    assert_eq!(stage.status("GET", "/api/exchanges/%2F/x", Value::Null), 404);
    assert_eq!(stage.status("GET", "/api/vhosts/v", Value::Null), 404);
}

#[test]
fn a_boolean_may_come_as_text_and_a_queue_is_durable_unless_it_says_otherwise() {
    let stage = Stage::new();
    for (name, body, durable) in [
        ("a", json!({}), true),
        ("b", json!({"durable": true}), true),
        ("c", json!({"durable": "true"}), true),
        ("d", json!({"durable": false}), false),
        ("e", json!({"durable": "false"}), false),
    ] {
        for kind in ["queues", "exchanges"] {
            let path = format!("/api/{kind}/%2F/{name}");
            assert_eq!(stage.status("PUT", &path, body.clone()), 201, "{path}");
            assert_eq!(stage.get(&path)["durable"], durable, "{path}");
        }
    }
}

#[test]
fn a_query_that_is_no_boolean_or_no_number_does_nothing() {
    let stage = Stage::new();
    stage.status("PUT", "/api/queues/%2F/q", json!({}));
    let message = json!({"routing_key": "q", "payload": "", "properties": {}});
    stage.status("POST", "/api/exchanges/%2F/amq.default/publish", message);
    for value in ["True", "yes", "1", ""] {
        for flag in ["if-empty", "if-unused"] {
            let path = format!("/api/queues/%2F/q?{flag}={value}");
            assert_eq!(stage.status("DELETE", &path, Value::Null), 400, "{path}");
        }
        let import = format!("/api/definitions?dry_run={value}");
        let file = json!({"vhosts": [{"name": "imported"}]});
        assert_eq!(stage.status("POST", &import, file), 400, "{import}");
        for flag in ["use_regex", "sort_reverse", "pagination"] {
            let path = format!("/api/queues?name=q&{flag}={value}");
            assert_eq!(stage.status("GET", &path, Value::Null), 400, "{path}");
        }
    }
    assert_eq!(stage.status("DELETE", "/api/queues/%2F/q?if-empty=true", Value::Null), 400);
    assert_eq!(stage.status("GET", "/api/queues/%2F/q/peek?count=one", Value::Null), 400);
    assert_eq!(stage.get("/api/queues/%2F/q")["messages"], 1);
    assert_eq!(stage.get("/api/vhosts").as_array().unwrap().len(), 1);
}

#[test]
fn a_number_or_a_text_that_is_none_is_refused() {
    let stage = Stage::new();
    stage.status("PUT", "/api/queues/%2F/q", json!({}));
    for (method, path, body, reason) in [
        ("POST", "/api/queues/%2F/q/get", json!({"count": "one"}), "not_integer"),
        ("POST", "/api/queues/%2F/q/get", json!({"count": 1, "truncate": 1.5}), "not_integer"),
        ("POST", "/api/queues/%2F/q/get", json!({"count": 1, "requeue": "no"}), "not_boolean"),
        ("POST", "/api/queues/%2F/q/get", json!({"count": 1, "ackmode": 5}), "not_string"),
        (
            "POST",
            "/api/queues/%2F/q/move",
            json!({"destination": "q", "count": "x"}),
            "not_integer",
        ),
        ("POST", "/api/bindings/%2F/e/amq.topic/q/q", json!({"routing_key": 5}), "not_string"),
        ("PUT", "/api/exchanges/%2F/x", json!({"type": 5}), "not_string"),
        ("PUT", "/api/vhost-limits/%2F/max-queues", json!({"value": "many"}), "not_integer"),
        ("PUT", "/api/user-limits/guest/max-channels", json!({"value": 0.5}), "not_integer"),
        ("POST", "/api/users/bulk-delete", json!({"users": [5]}), "not_string"),
        ("PUT", "/api/users/ann", json!({"administrator": "yes"}), "not_boolean"),
    ] {
        let (status, answer) = stage.ask(method, path, body);
        assert_eq!((status, &answer["reason"][0]), (400, &json!(reason)), "{method} {path}");
    }
    assert_eq!(stage.get("/api/bindings/%2F").as_array().unwrap().len(), 1);
}
