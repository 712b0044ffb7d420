//! AMQP's tables and properties as JSON, and back, as RabbitMQ writes them.
//!
//! Numbers without a fraction become 64-bit integers (`l`), others doubles (`d`), texts long
//! strings. What JSON cannot say (which width, octets that are no text) is lost on the way out.

use serde_json::{Map, Number, Value, json};

use crate::wire::{Decimal, Field, Properties, ShortBytes, ShortString, Table};

use super::answer::Refusal;

/// A table as a JSON object.
pub(super) fn to_json(table: &Table) -> Value {
    let entries = table.iter().map(|(name, field)| (name.to_string(), field_to_json(field)));
    Value::Object(entries.collect())
}

fn field_to_json(field: &Field) -> Value {
    match field {
        Field::Boolean(value) => json!(value),
        Field::F32(value) => json!(value),
        Field::F64(value) => json!(value),
        Field::Decimal(Decimal { scale, value }) => {
            json!(f64::from(*value) / 10_f64.powi(i32::from(*scale)))
        }
        Field::LongString(octets) | Field::Bytes(octets) => text(octets),
        Field::Array(items) => items.iter().map(field_to_json).collect(),
        Field::Timestamp(value) => json!(value),
        Field::Table(table) => to_json(table),
        Field::Void => Value::Null,
        integer => json!(integer.as_integer()),
    }
}

/// Octets as text; those that are none are replaced.
pub(super) fn text(octets: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(octets).into_owned())
}

/// A JSON object as a table.
///
/// # Errors
///
/// 400 for something else, a name that is too long, or a number that is.
pub(super) fn from_json(value: &Value) -> Result<Table, Refusal> {
    match value {
        Value::Null => Ok(Table::default()),
        // Where RabbitMQ's libraries have nothing to say, some say so with an empty list.
        Value::Array(items) if items.is_empty() => Ok(Table::default()),
        Value::Object(entries) => object(entries),
        _ => Err(Refusal::bad_request("arguments are to be an object")),
    }
}

fn object(entries: &Map<String, Value>) -> Result<Table, Refusal> {
    let entries = entries.iter().map(|(name, value)| {
        let name = ShortString::new(name).map_err(|_| too_long("a name"))?;
        Ok((name, field(value)?))
    });
    entries.collect()
}

fn field(value: &Value) -> Result<Field, Refusal> {
    Ok(match value {
        Value::Null => Field::Void,
        Value::Bool(value) => Field::Boolean(*value),
        Value::Number(number) => number_field(number)?,
        Value::String(text) => Field::LongString(text.clone().into_bytes()),
        Value::Array(items) => Field::Array(items.iter().map(field).collect::<Result<_, _>>()?),
        Value::Object(entries) => Field::Table(object(entries)?),
    })
}

fn number_field(number: &Number) -> Result<Field, Refusal> {
    let integer = number.as_i64().map(Field::I64);
    let float = || number.as_f64().filter(|_| !number.is_u64()).map(Field::F64);
    integer.or_else(float).ok_or_else(|| Refusal::bad_request("a number is out of range"))
}

/// Properties as a JSON object, without those that are not set.
pub(super) fn properties_to_json(properties: &Properties) -> Value {
    let mut entries = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            entries.insert(name.to_owned(), value);
        }
    };
    let octets = |value: &Option<ShortBytes>| value.as_ref().map(|octets| text(octets));
    put("content_type", octets(&properties.content_type));
    put("content_encoding", octets(&properties.content_encoding));
    put("headers", properties.headers.as_ref().map(to_json));
    put("delivery_mode", properties.delivery_mode.map(Value::from));
    put("priority", properties.priority.map(Value::from));
    put("correlation_id", octets(&properties.correlation_id));
    put("reply_to", octets(&properties.reply_to));
    put("expiration", octets(&properties.expiration));
    put("message_id", octets(&properties.message_id));
    put("timestamp", properties.timestamp.map(Value::from));
    put("type", octets(&properties.kind));
    put("user_id", octets(&properties.user_id));
    put("app_id", octets(&properties.app_id));
    put("cluster_id", octets(&properties.cluster_id));
    Value::Object(entries)
}

/// Properties from a JSON object; unknown names are passed over.
///
/// # Errors
///
/// 400 for a value that its property cannot have.
pub(super) fn properties_from_json(value: &Value) -> Result<Properties, Refusal> {
    let octets = |name: &str| match value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            ShortBytes::new(text.as_bytes()).map(Some).map_err(|_| too_long(name))
        }
        Some(other) => {
            ShortBytes::new(other.to_string().as_bytes()).map(Some).map_err(|_| too_long(name))
        }
    };
    let number = |name: &str| match value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
            number.map(Some).ok_or_else(|| not_a(name, "number"))
        }
    };
    let small = |name: &str| {
        let number = number(name)?;
        number.map(|it| u8::try_from(it).map_err(|_| not_a(name, "number below 256"))).transpose()
    };
    Ok(Properties {
        content_type: octets("content_type")?,
        content_encoding: octets("content_encoding")?,
        headers: value.get("headers").map(from_json).transpose()?,
        delivery_mode: small("delivery_mode")?,
        priority: small("priority")?,
        correlation_id: octets("correlation_id")?,
        reply_to: octets("reply_to")?,
        expiration: octets("expiration")?,
        message_id: octets("message_id")?,
        timestamp: number("timestamp")?,
        kind: octets("type")?,
        user_id: octets("user_id")?,
        app_id: octets("app_id")?,
        cluster_id: octets("cluster_id")?,
    })
}

fn too_long(name: &str) -> Refusal {
    Refusal::bad_request(format!("{name} has more than 255 octets"))
}

fn not_a(name: &str, what: &str) -> Refusal {
    Refusal::bad_request(format!("{name} is to be a {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_can_say_comes_back() {
        let value = json!({"a": [1, true, null, "x", {"b": 1.5}], "n": -5});
        assert_eq!(to_json(&from_json(&value).unwrap()), value);
        assert_eq!(from_json(&json!([])).unwrap(), Table::default());
        assert!(from_json(&json!([1])).is_err());
        assert!(from_json(&json!({"a": u64::MAX})).is_err());
        assert!(from_json(&json!({"n".repeat(256): 1})).is_err());
    }

    #[test]
    fn properties_come_back() {
        let value = json!({"content_type": "text/plain", "delivery_mode": 2, "type": "t",
            "headers": {"h": "v"}, "timestamp": 5, "expiration": "100"});
        let properties = properties_from_json(&value).unwrap();
        assert_eq!(properties_to_json(&properties), value);
        assert!(properties_from_json(&json!({"priority": 256})).is_err());
        assert!(properties_from_json(&json!({"message_id": "x".repeat(256)})).is_err());
    }
}
