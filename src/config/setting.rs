//! A setting of a configuration file, and what may be wrong with one.

use std::path::PathBuf;

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
    /// It is not written in the form that its name promises.
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
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|key| format!("; did you mean '{key}'?")).unwrap_or_default()
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
}
