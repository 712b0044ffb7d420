//! Changes as octets, for the journal and the snapshot: a field table with the change's name and
//! what it says. The page `docs/reference/storage-format.md` lists them.

use crate::wire::{Field, ShortString, Table};

use super::change::{Change, NewPassword, PolicyKind, UserLimit, VhostLimit};
use super::password::{Hashing, PasswordHash};
use super::policy::ApplyTo;
use super::user::VhostSettings;

/// What is wrong with a record that is no change.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a record is not a change that this version knows: {0}")]
pub struct NotAChange(String);

impl Change {
    /// Whether a record has a value that may be anything, secrets too: that of a parameter.
    pub fn has_secret_value(table: &Table) -> bool {
        let kind = table.get("change");
        let secret = |name: &str| kind == Some(&Field::LongString(name.as_bytes().to_vec()));
        ["put-parameter", "put-global-parameter"].into_iter().any(secret)
    }

    /// The change as a table; `None` for those that are journaled as AMQP methods.
    pub fn to_table(&self) -> Option<Table> {
        self.user_record().or_else(|| self.rule_record()).map(|record| record.0)
    }

    /// The record of a change of users, vhosts and permissions.
    fn user_record(&self) -> Option<Record> {
        let record = match self {
            Self::Begin => Record::new("begin"),
            Self::PutUser { name, password, tags } => {
                put_password(Record::new("put-user").text("name", name), password)
                    .texts("tags", tags)
            }
            Self::DeleteUser { name } => Record::new("delete-user").text("name", name),
            Self::PutVhost { name, settings } => Record::new("put-vhost")
                .text("name", name)
                .text("description", &settings.description)
                .texts("tags", &settings.tags)
                .text("default-queue-type", &settings.default_queue_type),
            Self::DeleteVhost { name } => Record::new("delete-vhost").text("name", name),
            Self::SetPermissions { user, vhost, configure, write, read } => {
                Record::new("set-permissions")
                    .text("user", user)
                    .text("vhost", vhost)
                    .text("configure", configure)
                    .text("write", write)
                    .text("read", read)
            }
            Self::ClearPermissions { user, vhost } => {
                Record::new("clear-permissions").text("user", user).text("vhost", vhost)
            }
            Self::SetTopicPermissions { user, vhost, exchange, write, read } => {
                Record::new("set-topic-permissions")
                    .text("user", user)
                    .text("vhost", vhost)
                    .text("exchange", exchange)
                    .text("write", write)
                    .text("read", read)
            }
            Self::ClearTopicPermissions { user, vhost, exchange } => {
                let record =
                    Record::new("clear-topic-permissions").text("user", user).text("vhost", vhost);
                match exchange {
                    Some(exchange) => record.text("exchange", exchange),
                    None => record,
                }
            }
            _ => return None,
        };
        Some(record)
    }

    /// The record of a change of limits, policies and parameters.
    fn rule_record(&self) -> Option<Record> {
        let record = match self {
            Self::SetVhostLimit { vhost, limit, value } => Record::new("set-vhost-limit")
                .text("vhost", vhost)
                .text("limit", limit.name())
                .number("value", *value),
            Self::SetUserLimit { user, limit, value } => Record::new("set-user-limit")
                .text("user", user)
                .text("limit", limit.name())
                .number("value", *value),
            Self::PutPolicy { kind, vhost, name, pattern, apply_to, priority, definition } => {
                Record::new(put_policy(*kind))
                    .text("vhost", vhost)
                    .text("name", name)
                    .text("pattern", pattern)
                    .text("apply-to", apply_to.name())
                    .number("priority", Some(*priority))
                    .field("definition", Field::Table(definition.clone()))
            }
            Self::DeletePolicy { kind, vhost, name } => {
                Record::new(delete_policy(*kind)).text("vhost", vhost).text("name", name)
            }
            Self::PutParameter { component, vhost, name, value } => Record::new("put-parameter")
                .text("component", component)
                .text("vhost", vhost)
                .text("name", name)
                .field("value", value.clone()),
            Self::DeleteParameter { component, vhost, name } => Record::new("delete-parameter")
                .text("component", component)
                .text("vhost", vhost)
                .text("name", name),
            Self::PutGlobalParameter { name, value } => {
                Record::new("put-global-parameter").text("name", name).field("value", value.clone())
            }
            Self::DeleteGlobalParameter { name } => {
                Record::new("delete-global-parameter").text("name", name)
            }
            _ => return None,
        };
        Some(record)
    }

    /// The change that a table says.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_table(table: &Table) -> Result<Self, NotAChange> {
        let change = text(table, "change")?;
        let read = Self::user_change(change, table)?;
        let read = read.map_or_else(|| Self::rule_change(change, table), |read| Ok(Some(read)))?;
        read.ok_or_else(|| NotAChange(format!("'{change}'")))
    }

    fn user_change(change: &str, table: &Table) -> Result<Option<Self>, NotAChange> {
        let name = || name(table, "name");
        let vhost = || self::name(table, "vhost");
        let user = || self::name(table, "user");
        let owned = |key| text(table, key).map(str::to_owned);
        Ok(Some(match change {
            "begin" => Self::Begin,
            "put-user" => Self::PutUser {
                name: name()?,
                password: take_password(table)?,
                tags: names(table, "tags")?,
            },
            "delete-user" => Self::DeleteUser { name: name()? },
            "put-vhost" => Self::PutVhost {
                name: name()?,
                settings: VhostSettings {
                    description: owned("description").unwrap_or_default(),
                    tags: names(table, "tags")?,
                    default_queue_type: self::name(table, "default-queue-type").unwrap_or_default(),
                    ..VhostSettings::default()
                },
            },
            "delete-vhost" => Self::DeleteVhost { name: name()? },
            "set-permissions" => Self::SetPermissions {
                user: user()?,
                vhost: vhost()?,
                configure: owned("configure")?,
                write: owned("write")?,
                read: owned("read")?,
            },
            "clear-permissions" => Self::ClearPermissions { user: user()?, vhost: vhost()? },
            "set-topic-permissions" => Self::SetTopicPermissions {
                user: user()?,
                vhost: vhost()?,
                exchange: self::name(table, "exchange")?,
                write: owned("write")?,
                read: owned("read")?,
            },
            "clear-topic-permissions" => Self::ClearTopicPermissions {
                user: user()?,
                vhost: vhost()?,
                exchange: table
                    .get("exchange")
                    .map(|_| self::name(table, "exchange"))
                    .transpose()?,
            },
            _ => return Ok(None),
        }))
    }

    fn rule_change(change: &str, table: &Table) -> Result<Option<Self>, NotAChange> {
        let name = || name(table, "name");
        let vhost = || self::name(table, "vhost");
        Ok(Some(match change {
            "set-vhost-limit" => Self::SetVhostLimit {
                vhost: vhost()?,
                limit: VhostLimit::named(text(table, "limit")?).ok_or_else(|| missing("limit"))?,
                value: number(table, "value"),
            },
            "set-user-limit" => Self::SetUserLimit {
                user: self::name(table, "user")?,
                limit: UserLimit::named(text(table, "limit")?).ok_or_else(|| missing("limit"))?,
                value: number(table, "value"),
            },
            "put-policy" => take_policy(table, PolicyKind::User)?,
            "put-operator-policy" => take_policy(table, PolicyKind::Operator)?,
            "delete-policy" => {
                Self::DeletePolicy { kind: PolicyKind::User, vhost: vhost()?, name: name()? }
            }
            "delete-operator-policy" => {
                Self::DeletePolicy { kind: PolicyKind::Operator, vhost: vhost()?, name: name()? }
            }
            "put-parameter" => Self::PutParameter {
                component: self::name(table, "component")?,
                vhost: vhost()?,
                name: name()?,
                value: value(table)?,
            },
            "delete-parameter" => Self::DeleteParameter {
                component: self::name(table, "component")?,
                vhost: vhost()?,
                name: name()?,
            },
            "put-global-parameter" => {
                Self::PutGlobalParameter { name: name()?, value: value(table)? }
            }
            "delete-global-parameter" => Self::DeleteGlobalParameter { name: name()? },
            _ => return Ok(None),
        }))
    }
}

const fn put_policy(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::User => "put-policy",
        PolicyKind::Operator => "put-operator-policy",
    }
}

const fn delete_policy(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::User => "delete-policy",
        PolicyKind::Operator => "delete-operator-policy",
    }
}

fn put_password(record: Record, password: &NewPassword) -> Record {
    match password {
        NewPassword::Unchanged => record,
        NewPassword::None => record.text("password", ""),
        NewPassword::Hash(hash) => {
            record.text("password", &hash.base64()).text("hashing", hash.hashing().name())
        }
    }
}

fn take_password(table: &Table) -> Result<NewPassword, NotAChange> {
    if table.get("password").is_none() {
        return Ok(NewPassword::Unchanged);
    }
    let password = text(table, "password")?;
    if password.is_empty() {
        return Ok(NewPassword::None);
    }
    let hashing = Hashing::named(text(table, "hashing")?).ok_or_else(|| missing("hashing"))?;
    PasswordHash::parse(hashing, password)
        .map(NewPassword::Hash)
        .map_err(|error| NotAChange(format!("password: {error}")))
}

fn take_policy(table: &Table, kind: PolicyKind) -> Result<Change, NotAChange> {
    let Some(Field::Table(definition)) = table.get("definition") else {
        return Err(missing("definition"));
    };
    Ok(Change::PutPolicy {
        kind,
        vhost: name(table, "vhost")?,
        name: name(table, "name")?,
        pattern: text(table, "pattern")?.to_owned(),
        apply_to: ApplyTo::named(text(table, "apply-to")?).ok_or_else(|| missing("apply-to"))?,
        priority: number(table, "priority").unwrap_or_default(),
        definition: definition.clone(),
    })
}

/// A table that is being filled.
struct Record(Table);

impl Record {
    fn new(change: &str) -> Self {
        Self(Table::default()).text("change", change)
    }

    fn field(mut self, key: &str, value: Field) -> Self {
        self.0.insert(ShortString::clipped(key), value);
        self
    }

    fn text(self, key: &str, value: &str) -> Self {
        self.field(key, string(value))
    }

    fn texts(self, key: &str, values: &[ShortString]) -> Self {
        self.field(key, Field::Array(values.iter().map(|value| string(value)).collect()))
    }

    fn number(self, key: &str, value: Option<i64>) -> Self {
        match value {
            Some(value) => self.field(key, Field::I64(value)),
            None => self,
        }
    }
}

fn string(text: &str) -> Field {
    Field::LongString(text.as_bytes().to_vec())
}

fn missing(key: &str) -> NotAChange {
    NotAChange(format!("its {key}"))
}

fn text<'t>(table: &'t Table, key: &str) -> Result<&'t str, NotAChange> {
    match table.get(key) {
        Some(Field::LongString(octets)) => std::str::from_utf8(octets).map_err(|_| missing(key)),
        _ => Err(missing(key)),
    }
}

fn name(table: &Table, key: &str) -> Result<ShortString, NotAChange> {
    ShortString::new(text(table, key)?).map_err(|_| missing(key))
}

fn names(table: &Table, key: &str) -> Result<Vec<ShortString>, NotAChange> {
    let items = match table.get(key) {
        None => return Ok(Vec::new()),
        Some(Field::Array(items)) => items,
        Some(_) => return Err(missing(key)),
    };
    let name = |item: &Field| match item {
        Field::LongString(octets) => ShortString::new(std::str::from_utf8(octets).ok()?).ok(),
        _ => None,
    };
    items.iter().map(|item| name(item).ok_or_else(|| missing(key))).collect()
}

fn number(table: &Table, key: &str) -> Option<i64> {
    table.get(key).and_then(Field::as_integer)
}

fn value(table: &Table) -> Result<Field, NotAChange> {
    table.get("value").cloned().ok_or_else(|| missing("value"))
}
