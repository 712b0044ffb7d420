//! A setting of a configuration file, and what may be wrong with one.

use std::fmt;
use std::path::PathBuf;

use log::Level;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// Something in it is not what it has to be.
    #[error("{}:{line}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A key that nothing is known of.
    #[error("{}: unknown key '{key}'{}", path.display(), suggestion(nearest.as_deref()))]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The key as it is written there.
        key: String,
        /// A key that was perhaps meant.
        nearest: Option<String>,
    },
    /// A value that no flag can have, such as a date.
    #[error("{}: '{key}' cannot be {kind}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What its value is.
        kind: &'static str,
    },
    /// What several keys say does not fit together.
    #[error("{reason}")]
    Whole {
        /// Why not.
        reason: String,
    },
}

/// What is added to the name of something that is not known.
pub(super) fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|key| format!("; did you mean '{key}'?")).unwrap_or_default()
}

/// How alike a name and a known one are, from 0 to 1, for the one to be a slip for the other.
const LIKENESS_MIN: f64 = 0.7;

/// The known name that is most like another, and how alike they are, from 0 to 1.
pub(super) fn nearest<'n>(
    name: &str,
    known: impl Iterator<Item = &'n str>,
) -> Option<(f64, &'n str)> {
    known
        .map(|one| (strsim::jaro_winkler(one, name), one))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
}

/// What an operator is told of a file or of the environment that can be used.
#[derive(Debug)]
pub enum Remark {
    /// A key that nothing is known of; [`super::Config::strict_config`] makes it an error.
    Unknown(FileError),
    /// Something that is asked for and not there.
    Warning(String),
    /// Something that has no meaning here.
    Info(String),
}

impl Remark {
    /// How grave it is.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Unknown(_) | Self::Warning(_) => Level::Warn,
            Self::Info(_) => Level::Info,
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(error) => error.fmt(f),
            Self::Warning(text) | Self::Info(text) => f.write_str(text),
        }
    }
}

/// A key of a file with its values: mostly one, more where a flag may be given more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// The key, for people.
    pub(super) key: String,
    /// The flag it stands for, without the dashes in front.
    pub(super) flag: String,
    /// What it is set to. `true` for a flag without a value; none for `false`.
    pub(super) values: Vec<String>,
    /// The file.
    pub(super) path: PathBuf,
    /// The line, from 1; 0 is not known.
    pub(super) line: usize,
}

impl Setting {
    /// Where it is, for people.
    pub(super) fn place(&self) -> String {
        let (key, path) = (&self.key, self.path.display());
        match self.line {
            _ if self.path.as_os_str().is_empty() => key.clone(),
            0 => format!("{path}: {key}"),
            line => format!("{path}:{line}: {key}"),
        }
    }

    /// Adds values. One that is empty stands for no value at all, and goes.
    pub(super) fn add(&mut self, values: Vec<String>) {
        self.values.extend(values);
        if self.values.iter().any(|value| !value.is_empty()) {
            self.values.retain(|value| !value.is_empty());
        }
    }
}

/// What files say.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// Each key that is a flag.
    pub(super) settings: Vec<Setting>,
    /// What is to be said of the others.
    pub(super) remarks: Vec<Remark>,
}
