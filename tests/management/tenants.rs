//! What a user sees who does not see everything.

use leveret::client::Client;
use leveret::wire::{Properties, ShortBytes, ShortString, basic, queue};
use serde_json::{Value, json};

use super::Stage;
use super::rules::login;

/// A broker with much in `/`, and little in `orders`, which bob may enter.
fn stage() -> Stage {
    let stage = Stage::new();
    stage.status("PUT", "/api/vhosts/orders", json!({}));
    let bob = json!({"password": "bob", "tags": "management"});
    assert_eq!(stage.status("PUT", "/api/users/bob", bob), 201);
    let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
    assert_eq!(stage.status("PUT", "/api/permissions/orders/bob", all), 201);
    for (path, count) in [("%2F", 5), ("orders", 2)] {
        for number in 0..count {
            stage.status("PUT", &format!("/api/queues/{path}/q{number}"), json!({}));
        }
        let body = json!({"routing_key": "q0", "payload": "", "payload_encoding": "string",
            "properties": {}});
        for _ in 0..count {
            let publish = format!("/api/exchanges/{path}/amq.default/publish");
            assert_eq!(stage.ask("POST", &publish, body.clone()).1["routed"], true);
        }
        let lost = json!({"routing_key": "nobody", "payload": "", "payload_encoding": "string",
            "properties": {}});
        for _ in 0..count {
            stage.status(
                "POST",
                &format!("/api/exchanges/{path}/amq.default/publish"),
                lost.clone(),
            );
        }
    }
    stage
}

fn consumer(stage: &Stage) -> Client {
    let mut client = stage.client();
    let channel = client.open_channel(1).unwrap();
    let queue = ShortString::clipped("q1");
    client.call(channel, basic::Consume { queue, ..Default::default() }).unwrap();
    client
}

fn ask(stage: &Stage, path: &str) -> Value {
    let (status, answer) = stage.ask_as(&login("bob", "bob"), "GET", path, Value::Null);
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

#[test]
fn a_user_of_one_vhost_sees_the_sums_of_that_vhost() {
    let stage = stage();
    let _client = consumer(&stage);
    let whole = stage.get("/api/overview");
    assert_eq!(whole["object_totals"]["queues"], 7);
    assert_eq!(whole["object_totals"]["connections"], 1);
    assert_eq!(whole["message_stats"]["publish"], 14);
    assert!(whole["listeners"].is_array() && whole["node"].is_string());

    let own = ask(&stage, "/api/overview?lengths_age=60&lengths_incr=5");
    let expected =
        json!({"channels": 0, "connections": 0, "consumers": 0, "exchanges": 7, "queues": 2});
    assert_eq!(own["object_totals"], expected);
    assert_eq!(own["queue_totals"]["messages"], 2);
    assert_eq!(own["message_stats"]["publish"], 4);
    assert_eq!(own["message_stats"]["publish_details"]["rate"], 0.0);
    assert!(own["queue_totals"]["messages_details"]["samples"].is_array(), "{own}");
    for key in ["listeners", "contexts", "node"] {
        assert!(own.get(key).is_none(), "{key} is shown");
    }
    assert_eq!(own["churn_rates"], json!({}));
    assert_eq!(ask(&stage, "/api/drops")["unroutable"], 2);
    assert_eq!(stage.get("/api/drops")["unroutable"], 7);
    for list in ["connections", "channels", "consumers"] {
        assert_eq!(ask(&stage, &format!("/api/{list}")), json!([]), "{list}");
    }
    assert_eq!(ask(&stage, "/api/queues").as_array().unwrap().len(), 2);
    assert_eq!(ask(&stage, "/api/vhosts").as_array().unwrap().len(), 1);
}

#[test]
fn who_monitors_sees_what_was_dropped_and_no_payloads() {
    let stage = stage();
    let moe = json!({"password": "moe", "tags": "monitoring"});
    assert_eq!(stage.status("PUT", "/api/users/moe", moe), 201);
    let ask = |path: &str| stage.ask_as(&login("moe", "moe"), "GET", path, Value::Null);
    let queue = "/api/queues/%2F/q0";
    assert_eq!(ask(queue).0, 200);
    assert_eq!(ask(&format!("{queue}/drops")).0, 200);
    assert_eq!(ask("/api/exchanges/%2F/amq.topic/drops").0, 200);
    let (status, refusal) = ask(&format!("{queue}/peek"));
    assert_eq!(status, 401, "{refusal}");
    assert!(refusal["reason"].as_str().unwrap().starts_with("ACCESS_REFUSED - read access"));

    // The right to declare a queue is none to read it.
    let configure = json!({"configure": ".*", "write": "", "read": ""});
    assert_eq!(stage.status("PUT", "/api/permissions/%2F/moe", configure), 201);
    assert_eq!(ask(&format!("{queue}/peek")).0, 401);
}

#[test]
fn who_monitors_closes_no_connection_of_others() {
    let stage = stage();
    stage.user("moe", "monitoring");
    let mut client = consumer(&stage);
    let name = stage.get("/api/connections")[0]["name"].as_str().unwrap().to_owned();
    let path = format!("/api/connections/{}", name.replace(' ', "%20").replace('>', "%3E"));
    assert_eq!(stage.status_as("moe", "GET", &path, Value::Null), 200);
    assert_eq!(stage.status_as("moe", "DELETE", &path, Value::Null), 401);
    assert_eq!(
        stage.status_as("moe", "DELETE", "/api/connections/username/guest", Value::Null),
        401
    );
    // It is still there and works.
    let channel = client.open_channel(2).unwrap();
    let declare = queue::Declare { queue: ShortString::clipped("more"), ..Default::default() };
    client.call(channel, declare).unwrap();
    let publish = basic::Publish { routing_key: ShortBytes::clipped(b"q"), ..Default::default() };
    client.publish(channel, publish, &Properties::default(), b"x");
    client.flush().unwrap();
    assert_eq!(stage.status("DELETE", &path, Value::Null), 204);
}
