//! A definitions file as changes.
//!
//! Everything is looked at before anything is done: what is wrong is said with its place
//! (`queues[3].name`), what is not known is a warning.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::broker::access::{
    Change, HashError, Hashing, NewPassword, PasswordHash, PolicyKind, UserLimit, VhostLimit,
    VhostSettings,
};
use crate::wire::ShortString;

use super::item::{DefinitionsError, Item, NAME_TOO_LONG, wrong};
use super::json::json_to_field;
use super::unrun::{check_component, is_link};
use super::write::SECTIONS;
use super::{FILE_OCTETS_MAX, HashPassword};

/// What a file says.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// The changes, in the order in which they can be made.
    pub changes: Vec<Change>,
    /// What was left out, for people.
    pub warnings: Vec<String>,
}

/// Keys of a file that say nothing to import.
const HEAD: [&str; 13] = [
    "rabbit_version",
    "rabbitmq_version",
    "product_name",
    "product_version",
    "rabbitmq_definition_format",
    "original_vhost_name",
    "original_cluster_name",
    "explanation",
    "metadata",
    "description",
    "default_queue_type",
    "limits",
    "tags",
];

/// Reads a file. With a vhost, everything in it goes there, and what is about users or other vhosts
/// is left out.
///
/// # Errors
/// When anything in it is wrong.
pub fn read(
    file: &[u8],
    vhost: Option<&ShortString>,
    hash: HashPassword<'_>,
) -> Result<Definitions, DefinitionsError> {
    if file.len() > FILE_OCTETS_MAX {
        let text = format!("longer than {FILE_OCTETS_MAX} octets");
        return Err(DefinitionsError::NotJson(text));
    }
    // Editors of Windows put a byte order mark in front.
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let value: Value = serde_json::from_slice(file)
        .map_err(|error| DefinitionsError::NotJson(error.to_string()))?;
    let Value::Object(file) = value else {
        return Err(DefinitionsError::NotJson("not an object".to_owned()));
    };
    let mut reader = Reader {
        vhost,
        hash,
        untyped: untyped_vhosts(&file),
        left_out: BTreeSet::new(),
        definitions: Definitions::default(),
    };
    reader.unknown_keys("the file", &file, &[&SECTIONS[..], &HEAD[..]].concat());
    for (section, read) in Reader::SECTIONS {
        if vhost.is_some() && OF_ALL.contains(&section) {
            reader.leave_section(&file, section);
            continue;
        }
        reader.section(&file, section, read)?;
    }
    Ok(reader.definitions)
}

/// Sections that are not of one vhost.
const OF_ALL: [&str; 5] =
    ["vhosts", "users", "permissions", "topic_permissions", "global_parameters"];

pub(super) struct Reader<'a> {
    pub(super) vhost: Option<&'a ShortString>,
    hash: HashPassword<'a>,
    /// The vhosts of which the file says that queues are classic unless they say otherwise.
    pub(super) untyped: BTreeSet<String>,
    /// Queues that were left out, by vhost and name: their bindings are too.
    pub(super) left_out: BTreeSet<(ShortString, ShortString)>,
    definitions: Definitions,
}

fn untyped_vhosts(file: &Map<String, Value>) -> BTreeSet<String> {
    let vhosts = file.get("vhosts").and_then(Value::as_array).into_iter().flatten();
    let untyped = vhosts.filter(|vhost| {
        let kinds = [&vhost["default_queue_type"], &vhost["metadata"]["default_queue_type"]];
        kinds.iter().all(|kind| matches!(kind.as_str(), None | Some("" | "undefined" | "classic")))
    });
    untyped.filter_map(|vhost| Some(vhost["name"].as_str()?.to_owned())).collect()
}

/// Reads an item of a section.
type ReadItem<'a> = fn(&mut Reader<'a>, &Item<'_>) -> Result<(), DefinitionsError>;

impl<'a> Reader<'a> {
    /// The sections in the order in which their changes can be made.
    const SECTIONS: [(&'static str, ReadItem<'a>); 10] = [
        ("vhosts", Self::vhost),
        ("users", Self::user),
        ("permissions", Self::permissions),
        ("topic_permissions", Self::topic_permissions),
        ("policies", Self::policy),
        ("parameters", Self::parameter),
        ("global_parameters", Self::global_parameter),
        ("exchanges", Self::exchange),
        ("queues", Self::queue),
        ("bindings", Self::binding),
    ];

    fn section(
        &mut self,
        file: &Map<String, Value>,
        section: &str,
        read: ReadItem<'a>,
    ) -> Result<(), DefinitionsError> {
        let items = match file.get(section) {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(wrong(section, "it is not a list")),
        };
        for (number, item) in items.iter().enumerate() {
            let place = format!("{section}[{number}]");
            let Value::Object(object) = item else {
                return Err(wrong(&place, "it is not an object"));
            };
            read(self, &Item { place, object })?;
        }
        Ok(())
    }

    pub(super) fn warn(&mut self, warning: String) {
        self.definitions.warnings.push(warning);
    }

    fn leave_section(&mut self, file: &Map<String, Value>, section: &str) {
        if file.get(section).and_then(Value::as_array).is_some_and(|items| !items.is_empty()) {
            self.definitions.warnings.push(format!("{section}: not of one vhost, left out"));
        }
    }

    pub(super) fn unknown_keys(
        &mut self,
        place: &str,
        object: &Map<String, Value>,
        known: &[&str],
    ) {
        for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
            let warning = format!("{place}: '{}' is not known, left out", key.escape_debug());
            self.definitions.warnings.push(warning);
        }
    }

    pub(super) fn push(&mut self, change: Change) {
        self.definitions.changes.push(change);
    }

    /// The vhost of an item: the one that was asked for, or the one it says.
    pub(super) fn vhost_of(&self, item: &Item<'_>) -> Result<ShortString, DefinitionsError> {
        self.vhost.map_or_else(|| item.name("vhost"), |vhost| Ok(vhost.clone()))
    }

    fn vhost(&mut self, item: &Item<'_>) -> Result<(), DefinitionsError> {
        let known = ["name", "description", "tags", "default_queue_type", "metadata", "limits"];
        self.unknown_keys(&item.place, item.object, &[&known[..], &["tracing"]].concat());
        let name = item.name("name")?;
        let metadata = item.object.get("metadata").and_then(Value::as_object);
        let nested = metadata.map(|object| Item { place: item.place.clone(), object });
        let inner = nested.as_ref().unwrap_or(item);
        let has = |key: &str| if item.object.contains_key(key) { item } else { inner };
        let settings = VhostSettings {
            description: has("description").text_or_empty("description")?,
            tags: has("tags").names("tags")?,
            default_queue_type: has("default_queue_type").name_or_empty("default_queue_type")?,
            ..VhostSettings::default()
        };
        self.push(Change::PutVhost { name: name.clone(), settings });
        if let Some(limits) = item.object.get("limits").and_then(Value::as_object) {
            self.vhost_limits(&name, limits, &item.place)?;
        }
        Ok(())
    }

    fn vhost_limits(
        &mut self,
        vhost: &ShortString,
        limits: &Map<String, Value>,
        place: &str,
    ) -> Result<(), DefinitionsError> {
        for (key, value) in limits {
            let limit = VhostLimit::named(key).ok_or_else(|| wrong(place, "an unknown limit"))?;
            let value = Some(value.as_i64().ok_or_else(|| wrong(place, "a limit is no number"))?);
            self.push(Change::SetVhostLimit { vhost: vhost.clone(), limit, value });
        }
        Ok(())
    }

    fn user(&mut self, item: &Item<'_>) -> Result<(), DefinitionsError> {
        let known = ["name", "password_hash", "password", "hashing_algorithm", "tags", "limits"];
        self.unknown_keys(&item.place, item.object, &known);
        let name = item.name("name")?;
        let password = self.password(item)?;
        let tags = item.names("tags")?;
        self.push(Change::PutUser { name: name.clone(), password, tags });
        let limits = item.object.get("limits").and_then(Value::as_object);
        for (key, value) in limits.into_iter().flatten() {
            let limit =
                UserLimit::named(key).ok_or_else(|| item.wrong("limits", "an unknown limit"))?;
            let value =
                value.as_i64().ok_or_else(|| item.wrong("limits", "a limit is no number"))?;
            self.push(Change::SetUserLimit { user: name.clone(), limit, value: Some(value) });
        }
        Ok(())
    }

    fn password(&mut self, item: &Item<'_>) -> Result<NewPassword, DefinitionsError> {
        if item.object.contains_key("password") {
            let password = item.text("password")?;
            if password.is_empty() {
                return Ok(NewPassword::None);
            }
            let hashed = (self.hash)(password.as_bytes());
            return hashed.map(NewPassword::Hash).map_err(|text| item.wrong("password", &text));
        }
        let hash = item.text_or_empty("password_hash")?;
        if hash.is_empty() {
            return Ok(NewPassword::None);
        }
        let hashing = match item.object.get("hashing_algorithm") {
            None | Some(Value::Null) => None,
            Some(_) => Some(item.text("hashing_algorithm")?),
        };
        let parsed = match hashing {
            // LavinMQ's, which nothing here computes.
            Some("Bcrypt") => Err(HashError::Unusable("bcrypt is not known")),
            None => PasswordHash::guess(&hash),
            Some(name) => {
                let hashing = Hashing::named(name)
                    .ok_or_else(|| item.wrong("hashing_algorithm", "is not known"))?;
                PasswordHash::parse(hashing, &hash)
            }
        };
        match parsed {
            Ok(hash) => Ok(NewPassword::Hash(hash)),
            Err(HashError::Unusable(text)) => {
                let (place, name) = (&item.place, item.thing());
                self.warn(format!("{place}: user '{name}' cannot log in by password: {text}"));
                Ok(NewPassword::None)
            }
            Err(error) => Err(item.wrong("password_hash", &error.to_string())),
        }
    }

    fn permissions(&mut self, item: &Item<'_>) -> Result<(), DefinitionsError> {
        self.unknown_keys(
            &item.place,
            item.object,
            &["user", "vhost", "configure", "write", "read"],
        );
        self.push(Change::SetPermissions {
            user: item.name("user")?,
            vhost: item.name("vhost")?,
            configure: item.text("configure")?.to_owned(),
            write: item.text("write")?.to_owned(),
            read: item.text("read")?.to_owned(),
        });
        Ok(())
    }

    fn topic_permissions(&mut self, item: &Item<'_>) -> Result<(), DefinitionsError> {
        self.unknown_keys(
            &item.place,
            item.object,
            &["user", "vhost", "exchange", "write", "read"],
        );
        self.push(Change::SetTopicPermissions {
            user: item.name("user")?,
            vhost: item.name("vhost")?,
            exchange: item.name_or_empty("exchange")?,
            write: item.text("write")?.to_owned(),
            read: item.text("read")?.to_owned(),
        });
        Ok(())
    }

    fn policy(&mut self, item: &Item<'_>) -> Result<(), DefinitionsError> {
        let known = ["vhost", "name", "pattern", "apply-to", "priority", "definition"];
        self.unknown_keys(&item.place, item.object, &known);
        let (vhost, name) = (self.vhost_of(item)?, item.name("name")?);
        let policy = item.policy(PolicyKind::User, vhost, name)?;
        self.push_policy(&item.place, policy);
        Ok(())
    }

    /// Adds a policy without the keys that ask for what nothing here runs.
    fn push_policy(&mut self, place: &str, mut policy: Change) {
        if let Change::PutPolicy { name, definition, .. } = &mut policy {
            let keys = definition.iter().map(|(key, _)| key.clone());
            let links: Vec<_> = keys.filter(|key| is_link(key)).collect();
            let asks_for_links = !links.is_empty();
            for key in links {
                definition.remove(&key);
                let (name, key) = (name.escape_debug(), key.escape_debug());
                let what = format!("'{key}' of policy '{name}'");
                self.warn(format!("{place}: {what} is left out: nothing here runs it"));
            }
            if definition.is_empty() && asks_for_links {
                return;
            }
        }
        self.push(policy);
    }

    /// A parameter; operator policies and the limits of vhosts are parameters too.
    fn parameter(&mut self, item: &Item<'_>) -> Result<(), DefinitionsError> {
        self.unknown_keys(&item.place, item.object, &["vhost", "component", "name", "value"]);
        let (vhost, name) = (self.vhost_of(item)?, item.name("name")?);
        let component = item.name("component")?;
        let place = format!("{}.value", item.place);
        let value = item.object.get("value").ok_or_else(|| wrong(&place, "missing"))?;
        match (&*component, value) {
            ("operator_policy", Value::Object(object)) => {
                let rule = Item { place, object };
                let policy = rule.policy(PolicyKind::Operator, vhost, name)?;
                self.push_policy(&rule.place, policy);
            }
            ("vhost-limits", Value::Object(limits)) => self.vhost_limits(&vhost, limits, &place)?,
            _ if check_component(&component).is_err() => {
                let (name, at) = (name.escape_debug(), item.place.clone());
                self.warn(format!(
                    "{at}: {} '{name}' in vhost '{}' is left out: nothing here runs it",
                    component.escape_debug(),
                    vhost.escape_debug()
                ));
            }
            _ => {
                let value = json_to_field(value).ok_or_else(|| wrong(&place, NAME_TOO_LONG))?;
                self.push(Change::PutParameter { component, vhost, name, value });
            }
        }
        Ok(())
    }

    fn global_parameter(&mut self, item: &Item<'_>) -> Result<(), DefinitionsError> {
        self.unknown_keys(&item.place, item.object, &["name", "value"]);
        let value = item.object.get("value").ok_or_else(|| item.wrong("value", "is missing"))?;
        let value = json_to_field(value).ok_or_else(|| item.wrong("value", NAME_TOO_LONG))?;
        self.push(Change::PutGlobalParameter { name: item.name("name")?, value });
        Ok(())
    }
}
