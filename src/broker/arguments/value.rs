//! Values of table fields as RabbitMQ sees them: which are the same, and how its texts write them.
//!
//! RabbitMQ compares values, not encodings: 10 is 10 in each of the seven integer types, a text is
//! the same text as long string (`S`) or as bytes (`x`). A float is never an integer.

use crate::wire::Field;

/// The value of a field of any integer type.
#[must_use]
pub fn integer(field: &Field) -> Option<i64> {
    Some(match *field {
        Field::I8(value) => value.into(),
        Field::U8(value) => value.into(),
        Field::I16(value) => value.into(),
        Field::U16(value) => value.into(),
        Field::I32(value) => value.into(),
        Field::U32(value) => value.into(),
        Field::I64(value) => value,
        _ => return None,
    })
}

/// Whether two fields have the same value, whatever the width of integers and floats and the kind
/// of string. Inside arrays and tables the types must be the same too.
#[must_use]
pub fn same(left: &Field, right: &Field) -> bool {
    match (integer(left), integer(right)) {
        (Some(left), Some(right)) => return left == right,
        (None, None) => {}
        _ => return false,
    }
    match (octets(left), octets(right)) {
        (Some(left), Some(right)) => return left == right,
        (None, None) => {}
        _ => return false,
    }
    match (float(left), float(right)) {
        #[expect(clippy::float_cmp, reason = "the same value is meant, not a similar one")]
        (Some(left), Some(right)) => left == right,
        (None, None) => left == right,
        _ => false,
    }
}

/// The name that RabbitMQ's texts give to a field's type.
#[must_use]
pub const fn type_name(field: &Field) -> &'static str {
    match field {
        Field::Boolean(..) => "bool",
        Field::I8(..) => "byte",
        Field::U8(..) => "unsignedbyte",
        Field::I16(..) => "short",
        Field::U16(..) => "unsignedshort",
        Field::I32(..) => "signedint",
        Field::U32(..) => "unsignedint",
        Field::I64(..) => "long",
        Field::F32(..) => "float",
        Field::F64(..) => "double",
        Field::Decimal { .. } => "decimal",
        Field::LongString(..) => "longstr",
        Field::Array(..) => "array",
        Field::Timestamp(..) => "timestamp",
        Field::Table(..) => "table",
        Field::Void => "void",
        Field::Bytes(..) => "binary",
    }
}

/// A value as RabbitMQ's texts write it between quotation marks: texts as they are.
#[must_use]
pub fn plain(field: &Field) -> String {
    match octets(field) {
        Some(octets) => String::from_utf8_lossy(octets).into_owned(),
        None => term(field),
    }
}

/// A value as RabbitMQ's texts write it without quotation marks: texts in double angle brackets.
/// Arrays and tables are written our way.
#[must_use]
pub fn term(field: &Field) -> String {
    match field {
        Field::Boolean(value) => value.to_string(),
        Field::Timestamp(value) => value.to_string(),
        Field::Void => "undefined".to_owned(),
        Field::LongString(octets) | Field::Bytes(octets) => binary(octets),
        _ => match (integer(field), float(field)) {
            (Some(value), _) => value.to_string(),
            (None, Some(value)) => format!("{value:?}"),
            (None, None) => field.to_string(),
        },
    }
}

fn octets(field: &Field) -> Option<&[u8]> {
    match field {
        Field::LongString(octets) | Field::Bytes(octets) => Some(octets),
        _ => None,
    }
}

fn float(field: &Field) -> Option<f64> {
    match *field {
        Field::F32(value) => Some(value.into()),
        Field::F64(value) => Some(value),
        _ => None,
    }
}

/// `<<"text">>`, or `<<1,2,255>>` if it is no printable text.
fn binary(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) if !text.is_empty() && !text.chars().any(char::is_control) => {
            let kind = if text.is_ascii() { "" } else { "/utf8" };
            format!("<<\"{}\"{kind}>>", text.replace('\\', "\\\\").replace('"', "\\\""))
        }
        _ => {
            let numbers: Vec<String> = octets.iter().map(u8::to_string).collect();
            format!("<<{}>>", numbers.join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_as_erlang_writes_them() {
        let written = |octets: &[u8]| term(&Field::LongString(octets.to_vec()));
        assert_eq!(written(b"some"), "<<\"some\">>");
        assert_eq!(written(b"a \"quoted\" \\"), r#"<<"a \"quoted\" \\">>"#);
        assert_eq!(written("käse".as_bytes()), "<<\"käse\"/utf8>>");
        assert_eq!(written(&[1, 0xFF]), "<<1,255>>");
        assert_eq!(written(b""), "<<>>");
        assert_eq!(term(&Field::F64(10.0)), "10.0");
        assert_eq!(term(&Field::Boolean(true)), "true");
        assert_eq!(term(&Field::I8(-1)), "-1");
    }
}
