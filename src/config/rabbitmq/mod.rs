//! RabbitMQ's configuration file.
//!
//! ```text
//!   key = value      # one a line; a value with a `#` in it stands between single quotes
//!   key = $(NAME)    a variable of the environment
//! ```
//!
//! What restricts (who may come in, where, and how) is kept, or refuses the start. What has no
//! meaning here is said at info level, what is not there as a warning.

mod form;
mod keys;
#[cfg(test)]
mod tests;

use std::path::Path;

use super::OFF;
use super::setting::{self, FileError, Remark, Setting, Settings, suggestion};

pub(super) use form::Form;
pub use keys::{ENDPOINTS, KEYS, Meaning};

use form::Value;

/// The beginnings of keys that say who may come in, where and how: one that is not known is no
/// reason to let more in than was meant.
const RESTRICTING: [&str; 8] = [
    "listeners.",
    "default_",
    "loopback_",
    "auth_",
    "ssl_",
    "management.ssl.",
    "proxy_",
    "password_",
];

/// How alike an unknown key and one that restricts are, from 0 to 1, for it to be a slip.
const SLIP_LIKENESS: f64 = 0.9;

/// Reads files of RabbitMQ's form one after the other: the later ones win.
#[derive(Default)]
pub(super) struct Parser {
    read: Settings,
    /// Clients are asked for a certificate, and it is checked.
    verifies: bool,
    /// How much the key counts that said what is logged.
    log_rank: usize,
    /// What management shows to its clients, which has to be what AMQP shows.
    management: Vec<Setting>,
    /// What was dropped of a list, of which something has to be left.
    dropped: Vec<(&'static str, FileError)>,
}

impl Parser {
    /// Reads a file.
    pub(super) fn file(&mut self, path: &Path, text: &str) -> Result<(), FileError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in text.lines().enumerate() {
            let place = Place { path, line: number + 1 };
            let Some((key, value)) = split(line).map_err(|reason| place.error(reason))? else {
                continue;
            };
            let value = with_variables(&value).map_err(|reason| place.error(reason))?;
            self.line(place, key, &value)?;
        }
        Ok(())
    }

    fn line(&mut self, place: Place<'_>, key: &str, value: &str) -> Result<(), FileError> {
        if let Some(setting) = self.endpoint(place, key, value) {
            self.read.settings.retain(|other| other.flag != setting.flag);
            self.read.settings.push(setting);
            return Ok(());
        }
        let shown = key.escape_debug();
        match keys::meaning(key) {
            None => self.unknown(place, key)?,
            Some(Meaning::Nothing) => {
                let text = place.says(&format!("'{shown}' has no meaning here"));
                self.read.remarks.push(Remark::Info(text));
            }
            Some(Meaning::Lacking(advice)) if value != "false" => {
                let text = place.says(&format!("'{shown}' is not there: {advice}"));
                self.read.remarks.push(Remark::Warning(text));
            }
            Some(Meaning::Lacking(_)) => {}
            Some(Meaning::Restricting(advice)) => {
                return Err(place.error(format!("'{shown}' cannot be kept: {advice}")));
            }
            Some(Meaning::Flag(flag, form)) => self.flag(place, key, value, (flag, form))?,
        }
        Ok(())
    }

    /// A key that is not known: a warning, unless it may be meant to restrict.
    fn unknown(&mut self, place: Place<'_>, key: &str) -> Result<(), FileError> {
        let known = KEYS.iter().map(|(pattern, _)| pattern.trim_end_matches(['$', '.']));
        let nearest = setting::nearest(key, known);
        let restricts = |name: &str| RESTRICTING.iter().any(|prefix| name.starts_with(prefix));
        let slip = nearest.is_some_and(|(like, name)| like >= SLIP_LIKENESS && restricts(name));
        let nearest = nearest.map(|(_, name)| name.to_owned());
        if slip || restricts(key) {
            let shown = key.escape_debug();
            let nearest = suggestion(nearest.as_deref());
            return Err(place.error(format!("unknown key '{shown}'{nearest}")));
        }
        let (path, key) = (place.path.to_owned(), key.to_owned());
        self.read.remarks.push(Remark::Unknown(FileError::Unknown { path, key, nearest }));
        Ok(())
    }

    fn flag(
        &mut self,
        place: Place<'_>,
        key: &str,
        value: &str,
        (flag, form): (&'static str, Form),
    ) -> Result<(), FileError> {
        let read = form
            .read(key, value)
            .map_err(|reason| place.error(format!("'{}': {reason}", key.escape_debug())))?;
        match read {
            Value::Nothing => {}
            Value::Verify(verifies) => self.verifies = verifies,
            Value::Clear => self.put(place, key, flag, Vec::new()),
            Value::One(value) => self.put(place, key, flag, vec![value]),
            Value::Several(values) => self.put(place, key, flag, values),
            Value::Dropped(reason) => {
                let text = format!("'{}': {reason}", key.escape_debug());
                self.read.remarks.push(Remark::Warning(place.says(&text)));
                self.dropped.push((flag, place.error(text)));
            }
            Value::Warned(reason) => {
                let text = format!("'{}': {reason}", key.escape_debug());
                self.read.remarks.push(Remark::Warning(place.says(&text)));
            }
            Value::Clamped(value, reason) => {
                let text = place.says(&format!("'{}': {reason}", key.escape_debug()));
                self.read.remarks.push(Remark::Warning(text));
                self.put(place, key, flag, vec![value]);
            }
        }
        Ok(())
    }

    /// Adds to the values of a flag that may be given more than once, or replaces the value.
    fn put(&mut self, place: Place<'_>, key: &str, flag: &str, values: Vec<String>) {
        if key.starts_with("management.ssl.") {
            return self.management.push(place.setting(key, flag, values));
        }
        if flag == "log" {
            let ranks = ["log.level", "log.default.level", "log.file.level", "log.console.level"];
            let rank = ranks.iter().position(|known| *known == key).unwrap_or_default();
            if rank < self.log_rank {
                return;
            }
            self.log_rank = rank;
        }
        let many = [
            "listen",
            "tls-listen",
            "loopback-users",
            "default-user-tags",
            "auth-mechanisms",
            "tls-versions",
        ];
        let known = self.read.settings.iter_mut().find(|other| other.flag == flag);
        match known {
            Some(other) if many.contains(&flag) && !values.is_empty() => other.add(values),
            Some(other) => *other = place.setting(key, flag, values),
            None => self.read.settings.push(place.setting(key, flag, values)),
        }
    }

    /// A half of an address, joined with the other half if that is among the settings.
    fn endpoint(&self, place: Place<'_>, key: &str, value: &str) -> Option<Setting> {
        let (start, part) =
            key.rsplit_once('.').filter(|(_, part)| ["ip", "port"].contains(part))?;
        let (_, flag, port) = ENDPOINTS.iter().find(|(known, ..)| *known == start)?;
        let said = self.read.settings.iter().find(|it| it.flag == *flag);
        let said = said.and_then(|it| it.values.first());
        let (other_ip, other_port) =
            said.and_then(|address| address.rsplit_once(':')).unwrap_or(("0.0.0.0", port));
        let address = match part {
            "port" => format!("{other_ip}:{value}"),
            _ if value.contains(':') => format!("[{value}]:{other_port}"),
            _ => format!("{value}:{other_port}"),
        };
        Some(place.setting(key, flag, vec![address]))
    }

    /// What all files together say.
    ///
    /// # Errors
    /// When something of it restricts and cannot be kept.
    pub(super) fn finish(mut self) -> Result<Settings, FileError> {
        // `none` counts, whatever addresses are named beside it.
        for setting in &mut self.read.settings {
            if setting.flag == "listen" && setting.values.iter().any(|value| value == OFF) {
                setting.values = vec![OFF.to_owned()];
            } else if setting.flag == "tls-listen" && setting.values.iter().any(|it| it == OFF) {
                setting.values.clear();
            }
        }
        for (flag, error) in self.dropped {
            if !self.read.settings.iter().any(|it| it.flag == flag && !it.values.is_empty()) {
                return Err(error);
            }
        }
        for setting in std::mem::take(&mut self.management) {
            let other = self.read.settings.iter().find(|it| it.flag == setting.flag);
            match other {
                None => self.read.settings.push(setting),
                Some(other) if other.values == setting.values => {}
                Some(_) => {
                    let Setting { key, path, line, .. } = setting;
                    let reason =
                        format!("'{key}' has to be that of ssl_options: there is one for both");
                    return Err(FileError::Syntax { path, line, reason });
                }
            }
        }
        let wants = |flag: &str| {
            let setting = self.read.settings.iter().find(|it| it.flag == flag);
            setting.filter(|it| !it.values.is_empty())
        };
        if self.verifies && wants("tls-client-roots").is_none() {
            let reason = "'ssl_options.verify = verify_peer' needs ssl_options.cacertfile";
            return Err(FileError::Whole { reason: reason.to_owned() });
        }
        if !self.verifies {
            if let Some(setting) = wants("tls-client-required") {
                let reason = format!("'{}' needs ssl_options.verify = verify_peer", setting.key);
                let (path, line) = (setting.path.clone(), setting.line);
                return Err(FileError::Syntax { path, line, reason });
            }
            // RabbitMQ asks nobody for a certificate then, whatever it has to check one with.
            self.read.settings.retain(|setting| !setting.flag.starts_with("tls-client-"));
        }
        Ok(self.read)
    }
}

/// A line of a file.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a Path,
    line: usize,
}

impl Place<'_> {
    fn says(self, text: &str) -> String {
        format!("{}:{}: {text}", self.path.display(), self.line)
    }

    fn error(self, reason: String) -> FileError {
        FileError::Syntax { path: self.path.to_owned(), line: self.line, reason }
    }

    fn setting(self, key: &str, flag: &str, values: Vec<String>) -> Setting {
        let (path, line) = (self.path.to_owned(), self.line);
        Setting { key: key.to_owned(), flag: flag.to_owned(), values, path, line }
    }
}

/// The key and the value of a line; nothing of an empty one. Behind `#` are remarks, but not between
/// single quotes.
fn split(line: &str) -> Result<Option<(&str, String)>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let expected = "'key = value' is expected";
    let (key, value) = line.split_once('=').ok_or(expected)?;
    if key.contains('#') {
        return Err(expected.to_owned());
    }
    let value = value.trim();
    let value = match value.strip_prefix('\'') {
        None => value.split_once('#').map_or(value, |(before, _)| before).trim(),
        Some(quoted) => {
            let (inside, behind) = quoted.split_once('\'').ok_or("a closing ' is missing")?;
            let behind = behind.trim();
            if !behind.is_empty() && !behind.starts_with('#') {
                return Err("nothing is expected behind the closing '".to_owned());
            }
            inside
        }
    };
    if value.starts_with("encrypted:") {
        return Err("encrypted values cannot be read: use a file that only the owner reads, or a \
                    variable"
            .to_owned());
    }
    Ok(Some((key.trim(), value.to_owned())))
}

/// A value with variables of the environment, `$(NAME)`, in their places.
fn with_variables(value: &str) -> Result<String, String> {
    let mut rest = value;
    let mut whole = String::new();
    while let Some((before, name)) = rest.split_once("$(") {
        let (name, behind) = name.split_once(')').ok_or("the ) of a variable is missing")?;
        let variable = std::env::var(name)
            .map_err(|_| format!("the variable '{}' is not set", name.escape_debug()))?;
        whole += before;
        whole += &variable;
        rest = behind;
    }
    Ok(whole + rest)
}
