//! The command line: `leveret [serve] [flags]`, `leveret inspect DIR`.

use std::io::{self, BufWriter};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use leveret::config::Config;
use leveret::inspect::{self, InspectError, InspectOptions, Verdict};
use leveret::server;

/// An AMQP 0-9-1 message broker that any RabbitMQ client can use unchanged.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: Config,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the broker until it gets SIGTERM or SIGINT; this is what happens without a command
    Serve(Serve),
    /// Verifies and shows what is in a data directory, without changing it
    Inspect(InspectOptions),
}

#[derive(Debug, Args)]
struct Serve {
    #[command(flatten)]
    config: Config,
}

fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => return answer(&error),
    };
    let config = match line.command {
        Some(Command::Inspect(options)) => return look(&options),
        Some(Command::Serve(serve)) => serve.config,
        None => line.config,
    };
    env_logger::Builder::new().filter_level(config.log).format_target(false).init();
    match server::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("leveret: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `leveret inspect`: 0 if all is well, 1 if it could not look, 2 if something is damaged.
fn look(options: &InspectOptions) -> ExitCode {
    match inspect::run(options, &mut BufWriter::new(io::stdout().lock())) {
        Ok(Verdict::Whole) => ExitCode::SUCCESS,
        Ok(Verdict::Damaged) => ExitCode::from(2),
        // Who reads only the first lines closes the pipe.
        Err(InspectError::Print(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("leveret: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the help that was asked for, or one line about what is wrong with the command line.
fn answer(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Nobody to tell when standard output is closed.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let lines: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let line = lines.join(" ");
    eprintln!("leveret: {}; see leveret --help", line.trim_start_matches("error: "));
    ExitCode::FAILURE
}
