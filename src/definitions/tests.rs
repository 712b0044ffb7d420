//! Files as RabbitMQ writes them, in and out again.

use serde_json::{Value, json};

use super::*;
use crate::broker::access::{Access, Change, Hashing, NewPassword, SALT_OCTETS};
use crate::wire::ShortString;

const PRODUCT: Product<'_> =
    Product { name: "Leveret", version: "1.2.3", compatible_version: "4.3.0" };

fn hash(password: &[u8]) -> Result<PasswordHash, String> {
    Ok(PasswordHash::new(Hashing::Sha256, [3; SALT_OCTETS], password))
}

fn read_all(file: &Value) -> Result<Definitions, DefinitionsError> {
    read(file.to_string().as_bytes(), None, &hash)
}

/// A file with something in each section.
fn full() -> Value {
    json!({
        "rabbit_version": "3.10.8",
        "rabbitmq_version": "3.10.8",
        "product_name": "RabbitMQ",
        "product_version": "3.10.8",
        "users": [{
            "name": "alice",
            "password_hash": "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": ["administrator"],
            "limits": {"max-channels": 7},
        }],
        "vhosts": [{"name": "v", "description": "hers", "tags": ["a"],
            "metadata": {"description": "hers", "tags": ["a"]}}],
        "permissions": [
            {"user": "alice", "vhost": "v", "configure": "^a", "write": "", "read": ".*"}],
        "topic_permissions": [
            {"user": "alice", "vhost": "v", "exchange": "x", "write": "^{username}", "read": ""}],
        "parameters": [
            {"vhost": "v", "component": "operator_policy", "name": "o", "value":
                {"pattern": "", "apply-to": "queues", "priority": 1,
                 "definition": {"max-length": 5}}},
            {"vhost": "v", "component": "vhost-limits", "name": "limits",
                "value": {"max-queues": 9}},
        ],
        "global_parameters": [{"name": "cluster_name", "value":
            {"uris": ["amqp://"], "ack": true, "nothing": null, "half": 0.5}}],
        "policies": [{"vhost": "v", "name": "p", "pattern": "^q", "apply-to": "all",
            "priority": 0, "definition": {"message-ttl": 5}}],
        "queues": [
            {"vhost": "v", "name": "q", "durable": true, "auto_delete": false, "type": "classic",
             "arguments": {"x-max-length": 3}},
            {"vhost": "v", "name": "r", "durable": true, "auto_delete": false, "type": "quorum",
             "arguments": {"x-queue-type": "quorum"}},
        ],
        "exchanges": [{"vhost": "v", "name": "x", "type": "topic", "durable": true,
            "auto_delete": false, "internal": false, "arguments": {}}],
        "bindings": [
            {"vhost": "v", "source": "x", "destination": "q", "destination_type": "queue",
             "routing_key": "a.*", "arguments": {}},
            {"vhost": "v", "source": "amq.topic", "destination": "x",
             "destination_type": "exchange", "routing_key": "#", "arguments": {"h": "1"}},
        ],
    })
}

#[test]
fn a_file_comes_out_as_it_went_in() {
    let definitions = read_all(&full()).unwrap();
    assert_eq!(definitions.warnings, Vec::<String>::new());
    let written = write(&definitions.changes, PRODUCT);
    let mut expected = full();
    for key in ["rabbit_version", "rabbitmq_version"] {
        expected[key] = json!("4.3.0");
    }
    expected["product_name"] = json!("Leveret");
    expected["product_version"] = json!("1.2.3");
    expected["rabbitmq_definition_format"] = json!("cluster");
    assert_eq!(written, expected);
    assert_eq!(read_all(&written).unwrap().changes, definitions.changes);
}

#[test]
fn the_rules_of_a_file_can_be_applied_in_its_order() {
    let mut access = Access::default();
    for change in read_all(&full()).unwrap().changes {
        access.apply(change).unwrap();
    }
    let alice = &access.users[&ShortString::clipped("alice")];
    assert!(alice.password.as_ref().unwrap().verifies(b"test12"));
    assert_eq!(access.vhosts[&ShortString::clipped("v")].max_queues, Some(9));
}

#[test]
fn a_file_of_one_vhost_goes_into_another() {
    let definitions = read_all(&full()).unwrap();
    let file = write_vhost(&definitions.changes, "v", PRODUCT);
    assert_eq!(file["original_vhost_name"], "v");
    assert!(file.get("users").is_none() && file["queues"][0].get("vhost").is_none());
    let other = ShortString::clipped("other");
    let moved = read(file.to_string().as_bytes(), Some(&other), &hash).unwrap();
    assert_eq!(moved.warnings, Vec::<String>::new());
    let queues = moved
        .changes
        .iter()
        .filter(|change| matches!(change, Change::DeclareQueue { vhost, .. } if *vhost == other));
    assert_eq!(queues.count(), 2);
}

#[test]
fn older_files_are_read_too() {
    let file = json!({
        "users": [
            {"name": "a", "password_hash": "", "tags": "monitoring, x"},
            {"name": "b", "password": "clear", "tags": ""},
        ],
        "vhosts": [{"name": "v", "metadata": {"description": "inside", "tags": []},
            "default_queue_type": "undefined"}],
        "queues": [{"name": "q", "vhost": "v", "durable": true, "auto_delete": false,
            "arguments": []}],
        "invented": 1,
    });
    let definitions = read_all(&file).unwrap();
    assert_eq!(definitions.warnings, ["the file: 'invented' is not known, left out"]);
    let tags: Vec<_> = definitions
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::PutUser { password, tags, .. } => Some((password.clone(), tags.len())),
            _ => None,
        })
        .collect();
    assert_eq!(tags[0], (NewPassword::None, 2));
    assert_eq!(tags[1], (NewPassword::Hash(hash(b"clear").unwrap()), 0));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (file, text) in [
        (json!([]), "not a definitions file: not an object"),
        (json!({"queues": 5}), "queues: it is not a list"),
        (json!({"queues": [{}]}), "queues[0].vhost: is missing"),
        (
            json!({"queues": [{"vhost": "/", "name": "q", "durable": "yes"}]}),
            "queues[0].durable of 'q': is neither true nor false",
        ),
        (
            json!({"policies": [{"vhost": "/", "name": "p", "pattern": "", "apply-to": "fish",
                "definition": {}}]}),
            "policies[0].apply-to of 'p': is not known",
        ),
        (
            json!({"users": [{"name": "a", "password_hash": "no base64",
                "hashing_algorithm": "rabbit_password_hashing_sha256"}]}),
            "users[0].password_hash of 'a': is not base64",
        ),
        (json!({"vhosts": [{"name": 5}]}), "vhosts[0].name: is not a text"),
    ] {
        assert_eq!(read_all(&file).unwrap_err().to_string(), text);
    }
    assert!(read(b"{", None, &hash).is_err());
    assert!(read("[".repeat(100_000).as_bytes(), None, &hash).is_err());
}

#[test]
fn a_dry_run_says_what_would_change() {
    let current = read_all(&full()).unwrap().changes;
    assert_eq!(difference(&current, &current), []);
    let mut other = full();
    other["queues"][0]["arguments"] = json!({});
    other["policies"][0]["priority"] = json!(4);
    other["vhosts"][0]["name"] = json!("w");
    let wanted = read_all(&other).unwrap().changes;
    let kinds: Vec<_> = difference(&current, &wanted)
        .iter()
        .map(|one| match one {
            Difference::Added { section, .. } => format!("added {section}"),
            Difference::Changed { section, .. } => format!("changed {section}"),
            Difference::Kept { section, .. } => format!("kept {section}"),
        })
        .collect();
    assert_eq!(kinds, ["added vhosts", "changed policies", "kept queues"]);
}

#[test]
fn what_a_file_does_not_say_is_as_in_rabbitmq() {
    let file = json!({
        "queues": [{"vhost": "/", "name": "q"}],
        "exchanges": [{"vhost": "/", "name": "x", "type": "direct", "durable": null}],
    });
    for change in read_all(&file).unwrap().changes {
        let (durable, auto_delete) = match change {
            Change::DeclareQueue { declare, .. } => (declare.durable, declare.auto_delete),
            Change::DeclareExchange { declare, .. } => (declare.durable, declare.auto_delete),
            other => unreachable!("{other:?}"),
        };
        assert!(durable && !auto_delete);
    }
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let file = [b"\xef\xbb\xbf".as_slice(), full().to_string().as_bytes()].concat();
    let changes = read(&file, None, &hash).unwrap().changes;
    assert_eq!(changes, read_all(&full()).unwrap().changes);
}

#[test]
fn what_is_the_servers_own_is_left_out_with_its_bindings() {
    let bound = |source: &str, queue: &str| {
        json!({"vhost": "/", "source": source, "destination": queue,
            "destination_type": "queue", "routing_key": "", "arguments": {}})
    };
    let file = json!({
        "queues": [
            {"vhost": "/", "name": "amq.gen-1"},
            {"vhost": "/", "name": ""},
            {"vhost": "/", "name": "mine", "exclusive": true},
            {"vhost": "/", "name": "q"},
        ],
        "exchanges": [
            {"vhost": "/", "name": "amq.topic", "type": "topic"},
            {"vhost": "/", "name": "amq.other", "type": "topic"},
        ],
        "bindings": [
            bound("amq.topic", "amq.gen-1"), bound("amq.topic", "amq.gen-unlisted"),
            bound("amq.topic", "mine"), bound("amq.other", "q"), bound("amq.topic", "q"),
        ],
    });
    let read = read_all(&file).unwrap();
    let written = write(&read.changes, PRODUCT);
    assert_eq!(written["queues"][0]["name"], "q");
    assert_eq!(written["queues"].as_array().unwrap().len(), 1);
    assert_eq!(written["bindings"], json!([bound("amq.topic", "q")]));
    let places: Vec<_> = read.warnings.iter().map(|text| text.split(':').next().unwrap()).collect();
    let expected = [
        "exchanges[1]",
        "queues[0]",
        "queues[1]",
        "queues[2]",
        "bindings[0]",
        "bindings[1]",
        "bindings[2]",
        "bindings[3]",
    ];
    assert_eq!(places, expected, "{:?}", read.warnings);
    assert!(read.warnings[1].contains("queue 'amq.gen-1' is left out"), "{}", read.warnings[1]);
}

#[test]
fn a_hash_tells_by_its_length_how_it_was_made() {
    for made in [Hashing::Md5, Hashing::Sha256, Hashing::Sha512] {
        let hash = PasswordHash::new(made, [3; SALT_OCTETS], b"geheim").base64();
        for file in [
            json!({"users": [{"name": "a", "password_hash": hash}]}),
            json!({"users": [{"name": "a", "password_hash": hash, "hashing_algorithm": null}]}),
        ] {
            let changes = read_all(&file).unwrap().changes;
            let [Change::PutUser { password: NewPassword::Hash(hash), .. }] = &changes[..] else {
                unreachable!("{changes:?}")
            };
            assert!(hash.verifies(b"geheim"), "{made:?}");
        }
    }
}

#[test]
fn whoever_has_an_unusable_hash_cannot_log_in_by_password() {
    let sha256 = PasswordHash::new(Hashing::Sha256, [3; SALT_OCTETS], b"x").base64();
    for (hash, hashing) in [
        (sha256.as_str(), "rabbit_password_hashing_sha512"),
        ("AAAA", "rabbit_password_hashing_sha256"),
        ("$2a$04$abc", "Bcrypt"),
    ] {
        let file = json!({"users":
            [{"name": "a", "password_hash": hash, "hashing_algorithm": hashing}]});
        let read = read_all(&file).unwrap();
        let [Change::PutUser { password, .. }] = &read.changes[..] else { unreachable!() };
        assert_eq!(*password, NewPassword::None);
        assert!(read.warnings[0].contains("user 'a' cannot log in"), "{:?}", read.warnings);
    }
}

#[test]
fn what_nothing_runs_is_left_out_and_named_and_the_rest_is_taken() {
    let mut file = full();
    file["parameters"] = json!([
        {"vhost": "v", "component": "shovel", "name": "bridge", "value": {"src-uri": "amqp://a:b@h"}},
        {"vhost": "v", "component": "federation-upstream", "name": "up", "value": {"uri": "x"}},
        {"vhost": "v", "component": "vhost-limits", "name": "limits", "value": {"max-queues": 9}},
    ]);
    let policy = |name: &str, definition: Value| {
        json!({"vhost": "v", "name": name, "pattern": "", "apply-to": "all", "priority": 0,
            "definition": definition})
    };
    file["policies"] = json!([
        policy("links", json!({"federation-upstream-set": "all"})),
        policy("both", json!({"federation-upstream": "up", "max-length": 5})),
    ]);
    let read = read_all(&file).unwrap();
    assert_eq!(
        read.warnings,
        [
            "policies[0]: 'federation-upstream-set' of policy 'links' is left out: nothing here runs it",
            "policies[1]: 'federation-upstream' of policy 'both' is left out: nothing here runs it",
            "parameters[0]: shovel 'bridge' in vhost 'v' is left out: nothing here runs it",
            "parameters[1]: federation-upstream 'up' in vhost 'v' is left out: nothing here runs it",
        ]
    );
    let policies: Vec<_> = read
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::PutPolicy { name, definition, .. } => Some((&**name, definition.len())),
            Change::PutParameter { name, .. } => panic!("'{name}' is taken"),
            _ => None,
        })
        .collect();
    assert_eq!(policies, [("both", 1)]);
    let mut access = Access::default();
    for change in read.changes {
        access.apply(change).unwrap();
    }
}
