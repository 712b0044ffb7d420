//! An item of a definitions file: its values by key, or what is wrong with them and where.

use serde_json::{Map, Value};

use crate::broker::access::{ApplyTo, Change, PolicyKind};
use crate::wire::{ShortString, Table};

use super::json::json_to_table;

/// Why a file cannot be imported; nothing of it was.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DefinitionsError {
    /// It is no JSON, or too much of it.
    #[error("not a definitions file: {0}")]
    NotJson(String),
    /// Something in it is not what it has to be.
    #[error("{place}{}: {problem}", of(thing))]
    Wrong {
        /// Where: `queues[3].durable`.
        place: String,
        /// What the item there is called; empty if it has no name.
        thing: String,
        /// What.
        problem: String,
    },
}

fn of(thing: &str) -> String {
    if thing.is_empty() { String::new() } else { format!(" of '{thing}'") }
}

/// What is wrong with a table that has a name which no table can have.
pub(super) const NAME_TOO_LONG: &str = "a name in it is longer than 255 octets";

/// An item of a section, and where it is.
pub(super) struct Item<'a> {
    pub(super) place: String,
    pub(super) object: &'a Map<String, Value>,
}

impl Item<'_> {
    pub(super) fn wrong(&self, key: &str, problem: &str) -> DefinitionsError {
        let (place, problem) = (format!("{}.{key}", self.place), problem.to_owned());
        DefinitionsError::Wrong { place, thing: self.thing(), problem }
    }

    /// What people call the item: its name, or that of the user or of the source that it has.
    pub(super) fn thing(&self) -> String {
        let keys = ["name", "user", "source"];
        let name = keys.iter().find_map(|key| self.object.get(*key)?.as_str());
        name.unwrap_or_default().escape_debug().to_string()
    }

    pub(super) fn text(&self, key: &str) -> Result<&str, DefinitionsError> {
        match self.object.get(key) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(self.wrong(key, "is not a text")),
            None => Err(self.wrong(key, "is missing")),
        }
    }

    pub(super) fn text_or_empty(&self, key: &str) -> Result<String, DefinitionsError> {
        match self.object.get(key) {
            // Erlang's word for nothing, which RabbitMQ writes in places.
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) if text == "undefined" => Ok(String::new()),
            Some(_) => self.text(key).map(str::to_owned),
        }
    }

    pub(super) fn name(&self, key: &str) -> Result<ShortString, DefinitionsError> {
        ShortString::new(self.text(key)?).map_err(|_| self.wrong(key, "is longer than 255 octets"))
    }

    pub(super) fn name_or_empty(&self, key: &str) -> Result<ShortString, DefinitionsError> {
        ShortString::new(&self.text_or_empty(key)?)
            .map_err(|_| self.wrong(key, "is longer than 255 octets"))
    }

    /// A list of names, or names in one text with commas between them, as old files have.
    pub(super) fn names(&self, key: &str) -> Result<Vec<ShortString>, DefinitionsError> {
        let texts: Vec<&str> = match self.object.get(key) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(text)) => text.split(',').map(str::trim).collect(),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().ok_or_else(|| self.wrong(key, "is not a list of texts")))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(self.wrong(key, "is not a list")),
        };
        let named = texts.into_iter().filter(|text| !text.is_empty()).map(ShortString::new);
        named.collect::<Result<_, _>>().map_err(|_| self.wrong(key, "has a name that is too long"))
    }

    /// A boolean, and what it is where the item does not say.
    pub(super) fn boolean(&self, key: &str, default: bool) -> Result<bool, DefinitionsError> {
        match self.object.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(self.wrong(key, "is neither true nor false")),
        }
    }

    pub(super) fn arguments(&self) -> Result<Table, DefinitionsError> {
        match self.object.get("arguments") {
            None | Some(Value::Null) => Ok(Table::default()),
            Some(Value::Object(object)) => {
                json_to_table(object).ok_or_else(|| self.wrong("arguments", NAME_TOO_LONG))
            }
            // Erlang's empty map, as some versions of RabbitMQ wrote it.
            Some(Value::Array(items)) if items.is_empty() => Ok(Table::default()),
            Some(_) => Err(self.wrong("arguments", "is not an object")),
        }
    }

    pub(super) fn policy(
        &self,
        kind: PolicyKind,
        vhost: ShortString,
        name: ShortString,
    ) -> Result<Change, DefinitionsError> {
        let apply_to = self.text_or_empty("apply-to")?;
        let apply_to = if apply_to.is_empty() { "all" } else { &apply_to };
        let Some(Value::Object(definition)) = self.object.get("definition") else {
            return Err(self.wrong("definition", "is not an object"));
        };
        let priority = match self.object.get("priority") {
            None | Some(Value::Null) => 0,
            Some(value) => {
                value.as_i64().ok_or_else(|| self.wrong("priority", "is not an integer"))?
            }
        };
        Ok(Change::PutPolicy {
            kind,
            vhost,
            name,
            pattern: self.text("pattern")?.to_owned(),
            apply_to: ApplyTo::named(apply_to)
                .ok_or_else(|| self.wrong("apply-to", "is not known"))?,
            priority,
            definition: json_to_table(definition)
                .ok_or_else(|| self.wrong("definition", NAME_TOO_LONG))?,
        })
    }
}

/// The refusal of what is at a place.
pub(super) fn wrong(place: &str, problem: &str) -> DefinitionsError {
    let (place, problem) = (place.to_owned(), problem.to_owned());
    DefinitionsError::Wrong { place, thing: String::new(), problem }
}
