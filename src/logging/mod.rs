//! The log: one line for each thing that an operator may look for, on standard error.
//!
//! ```text
//!   [2026-11-23T08:00:00Z INFO ] c7 10.0.0.1:40022 opened vhost '/' as user 'guest'
//!   {"level":"info","msg":"c7 10.0.0.1:40022 opened …","time":"2026-11-23T08:00:00.000Z"}
//! ```
//!
//! Whatever a client calls a thing, a line is a line: what could end it or hide something is
//! escaped here, and credentials in URIs are cut out, for all. A thread that logs never waits for
//! standard error (`queue.rs`). A follower of the log ([`follow`]) gets a copy of each line of level
//! `info` or above, as long as it keeps up.

mod escape;
mod queue;

use std::cell::Cell;
use std::env;
use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use env_logger::fmt::{Formatter, Target, WriteStyle};
use log::{Level, LevelFilter, Record};
use serde_json::json;

use crate::config::LogFormat;
use crate::secrets::without_credentials;

use escape::escaped;
use queue::Queue;

/// Lines that may wait for who follows the log; others are not copied.
const FOLLOWED_MAX: usize = 1024;

/// Characters of a line that are copied at most.
const LINE_CHARACTERS_MAX: usize = 4096;

/// How long the end of the process waits for its last lines to be read.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What waits to be written.
static QUEUE: Queue = Queue::new();

/// Whether a thread writes what waits.
static WRITTEN: AtomicBool = AtomicBool::new(false);

/// Where copies go, if anybody follows.
static FOLLOWER: OnceLock<Sender<LogLine>> = OnceLock::new();

thread_local! {
    static HUSHED: Cell<bool> = const { Cell::new(false) };
    /// The level of the line that this thread is putting together.
    static LEVEL: Cell<Level> = const { Cell::new(Level::Info) };
}

/// A copy of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How grave it is, in RabbitMQ's words: `error`, `warning`, `info`.
    pub level: &'static str,
    /// What it says, escaped.
    pub text: String,
}

/// Begins to log. The level is [`log::set_max_level`]'s from then on.
///
/// # Errors
/// When the thread that writes cannot be started.
pub fn start(level: LevelFilter, format: LogFormat) -> io::Result<()> {
    thread::Builder::new().name("log".to_owned()).spawn(|| QUEUE.write_all())?;
    WRITTEN.store(true, Ordering::Relaxed);
    let write = match format {
        LogFormat::Text => write_text,
        LogFormat::Json => write_json,
    };
    let mut builder = env_logger::Builder::new();
    builder.filter_level(LevelFilter::Trace).format(move |to, record| {
        let text = record.args().to_string();
        let text = escaped(&without_credentials(&text));
        copy(record, &text);
        LEVEL.set(record.level());
        write(to, record, &text)
    });
    let style = if is_colourful() { WriteStyle::Always } else { WriteStyle::Never };
    builder.write_style(style).target(Target::Pipe(Box::new(Enqueue)));
    builder.init();
    log::set_max_level(level);
    // The usual hook waits for standard error, and with it whatever the thread holds.
    panic::set_hook(Box::new(|panic| log::error!("{panic}")));
    Ok(())
}

/// Waits until what was logged is written, a second at most: for the end of the process.
pub fn finish() {
    if WRITTEN.load(Ordering::Relaxed) {
        QUEUE.wait_until_written(LAST_LINES);
    }
}

/// Writes a line behind what was logged, and waits for that as [`finish`] does. It is no line of
/// the log, has no time and is never left out for its level.
pub fn finish_with(line: &str) {
    if WRITTEN.load(Ordering::Relaxed) {
        QUEUE.push_last(format!("{line}\n").into_bytes());
        finish();
    } else {
        // Where nobody reads there is nobody to say it to.
        drop(writeln!(io::stderr(), "{line}"));
    }
}

/// Whether lines are coloured: on a terminal that can, unless `NO_COLOR` says otherwise.
fn is_colourful() -> bool {
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !plain && env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// Puts whole lines into the queue.
struct Enqueue;

impl Write for Enqueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        QUEUE.push(LEVEL.get(), line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Copies of the lines from now on, for one follower in a process.
pub fn follow() -> Receiver<LogLine> {
    let (sender, receiver) = crossbeam_channel::bounded(FOLLOWED_MAX);
    // A second follower gets a log that has ended.
    drop(FOLLOWER.set(sender));
    receiver
}

/// Whether lines of this thread are copied: not while it works for the follower, or copies would
/// make lines without end.
pub fn hush(hushed: bool) {
    HUSHED.set(hushed);
}

fn copy(record: &Record<'_>, text: &str) {
    let Some(follower) = FOLLOWER.get() else { return };
    if record.level() > Level::Info || HUSHED.get() {
        return;
    }
    let text = text.chars().take(LINE_CHARACTERS_MAX).collect();
    // One that does not keep up misses lines; nobody waits for it.
    drop(follower.try_send(LogLine { level: level_name(record.level()), text }));
}

fn write_text(to: &mut Formatter, record: &Record<'_>, text: &str) -> io::Result<()> {
    let style = to.default_level_style(record.level());
    let (time, level) = (to.timestamp_seconds(), record.level());
    writeln!(to, "[{time} {style}{level:<5}{style:#}] {text}")
}

fn write_json(to: &mut Formatter, record: &Record<'_>, text: &str) -> io::Result<()> {
    let time = to.timestamp_millis().to_string();
    writeln!(to, "{}", json!({ "time": time, "level": level_name(record.level()), "msg": text }))
}

/// A level as RabbitMQ calls it.
fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug | Level::Trace => "debug",
    }
}
