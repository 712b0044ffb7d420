//! The user and the vhost of a first start.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The user that a data directory has if nothing else is asked for; this is the password too.
pub const GUEST: &str = "guest";

/// Flags about the first start of a data directory. A later start changes nothing of them.
#[derive(Clone, Debug, clap::Args)]
pub struct FirstStart {
    /// The user of a first start, in guest's place
    #[arg(long, value_name = "NAME", default_value = GUEST)]
    pub default_user: String,

    /// A file with the name of that user
    #[arg(long, value_name = "FILE")]
    pub default_user_file: Option<PathBuf>,

    /// The password of that user; everybody on this machine can read a command line
    #[arg(long, value_name = "PASSWORD", default_value = GUEST, hide_env_values = true)]
    pub default_pass: Secret,

    /// A file with the password of that user
    #[arg(long, value_name = "FILE")]
    pub default_pass_file: Option<PathBuf>,

    /// The vhost of a first start
    #[arg(long, value_name = "NAME", default_value = "/")]
    pub default_vhost: String,

    /// What the user of a first start may do in management; may be given more than once
    #[arg(long, value_name = "TAG", default_value = "administrator")]
    pub default_user_tags: Vec<String>,

    /// What the user of a first start may make and delete, as a pattern
    #[arg(long, value_name = "PATTERN", default_value = ".*")]
    pub default_configure: String,

    /// Where the user of a first start may put messages, as a pattern
    #[arg(long, value_name = "PATTERN", default_value = ".*")]
    pub default_write: String,

    /// Where the user of a first start may take messages, as a pattern
    #[arg(long, value_name = "PATTERN", default_value = ".*")]
    pub default_read: String,
}

impl FirstStart {
    /// Whether it is the start that a broker has without any of these flags.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        let everything = [&self.default_configure, &self.default_write, &self.default_read];
        self.default_user == GUEST
            && self.default_pass.0 == GUEST
            && self.default_vhost == "/"
            && self.default_user_tags == ["administrator"]
            && everything.iter().all(|pattern| *pattern == ".*")
    }
}

/// What no log and no error shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
