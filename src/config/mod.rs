//! What can be told from outside: by flags, by the environment, by files.

mod setting;

mod values;

mod rabbitmq;

mod first;

mod limits;

#[cfg(feature = "tls")]
mod tls;

mod flags;

mod file;

mod line;

mod environment;

mod source;

#[cfg(test)]
mod tests;

pub use first::{FirstStart, GUEST, Secret};
pub use flags::{AuthMechanism, Config, LogFormat, PasswordHashing};
pub use limits::ClientLimits;
pub use line::{command, variable};
pub use rabbitmq::{ENDPOINTS, KEYS, Meaning};
pub use setting::{FileError, Remark};
pub use source::{Changed, Reading, Source};
#[cfg(feature = "tls")]
pub use tls::{LoginFrom, NameType, TlsSettings, TlsVersion};

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};

use crate::broker::access::NEW_PASSWORD_BYTES_MAX;

/// What stands for no address.
pub const OFF: &str = "off";

impl Config {
    /// Reads the command line of `leveret serve` without its first word, the environment, and the
    /// file that one of them names. What is to be said of what is not a setting is returned beside;
    /// `--strict-config` refuses unknown keys.
    ///
    /// # Errors
    /// One line for people: a flag, variable or key that is not understood; a file that cannot be
    /// read. Also the help text, if that was asked for.
    pub fn read(flags: &[OsString]) -> Result<(Self, Vec<Remark>), ConfigError> {
        Self::matches(flags).map(|(_, config, remarks)| (config, remarks))
    }

    /// The same with the settings as they are written.
    fn matches(flags: &[OsString]) -> Result<(ArgMatches, Self, Vec<Remark>), ConfigError> {
        let command = command();
        let parse = |arguments: Vec<OsString>| {
            command.clone().no_binary_name(true).try_get_matches_from(arguments)
        };
        let first = parse(flags.to_vec())
            .map_err(|error| ConfigError::Line { place: line::place(&error, &[], flags), error })?;
        let path = first.get_one::<PathBuf>("config");
        let mut remarks = environment::remarks(&command);
        let mut settings = environment::aliases(&command, &first);
        if let Some(path) = path {
            let (of_file, about) = line::of_file(path, &command, &first)?;
            let others = of_file.into_iter().filter(|one| {
                settings.iter().all(|alias: &setting::Setting| alias.flag != one.flag)
            });
            settings = others.chain(settings.iter().cloned()).collect();
            remarks.extend(about);
        }
        let mut arguments = line::spelled(&settings, &command);
        arguments.extend(flags.iter().cloned());
        let matches = parse(arguments).map_err(|error| ConfigError::Line {
            place: line::place(&error, &settings, flags),
            error,
        })?;
        let mut config = Self::from_arg_matches(&matches)
            .map_err(|error| ConfigError::Line { place: None, error })?;
        let unknown = |remark: &Remark| matches!(remark, Remark::Unknown(_));
        if config.strict_config
            && let Some(place) = remarks.iter().position(unknown)
            && let Remark::Unknown(error) = remarks.swap_remove(place)
        {
            return Err(error.into());
        }
        config.read_secrets(&first)?;
        Ok((matches, config, remarks))
    }

    /// Reads what is in files because others shall not read it. A flag says more than the file of
    /// a variable or of a configuration.
    fn read_secrets(&mut self, flags: &ArgMatches) -> Result<(), ConfigError> {
        let by_flag = |flag: &str| flags.value_source(flag) == Some(ValueSource::CommandLine);
        let wanted = |flag: &str, file: &str| !by_flag(flag) || by_flag(file);
        let first = &mut self.first;
        if let Some(path) = &first.default_user_file
            && wanted("default_user", "default_user_file")
        {
            first.default_user = secret(path)?;
        }
        if let Some(path) = &first.default_pass_file
            && wanted("default_pass", "default_pass_file")
        {
            first.default_pass = Secret(secret(path)?);
        }
        #[cfg(feature = "tls")]
        if let Some(path) = &self.tls.tls_key_password_file
            && wanted("tls_key_password", "tls_key_password_file")
        {
            self.tls.tls_key_password = Some(Secret(secret(path)?));
        }
        for (what, empty) in [
            ("default-user", self.first.default_user.is_empty()),
            ("default-pass", self.first.default_pass.0.is_empty()),
            ("default-vhost", self.first.default_vhost.is_empty()),
        ] {
            if empty {
                return Err(ConfigError::Value(format!("--{what} is empty")));
            }
        }
        if self.first.default_pass.0.len() > NEW_PASSWORD_BYTES_MAX {
            let text = format!(
                "--default-pass is longer than {NEW_PASSWORD_BYTES_MAX} bytes: no client could log in with it"
            );
            return Err(ConfigError::Value(text));
        }
        Ok(())
    }
}

/// What a file holds, without the end of its line.
fn secret(path: &Path) -> Result<String, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Why the broker cannot be configured so.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line, or a value from the environment or a file. Also a call for help.
    #[error("{}", line::told(.place.as_deref(), .error))]
    Line {
        /// Where the value is from, if not from the command line.
        place: Option<String>,
        /// What is wrong with it.
        error: clap::Error,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A value that cannot be, in a few words.
    #[error("{0}")]
    Value(String),
}

impl Default for Config {
    /// What holds when nothing is said: neither flags nor environment.
    fn default() -> Self {
        let command = Self::augment_args(clap::Command::new("leveret"));
        let command = command.mut_args(|arg| arg.env(None::<&'static str>)).no_binary_name(true);
        let matches = command.get_matches_from(Vec::<OsString>::new());
        Self::from_arg_matches(&matches).expect("defaults are valid")
    }
}
