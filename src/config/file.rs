//! The configuration file: every flag of `leveret serve` is a key of it.
//!
//! ```text
//!   [tls]                                      --tls-listen 0.0.0.0:5671
//!   listen = ["0.0.0.0:5671"]           ──▶    --tls-certificate server.pem
//!   certificate = "server.pem"
//! ```
//!
//! A table's name is the beginning of the flags in it, and `_` stands for `-`; so `tls_listen` at
//! the top says the same. The file becomes flags, and these are read by the one who reads the
//! command line: what is wrong with a value is told in the same words, and a flag that is new is a
//! key too.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::rabbitmq::Parser;
use super::setting::{FileError, Setting, Settings};

/// Reads a file: TOML, or RabbitMQ's own form if its name ends in `.conf`; of a directory all files
/// of that form, in the order of their names.
pub(super) fn read(path: &Path) -> Result<Settings, FileError> {
    let has = |path: &Path, wanted| path.extension().is_some_and(|extension| extension == wanted);
    if path.is_dir() {
        let unread = |source| FileError::Read { path: path.to_owned(), source };
        let entries = fs::read_dir(path).map_err(unread)?.collect::<Result<Vec<_>, _>>();
        let mut files: Vec<_> = entries.map_err(unread)?.iter().map(fs::DirEntry::path).collect();
        files.retain(|path| has(path, "conf"));
        files.sort();
        if files.is_empty() {
            let reason = format!("{}: there is no file *.conf in it", path.display());
            return Err(FileError::Whole { reason });
        }
        return rabbitmq(&files);
    }
    if has(path, "conf") {
        return rabbitmq(&[path.to_owned()]);
    }
    let text = text(path)?;
    if has(path, "config") || text.starts_with("[{") || text.starts_with("%%") {
        let reason = format!(
            "{}: RabbitMQ's Erlang terms are not read: use its 'key = value' form (rabbitmq.conf) \
             or TOML",
            path.display()
        );
        return Err(FileError::Whole { reason });
    }
    toml(path, &text)
}

fn text(path: &Path) -> Result<String, FileError> {
    let text = fs::read_to_string(path)
        .map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    // Editors of Windows put a byte order mark in front.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn rabbitmq(files: &[PathBuf]) -> Result<Settings, FileError> {
    let mut parser = Parser::default();
    for path in files {
        parser.file(path, &text(path)?)?;
    }
    parser.finish()
}

fn toml(path: &Path, text: &str) -> Result<Settings, FileError> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(before).filter(|octet| *octet == b'\n').count();
        FileError::Syntax { path: path.to_owned(), line, reason: error.message().to_owned() }
    })?;
    let mut settings = Vec::new();
    for (name, value) in &table {
        match value {
            Value::Table(section) => {
                for (key, value) in section {
                    let line = line_of(text, Some(name), key);
                    let setting = setting(path, &format!("{name}.{key}"), value)?;
                    settings.push(Setting { line, ..setting });
                }
            }
            value => {
                let setting = setting(path, name, value)?;
                settings.push(Setting { line: line_of(text, None, name), ..setting });
            }
        }
    }
    Ok(Settings { settings, remarks: Vec::new() })
}

/// The line of a key, from 1; 0 if it is written in a way that is not looked for.
fn line_of(text: &str, section: Option<&str>, key: &str) -> usize {
    let mut current: Option<&str> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            current = Some(name.0.trim());
        }
        let name = line.split_once('=').map(|(name, _)| name.trim());
        if current == section && name == Some(key) {
            return number + 1;
        }
    }
    0
}

fn setting(path: &Path, key: &str, value: &Value) -> Result<Setting, FileError> {
    let values = match value {
        Value::Array(values) => {
            values.iter().map(|value| scalar(path, key, value)).collect::<Result<_, _>>()?
        }
        Value::Boolean(false) => Vec::new(),
        value => vec![scalar(path, key, value)?],
    };
    let (path, flag) = (path.to_owned(), key.replace(['.', '_'], "-"));
    Ok(Setting { key: key.to_owned(), flag, values, path, line: 0 })
}

fn scalar(path: &Path, key: &str, value: &Value) -> Result<String, FileError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(flag) => Ok(flag.to_string()),
        other => Err(FileError::Value {
            path: path.to_owned(),
            key: key.to_owned(),
            kind: other.type_str(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<(String, Vec<String>)>, String> {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("leveret.toml");
        fs::write(&path, text).unwrap();
        let settings = read(&path).map_err(|error| error.to_string())?.settings;
        Ok(settings.into_iter().map(|setting| (setting.flag, setting.values)).collect())
    }

    #[test]
    fn tables_and_underscores_make_flags() {
        let text = "data_dir = '/d'\nlisten = ['a:1', 'b:2']\n[tls]\nclient_required = true\n";
        let expected = [
            ("data-dir", vec!["/d"]),
            ("listen", vec!["a:1", "b:2"]),
            ("tls-client-required", vec!["true"]),
        ];
        let expected = expected.map(|(flag, values)| {
            (flag.to_owned(), values.into_iter().map(str::to_owned).collect())
        });
        assert_eq!(parsed(text).unwrap(), expected);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        assert!(parsed("a = 1\nb = = 2\n").unwrap_err().contains("leveret.toml:2: "));
        assert!(parsed("a = 1979-05-27").unwrap_err().ends_with("'a' cannot be datetime"));
        assert!(parsed("[a.b.c]\nd = 1").unwrap_err().ends_with("'a.b' cannot be table"));
    }
}
