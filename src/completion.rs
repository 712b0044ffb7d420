//! `leveret completion bash`: what a shell needs to complete a command line.
//!
//! It is made from the flags as `leveret --help` lists them, and from the commands as
//! `leveret ctl --help` lists them: what is new in one of them can be completed.

use std::io::{self, Write};

use clap::{Args, Command};
use clap_complete::Shell;

/// The flags of `leveret completion`.
#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// The shell; `source <(leveret completion bash)` tries it out
    shell: Shell,
}

impl Completion {
    /// Prints the script for this command line.
    pub(crate) fn print(&self, command: Command) -> io::Result<()> {
        let mut command = with_ctl(command);
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "leveret", &mut script);
        match io::stdout().lock().write_all(&script) {
            // Whoever closed it has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }
}

/// The command line with the commands of `leveret ctl`, which reads them itself.
#[cfg(feature = "management")]
fn with_ctl(command: Command) -> Command {
    let names = leveret::admin::ctl::command_names();
    command.mut_subcommand("ctl", |ctl| ctl.subcommands(names.into_iter().map(Command::new)))
}

/// Without management there is no `leveret ctl`.
#[cfg(not(feature = "management"))]
fn with_ctl(command: Command) -> Command {
    command
}
