//! The command line, the environment and the file together: who says what, and who wins.
//!
//! ```text
//!   flag  >  environment (LEVERET_DATA_DIR)  >  file (data_dir)  >  default
//! ```

use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command};

use super::Config;
use super::file;
use super::setting::{FileError, Setting};

/// How alike a key and a flag are, from 0 to 1, for the one to be a slip for the other.
const LIKENESS_MIN: f64 = 0.7;

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

/// The flags that a file adds to those that are there: none that the command line or the
/// environment says too. Unknown keys are returned beside them.
pub(super) fn arguments(
    path: &Path,
    command: &Command,
    matches: &ArgMatches,
) -> Result<(Vec<OsString>, Vec<FileError>), FileError> {
    let mut arguments = Vec::new();
    let mut unknown = Vec::new();
    for setting in file::read(path)? {
        let flag = &setting.flag;
        let known = command.get_arguments().find(|arg| arg.get_long() == Some(flag));
        match known.filter(|_| flag != "config") {
            None => unknown.push(unknown_key(path, setting, command)),
            Some(arg) if is_said(matches, arg) => {}
            Some(arg) => arguments.extend(spelled(arg, &setting)),
        }
    }
    Ok((arguments, unknown))
}

fn is_said(matches: &ArgMatches, arg: &Arg) -> bool {
    let source = matches.value_source(arg.get_id().as_str());
    matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

/// A setting as it would be on the command line.
fn spelled(arg: &Arg, setting: &Setting) -> Vec<OsString> {
    let flag = &setting.flag;
    if arg.get_action().takes_values() {
        setting.values.iter().map(|value| format!("--{flag}={value}").into()).collect()
    } else {
        let on = setting.values.first().is_some_and(|value| value == "true");
        on.then(|| format!("--{flag}").into()).into_iter().collect()
    }
}

fn unknown_key(path: &Path, setting: Setting, command: &Command) -> FileError {
    let flags = command.get_arguments().filter_map(Arg::get_long);
    let nearest = flags
        .map(|flag| (strsim::jaro_winkler(flag, &setting.flag), flag))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, flag)| flag.replace('-', "_"));
    FileError::Unknown { path: path.to_owned(), key: setting.key, nearest }
}
