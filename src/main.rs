//! The command line: `leveret [serve] [flags]`, `leveret ctl COMMAND`.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use leveret::config::Config;
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
    /// Asks and steers a running broker, with the commands of rabbitmqctl
    #[cfg(feature = "management")]
    Ctl(Box<leveret::admin::ctl::Ctl>),
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
        Some(Command::Serve(serve)) => serve.config,
        #[cfg(feature = "management")]
        Some(Command::Ctl(ctl)) => return ctl.run(),
        None => line.config,
    };
    env_logger::Builder::new().filter_level(config.log).format_target(false).init();
    match server::run(&config, beside) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("leveret: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What runs beside the broker: management.
#[cfg(feature = "management")]
fn beside(
    config: &Config,
    server: &server::Server,
) -> Result<leveret::admin::Admin, server::ServerError> {
    leveret::admin::Admin::start(config, server)
}

/// What runs beside a bare broker: nothing, so nothing may be asked for.
#[cfg(not(feature = "management"))]
fn beside(config: &Config, _: &server::Server) -> Result<(), server::ServerError> {
    if config.management == leveret::config::OFF && config.metrics == leveret::config::OFF {
        return Ok(());
    }
    Err(server::ServerError::Management("this broker was built without it".to_owned()))
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
    // `ctl` has rabbitmqctl's exit codes, of which 64 is that of a wrong command line.
    let ctl = std::env::args().nth(1).is_some_and(|first| first == "ctl");
    if ctl { ExitCode::from(64) } else { ExitCode::FAILURE }
}
