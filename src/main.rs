//! The command line: `leveret [serve] [flags]`, `leveret perf [flags]`.

use std::error::Error;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use log::LevelFilter;

use leveret::config::Config;
use leveret::perf;
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
    /// Puts a load on a broker, any AMQP 0-9-1 broker, and checks that nothing is lost or reordered
    Perf(perf::Options),
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
    let result = match line.command {
        Some(Command::Serve(serve)) => serve_clients(&serve.config),
        Some(Command::Perf(options)) => put_load(&options),
        None => serve_clients(&line.config),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("leveret: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve_clients(config: &Config) -> Result<ExitCode, Box<dyn Error>> {
    log_from(config.log);
    server::run(config)?;
    Ok(ExitCode::SUCCESS)
}

/// The check's findings are printed by then: they only decide the exit code.
fn put_load(options: &perf::Options) -> Result<ExitCode, Box<dyn Error>> {
    log_from(LevelFilter::Warn);
    Ok(if perf::run(options)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn log_from(level: LevelFilter) {
    env_logger::Builder::new().filter_level(level).format_target(false).init();
}

/// Prints the help that was asked for, or one line about what is wrong with the command line.
fn answer(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Nobody to tell when standard output is closed.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or("bad command line");
    eprintln!("leveret: {}; see leveret --help", line.trim_start_matches("error: "));
    ExitCode::FAILURE
}
