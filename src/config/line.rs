//! The command line, the environment and the file together: who says what, and who wins.
//!
//! ```text
//!   flag  >  environment (LEVERET_DATA_DIR)  >  file (data_dir)  >  default
//! ```

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command};

use super::Config;
use super::file;
use super::setting::{FileError, Remark, Setting, Settings, nearest};

/// The flags of `leveret serve`, each with its variable of the environment.
pub fn command() -> Command {
    let command = Config::augment_args(Command::new("leveret"));
    command.mut_args(|arg| {
        let Some(variable) = arg.get_long().map(variable) else { return arg };
        let arg = arg.env(variable);
        // Several values fit into one variable.
        if matches!(arg.get_action(), ArgAction::Append) { arg.value_delimiter(',') } else { arg }
    })
}

/// The variable of the environment that says the same as a flag.
pub fn variable(flag: &str) -> String {
    format!("LEVERET_{}", flag.replace('-', "_").to_uppercase())
}

/// What a file says for flags that neither the command line nor the environment has; what is to be
/// said of it is returned beside.
pub(super) fn of_file(
    path: &Path,
    command: &Command,
    matches: &ArgMatches,
) -> Result<(Vec<Setting>, Vec<Remark>), FileError> {
    let Settings { settings, mut remarks } = file::read(path)?;
    let mut wanted = Vec::new();
    for setting in settings {
        let known = command.get_arguments().find(|arg| arg.get_long() == Some(&setting.flag));
        match known.filter(|_| setting.flag != "config") {
            None if setting.flag.starts_with("tls-") && cfg!(not(feature = "tls")) => {
                let Setting { path, line, key, .. } = setting;
                let reason = format!("'{key}': this broker was built without TLS");
                return Err(FileError::Syntax { path, line, reason });
            }
            None => remarks.push(Remark::Unknown(unknown_key(setting, command))),
            Some(arg) if is_said(matches, arg) => {}
            Some(_) => wanted.push(setting),
        }
    }
    Ok((wanted, remarks))
}

/// Whether the command line or the environment says something.
pub(super) fn is_said(matches: &ArgMatches, arg: &Arg) -> bool {
    let source = matches.value_source(arg.get_id().as_str());
    matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

/// Settings as they would be on the command line.
pub(super) fn spelled(settings: &[Setting], command: &Command) -> Vec<OsString> {
    let flags = settings.iter().flat_map(|Setting { flag, values, .. }| {
        let known = command.get_arguments().find(|arg| arg.get_long() == Some(flag));
        let words: Vec<OsString> = if known.is_some_and(|arg| arg.get_action().takes_values()) {
            values.iter().map(|value| format!("--{flag}={value}").into()).collect()
        } else {
            let on = values.first().is_some_and(|value| value == "true");
            on.then(|| format!("--{flag}").into()).into_iter().collect()
        };
        words
    });
    flags.collect()
}

fn unknown_key(setting: Setting, command: &Command) -> FileError {
    let flags = command.get_arguments().filter_map(Arg::get_long);
    let nearest = nearest(&setting.flag, flags).map(|(_, flag)| flag.replace('-', "_"));
    FileError::Unknown { path: setting.path, key: setting.key, nearest }
}

/// Where the value is from that an error is about: the line of a file, or a variable; `None` is the
/// command line.
pub(super) fn place(
    error: &clap::Error,
    settings: &[Setting],
    flags: &[OsString],
) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = argument.trim_start_matches("--").split(' ').next()?;
    let dashed = format!("--{flag}");
    let is_flag = |word: &OsString| {
        let word = word.to_string_lossy();
        word.split('=').next() == Some(&dashed)
    };
    if flags.iter().any(is_flag) {
        return None;
    }
    match settings.iter().find(|setting| setting.flag == flag) {
        Some(setting) => Some(setting.place()),
        None => Some(format!("the variable {}", variable(flag))),
    }
}

/// What is wrong, in one line: with the place of the value, and without the usage and the name of
/// the flag that clap has.
pub(super) fn told(place: Option<&str>, error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let Some(place) = place else { return line.to_owned() };
    let without_flag = line.split_once(" for '--").and_then(|(before, rest)| {
        let (_, behind) = rest.split_once('\'')?;
        Some(format!("{before}{behind}"))
    });
    format!("{place}: {}", without_flag.as_deref().unwrap_or(line))
}
