//! `leveret perf`: a load generator for any AMQP 0-9-1 broker, light enough not to be what is
//! measured, strict enough to notice when a message is lost, comes twice or out of order.
//!
//! ```text
//!   thread: crew of publishers                        thread: crew of consumers
//!   ┌───────────────────────────────┐                 ┌──────────────────────────────────────┐
//!   │ template ─ stamp ─▶ one write │ ──▶ broker ──▶  │ one read ─▶ incoming ─▶ check, latency │
//!   │ window ◀── confirms ── read   │                 │             one ack for many           │
//!   └──────────────┬────────────────┘                 └─────────────────┬────────────────────┘
//!                  └────────── control: phase, tallies ─────────────────┘
//!                                     ▲
//!                    main thread: plan, topology, load ─▶ report
//! ```
//!
//! A message costs the publisher sixteen octets of copying, the consumer a look at three frames
//! and its lane's last sequence; nothing is allocated for it.
//!
//! Left out: TLS, heartbeats, several channels on a connection, basic.get, transactions.

mod check;
mod choices;
mod churn;
mod consumer;
mod control;
mod crew;
mod error;
mod idle;
mod incoming;
mod latency;
mod link;
mod load;
mod options;
mod pace;
mod plan;
mod publisher;
mod report;
mod sample;
mod stamp;
mod template;
mod topology;
mod uri;
mod window;

use std::io::{self, Write};

pub use choices::{Ack, ExchangeKind, QueueArgument, Scenario};
pub use error::PerfError;
pub use options::Options;
pub use report::{Churn, Load, Report};
pub use uri::Uri;

/// Does what the options say and prints the result on standard output. Returns whether the check
/// found everything in order.
///
/// # Errors
///
/// When the options do not go together, the broker cannot be reached, refuses something or stops
/// answering, or standard output is closed.
pub fn run(options: &Options) -> Result<bool, PerfError> {
    options.check()?;
    let report = match options.scenario {
        Scenario::Load => load::run(options)?,
        Scenario::IdleConnections | Scenario::IdleQueues => idle::run(options)?,
        _ => churn::run(options)?,
    };
    let text = if options.json {
        let text = serde_json::to_string_pretty(&report);
        format!("{}\n", text.map_err(|error| PerfError::Io("JSON", error.into()))?)
    } else {
        report.to_string()
    };
    let written = io::stdout().write_all(text.as_bytes());
    written.map_err(|error| PerfError::Io("standard output", error))?;
    Ok(report.is_ok())
}
