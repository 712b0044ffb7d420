//! Changes as a definitions file.

use serde_json::{Map, Value, json};

use crate::broker::access::{Change, NewPassword, PasswordHash, PolicyKind, VhostSettings};

use super::json::{field_to_json, table_to_json};

/// What a file says wrote it.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The version of RabbitMQ that it is like.
    pub compatible_version: &'a str,
}

/// The sections of a file, in the order in which RabbitMQ imports them.
pub(super) const SECTIONS: [&str; 10] = [
    "users",
    "vhosts",
    "permissions",
    "topic_permissions",
    "parameters",
    "global_parameters",
    "policies",
    "queues",
    "exchanges",
    "bindings",
];

/// A file of everything. `changes` are those that would make it.
pub fn write(changes: &[Change], product: Product<'_>) -> Value {
    let mut file = head(product);
    file.insert("rabbitmq_definition_format".to_owned(), json!("cluster"));
    for section in SECTIONS {
        file.insert(section.to_owned(), json!([]));
    }
    for change in changes {
        add(&mut file, change);
    }
    Value::Object(file)
}

/// A file of one vhost: no users, and no `vhost` in the items.
pub fn write_vhost(changes: &[Change], vhost: &str, product: Product<'_>) -> Value {
    let whole = write(changes, product);
    let mut file = head(product);
    file.insert("rabbitmq_definition_format".to_owned(), json!("single_virtual_host"));
    file.insert("original_vhost_name".to_owned(), json!(vhost));
    for item in items(&whole, "vhosts").filter(|item| item["name"] == vhost) {
        for key in ["description", "tags", "default_queue_type", "metadata"] {
            if let Some(value) = item.get(key) {
                file.insert(key.to_owned(), value.clone());
            }
        }
    }
    for section in ["parameters", "policies", "queues", "exchanges", "bindings"] {
        let own = items(&whole, section).filter(|item| item["vhost"] == vhost);
        let own = own.map(|item| {
            let mut item = item.clone();
            if let Some(object) = item.as_object_mut() {
                object.remove("vhost");
            }
            item
        });
        file.insert(section.to_owned(), own.collect());
    }
    Value::Object(file)
}

fn head(product: Product<'_>) -> Map<String, Value> {
    let Value::Object(head) = json!({
        "rabbit_version": product.compatible_version,
        "rabbitmq_version": product.compatible_version,
        "product_name": product.name,
        "product_version": product.version,
    }) else {
        return Map::new();
    };
    head
}

/// The items of a section.
pub(super) fn items<'v>(
    file: &'v Value,
    section: &str,
) -> impl Iterator<Item = &'v Value> + use<'v> {
    file.get(section).and_then(Value::as_array).into_iter().flatten()
}

/// Adds a change to its section; a limit to what has it.
fn add(file: &mut Map<String, Value>, change: &Change) {
    match change {
        Change::SetUserLimit { user, limit, value } => {
            let item = find(file, "users", |item| item["name"] == **user);
            if let Some(item) = item {
                item["limits"][limit.name()] = json!(value);
            }
        }
        Change::SetVhostLimit { vhost, limit, value } => {
            let is_limits =
                |item: &Value| item["component"] == "vhost-limits" && item["vhost"] == **vhost;
            if let Some(item) = find(file, "parameters", is_limits) {
                item["value"][limit.name()] = json!(value);
            } else {
                let value = json!({ limit.name(): value });
                let component = json!({"component": "vhost-limits", "name": "limits",
                    "vhost": **vhost, "value": value});
                push(file, "parameters", component);
            }
        }
        _ => {
            if let Some((section, item)) = item(change) {
                push(file, section, item);
            }
        }
    }
}

fn find<'f>(
    file: &'f mut Map<String, Value>,
    section: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Option<&'f mut Value> {
    file.get_mut(section)?.as_array_mut()?.iter_mut().find(|item| wanted(item))
}

fn push(file: &mut Map<String, Value>, section: &str, item: Value) {
    if let Some(Value::Array(items)) = file.get_mut(section) {
        items.push(item);
    }
}

/// The item of a change, and its section; `None` for limits, which are in the items of others.
pub fn item(change: &Change) -> Option<(&'static str, Value)> {
    Some(match change {
        Change::PutUser { name, password, tags } => {
            let tags: Vec<&str> = tags.iter().map(|tag| &**tag).collect();
            ("users", user(name, password, &tags))
        }
        Change::PutVhost { name, settings } => ("vhosts", vhost(name, settings)),
        Change::SetPermissions { user, vhost, configure, write, read } => (
            "permissions",
            json!({"user": **user, "vhost": **vhost, "configure": configure, "write": write,
                "read": read}),
        ),
        Change::SetTopicPermissions { user, vhost, exchange, write, read } => (
            "topic_permissions",
            json!({"user": **user, "vhost": **vhost, "exchange": **exchange, "write": write,
                "read": read}),
        ),
        Change::PutPolicy { kind, vhost, name, pattern, apply_to, priority, definition } => {
            let rule = json!({"pattern": pattern, "apply-to": apply_to.name(),
                "priority": priority, "definition": table_to_json(definition)});
            match kind {
                PolicyKind::User => {
                    let mut item = rule;
                    item["vhost"] = json!(**vhost);
                    item["name"] = json!(**name);
                    ("policies", item)
                }
                PolicyKind::Operator => (
                    "parameters",
                    json!({"component": "operator_policy", "vhost": **vhost, "name": **name,
                        "value": rule}),
                ),
            }
        }
        Change::PutParameter { component, vhost, name, value } => (
            "parameters",
            json!({"component": **component, "vhost": **vhost, "name": **name,
                "value": field_to_json(value)}),
        ),
        Change::PutGlobalParameter { name, value } => {
            ("global_parameters", json!({"name": **name, "value": field_to_json(value)}))
        }
        _ => return declaration(change),
    })
}

/// The item of a declaration or a binding.
fn declaration(change: &Change) -> Option<(&'static str, Value)> {
    Some(match change {
        Change::DeclareExchange { vhost, declare } => (
            "exchanges",
            json!({"vhost": **vhost, "name": *declare.exchange, "type": *declare.kind,
                "durable": declare.durable, "auto_delete": declare.auto_delete,
                "internal": declare.internal, "arguments": table_to_json(&declare.arguments)}),
        ),
        Change::DeclareQueue { vhost, declare } => {
            let arguments = table_to_json(&declare.arguments);
            let kind = arguments.get("x-queue-type").cloned().unwrap_or_else(|| json!("classic"));
            (
                "queues",
                json!({"vhost": **vhost, "name": *declare.queue, "durable": declare.durable,
                    "auto_delete": declare.auto_delete, "type": kind, "arguments": arguments}),
            )
        }
        Change::BindQueue { vhost, bind } => (
            "bindings",
            json!({"vhost": **vhost, "source": *bind.exchange, "destination": *bind.queue,
                "destination_type": "queue", "routing_key": *bind.routing_key,
                "arguments": table_to_json(&bind.arguments)}),
        ),
        Change::BindExchange { vhost, bind } => (
            "bindings",
            json!({"vhost": **vhost, "source": *bind.source, "destination": *bind.destination,
                "destination_type": "exchange", "routing_key": *bind.routing_key,
                "arguments": table_to_json(&bind.arguments)}),
        ),
        _ => return None,
    })
}

fn user(name: &str, password: &NewPassword, tags: &[&str]) -> Value {
    let hash = match password {
        NewPassword::Hash(hash) => Some(hash),
        NewPassword::None | NewPassword::Unchanged => None,
    };
    json!({
        "name": name,
        "password_hash": hash.map(PasswordHash::base64).unwrap_or_default(),
        "hashing_algorithm":
            hash.map_or("rabbit_password_hashing_sha256", |hash| hash.hashing().name()),
        "tags": tags,
        "limits": {},
    })
}

fn vhost(name: &str, settings: &VhostSettings) -> Value {
    let tags: Vec<&str> = settings.tags.iter().map(|tag| &**tag).collect();
    let mut metadata = json!({"description": settings.description, "tags": tags});
    let mut item = json!({"name": name, "description": settings.description, "tags": tags});
    if !settings.default_queue_type.is_empty() {
        metadata["default_queue_type"] = json!(*settings.default_queue_type);
        item["default_queue_type"] = json!(*settings.default_queue_type);
    }
    item["metadata"] = metadata;
    item
}
