//! How listings are written.

use serde_json::{Map, Value};

/// A form of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Formatter {
    /// Columns with tabulators between, as rabbitmqctl writes them
    #[default]
    Table,
    /// An array of objects
    Json,
    /// Values with commas between
    Csv,
    /// A table with a frame
    PrettyTable,
}

impl Formatter {
    /// Whether nothing else may be written.
    pub(super) fn is_for_machines(self) -> bool {
        matches!(self, Self::Json | Self::Csv)
    }

    /// Writes rows, which have a value for each column.
    pub(super) fn write(self, columns: &[&str], rows: &[Vec<Value>], headers: bool) -> String {
        match self {
            Self::Table => {
                let head = headers.then(|| columns.join("\t"));
                let rows = rows.iter().map(|row| texts(row).join("\t"));
                lines(head.into_iter().chain(rows))
            }
            Self::Csv => {
                let head = headers.then(|| columns.join(","));
                let rows = rows.iter().map(|row| {
                    let values: Vec<_> = row.iter().map(|it| quoted(&plain(it))).collect();
                    values.join(",")
                });
                lines(head.into_iter().chain(rows))
            }
            Self::Json => {
                let objects = rows.iter().map(|row| {
                    let names = columns.iter().map(|name| (*name).to_owned());
                    Value::Object(names.zip(row.iter().cloned()).collect::<Map<_, _>>())
                });
                let objects: Vec<_> = objects.map(|object| object.to_string()).collect();
                if objects.is_empty() {
                    return "[]\n".to_owned();
                }
                format!("[\n{}\n]\n", objects.join(",\n"))
            }
            Self::PrettyTable => pretty(columns, rows),
        }
    }
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}

fn texts(row: &[Value]) -> Vec<String> {
    row.iter().map(plain).collect()
}

/// A value as a table has it: texts escaped, all else as an Erlang term.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escaped(text, false),
        other => term(other),
    }
}

/// A value as an Erlang term: an object is a list of pairs.
fn term(value: &Value) -> String {
    match value {
        Value::Null => "undefined".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(text) => format!("\"{}\"", escaped(text, true)),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(term).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(entries) => {
            let pairs = entries
                .iter()
                .map(|(name, value)| format!("{{\"{}\",{}}}", escaped(name, true), term(value)));
            format!("[{}]", pairs.collect::<Vec<_>>().join(","))
        }
    }
}

/// A text in one cell: nothing in it ends the cell, the line, or the terminal's good behaviour.
fn escaped(text: &str, quotes: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => escaped += "\\\\",
            '\t' => escaped += "\\t",
            '\n' => escaped += "\\n",
            '\r' => escaped += "\\r",
            '"' if quotes => escaped += "\\\"",
            control if control.is_control() => escaped += &format!("\\{:03o}", u32::from(control)),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A value between commas (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains([',', '"']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

fn pretty(columns: &[&str], rows: &[Vec<Value>]) -> String {
    let head: Vec<_> = columns.iter().map(|name| (*name).to_owned()).collect();
    let cells: Vec<_> = std::iter::once(head).chain(rows.iter().map(|row| texts(row))).collect();
    let width = |place: usize| {
        let widths = cells.iter().filter_map(|row| row.get(place)).map(|it| it.chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    let rule = |left: &str, middle: &str, right: &str| {
        let bars: Vec<_> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
        format!("{left}{}{right}", bars.join(middle))
    };
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} "));
        format!("│{}│", cells.collect::<Vec<_>>().join("│"))
    };
    let mut table = vec![rule("┌", "┬", "┐")];
    for (place, row) in cells.iter().enumerate() {
        if place > 0 {
            table.push(rule("├", "┼", "┤"));
        }
        table.push(line(row));
    }
    table.push(rule("└", "┴", "┘"));
    lines(table.into_iter())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows() -> Vec<Vec<Value>> {
        vec![vec![json!("a\tb"), json!({"x-match": "all", "n": 1})], vec![json!("c"), json!({})]]
    }

    #[test]
    fn a_table_has_a_line_for_each_row() {
        let text = Formatter::Table.write(&["name", "arguments"], &rows(), true);
        let expected = "name\targuments\na\\tb\t[{\"n\",1},{\"x-match\",\"all\"}]\nc\t[]\n";
        assert_eq!(text, expected);
        assert!(!Formatter::Table.write(&["name", "arguments"], &rows(), false).contains("name"));
    }

    #[test]
    fn other_forms_say_the_same() {
        let columns = ["name", "arguments"];
        let json: Value =
            serde_json::from_str(&Formatter::Json.write(&columns, &rows(), true)).unwrap();
        assert_eq!(json[0]["name"], "a\tb");
        let csv = Formatter::Csv.write(&columns, &rows(), true);
        assert!(csv.contains("\"[{\"\"n\"\",1},{\"\"x-match\"\",\"\"all\"\"}]\""), "{csv}");
        let pretty = Formatter::PrettyTable.write(&columns, &rows(), true);
        assert!(pretty.contains("│ c    │ []"), "{pretty}");
        assert!(!escaped("\u{1b}[31m", false).contains('\u{1b}'));
    }
}
