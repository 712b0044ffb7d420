//! A definitions file as changes.
//!
//! Everything is looked at before anything is done: what is wrong is said with its place
//! (`queues[3].name`), what is not known is a warning.

use serde_json::{Map, Value};

use crate::broker::access::{
    Change, Hashing, NewPassword, PasswordHash, PolicyKind, UserLimit, VhostLimit, VhostSettings,
};
use crate::wire::{Field, ShortString, exchange, queue};

use super::item::{DefinitionsError, Item, NAME_TOO_LONG, wrong};
use super::json::json_to_field;
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
    let value: Value = serde_json::from_slice(file)
        .map_err(|error| DefinitionsError::NotJson(error.to_string()))?;
    let Value::Object(file) = value else {
        return Err(DefinitionsError::NotJson("not an object".to_owned()));
    };
    let mut reader = Reader { vhost, hash, definitions: Definitions::default() };
    reader.unknown_keys("the file", &file, &[&SECTIONS[..], &HEAD[..]].concat());
    for (section, read) in Reader::SECTIONS {
        if vhost.is_some() && OF_ALL.contains(&section) {
            reader.left_out(&file, section);
            continue;
        }
        reader.section(&file, section, read)?;
    }
    Ok(reader.definitions)
}

/// Sections that are not of one vhost.
const OF_ALL: [&str; 5] =
    ["vhosts", "users", "permissions", "topic_permissions", "global_parameters"];

struct Reader<'a> {
    vhost: Option<&'a ShortString>,
    hash: HashPassword<'a>,
    definitions: Definitions,
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

    fn left_out(&mut self, file: &Map<String, Value>, section: &str) {
        if file.get(section).and_then(Value::as_array).is_some_and(|items| !items.is_empty()) {
            self.definitions.warnings.push(format!("{section}: not of one vhost, left out"));
        }
    }

    fn unknown_keys(&mut self, place: &str, object: &Map<String, Value>, known: &[&str]) {
        for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
            let warning = format!("{place}: '{}' is not known, left out", key.escape_debug());
            self.definitions.warnings.push(warning);
        }
    }

    fn push(&mut self, change: Change) {
        self.definitions.changes.push(change);
    }

    /// The vhost of an item: the one that was asked for, or the one it says.
    fn vhost_of(&self, item: &Item<'_>) -> Result<ShortString, DefinitionsError> {
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
                UserLimit::named(key).ok_or_else(|| wrong(&item.place, "an unknown limit"))?;
            let value = value.as_i64().ok_or_else(|| wrong(&item.place, "a limit is no number"))?;
            self.push(Change::SetUserLimit { user: name.clone(), limit, value: Some(value) });
        }
        Ok(())
    }

    fn password(&self, item: &Item<'_>) -> Result<NewPassword, DefinitionsError> {
        if item.object.contains_key("password") {
            let password = item.text("password")?;
            if password.is_empty() {
                return Ok(NewPassword::None);
            }
            let hashed = (self.hash)(password.as_bytes());
            return hashed.map(NewPassword::Hash).map_err(|text| wrong(&item.place, &text));
        }
        let hash = item.text_or_empty("password_hash")?;
        if hash.is_empty() {
            return Ok(NewPassword::None);
        }
        // Files from before RabbitMQ 3.6 do not say: then it is MD5.
        let hashing = match item.object.get("hashing_algorithm") {
            None | Some(Value::Null) => Hashing::Md5,
            Some(_) => Hashing::named(item.text("hashing_algorithm")?)
                .ok_or_else(|| item.wrong("hashing_algorithm", "is not known"))?,
        };
        let hash = PasswordHash::parse(hashing, &hash);
        hash.map(NewPassword::Hash).map_err(|text| wrong(&item.place, text))
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
        self.push(item.policy(PolicyKind::User, vhost, name)?);
        Ok(())
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
                self.push(rule.policy(PolicyKind::Operator, vhost, name)?);
            }
            ("vhost-limits", Value::Object(limits)) => self.vhost_limits(&vhost, limits, &place)?,
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

    fn exchange(&mut self, item: &Item<'_>) -> Result<(), DefinitionsError> {
        let known = ["vhost", "name", "type", "durable", "auto_delete", "internal", "arguments"];
        self.unknown_keys(&item.place, item.object, &known);
        let vhost = self.vhost_of(item)?;
        let declare = exchange::Declare {
            exchange: item.name_or_empty("name")?,
            kind: item.name("type")?,
            durable: item.boolean("durable")?,
            auto_delete: item.boolean("auto_delete")?,
            internal: item.boolean("internal")?,
            arguments: item.arguments()?,
            ..exchange::Declare::default()
        };
        // The predeclared ones are there; RabbitMQ does not write them, others do.
        if !declare.exchange.is_empty() && !declare.exchange.starts_with("amq.") {
            self.push(Change::DeclareExchange { vhost, declare });
        }
        Ok(())
    }

    fn queue(&mut self, item: &Item<'_>) -> Result<(), DefinitionsError> {
        let known = ["vhost", "name", "durable", "auto_delete", "arguments", "type"];
        self.unknown_keys(&item.place, item.object, &known);
        let vhost = self.vhost_of(item)?;
        let mut arguments = item.arguments()?;
        let kind = item.text_or_empty("type")?;
        if !matches!(kind.as_str(), "" | "classic") && arguments.get("x-queue-type").is_none() {
            let kind = Field::LongString(kind.into_bytes());
            arguments.insert(ShortString::clipped("x-queue-type"), kind);
        }
        let declare = queue::Declare {
            queue: item.name("name")?,
            durable: item.boolean("durable")?,
            auto_delete: item.boolean("auto_delete")?,
            arguments,
            ..queue::Declare::default()
        };
        self.push(Change::DeclareQueue { vhost, declare });
        Ok(())
    }

    fn binding(&mut self, item: &Item<'_>) -> Result<(), DefinitionsError> {
        let known =
            ["vhost", "source", "destination", "destination_type", "routing_key", "arguments"];
        self.unknown_keys(&item.place, item.object, &[&known[..], &["properties_key"]].concat());
        let vhost = self.vhost_of(item)?;
        let (source, destination) = (item.name_or_empty("source")?, item.name("destination")?);
        let (routing_key, arguments) = (item.name_or_empty("routing_key")?, item.arguments()?);
        if source.is_empty() {
            return Ok(()); // every queue is bound to the default exchange without being told
        }
        let change = match item.text("destination_type")? {
            "queue" => {
                let (queue, exchange) = (destination, source);
                let bind = queue::Bind { queue, exchange, routing_key, arguments, no_wait: false };
                Change::BindQueue { vhost, bind }
            }
            "exchange" => {
                let bind =
                    exchange::Bind { destination, source, routing_key, arguments, no_wait: false };
                Change::BindExchange { vhost, bind }
            }
            _ => return Err(item.wrong("destination_type", "is neither queue nor exchange")),
        };
        self.push(change);
        Ok(())
    }
}
