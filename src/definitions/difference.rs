//! What an import would do: a dry run.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::broker::access::Change;
use crate::secrets::without_credentials;

use super::write::item;

/// What an import would do to one thing.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// Make it.
    Added {
        /// The section of the file.
        section: &'static str,
        /// As the file has it.
        item: Value,
    },
    /// Replace it.
    Changed {
        /// The section of the file.
        section: &'static str,
        /// As it is.
        from: Value,
        /// As the file has it.
        to: Value,
    },
    /// Leave it: it exists, and is not what the file says.
    Kept {
        /// The section of the file.
        section: &'static str,
        /// As it is.
        item: Value,
        /// As the file has it.
        wanted: Value,
    },
}

/// What the changes of a file would do to what there is, in the file's order; what is the same is
/// left out. Limits are not compared.
pub fn difference(current: &[Change], wanted: &[Change]) -> Vec<Difference> {
    let known: BTreeMap<_, _> = current
        .iter()
        .filter_map(item)
        .map(|(section, item)| ((section, identity(section, &item)), item))
        .collect();
    let judge = |(section, to): (&'static str, Value)| {
        let Some(from) = known.get(&(section, identity(section, &to))) else {
            return Some(Difference::Added { section, item: to });
        };
        if *from == to {
            return None;
        }
        let from = from.clone();
        Some(match section {
            "queues" | "exchanges" => Difference::Kept { section, item: from, wanted: to },
            _ => Difference::Changed { section, from, to },
        })
    };
    wanted.iter().filter_map(item).filter_map(judge).collect()
}

/// What makes an item of a section the same one as another.
fn identity(section: &str, item: &Value) -> String {
    let keys: &[&str] = match section {
        "permissions" => &["vhost", "user"],
        "topic_permissions" => &["vhost", "user", "exchange"],
        "parameters" => &["vhost", "component", "name"],
        "bindings" => {
            &["vhost", "source", "destination", "destination_type", "routing_key", "arguments"]
        }
        _ => &["vhost", "name"],
    };
    let parts: Vec<_> = keys.iter().map(|key| item.get(*key).unwrap_or(&Value::Null)).collect();
    Value::from_iter(parts.into_iter().cloned()).to_string()
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { section, item } => write!(f, "add {section} {}", shown(item)),
            Self::Changed { section, from, to } => {
                write!(f, "change {section} {} to {}", shown(from), shown(to))
            }
            Self::Kept { section, item, wanted } => {
                write!(f, "keep {section} {}, not {}", shown(item), shown(wanted))
            }
        }
    }
}

/// An item without its secrets.
fn shown(item: &Value) -> String {
    let mut shown = item.clone();
    if let Some(object) = shown.as_object_mut() {
        object.remove("password_hash");
    }
    without_credentials(&shown.to_string()).into_owned()
}
