//! Fields as JSON and back, as RabbitMQ's management does it.
//!
//! JSON has fewer types: integers come back as 64-bit ones, timestamps and decimals as numbers,
//! and octets that are no text lose what is none.

use serde_json::{Map, Number, Value};

use crate::wire::{Field, ShortString, Table};

/// A field as JSON.
pub fn field_to_json(field: &Field) -> Value {
    if let Some(number) = field.as_integer() {
        return Value::from(number);
    }
    match field {
        Field::Boolean(value) => Value::from(*value),
        Field::F32(value) => float(f64::from(*value)),
        Field::F64(value) => float(*value),
        Field::Decimal(decimal) => {
            float(f64::from(decimal.value) / 10_f64.powi(i32::from(decimal.scale)))
        }
        Field::LongString(octets) | Field::Bytes(octets) => {
            Value::from(String::from_utf8_lossy(octets))
        }
        Field::Array(items) => items.iter().map(field_to_json).collect(),
        Field::Timestamp(seconds) => Value::from(*seconds),
        Field::Table(table) => Value::Object(table_to_json(table)),
        _ => Value::Null,
    }
}

/// A table as a JSON object.
pub(super) fn table_to_json(table: &Table) -> Map<String, Value> {
    table.iter().map(|(name, value)| (name.to_string(), field_to_json(value))).collect()
}

/// JSON as a field; `None` if a name in it is too long for a table.
pub fn json_to_field(value: &Value) -> Option<Field> {
    Some(match value {
        Value::Null => Field::Void,
        Value::Bool(value) => Field::Boolean(*value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Field::I64(integer),
            (None, Some(float)) => Field::F64(float),
            (None, None) => return None,
        },
        Value::String(text) => Field::LongString(text.clone().into_bytes()),
        Value::Array(items) => {
            Field::Array(items.iter().map(json_to_field).collect::<Option<_>>()?)
        }
        Value::Object(object) => Field::Table(json_to_table(object)?),
    })
}

/// A JSON object as a table.
pub(super) fn json_to_table(object: &Map<String, Value>) -> Option<Table> {
    let entry = |(name, value): (&String, &Value)| {
        Some((ShortString::new(name).ok()?, json_to_field(value)?))
    };
    object.iter().map(entry).collect::<Option<Table>>()
}

fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}
