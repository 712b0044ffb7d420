//! Definitions against the protocol: what queue.declare and exchange.declare refuse, an import
//! refuses in the same words; and what is exported can be imported.

use leveret::broker::Effects;
use leveret::broker::access::{
    ApplyTo, Change, Hashing, NewPassword, PasswordHash, PolicyKind, SALT_OCTETS, UserLimit,
    VhostLimit, VhostSettings,
};
use leveret::definitions::{self, Product};
use leveret::wire::{Field, Method, ShortString, Table, queue};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::permissions::Stage;

const PRODUCT: Product<'static> =
    Product { name: "Leveret", version: "1.2.3", compatible_version: "4.3.0" };

const TYPES: [&str; 5] = ["", "\"classic\"", "\"quorum\"", "\"stream\"", "\"fish\""];

/// A name and a value, in the form that AMQP's text and JSON share.
type Argument = (&'static str, &'static str);

const QUEUE_ARGUMENTS: &[&[Argument]] = &[
    &[],
    &[("x-max-length", "5")],
    &[("x-max-length", "-1")],
    &[("x-max-length", "\"5\"")],
    &[("x-max-priority", "5")],
    &[("x-message-ttl", "1000"), ("x-overflow", "\"drop-head\"")],
    &[("x-overflow", "\"drop-tail\"")],
    &[("x-dead-letter-exchange", "\"x\""), ("x-dead-letter-routing-key", "\"k\"")],
    &[("x-dead-letter-routing-key", "\"k\"")],
    &[("x-max-age", "\"7D\"")],
    &[("x-single-active-consumer", "true")],
    &[("x-single-active-consumer", "\"yes\"")],
    &[("x-expires", "0")],
    &[("unknown", "{a: 1}")],
];

const EXCHANGES: &[(&str, &[Argument])] = &[
    ("direct", &[]),
    ("topic", &[("alternate-exchange", "\"other\"")]),
    ("fanout", &[("alternate-exchange", "true")]),
    ("fish", &[]),
    ("x-consistent-hash", &[("hash-header", "\"h\"")]),
    ("x-consistent-hash", &[("hash-header", "\"h\""), ("hash-property", "\"message_id\"")]),
    ("x-recent-history", &[("x-recent-history-length", "-1")]),
    ("x-delayed-message", &[("x-delayed-type", "\"direct\"")]),
    ("x-delayed-message", &[]),
    ("x-message-deduplication", &[("x-cache-size", "100")]),
    ("x-federation-upstream", &[]),
];

fn hash(password: &[u8]) -> Result<PasswordHash, String> {
    Ok(PasswordHash::new(Hashing::Sha256, [3; SALT_OCTETS], password))
}

/// Imports a file; the error is what the operator reads.
fn import(stage: &mut Stage, file: &Value) -> Result<(), String> {
    let read = definitions::read(file.to_string().as_bytes(), None, &hash);
    let changes = read.map_err(|error| error.to_string())?.changes;
    let changed = stage.broker.change(changes, &mut Effects::default());
    changed.map_err(|refused| refused.to_string())
}

fn exported(stage: &Stage) -> Value {
    definitions::write(&stage.broker.definitions(), PRODUCT)
}

fn with_default_type(kind: &str) -> Stage {
    let mut stage = Stage::new();
    let (name, default_queue_type) = (ShortString::clipped("/"), ShortString::clipped(kind));
    let settings = VhostSettings { default_queue_type, ..VhostSettings::default() };
    stage.change(Change::PutVhost { name, settings });
    stage
}

/// Declares by the method on one broker and by a file on the other, and compares.
fn compare(by_method: &mut Stage, by_file: &mut Stage, (id, method): (u64, &str), file: &Value) {
    // A refusal closes the channel.
    by_method.open(id, "guest");
    let refused = by_method.say(id, method);
    let imported = import(by_file, file);
    match (refused, imported) {
        (None, Ok(())) => {}
        (Some(refused), Err(error)) => {
            let text = refused.split_once(" - ").unwrap().1;
            assert!(error.contains(text), "{method}: {refused}, but the import: {error}");
        }
        (refused, imported) => unreachable!("{method}: {refused:?}, but {file}: {imported:?}"),
    }
}

/// Arguments as AMQP's text has them, and as JSON.
fn both_forms(arguments: &[Argument]) -> (String, Value) {
    let amqp: Vec<_> = arguments.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let json = arguments.iter().map(|(name, value)| {
        let value = serde_json::from_str(&value.replace("a:", "\"a\":")).unwrap();
        ((*name).to_owned(), value)
    });
    (format!("{{{}}}", amqp.join(", ")), Value::Object(json.collect()))
}

#[test]
fn an_import_makes_and_refuses_the_queues_that_queue_declare_does() {
    for default in ["", "quorum", "rabbit_stream_queue"] {
        let (mut by_method, mut by_file) = (with_default_type(default), with_default_type(default));
        let properties = [(true, false), (true, true), (false, false), (false, true)];
        let kinds = TYPES.iter().flat_map(|kind| properties.map(|both| (kind, both)));
        for (number, ((kind, (durable, auto_delete)), others)) in kinds
            .flat_map(|all| QUEUE_ARGUMENTS.iter().map(move |others| (all, others)))
            .enumerate()
        {
            let kind: &[Argument] = if kind.is_empty() { &[] } else { &[("x-queue-type", kind)] };
            let (amqp, arguments) = both_forms(&[kind, others].concat());
            let name = format!("q{number}");
            let method = format!(
                "queue.declare queue=\"{name}\" durable={durable} auto_delete={auto_delete} \
                 arguments={amqp}"
            );
            let file = json!({"queues": [{"vhost": "/", "name": name, "durable": durable,
                "auto_delete": auto_delete, "arguments": arguments}]});
            compare(&mut by_method, &mut by_file, (number as u64, &method), &file);
        }
        assert_eq!(exported(&by_method)["queues"], exported(&by_file)["queues"]);
    }
}

#[test]
fn an_import_makes_and_refuses_the_exchanges_that_exchange_declare_does() {
    let (mut by_method, mut by_file) = (Stage::new(), Stage::new());
    for (number, (kind, arguments)) in EXCHANGES.iter().enumerate() {
        let (amqp, arguments) = both_forms(arguments);
        let name = format!("x{number}");
        let method = format!(
            "exchange.declare exchange=\"{name}\" kind=\"{kind}\" durable=true arguments={amqp}"
        );
        let file = json!({"exchanges":
            [{"vhost": "/", "name": name, "type": kind, "arguments": arguments}]});
        compare(&mut by_method, &mut by_file, (number as u64, &method), &file);
    }
    assert_eq!(exported(&by_method)["exchanges"], exported(&by_file)["exchanges"]);
}

#[test]
fn a_refused_file_has_done_nothing_and_the_refusal_names_what_is_wrong() {
    let good = json!({"name": "good", "vhost": "/"});
    let bound = |source: &str, queue: &str| {
        json!({"vhost": "/", "source": source, "destination": queue,
            "destination_type": "queue", "routing_key": ""})
    };
    for (section, item, named) in [
        (
            "queues",
            json!({"name": "bad", "vhost": "/", "durable": false,
            "arguments": {"x-queue-type": "quorum"}}),
            "invalid property 'non-durable' for queue 'bad' in vhost '/'",
        ),
        (
            "queues",
            json!({"name": "bad", "vhost": "/", "exclusive": true,
            "arguments": {"x-queue-type": "stream"}}),
            "invalid property 'exclusive-owner' for queue 'bad' in vhost '/'",
        ),
        (
            "exchanges",
            json!({"name": "bad", "vhost": "/", "type": "fish"}),
            "exchange 'bad' in vhost '/': unknown exchange type 'fish'",
        ),
        (
            "bindings",
            bound("amq.topic", "nowhere"),
            "binding of queue 'nowhere' to 'amq.topic' in vhost '/': no queue 'nowhere'",
        ),
        (
            "bindings",
            bound("nowhere", "good"),
            "binding of queue 'good' to 'nowhere' in vhost '/': no exchange 'nowhere'",
        ),
        (
            "policies",
            json!({"vhost": "/", "name": "bad", "pattern": "(", "definition": {}}),
            "policy 'bad' in vhost '/': invalid regexp",
        ),
        (
            "permissions",
            json!({"user": "guest", "vhost": "/", "configure": "(", "write": "",
            "read": ""}),
            "permissions of user 'guest' in vhost '/': invalid regexp",
        ),
        (
            "permissions",
            json!({"user": "nobody", "vhost": "/", "configure": "", "write": "",
            "read": ""}),
            "user 'nobody' in vhost '/': user 'nobody' not found",
        ),
    ] {
        let mut stage = Stage::new();
        let before = exported(&stage);
        let mut file = json!({"queues": [good], "vhosts": [{"name": "v"}]});
        match file.get_mut(section).and_then(Value::as_array_mut) {
            Some(items) => items.push(item),
            None => file[section] = json!([item]),
        }
        let error = import(&mut stage, &file).unwrap_err();
        assert!(error.contains(named), "{error}");
        assert_eq!(exported(&stage), before, "{error}");
    }
}

#[test]
fn what_exists_stays_as_it_is_and_is_not_checked() {
    let mut stage = Stage::new();
    stage.open(1, "guest");
    assert_eq!(stage.say(1, "queue.declare queue=\"q\" durable=true"), None);
    let before = exported(&stage);
    let file = json!({"queues": [{"name": "q", "vhost": "/", "durable": false,
        "arguments": {"x-queue-type": "stream", "x-max-priority": 5}}]});
    import(&mut stage, &file).unwrap();
    assert_eq!(exported(&stage), before);
}

/// What somebody does to a broker: as an operator, or as a client.
#[derive(Clone, Debug)]
enum Step {
    Change(Change),
    Method(String),
}

fn name() -> impl Strategy<Value = ShortString> {
    const NAMES: &[&str] = &["a", "b", "c", "d e", "ä", "x'y\"", "amq", "/", "{username}", "%2f"];
    proptest::sample::select(NAMES).prop_map(ShortString::clipped)
}

fn vhost() -> impl Strategy<Value = ShortString> {
    proptest::sample::select(&["/", "v"][..]).prop_map(ShortString::clipped)
}

fn some_change() -> impl Strategy<Value = Change> {
    let kinds = proptest::sample::select(&["", "classic", "quorum", "stream"][..]);
    let put_vhost = (vhost(), kinds, name()).prop_map(|(name, kind, text)| Change::PutVhost {
        name,
        settings: VhostSettings {
            description: text.to_string(),
            tags: vec![text],
            default_queue_type: ShortString::clipped(kind),
            ..VhostSettings::default()
        },
    });
    let put_user = (name(), any::<bool>(), name()).prop_map(|(name, known, tag)| {
        let password =
            if known { NewPassword::Hash(hash(b"x").unwrap()) } else { NewPassword::None };
        Change::PutUser { name, password, tags: vec![tag] }
    });
    let permissions = (name(), vhost()).prop_map(|(user, vhost)| {
        let (configure, write, read) = ("^a".to_owned(), String::new(), ".*".to_owned());
        Change::SetPermissions { user, vhost, configure, write, read }
    });
    let topics = (name(), vhost(), name()).prop_map(|(user, vhost, exchange)| {
        let (write, read) = ("^{username}".to_owned(), String::new());
        Change::SetTopicPermissions { user, vhost, exchange, write, read }
    });
    let queues = (vhost(), -1..3_i64).prop_map(|(vhost, value)| Change::SetVhostLimit {
        vhost,
        limit: VhostLimit::MaxQueues,
        value: Some(value),
    });
    let channels = (name(), -1..3_i64).prop_map(|(user, value)| Change::SetUserLimit {
        user,
        limit: UserLimit::MaxChannels,
        value: Some(value),
    });
    let policy =
        (any::<bool>(), vhost(), name(), -3..3_i64).prop_map(|(own, vhost, name, priority)| {
            Change::PutPolicy {
                kind: if own { PolicyKind::User } else { PolicyKind::Operator },
                vhost,
                name,
                pattern: "^[ab]$".to_owned(),
                apply_to: ApplyTo::named("all").unwrap(),
                priority,
                definition: table("{max-length: 7}"),
            }
        });
    let parameter = (vhost(), name(), name()).prop_map(|(vhost, component, name)| {
        let value = Field::I64(5);
        Change::PutParameter { component, vhost, name, value }
    });
    prop_oneof![put_vhost, put_user, permissions, topics, queues, channels, policy, parameter]
}

fn some_method() -> impl Strategy<Value = String> {
    let shown = |name: ShortString| name.replace('"', "\\\"");
    let name = move || name().prop_map(shown);
    let arguments = |all: &'static [&'static [Argument]]| {
        proptest::sample::select(all).prop_map(|arguments| both_forms(arguments).0)
    };
    let queue = (name(), any::<(bool, bool, bool)>(), arguments(QUEUE_ARGUMENTS)).prop_map(
        |(name, (durable, auto_delete, exclusive), arguments)| {
            format!(
                "queue.declare queue=\"{name}\" durable={durable} auto_delete={auto_delete} \
                 exclusive={exclusive} arguments={arguments}"
            )
        },
    );
    let typed = (name(), proptest::sample::select(&TYPES[1..4])).prop_map(|(name, kind)| {
        format!("queue.declare queue=\"{name}\" durable=true arguments={{x-queue-type: {kind}}}")
    });
    let exchange = (name(), any::<(bool, bool)>(), proptest::sample::select(EXCHANGES)).prop_map(
        |(name, (durable, internal), (kind, arguments))| {
            let arguments = both_forms(arguments).0;
            format!(
                "exchange.declare exchange=\"{name}\" kind=\"{kind}\" durable={durable} \
                 internal={internal} arguments={arguments}"
            )
        },
    );
    let bind = (name(), name(), name()).prop_map(|(queue, exchange, key)| {
        format!("queue.bind queue=\"{queue}\" exchange=\"{exchange}\" routing_key=\"{key}\"")
    });
    let to_server = name().prop_map(|queue| {
        format!("queue.bind queue=\"{queue}\" exchange=\"amq.headers\" arguments={{x-match: \"any\", a: 1}}")
    });
    let between = (name(), name()).prop_map(|(to, from)| {
        format!("exchange.bind destination=\"{to}\" source=\"{from}\" routing_key=\"5\"")
    });
    let server_named = Just("queue.declare durable=true".to_owned());
    prop_oneof![queue, typed, exchange, bind, to_server, between, server_named]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_exported_can_be_imported_and_is_the_same_then(
        steps in proptest::collection::vec(
            prop_oneof![some_change().prop_map(Step::Change), some_method().prop_map(Step::Method)],
            1..60,
        ),
    ) {
        let mut stage = Stage::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                // What is refused is no part of the world.
                Step::Change(change) => {
                    drop(stage.broker.change(vec![change], &mut Effects::default()));
                }
                Step::Method(method) => {
                    let id = number as u64 + 1;
                    stage.open(id, "guest");
                    stage.say(id, &method);
                }
            }
        }
        let file = exported(&stage);
        let mut other = Stage::new();
        let imported = import(&mut other, &file);
        prop_assert_eq!(imported, Ok(()), "{}", file);
        // The type of a queue is said by its arguments from then on, if the vhost has another.
        let again = exported(&other);
        for section in ["vhosts", "users", "permissions", "policies", "exchanges", "bindings"] {
            prop_assert_eq!(sorted(&again[section]), sorted(&file[section]));
        }
        let kinds = |file: &Value| {
            let kept = |queue: &Value| {
                json!([queue["vhost"], queue["name"], queue["type"], queue["durable"]])
            };
            sorted(&file["queues"].as_array().unwrap().iter().map(kept).collect())
        };
        prop_assert_eq!(kinds(&again), kinds(&file));
        let mut third = Stage::new();
        prop_assert_eq!(import(&mut third, &again), Ok(()));
        prop_assert_eq!(exported(&third), again);
    }
}

fn sorted(items: &Value) -> Vec<Value> {
    let mut items = items.as_array().cloned().unwrap_or_default();
    items.sort_by_key(Value::to_string);
    items
}

fn table(text: &str) -> Table {
    let method: Method = format!("queue.declare arguments={text}").parse().unwrap();
    match method {
        Method::Queue(queue::Method::Declare(declare)) => declare.arguments,
        _ => unreachable!("it is a declaration"),
    }
}
