//! Things that are only there: connections with a channel each, or queues, held for a while so
//! that somebody can look what they cost the broker.

use std::io::{self, Write};
use std::thread::sleep;
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::choices::Scenario;
use super::error::PerfError;
use super::options::Options;
use super::plan::Plan;
use super::report::{Churn, Report};
use super::sample::{cpu, own_cpu, rate};
use super::topology::{Topology, close};

/// Makes so many, holds them for the duration, and lets go of them in order.
///
/// # Errors
///
/// When the broker refuses one, or is gone.
pub(super) fn run(options: &Options) -> Result<Report, PerfError> {
    let (began, cpu_before) = (Instant::now(), own_cpu());
    let done = |options: &Options| {
        let (seconds, count) = (began.elapsed().as_secs_f64(), options.count.into());
        let result = Churn {
            scenario: options.scenario.name(),
            seconds,
            count,
            per_second: rate(count, seconds),
            latency_us: None,
            cpu: cpu(own_cpu().saturating_sub(cpu_before), count),
        };
        hold(options)?;
        Ok(Report::Churn(Box::new(result)))
    };
    if options.scenario == Scenario::IdleConnections {
        let clients = connections(options)?;
        let report = done(options);
        clients.into_iter().try_for_each(close)?;
        report
    } else {
        let plan = Plan::new(&Options { queues: options.count, ..options.clone() });
        let mut topology = Topology::connect(options)?;
        topology.declare(options, &plan)?;
        let report = done(options);
        if !options.keeps() {
            topology.remove(&plan)?;
        }
        topology.close()?;
        report
    }
}

fn connections(options: &Options) -> Result<Vec<crate::client::Client>, PerfError> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Refused, the limit stays what it was, and the connection too many says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let mut clients = Vec::new();
    for number in 0..options.count {
        let mut client = options.uri(number)?.connect()?;
        client.open_channel(1)?;
        clients.push(client);
    }
    Ok(clients)
}

/// Says that all are there, and waits.
fn hold(options: &Options) -> Result<(), PerfError> {
    let seconds = options.duration.as_secs_f64();
    writeln!(io::stderr(), "holding {} for {seconds} s", options.count)
        .map_err(|error| PerfError::Io("standard error", error))?;
    sleep(options.duration);
    Ok(())
}
