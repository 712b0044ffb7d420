//! The log: one line for each thing that an operator may look for, on standard error.
//!
//! ```text
//!   [2026-11-23T08:00:00Z INFO ] c7 10.0.0.1:40022 opened vhost '/' as user 'guest'
//!   {"level":"info","msg":"c7 10.0.0.1:40022 opened …","time":"2026-11-23T08:00:00.000Z"}
//! ```
//!
//! Whatever a client calls a thing, a line is a line: what could end it or hide something is
//! escaped here, for all. Who follows the log ([`follow`]) gets a copy of each line that is no less
//! than `info`, as long as it keeps up.

mod escape;

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::OnceLock;

use crossbeam_channel::{Receiver, Sender};
use env_logger::fmt::Formatter;
use log::{Level, LevelFilter, Record};
use serde_json::json;

use crate::config::LogFormat;

use escape::escaped;

/// Lines that may wait for who follows the log; others are not copied.
const FOLLOWED_MAX: usize = 1024;

/// Characters of a line that are copied at most.
const LINE_CHARACTERS_MAX: usize = 4096;

/// Where copies go, if anybody follows.
static FOLLOWER: OnceLock<Sender<LogLine>> = OnceLock::new();

thread_local! {
    static HUSHED: Cell<bool> = const { Cell::new(false) };
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
pub fn start(level: LevelFilter, format: LogFormat) {
    let write = match format {
        LogFormat::Text => write_text,
        LogFormat::Json => write_json,
    };
    let mut builder = env_logger::Builder::new();
    builder.filter_level(LevelFilter::Trace).format(move |to, record| {
        let text = escaped(&record.args().to_string());
        copy(record, &text);
        write(to, record, &text)
    });
    builder.init();
    log::set_max_level(level);
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
