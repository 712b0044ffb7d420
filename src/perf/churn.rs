//! Things that come and go: connections, channels, queues, bindings, as fast as they are answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, ScopedJoinHandle, scope, sleep};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::ids::ChannelNumber;
use crate::wire::{ShortString, channel, queue};

use super::choices::Scenario;
use super::error::PerfError;
use super::latency::Latency;
use super::options::Options;
use super::plan::Plan;
use super::report::{Churn, Report};
use super::sample::{cpu, own_cpu, rate};
use super::topology::{Topology, close};

/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(5);

/// The channel of everything but channel churn.
const CHANNEL: u16 = 1;

/// Runs a churn for the duration.
///
/// # Errors
///
/// When the broker refuses something, or is gone.
pub(super) fn run(options: &Options) -> Result<Report, PerfError> {
    let plan = Plan::new(options);
    let mut topology = Topology::connect(options)?;
    if options.scenario == Scenario::BindingChurn {
        topology.declare(options, &plan)?;
    }
    let stop = AtomicBool::new(false);
    let (began, cpu_before) = (Instant::now(), own_cpu());
    let (count, mut latency) = scope(|scope| {
        let mut threads = Vec::new();
        for number in 0..options.threads.unwrap_or(1) {
            let (plan, stop) = (&plan, &stop);
            let thread = Builder::new().spawn_scoped(scope, move || {
                let result = churn(options, plan, number, stop);
                if result.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
                result
            });
            threads.push(thread.map_err(|error| PerfError::Io("cannot start a thread", error)));
        }
        while began.elapsed() < options.duration && !stop.load(Ordering::Relaxed) {
            sleep(LOOK);
        }
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().try_fold((0, Latency::new()), add)
    })?;
    let (seconds, spent) = (began.elapsed().as_secs_f64(), own_cpu().saturating_sub(cpu_before));
    if options.scenario == Scenario::BindingChurn {
        topology.remove(&plan)?;
    }
    topology.close()?;
    Ok(Report::Churn(Box::new(Churn {
        scenario: options.scenario.name(),
        seconds,
        count,
        per_second: rate(count, seconds),
        latency_us: latency.summary(),
        cpu: cpu(spent, count),
    })))
}

type Churned = Result<(u64, Latency), PerfError>;

/// Adds what a thread has done.
fn add(
    (count, mut latency): (u64, Latency),
    thread: Result<ScopedJoinHandle<'_, Churned>, PerfError>,
) -> Churned {
    let Ok(result) = thread?.join() else {
        return Err(PerfError::Unexpected("end of a thread"));
    };
    let (more, times) = result?;
    latency.add(times);
    Ok((count + more, latency))
}

/// Does it over and over until it is to stop. Returns how often, and how long each took.
fn churn(options: &Options, plan: &Plan, number: u32, stop: &AtomicBool) -> Churned {
    let mut latency = Latency::new();
    let mut count = 0;
    let mut client = options.uri(number)?.connect()?;
    client.open_channel(CHANNEL)?;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        match options.scenario {
            Scenario::ConnectionChurn => connection(options, number)?,
            Scenario::ChannelChurn => channel(&mut client)?,
            Scenario::BindingChurn => binding(&mut client, plan, &format!("{number}.{count}"))?,
            _ => queue(&mut client, options, &format!("{}-{number}-churn", options.prefix))?,
        }
        latency.note(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        count += 1;
    }
    close(client)?;
    Ok((count, latency))
}

fn connection(options: &Options, number: u32) -> Result<(), PerfError> {
    let mut client = options.uri(number)?.connect()?;
    client.open_channel(CHANNEL)?;
    close(client)
}

fn channel(client: &mut Client) -> Result<(), PerfError> {
    let channel = client.open_channel(CHANNEL + 1)?;
    let reply_text = ShortString::clipped("bye");
    client.call(channel, channel::Close { reply_code: 200, reply_text, ..Default::default() })?;
    Ok(())
}

fn queue(client: &mut Client, options: &Options, name: &str) -> Result<(), PerfError> {
    let (queue, channel) = (ShortString::clipped(name), ChannelNumber(CHANNEL));
    let declare = queue::Declare {
        queue: queue.clone(),
        durable: options.is_durable(),
        arguments: options.queue_arguments(),
        ..Default::default()
    };
    client.call(channel, declare)?;
    client.call(channel, queue::Delete { queue, ..Default::default() })?;
    Ok(())
}

fn binding(client: &mut Client, plan: &Plan, key: &str) -> Result<(), PerfError> {
    let (queue, exchange) = (plan.queue(0), plan.exchange());
    let (routing_key, channel) = (ShortString::clipped(key), ChannelNumber(CHANNEL));
    let bind = queue::Bind {
        queue: queue.clone(),
        exchange: exchange.clone(),
        routing_key: routing_key.clone(),
        ..Default::default()
    };
    client.call(channel, bind)?;
    client.call(channel, queue::Unbind { queue, exchange, routing_key, ..Default::default() })?;
    Ok(())
}
