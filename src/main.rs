//! The command line: `leveret [serve] [flags]`, `leveret ctl COMMAND`, `leveret perf [flags]`,
//! `leveret inspect DIR`.

mod completion;

use std::env;
use std::error::Error;
#[cfg(feature = "management")]
use std::io::Write;
use std::io::{self, BufWriter};
#[cfg(feature = "management")]
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use log::LevelFilter;

use leveret::config::{Config, ConfigError, LogFormat, Source};
use leveret::inspect::{self, InspectError, InspectOptions, Verdict};
use leveret::logging;
use leveret::perf;
use leveret::server;

use completion::Completion;

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
    Serve(Box<Serve>),
    /// Asks and steers a running broker, with the commands of rabbitmqctl
    #[cfg(feature = "management")]
    Ctl(Box<leveret::admin::ctl::Ctl>),
    /// Puts a load on a broker, any AMQP 0-9-1 broker, and checks that nothing is lost or reordered
    Perf(Box<perf::Options>),
    /// Verifies and shows what is in a data directory, without changing it
    Inspect(InspectOptions),
    /// Prints a script that lets a shell complete command lines
    Completion(Completion),
    /// Prints the definitions in a data directory that no broker is using, as JSON
    #[cfg(feature = "management")]
    Definitions(Definitions),
}

#[cfg(feature = "management")]
#[derive(Debug, Args)]
struct Definitions {
    /// Say what importing this file would do instead
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Where messages and definitions are kept
    #[arg(long, value_name = "DIR", env = "LEVERET_DATA_DIR", default_value = "leveret-data")]
    data_dir: PathBuf,
}

#[derive(Debug, Args)]
struct Serve {
    #[command(flatten)]
    config: Config,
}

fn main() -> ExitCode {
    let code = run();
    logging::finish();
    code
}

fn run() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => return answer(&error),
    };
    let words = match line.command {
        Some(Command::Serve(_)) => 2,
        #[cfg(feature = "management")]
        Some(Command::Ctl(ctl)) => return ctl.run(),
        Some(Command::Inspect(options)) => return look(&options),
        Some(Command::Completion(completion)) => {
            let printed = completion.print(CommandLine::command());
            return printed.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS);
        }
        Some(Command::Perf(options)) => return put_load(&options),
        #[cfg(feature = "management")]
        Some(Command::Definitions(definitions)) => return print_definitions(&definitions),
        None => 1,
    };
    let flags = env::args_os().skip(words).collect();
    match Source::read(flags) {
        Ok(source) => serve(source),
        Err(ConfigError::Line { place: None, error }) => answer(&error),
        Err(error) => fail(&error),
    }
}

/// `leveret definitions`.
#[cfg(feature = "management")]
fn print_definitions(definitions: &Definitions) -> ExitCode {
    let config = Config { data_dir: definitions.data_dir.clone(), ..Config::default() };
    if let Err(error) = logging::start(LevelFilter::Warn, LogFormat::Text) {
        return fail(&error);
    }
    let printed = server::print_definitions(&config, definitions.compare.as_deref());
    match printed.map(|text| io::stdout().write_all(text.as_bytes())) {
        Ok(_) => ExitCode::SUCCESS, // whoever closed standard output has seen enough
        Err(error) => fail(&error),
    }
}

fn serve(mut source: Source) -> ExitCode {
    let reading = source.reading();
    if let Err(error) = logging::start(reading.config.log, reading.config.log_format) {
        return fail(&error);
    }
    for remark in &reading.remarks {
        log::log!(remark.level(), "{remark}");
    }
    match server::run(&mut source, beside) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
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

/// `leveret perf`: the check's findings are printed by then, they only decide the exit code.
fn put_load(options: &perf::Options) -> ExitCode {
    if let Err(error) = logging::start(LevelFilter::Warn, LogFormat::Text) {
        return fail(&error);
    }
    match perf::run(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

/// Says in one line why it ends.
fn fail(error: &dyn Error) -> ExitCode {
    logging::finish_with(&format!("leveret: {error}"));
    ExitCode::FAILURE
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
        Err(error) => fail(&error),
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
    // `ctl` has rabbitmqctl's exit codes, of which 64 is that of a wrong command line.
    let ctl = env::args().nth(1).is_some_and(|first| first == "ctl");
    if ctl { ExitCode::from(64) } else { ExitCode::FAILURE }
}
