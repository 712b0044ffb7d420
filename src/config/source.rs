//! Where the settings come from, kept so that they can be read again while the broker runs.
//!
//! ```text
//!   flags, environment, file ──▶ read ──▶ Config
//!             SIGHUP ──▶ read again ──▶ Config and what has changed, or the reason why not
//! ```

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use clap::ArgMatches;

use super::line::command;
use super::{Config, ConfigError, Remark};

/// What can change while the broker runs.
const AT_ONCE: &[&str] = &[
    "disk-free-limit",
    "disk-free-limit-relative",
    "log",
    "loopback-users",
    "memory-high-watermark",
    "memory-limit",
    "password-hashing",
    "tls-certificate",
    "tls-client-required",
    "tls-client-roots",
    "tls-key",
    "tls-key-password",
    "tls-key-password-file",
    "tls-login-from",
    "tls-login-san-index",
    "tls-login-san-type",
    "tls-versions",
];

/// What no log shows.
const SECRET: &[&str] = &["default-pass", "tls-key-password"];

/// See the module.
#[derive(Debug)]
pub struct Source {
    flags: Vec<OsString>,
    reading: Reading,
}

/// The settings as they were read once.
#[derive(Debug)]
pub struct Reading {
    /// The settings.
    pub config: Config,
    /// What is to be said of what is no setting.
    pub remarks: Vec<Remark>,
    /// Each flag that takes part, with its values as they are written.
    written: BTreeMap<String, Vec<String>>,
}

/// A setting that is not what it was.
#[derive(Debug, PartialEq, Eq)]
pub struct Changed {
    /// The flag, without the dashes in front.
    pub flag: String,
    before: Vec<String>,
    now: Vec<String>,
    /// Whether it holds from now on; otherwise from the next start.
    pub at_once: bool,
}

impl Source {
    /// Reads flags without the words before them, the environment, and the file that one of them
    /// names.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read(flags: Vec<OsString>) -> Result<Self, ConfigError> {
        Ok(Self { reading: Reading::of(&flags)?, flags })
    }

    /// What holds.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Reads all of it again. What held holds until [`Self::accept`].
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read_again(&self) -> Result<Reading, ConfigError> {
        Reading::of(&self.flags)
    }

    /// From now on what was read again holds. Says what that changes.
    pub fn accept(&mut self, reading: Reading) -> Vec<Changed> {
        let before = std::mem::replace(&mut self.reading, reading).written;
        let now = &self.reading.written;
        let flags = before.keys().chain(now.keys().filter(|flag| !before.contains_key(*flag)));
        let values =
            |all: &BTreeMap<String, Vec<String>>, flag| all.get(flag).cloned().unwrap_or_default();
        let changes = flags.filter_map(|flag| {
            let (before, now) = (values(&before, flag), values(now, flag));
            // Without a certificate there is nothing that a new one could be put in the place of.
            let replaces = flag != "tls-certificate" || !before.is_empty();
            let at_once = replaces && AT_ONCE.contains(&flag.as_str());
            (before != now).then(|| Changed { flag: flag.clone(), before, now, at_once })
        });
        changes.collect()
    }
}

impl Reading {
    pub(super) fn of(flags: &[OsString]) -> Result<Self, ConfigError> {
        let (matches, config, remarks) = Config::matches(flags)?;
        Ok(Self { config, remarks, written: written(&matches) })
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |values: &[String]| {
            let text = if values.is_empty() { "not set".to_owned() } else { values.join(", ") };
            text.escape_debug().to_string()
        };
        let (flag, now, before) = (&self.flag, shown(&self.now), shown(&self.before));
        let when = if self.at_once { "" } else { " from the next start" };
        if SECRET.contains(&flag.as_str()) {
            return write!(f, "{flag} is another one{when}");
        }
        write!(f, "{flag} is {now}{when}, was {before}")
    }
}

fn written(matches: &ArgMatches) -> BTreeMap<String, Vec<String>> {
    let command = command();
    let flags = command.get_arguments().filter_map(|arg| {
        let values = matches.get_raw(arg.get_id().as_str())?;
        let values = values.map(|value| value.to_string_lossy().into_owned()).collect();
        Some((arg.get_long()?.to_owned(), values))
    });
    flags.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_has_changed_is_said_and_when_it_holds() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("leveret.toml");
        fs::write(&path, "log = 'warn'\nlisten = ['a:1', 'b:2']\nstrict = true\n").unwrap();
        let mut source = Source::read(vec!["--config".into(), path.clone().into()]).unwrap();
        let again = source.read_again().unwrap();
        assert_eq!(source.accept(again), []);
        fs::write(&path, "log = 'debug'\nlisten = 'c:3'\ntls_key = 'k'\n").unwrap();
        let again = source.read_again().unwrap();
        let changes: Vec<_> = source.accept(again).iter().map(ToString::to_string).collect();
        let expected = [
            "listen is c:3 from the next start, was a:1, b:2",
            "log is debug, was warn",
            "strict is false from the next start, was true",
            "tls-key is k, was not set",
        ];
        assert_eq!(changes, expected);
        assert_eq!(source.reading().config.log, log::LevelFilter::Debug);
    }

    #[test]
    fn a_broken_file_changes_nothing_and_is_one_line() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("leveret.toml");
        fs::write(&path, "log = 'warn'").unwrap();
        let source = Source::read(vec!["--config".into(), path.clone().into()]).unwrap();
        for text in ["log = ", "log = 'loud'", "disk_free_limit = '5 parsecs'"] {
            fs::write(&path, text).unwrap();
            let error = source.read_again().unwrap_err().to_string();
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        assert_eq!(source.reading().config.log, log::LevelFilter::Warn);
    }

    #[test]
    fn what_holds_at_once_is_a_setting() {
        let command = command();
        for flag in AT_ONCE {
            let known = command.get_arguments().any(|arg| arg.get_long() == Some(flag));
            assert!(known || cfg!(not(feature = "tls")), "{flag}");
        }
    }
}
