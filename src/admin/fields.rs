//! The fields of a request, each read as the type that it has to have.
//!
//! What is not of its type is refused: a value that is passed over makes something else than was
//! asked for, with a status that says that all is well. Booleans and numbers may come as text, as
//! old tools send them, but only in the spelling of JSON.

use serde_json::{Map, Value, json};

use crate::wire::Table;

use super::answer::Refusal;
use super::table;

/// The body of a request: a JSON object.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn new(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// A field that may be anything; null is none.
    pub(super) fn any(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A boolean. Null is none, as in RabbitMQ.
    ///
    /// # Errors
    ///
    /// 400 `not_boolean` for anything but true, false, "true" and "false".
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, Refusal> {
        self.0.get(name).map_or(Ok(default), boolean)
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    ///
    /// 400 `not_integer` for anything else.
    pub(super) fn natural(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        self.any(name).map(|value| number(value).ok_or_else(|| not("integer", value))).transpose()
    }

    /// A whole number.
    ///
    /// # Errors
    ///
    /// 400 `not_integer` for anything else.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
        self.any(name).map(|value| number(value).ok_or_else(|| not("integer", value))).transpose()
    }

    /// A text.
    ///
    /// # Errors
    ///
    /// 400 `not_string` for anything else.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let text = |value: &'_ Value| not("string", value);
        self.any(name).map(|value| value.as_str().ok_or_else(|| text(value))).transpose()
    }

    /// A text that has to be there.
    ///
    /// # Errors
    ///
    /// 400 if it is not.
    pub(super) fn needed(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name)?.ok_or_else(|| Refusal::bad_request(format!("key_missing: {name}")))
    }

    /// A list of texts that has to be there.
    ///
    /// # Errors
    ///
    /// 400 if it is not, or is something else.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<&str>, Refusal> {
        let missing = || Refusal::bad_request(format!("key_missing: {name}"));
        let items = self.any(name).ok_or_else(missing)?;
        let items = items.as_array().ok_or_else(|| not("list", items))?;
        items.iter().map(|item| item.as_str().ok_or_else(|| not("string", item))).collect()
    }

    /// A table, empty if there is none.
    ///
    /// # Errors
    ///
    /// As [`table::from_json`].
    pub(super) fn table(&self, name: &str) -> Result<Table, Refusal> {
        table::from_json(self.0.get(name).unwrap_or(&Value::Null))
    }

    /// The object again.
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

/// A boolean of JSON, or of a query.
///
/// # Errors
///
/// 400 `not_boolean`.
pub(super) fn boolean(value: &Value) -> Result<bool, Refusal> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::String(text) if text == "true" => Ok(true),
        Value::String(text) if text == "false" => Ok(false),
        other => Err(not("boolean", other)),
    }
}

/// RabbitMQ's refusal of a value: what it is not, and what it is.
fn not(kind: &str, value: &Value) -> Refusal {
    Refusal::because(json!([format!("not_{kind}"), value]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: &Value) -> Fields {
        Fields::new(value.as_object().unwrap().clone())
    }

    #[test]
    fn only_what_is_a_boolean_in_json_is_one() {
        for (value, expected) in [
            (json!(true), Some(true)),
            (json!(false), Some(false)),
            (json!("true"), Some(true)),
            (json!("false"), Some(false)),
            (json!("True"), None),
            (json!("TRUE"), None),
            (json!("yes"), None),
            (json!("1"), None),
            (json!(""), None),
            (json!(1), None),
            (json!(0), None),
            (json!(null), None),
            (json!([]), None),
            (json!({}), None),
        ] {
            let found = fields(&json!({"x": value})).flag("x", false);
            let refusal = Refusal::because(json!(["not_boolean", value]));
            assert_eq!(found, expected.ok_or(refusal), "{value}");
        }
        assert_eq!(fields(&json!({})).flag("x", true), Ok(true));
    }

    #[test]
    fn a_number_is_whole_and_may_be_text() {
        for (value, natural, integer) in [
            (json!(5), Some(5), Some(5)),
            (json!("5"), Some(5), Some(5)),
            (json!(-5), None, Some(-5)),
            (json!("-5"), None, Some(-5)),
            (json!(1.5), None, None),
            (json!("five"), None, None),
            (json!(true), None, None),
            (json!([1]), None, None),
        ] {
            let fields = fields(&json!({"x": value}));
            assert_eq!(fields.natural("x").ok().flatten(), natural, "{value}");
            assert_eq!(fields.integer("x").ok().flatten(), integer, "{value}");
            assert_eq!(fields.natural("x").is_err(), natural.is_none(), "{value}");
        }
        assert_eq!(fields(&json!({"x": null})).natural("x"), Ok(None));
    }

    #[test]
    fn a_text_is_no_number() {
        let fields = fields(&json!({"n": 5, "t": "5", "l": ["a"], "m": ["a", 5]}));
        assert!(fields.text("n").is_err() && fields.texts("m").is_err());
        assert!(fields.needed("none").is_err() && fields.texts("none").is_err());
        assert_eq!((fields.text("t"), fields.texts("l")), (Ok(Some("5")), Ok(vec!["a"])));
    }
}
