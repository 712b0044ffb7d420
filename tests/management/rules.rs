//! Users, permissions, vhosts, limits, policies and parameters over HTTP.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use leveret::client::Client;
use serde_json::{Value, json};

use super::{GUEST, Stage, say};

pub(super) fn login(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

impl Stage {
    /// Makes a user with these tags and full permissions on `/`; the password is the name.
    pub(super) fn user(&self, name: &str, tags: &str) {
        let body = json!({"password": name, "tags": tags});
        assert_eq!(self.status("PUT", &format!("/api/users/{name}"), body), 201);
        let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
        assert_eq!(self.status("PUT", &format!("/api/permissions/%2F/{name}"), all), 201);
    }

    pub(super) fn status_as(&self, user: &str, method: &str, path: &str, body: Value) -> u16 {
        self.ask_as(&login(user, user), method, path, body).0
    }

    fn connects(&self, user: &str, password: &str) -> bool {
        let address = self.server.as_ref().unwrap().addresses()[0];
        Client::connect(address, user, password).is_ok()
    }
}

#[test]
fn users_are_made_changed_and_deleted() {
    let stage = Stage::new();
    let alice = "/api/users/alice";
    assert_eq!(stage.ask("PUT", alice, json!({"password": "a"})).1["reason"], "tags_not_present");
    let both = json!({"password": "a", "password_hash": "", "tags": ""});
    assert_eq!(stage.status("PUT", alice, both), 400);
    let body = json!({"password": "secret", "tags": "monitoring,own"});
    assert_eq!(stage.status("PUT", alice, body), 201);
    let found = stage.get(alice);
    assert_eq!(found["tags"], json!(["monitoring", "own"]));
    assert_eq!(found["hashing_algorithm"], "rabbit_password_hashing_sha512");
    assert_eq!(stage.ask_as(&login("alice", "secret"), "GET", "/api/whoami", Value::Null).0, 200);
    assert_eq!(stage.get("/api/users").as_array().unwrap().len(), 2);

    // A hash of RabbitMQ's documentation, for test12, and without its algorithm.
    let hash = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
    let body = json!({"password_hash": hash, "tags": ["administrator"]});
    assert_eq!(stage.status("PUT", alice, body), 204);
    assert_eq!(stage.ask_as(&login("alice", "test12"), "GET", "/api/users", Value::Null).0, 200);
    assert_eq!(stage.ask_as(&login("alice", "secret"), "GET", "/api/users", Value::Null).0, 401);

    assert!(!stage.connects("alice", "test12"), "without permissions there is no vhost");
    let without = stage.get("/api/users/without-permissions");
    assert_eq!(without[0]["name"], "alice");
    assert_eq!(stage.status("PUT", alice, json!({"tags": ""})), 204);
    assert_eq!(stage.get(alice)["password_hash"], "");
    assert_eq!(stage.status("DELETE", alice, Value::Null), 204);
    assert_eq!(stage.status("DELETE", alice, Value::Null), 404);
    stage.user("bob", "");
    stage.user("carol", "");
    let gone = json!({"users": ["bob", "carol", "nobody"]});
    assert_eq!(stage.status("POST", "/api/users/bulk-delete", gone), 204);
    assert_eq!(stage.get("/api/users").as_array().unwrap().len(), 1);
}

#[test]
fn permissions_are_in_force_at_once() {
    let stage = Stage::new();
    let body = json!({"password": "p", "tags": "management"});
    stage.status("PUT", "/api/users/paul", body);
    let path = "/api/permissions/%2F/paul";
    let none = json!({"configure": "", "write": "", "read": ""});
    assert_eq!(stage.status("PUT", path, json!({"configure": "", "write": ""})), 400);
    assert_eq!(stage.status("PUT", path, json!({"configure": "(", "write": "", "read": ""})), 400);
    assert_eq!(stage.status("PUT", "/api/permissions/%2F/nobody", none.clone()), 400);
    assert_eq!(stage.status("PUT", "/api/permissions/nowhere/paul", none.clone()), 404);
    assert_eq!(stage.status("GET", path, Value::Null), 404);
    assert_eq!(stage.status("PUT", path, none.clone()), 201);
    let paul = login("paul", "p");
    let (status, refusal) = stage.ask_as(&paul, "PUT", "/api/queues/%2F/q", json!({}));
    assert_eq!(status, 401);
    assert!(refusal["reason"].as_str().unwrap().contains("configure access to queue 'q'"));
    let own = json!({"configure": "^q$", "write": "", "read": ""});
    assert_eq!(stage.status("PUT", path, own), 204);
    assert_eq!(stage.ask_as(&paul, "PUT", "/api/queues/%2F/q", json!({})).0, 201);
    let expected =
        json!({"user": "paul", "vhost": "/", "configure": "^q$", "write": "", "read": ""});
    assert_eq!(stage.get(path), expected);
    assert_eq!(stage.get("/api/users/paul/permissions"), json!([expected]));
    assert_eq!(stage.get("/api/vhosts/%2F/permissions").as_array().unwrap().len(), 2);
    assert_eq!(stage.get("/api/permissions").as_array().unwrap().len(), 2);
    assert_eq!(stage.status("DELETE", path, Value::Null), 204);
    assert_eq!(stage.status("DELETE", path, Value::Null), 404);
    assert_eq!(stage.ask_as(&paul, "GET", "/api/queues/%2F/q", Value::Null).0, 401);
}

#[test]
fn topic_permissions_have_one_row_for_each_exchange() {
    let stage = Stage::new();
    let path = "/api/topic-permissions/%2F/guest";
    assert_eq!(stage.status("GET", path, Value::Null), 404);
    let on = |exchange: &str| json!({"exchange": exchange, "write": "^a", "read": ".*"});
    assert_eq!(stage.status("PUT", path, on("amq.topic")), 201);
    assert_eq!(stage.status("PUT", path, on("amq.topic")), 204);
    assert_eq!(stage.status("PUT", path, on("x")), 201);
    assert_eq!(stage.get(path).as_array().unwrap().len(), 2);
    let publish = |key: &str| {
        let body = json!({"routing_key": key, "payload": "", "payload_encoding": "string",
            "properties": {}});
        stage.status("POST", "/api/exchanges/%2F/amq.topic/publish", body)
    };
    assert_eq!((publish("a.b"), publish("b")), (200, 401));
    assert_eq!(stage.status("DELETE", &format!("{path}/amq.topic"), Value::Null), 204);
    assert_eq!(publish("b"), 200);
    assert_eq!(stage.get("/api/users/guest/topic-permissions")[0]["exchange"], "x");
    assert_eq!(stage.status("DELETE", path, Value::Null), 204);
    assert_eq!(stage.get("/api/topic-permissions"), json!([]));
}

#[test]
fn a_vhost_is_made_by_whoever_gets_it() {
    let stage = Stage::new();
    let path = "/api/vhosts/a%2Fb";
    let body = json!({"description": "of a test", "tags": "x,y", "default_queue_type": "quorum"});
    assert_eq!(stage.status("PUT", path, body), 201);
    assert_eq!(stage.status("PUT", path, json!({"description": "another"})), 204);
    let found = stage.get(path);
    assert_eq!((&found["description"], &found["tags"]), (&json!("another"), &json!(["x", "y"])));
    assert_eq!(found["metadata"]["default_queue_type"], "quorum");
    assert_eq!(stage.status("PUT", "/api/queues/a%2Fb/q", json!({})), 201);
    assert_eq!(stage.get("/api/queues/a%2Fb/q")["type"], "quorum");
    assert_eq!(stage.status("PUT", "/api/queues/a%2Fb/q", json!({})), 204);
    let classic = json!({"arguments": {"x-queue-type": "classic"}});
    assert_eq!(stage.status("PUT", "/api/queues/a%2Fb/c", classic), 201);
    assert_eq!(stage.get("/api/queues/a%2Fb/c")["type"], "classic");
    assert_eq!(stage.get("/api/permissions/a%2Fb/guest")["configure"], ".*");
    assert_eq!(stage.status("DELETE", path, Value::Null), 204);
    assert_eq!(stage.status("DELETE", path, Value::Null), 404);
    assert_eq!(stage.get("/api/vhosts").as_array().unwrap().len(), 1, "its place is not shown");
    let unknown = json!({"default_queue_type": "fish"});
    assert_eq!(stage.status("PUT", "/api/vhosts/c", unknown), 400);
}

#[test]
fn limits_are_set_and_hold() {
    let stage = Stage::new();
    let path = "/api/vhost-limits/%2F/max-queues";
    assert_eq!(stage.get("/api/vhost-limits"), json!([]));
    assert_eq!(stage.status("PUT", path, json!({"value": "x"})), 400);
    assert_eq!(stage.status("PUT", "/api/vhost-limits/%2F/max-x", json!({"value": 1})), 400);
    assert_eq!(stage.status("PUT", path, json!({"value": 1})), 201);
    assert_eq!(stage.status("PUT", path, json!({"value": "1"})), 204);
    assert_eq!(stage.get("/api/vhost-limits"), json!([{"vhost": "/", "value": {"max-queues": 1}}]));
    assert_eq!(stage.status("PUT", "/api/queues/%2F/a", json!({})), 201);
    assert_eq!(stage.status("PUT", "/api/queues/%2F/b", json!({})), 400);
    assert_eq!(stage.status("DELETE", path, Value::Null), 204);
    assert_eq!(stage.get("/api/vhost-limits/%2F"), json!([]));
    assert_eq!(stage.status("PUT", "/api/queues/%2F/b", json!({})), 201);

    let path = "/api/user-limits/guest/max-connections";
    assert!(stage.connects("guest", "guest"));
    assert_eq!(stage.status("PUT", path, json!({"value": 0})), 201);
    assert!(!stage.connects("guest", "guest"));
    let limits = json!([{"user": "guest", "value": {"max-connections": 0}}]);
    assert_eq!(stage.get("/api/user-limits"), limits);
    assert_eq!(stage.get("/api/user-limits/guest"), limits);
    assert_eq!(stage.status("DELETE", path, Value::Null), 204);
    assert!(stage.connects("guest", "guest"));
}

#[test]
fn policies_are_seen_in_queues_and_exchanges() {
    let stage = Stage::new();
    for name in ["q1", "other"] {
        stage.status("PUT", &format!("/api/queues/%2F/{name}"), json!({}));
    }
    stage.status("PUT", "/api/exchanges/%2F/q2", json!({"type": "direct"}));
    let path = "/api/policies/%2F/p";
    let policy = |definition: Value| json!({"pattern": "^q", "apply-to": "all", "priority": 3, "definition": definition});
    let (status, refusal) = stage.ask("PUT", path, policy(json!({"message-ttl": -1})));
    assert_eq!((status, &refusal["reason"]), (400, &json!("-1 is not a valid message TTL")));
    assert_eq!(stage.status("PUT", path, policy(json!({"max-length": 10}))), 201);
    let expected = json!({"vhost": "/", "name": "p", "pattern": "^q", "apply-to": "all",
        "priority": 3, "definition": {"max-length": 10}});
    assert_eq!(stage.get(path), expected);
    assert_eq!(stage.get("/api/policies"), json!([expected]));
    let operator = "/api/operator-policies/%2F/o";
    let body = json!({"pattern": "", "definition": {"max-length": 5}, "apply-to": "queues"});
    assert_eq!(stage.status("PUT", operator, body), 201);
    assert_eq!(stage.get(operator)["definition"], json!({"max-length": 5}));
    assert_eq!(stage.get("/api/operator-policies/%2F")[0]["name"], "o");

    let queue = stage.get("/api/queues/%2F/q1");
    assert_eq!((&queue["policy"], &queue["operator_policy"]), (&json!("p"), &json!("o")));
    assert_eq!(queue["effective_policy_definition"], json!({"max-length": 5}));
    assert_eq!(stage.get("/api/queues/%2F/other")["policy"], Value::Null);
    assert_eq!(stage.get("/api/exchanges/%2F/q2")["policy"], "p");
    assert_eq!(stage.status("DELETE", path, Value::Null), 204);
    assert_eq!(stage.status("DELETE", operator, Value::Null), 204);
    assert_eq!(stage.get("/api/queues/%2F/q1")["effective_policy_definition"], json!({}));
    assert_eq!(stage.status("DELETE", path, Value::Null), 404);
}

#[test]
fn what_nothing_runs_is_refused_in_rabbitmqs_words() {
    let stage = Stage::new();
    for component in ["shovel", "federation-upstream", "federation-upstream-set", "nope"] {
        let path = format!("/api/parameters/{component}/%2F/mine");
        let body = json!({"value": {"src-uri": "amqp://", "src-queue": "q"}});
        let (status, answer) = stage.ask("PUT", &path, body);
        let reason = format!("Validation failed\n\ncomponent {component} not found\n");
        assert_eq!((status, &answer["reason"]), (400, &json!(reason)), "{component}");
        assert_eq!(stage.status("GET", &path, Value::Null), 404);
        assert_eq!(stage.status("DELETE", &path, Value::Null), 404);
        assert_eq!(stage.get(&format!("/api/parameters/{component}")), json!([]));
    }
    let around = json!({"value": {"pattern": "", "definition": {"max-length": 1}}});
    assert_eq!(stage.status("PUT", "/api/parameters/operator_policy/%2F/x", around), 400);
    for kind in ["policies", "operator-policies"] {
        let path = format!("/api/{kind}/%2F/p");
        let body = json!({"pattern": "", "definition": {"federation-upstream": "up"}});
        let (status, answer) = stage.ask("PUT", &path, body);
        let reason = "Validation failed\n\n[{<<\"federation-upstream\">>,<<\"up\">>}] are not \
                      recognised policy settings\n";
        assert_eq!((status, &answer["reason"]), (400, &json!(reason)), "{kind}");
        assert_eq!(stage.status("GET", &path, Value::Null), 404);
    }
}

#[test]
fn the_firehose_is_turned_on_and_off() {
    let stage = Stage::new();
    let tracing = |vhost: &str| stage.get(&format!("/api/vhosts/{vhost}"))["tracing"].clone();
    assert_eq!(stage.status("PUT", "/api/vhosts/v", json!({"tracing": true})), 201);
    assert_eq!((tracing("v"), tracing("%2F")), (json!(true), json!(false)));
    // What is not said stays.
    assert_eq!(stage.status("PUT", "/api/vhosts/v", json!({"description": "x"})), 204);
    assert_eq!(tracing("v"), json!(true));
    stage.status("PUT", "/api/queues/v/traces", json!({}));
    let bind = json!({"routing_key": "#"});
    assert_eq!(stage.status("POST", "/api/bindings/v/e/amq.rabbitmq.trace/q/traces", bind), 201);
    let publish = || {
        let body = json!({"routing_key": "nobody", "payload": "p", "payload_encoding": "string",
            "properties": {}});
        stage.status("POST", "/api/exchanges/v/amq.fanout/publish", body);
        stage.get("/api/queues/v/traces")["messages"].clone()
    };
    assert_eq!(publish(), json!(1));
    let get = json!({"count": 1, "ackmode": "ack_requeue_true"});
    let trace = stage.ask("POST", "/api/queues/v/traces/get", get).1;
    assert_eq!(trace[0]["routing_key"], "publish.amq.fanout");
    assert_eq!(stage.status("PUT", "/api/vhosts/v", json!({"tracing": "false"})), 204);
    assert_eq!(publish(), json!(1));
    let says = "Starting tracing for vhost \"v\" ...\nTrace enabled for vhost v\n";
    assert_eq!(stage.ctl_says(&["trace_on", "-p", "v"]), says);
    assert_eq!(publish(), json!(2));
    assert_eq!(stage.ctl_says(&["list_vhosts", "name", "tracing", "-s"]), "/\tfalse\nv\ttrue\n");
    let says = "Stopping tracing for vhost \"v\" ...\nTrace disabled for vhost v\n";
    assert_eq!(stage.ctl_says(&["trace_off", "-p", "v"]), says);
    assert_eq!(tracing("v"), json!(false));
    assert_eq!(stage.ctl(&["trace_on", "-p", "nowhere"]).status.code(), Some(65));
    assert_eq!(stage.status("GET", "/api/vhosts/nowhere", Value::Null), 404);
}

#[test]
fn global_parameters_are_kept() {
    let stage = Stage::new();
    let global = "/api/global-parameters/cluster_tags";
    assert_eq!(stage.status("PUT", global, json!({"value": [{"k": "v"}]})), 201);
    assert_eq!(stage.get(global), json!({"name": "cluster_tags", "value": [{"k": "v"}]}));
    assert_eq!(stage.status("DELETE", global, Value::Null), 204);
    assert_eq!(stage.get("/api/global-parameters"), json!([]));
}

#[test]
fn tags_decide_who_may_do_what() {
    let stage = Stage::new();
    stage.status("PUT", "/api/vhosts/other", json!({}));
    for name in ["nobody", "management", "policymaker", "monitoring"] {
        stage.user(name, if name == "nobody" { "" } else { name });
    }
    stage.user("both", "monitoring,policymaker");
    let policy = || json!({"pattern": "^q", "definition": {"max-length": 10}});
    for (user, method, path, body, status) in [
        ("nobody", "GET", "/api/whoami", Value::Null, 401),
        ("management", "GET", "/api/queues/%2F", Value::Null, 200),
        ("management", "GET", "/api/queues/other", Value::Null, 401),
        ("management", "GET", "/api/policies", Value::Null, 200),
        ("management", "PUT", "/api/policies/%2F/p", policy(), 401),
        ("management", "GET", "/api/nodes", Value::Null, 401),
        ("policymaker", "PUT", "/api/policies/%2F/p", policy(), 201),
        ("policymaker", "PUT", "/api/policies/other/p", policy(), 401),
        ("policymaker", "PUT", "/api/operator-policies/%2F/p", policy(), 401),
        ("policymaker", "PUT", "/api/vhost-limits/%2F/max-queues", json!({"value": 1}), 401),
        ("policymaker", "GET", "/api/users", Value::Null, 401),
        ("monitoring", "GET", "/api/nodes", Value::Null, 200),
        ("monitoring", "GET", "/api/queues/other", Value::Null, 200),
        ("monitoring", "PUT", "/api/queues/other/q", json!({}), 401),
        ("monitoring", "GET", "/api/policies/%2F", Value::Null, 200),
        ("monitoring", "GET", "/api/permissions", Value::Null, 401),
        ("both", "PUT", "/api/policies/other/p", policy(), 401),
        ("both", "PUT", "/api/policies/%2F/p", policy(), 204),
        ("both", "DELETE", "/api/users/nobody", Value::Null, 401),
        ("both", "PUT", "/api/vhosts/new", json!({}), 401),
    ] {
        assert_eq!(stage.status_as(user, method, path, body), status, "{user} {method} {path}");
    }
}

#[test]
fn a_queue_has_the_fields_that_typed_clients_want() {
    let stage = Stage::new();
    stage.status("PUT", "/api/queues/%2F/q", json!({}));
    let queue = &stage.get("/api/queues/detailed")[0];
    assert_eq!(queue["garbage_collection"]["fullsweep_after"], 0);
}

#[test]
fn definitions_go_out_and_in() {
    let stage = Stage::new();
    stage.user("alice", "management");
    stage.status("PUT", "/api/vhosts/v", json!({}));
    let arguments = json!({"arguments": {"x-max-length": 5}});
    stage.status("PUT", "/api/queues/v/q", arguments);
    stage.status("PUT", "/api/exchanges/v/x", json!({"type": "topic"}));
    stage.status("POST", "/api/bindings/v/e/x/q/q", json!({"routing_key": "a.#"}));
    stage.status("PUT", "/api/vhost-limits/v/max-queues", json!({"value": 2}));
    let policy = || json!({"pattern": "^q", "definition": {"max-length": 10}});
    stage.status("PUT", "/api/policies/v/p", policy());
    stage.status("PUT", "/api/operator-policies/v/o", policy());
    let whole = stage.get("/api/definitions");
    assert_eq!(whole["users"][0]["name"], "alice");
    assert_eq!(whole["queues"][0]["arguments"], json!({"x-max-length": 5}));
    assert_eq!(whole["bindings"].as_array().unwrap().len(), 1);
    assert_eq!(whole["exchanges"].as_array().unwrap().len(), 1);
    assert_eq!(whole["parameters"].as_array().unwrap().len(), 2);

    let other = Stage::new();
    let dry = "/api/definitions?dry_run=true";
    let differences = |stage: &Stage, path: &str, file: &Value| {
        let (status, answer) = stage.ask("POST", path, file.clone());
        assert_eq!(status, 200, "{answer}");
        answer["differences"].as_array().unwrap().len()
    };
    assert!(differences(&other, dry, &whole) >= 8);
    assert_eq!(other.get("/api/vhosts").as_array().unwrap().len(), 1, "it was dry");
    assert_eq!(other.status("POST", "/api/definitions", whole.clone()), 204);
    assert_eq!(differences(&other, dry, &whole), 0);
    assert_eq!(other.get("/api/definitions"), whole);
    assert_eq!(other.get("/api/queues/v/q")["operator_policy"], "o");
    assert!(other.connects("alice", "alice"));

    // All of it or nothing: one queue too many.
    let mut more = whole.clone();
    for name in ["r", "s"] {
        let queue = json!({"vhost": "v", "name": name, "durable": true, "auto_delete": false,
            "arguments": {}});
        more["queues"].as_array_mut().unwrap().push(queue);
    }
    let (status, refusal) = other.ask("POST", "/api/definitions", more);
    let reason = "cannot declare queue 's': queue limit in vhost 'v' (2) is reached";
    assert_eq!((status, &refusal["reason"]), (400, &json!(reason)));
    assert_eq!(other.get("/api/queues/v").as_array().unwrap().len(), 1);

    let one = stage.get("/api/definitions/v");
    assert_eq!(one["original_vhost_name"], "v");
    assert_eq!(other.status("POST", "/api/definitions/%2F", one.clone()), 204);
    assert_eq!(other.get("/api/queues/%2F/q/bindings").as_array().unwrap().len(), 2);
    assert_eq!(other.status("POST", "/api/definitions/nowhere", one), 404);
    assert_eq!(other.status("POST", "/api/definitions", json!({"queues": 5})), 400);
    let alice = login("alice", "alice");
    assert_eq!(stage.ask_as(&alice, "GET", "/api/definitions", Value::Null).0, 401);
}

#[test]
fn a_browsers_form_can_carry_definitions() {
    let stage = Stage::new();
    let file = json!({"vhosts": [{"name": "v"}]});
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--b\r\nContent-Disposition: \
         form-data; name=\"file\"; filename=\"d.json\"\r\n\r\n{file}\r\n--b--\r\n"
    );
    let head = format!(
        "Authorization: {GUEST}\r\nContent-Type: multipart/form-data; boundary=b\r\n\
         Content-Length: {}\r\n",
        body.len()
    );
    assert_eq!(say(stage.address(), "POST /api/definitions", &head, &body).status, 204);
    assert_eq!(stage.get("/api/vhosts/v")["name"], "v");
    let other = body.replace("name=\"file\"", "name=\"fish\"");
    assert_eq!(say(stage.address(), "POST /api/definitions", &head, &other).status, 400);
}

#[test]
fn the_owner_is_no_user() {
    let stage = Stage::new();
    stage.status("PUT", "/api/vhosts/v", json!({}));
    stage.status("PUT", "/api/queues/v/q", json!({}));
    stage.user("admin", "administrator");
    assert_eq!(stage.status_as("admin", "DELETE", "/api/users/guest", Value::Null), 204);
    assert_eq!(stage.ctl_says(&["list_queues", "-p", "v", "-s"]), "q\t0\n");
    stage.ctl_says(&["purge_queue", "-p", "v", "q"]);
    stage.ctl_says(&["peek", "-p", "v", "q"]);
    stage.ctl_says(&["delete_queue", "-p", "v", "q"]);
}
