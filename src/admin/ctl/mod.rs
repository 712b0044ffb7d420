//! `leveret ctl`: rabbitmqctl's commands, with its columns, its output and its exit codes.
//!
//! ```text
//!   command line ──▶ commands (one table) ──▶ client ──▶ control socket or --url ──▶ HTTP API
//!                        ├──▶ listings (one table) ──▶ output: table, json, csv, pretty_table
//!                        └──▶ rules (one table): users, permissions, policies, parameters
//! ```
//!
//! It asks the running broker over the HTTP API. On the broker's own machine it goes through a Unix
//! socket in the data directory, which nobody but its owner can open, so it needs no password.

mod client;
mod commands;
mod files;
mod listings;
mod output;
mod people;
mod rules;
mod tracing;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use output::Formatter;

/// The flags of `leveret ctl`. They may stand before or behind the command.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = commands::help())]
pub struct Ctl {
    /// The broker's data directory, where its control socket is
    #[arg(long, value_name = "DIR", env = "LEVERET_DATA_DIR", default_value = "leveret-data")]
    data_dir: PathBuf,

    /// The HTTP API of another broker, such as http://127.0.0.1:15672; needs --user and --password
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// The user to be, with --url
    #[arg(long, default_value = "guest")]
    user: String,

    /// Their password, with --url
    #[arg(long, env = "LEVERET_PASSWORD", hide_env_values = true, default_value = "guest")]
    password: String,

    /// The vhost
    #[arg(short = 'p', long, default_value = "/")]
    vhost: String,

    /// How listings are written
    #[arg(long, value_enum, default_value_t)]
    formatter: Formatter,

    /// Says only what was asked for
    #[arg(short, long)]
    quiet: bool,

    /// As --quiet, and without the names of columns
    #[arg(short, long)]
    silent: bool,

    /// Without the names of columns
    #[arg(long)]
    no_table_headers: bool,

    /// Only if it is empty (delete_queue)
    #[arg(short = 'e', long)]
    if_empty: bool,

    /// Only if it is unused (delete_queue)
    #[arg(short = 'u', long)]
    if_unused: bool,

    /// How strong a policy is (set_policy, set_operator_policy)
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    priority: i64,

    /// What a policy is for: all, queues, exchanges, classic_queues, quorum_queues, streams
    #[arg(long, default_value = "all")]
    apply_to: String,

    /// What is said of a vhost (add_vhost)
    #[arg(long)]
    description: Option<String>,

    /// Tags of a vhost, with commas between them (add_vhost)
    #[arg(long)]
    tags: Option<String>,

    /// The type of queues that are declared without one (add_vhost)
    #[arg(long)]
    default_queue_type: Option<String>,

    /// The password is given as its hash (add_user)
    #[arg(long)]
    pre_hashed_password: bool,

    /// Only say what would be done (import_definitions)
    #[arg(long)]
    dry_run: bool,

    /// Seconds to wait for the broker
    #[arg(short, long, default_value_t = 60)]
    timeout: u64,

    /// The command and what it is about
    #[arg(required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// The names of all commands, as the help lists them.
pub fn command_names() -> Vec<String> {
    let help = commands::help();
    let lines = help.lines().filter_map(|line| line.strip_prefix("  "));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Why a command came to nothing: the exit code (sysexits.h, as rabbitmqctl's) and a line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    fn usage(text: impl Into<String>) -> Self {
        Self::new(USAGE, text)
    }
}

/// The command line is wrong.
const USAGE: u8 = 64;
/// What it names is not there, or not as it has to be.
const DATA: u8 = 65;
/// There is no such user.
const NO_USER: u8 = 67;
/// The broker is not there.
const UNAVAILABLE: u8 = 69;
/// Something went wrong that should not.
const SOFTWARE: u8 = 70;
/// The user may not.
const PERMISSION: u8 = 77;

impl Ctl {
    /// Runs the command; the exit code is rabbitmqctl's.
    pub fn run(&self) -> ExitCode {
        let mut out = Vec::new();
        let result = commands::run(self, &mut out);
        // Nobody need be reading.
        let _ = io::stdout().lock().write_all(&out);
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("Error: {}", failure.text);
                ExitCode::from(failure.code)
            }
        }
    }

    /// Whether people are to be told what is being done.
    fn talks(&self) -> bool {
        !self.quiet && !self.silent && !self.formatter.is_for_machines()
    }

    /// Whether the names of columns are written.
    fn has_headers(&self) -> bool {
        !self.silent && !self.no_table_headers
    }
}
