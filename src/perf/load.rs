//! A load from its first declare to its verdict.
//!
//! ```text
//!   declare, connect │ warm-up │ measured              │ what is on its way arrives │ close, remove
//!                    │         ├─ first sample ─ last ─┤                            │
//!   publishers       ├───────────────────────────────▶│ last confirms, close       │
//!   consumers        ├────────────────────────────────────────────────────────────▶│ close
//! ```

use std::thread::{Builder, Scope, scope};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::check::{Expected, Findings, Verdict};
use super::consumer::Consumer;
use super::control::Control;
use super::crew::{self, Peer};
use super::error::PerfError;
use super::latency::Latency;
use super::options::Options;
use super::plan::Plan;
use super::publisher::Publisher;
use super::report::{Latencies, Load, Report, Totals};
use super::sample::{Progress, Sample};
use super::topology::Topology;

/// How often is looked whether all has come.
const LOOK: Duration = Duration::from_millis(5);

/// Stack of a thread that runs peers.
const STACK_OCTETS: usize = 256 * 1024;

/// Runs a load.
///
/// # Errors
///
/// When it could not be run; what the check finds is in the report.
pub(super) fn run(options: &Options) -> Result<Report, PerfError> {
    let plan = Plan::new(options);
    let mut topology = Topology::connect(options)?;
    let waiting = if options.drain {
        topology.ready(&plan)?
    } else {
        topology.declare(options, &plan)?;
        0
    };
    let consumers = (0..plan.consumers).map(|number| Consumer::connect(options, &plan, number));
    let consumers = consumers.collect::<Result<Vec<_>, _>>()?;
    let publishers = (0..=u16::MAX).take(plan.publishers as usize);
    let publishers = publishers.map(|number| Publisher::connect(options, &plan, number));
    let publishers = publishers.collect::<Result<Vec<_>, _>>()?;

    let control = Control::new(plan.publishers, plan.consumers);
    let result = scope(|scope| {
        let (sender, ends) = unbounded();
        let mut run = Run {
            options,
            plan: &plan,
            control: &control,
            ends,
            publishing: 0,
            consuming: 0,
            publishers: Vec::new(),
            consumers: Vec::new(),
            confirm: Latency::new(),
            deliver: Latency::new(),
            progress: Progress::new(),
        };
        let result = run
            .spawn(scope, &sender, consumers, publishers)
            .and_then(|()| run.measure(waiting, &mut topology));
        run.progress.end();
        if result.is_err() {
            control.fail();
        }
        result
    })?;
    if !options.keeps() {
        topology.remove(&plan)?;
    }
    topology.close()?;
    Ok(Report::Load(Box::new(result)))
}

/// How a thread ended.
enum End {
    Publishers(Result<(Vec<Publisher>, Latency), PerfError>),
    Consumers(Result<(Vec<Consumer>, Latency), PerfError>),
}

/// A load that is going on.
struct Run<'a> {
    options: &'a Options,
    plan: &'a Plan,
    control: &'a Control,
    ends: Receiver<End>,
    /// Threads that have not ended.
    publishing: usize,
    consuming: usize,
    publishers: Vec<Publisher>,
    consumers: Vec<Consumer>,
    confirm: Latency,
    deliver: Latency,
    progress: Progress,
}

impl<'a> Run<'a> {
    fn spawn<'scope>(
        &mut self,
        scope: &'scope Scope<'scope, 'a>,
        ends: &Sender<End>,
        consumers: Vec<Consumer>,
        publishers: Vec<Publisher>,
    ) -> Result<(), PerfError> {
        let control = self.control;
        let threads = self.options.threads;
        for crew in deal(consumers, threads) {
            let ends = ends.clone();
            spawn(scope, move || tell(&ends, End::Consumers(crew::run(crew, control))))?;
            self.consuming += 1;
        }
        for crew in deal(publishers, threads) {
            let ends = ends.clone();
            spawn(scope, move || tell(&ends, End::Publishers(crew::run(crew, control))))?;
            self.publishing += 1;
        }
        Ok(())
    }

    /// Goes through the phases of a run. `waiting`: messages that were in the queues before.
    fn measure(&mut self, waiting: u64, topology: &mut Topology) -> Result<Load, PerfError> {
        let Options { warm_up, duration, messages, .. } = *self.options;
        if !warm_up.is_zero() {
            self.wait(Some(warm_up), |run| run.is_published())?;
        }
        let first = Sample::take(self.control);
        self.control.set_measures(true);
        let duration = (messages.is_none() && !self.options.drain).then_some(duration);
        if self.options.drain {
            self.wait_while_it_goes_on(|run| Sample::take(run.control).consumed() >= waiting)?;
        } else {
            self.wait(duration, |run| run.is_published())?;
        }
        let last = Sample::take(self.control);
        self.control.set_measures(false);

        self.control.stop_publishing();
        if !self.wait_while_it_goes_on(|run| run.publishing == 0)? {
            return Err(PerfError::Stalled(self.options.patience.as_secs_f64()));
        }
        let (expected, totals) = self.expect(waiting);
        let found = if self.plan.consumers > 0 {
            self.collect(&expected)?
        } else {
            self.count(&expected, topology)?
        };
        let end = Sample::take(self.control);
        let [published, confirmed, consumed] = last.flows_since(&first, self.options.size);
        Ok(Load {
            scenario: self.options.scenario.name(),
            seconds: last.seconds_since(&first),
            published,
            confirmed,
            consumed,
            total: Totals { consumed: found.received + found.foreign, ..totals },
            check: Verdict::new(&expected, &found),
            latency_us: Latencies {
                deliver: self.deliver.summary(),
                confirm: self.confirm.summary(),
            },
            fairness: last.fairness_since(&first),
            all_consumed_seconds: end.seconds_since(&first),
            cpu: last.cpu_since(&first),
        })
    }

    /// What the consumers should have got in the end.
    fn expect(&self, waiting: u64) -> (Expected, Totals) {
        let mut totals = Totals::default();
        let mut fingerprints = 0_u64;
        for publisher in &self.publishers {
            let (published, sum) = publisher.published();
            let (confirmed, refused) = publisher.answered();
            totals.published += published;
            totals.confirmed += confirmed;
            totals.refused += refused;
            fingerprints = fingerprints.wrapping_add(sum);
        }
        let copies = self.plan.copies();
        totals.expected = waiting + totals.published * copies;
        let known = !self.options.drain && self.plan.consumers > 0;
        let expected = Expected {
            deliveries: totals.expected,
            refused: totals.refused * copies,
            fingerprints: known.then(|| fingerprints.wrapping_mul(copies)),
        };
        (expected, totals)
    }

    /// Waits until everything is consumed, and ends the consumers.
    fn collect(&mut self, expected: &Expected) -> Result<Findings, PerfError> {
        let least = expected.deliveries.saturating_sub(expected.refused);
        self.wait_while_it_goes_on(|run| Sample::take(run.control).consumed() >= least)?;
        self.control.stop_consuming();
        if !self.wait_while_it_goes_on(|run| run.consuming == 0)? {
            return Err(PerfError::Stalled(self.options.patience.as_secs_f64()));
        }
        let mut found = Findings::default();
        for consumer in &self.consumers {
            found.add(consumer.findings());
        }
        Ok(found)
    }

    /// Waits until everything is in the queues: there are no consumers.
    fn count(
        &mut self,
        expected: &Expected,
        topology: &mut Topology,
    ) -> Result<Findings, PerfError> {
        let least = expected.deliveries.saturating_sub(expected.refused);
        let patience = Instant::now() + self.options.patience;
        loop {
            let received = topology.ready(self.plan)?;
            if received >= least || Instant::now() > patience {
                return Ok(Findings { received, ..Findings::default() });
            }
            self.wait(Some(10 * LOOK), |_| false)?;
        }
    }

    fn is_published(&self) -> bool {
        self.publishing == 0 && self.plan.publishers > 0
    }

    /// Waits until something holds, at most so long if that is said.
    fn wait(
        &mut self,
        most: Option<Duration>,
        holds: impl Fn(&Self) -> bool,
    ) -> Result<(), PerfError> {
        let began = Instant::now();
        while !holds(self) {
            let left = most.map(|most| most.saturating_sub(began.elapsed()));
            if left == Some(Duration::ZERO) {
                break;
            }
            self.look(left.map_or(LOOK, |left| left.min(LOOK)))?;
        }
        Ok(())
    }

    /// Waits until something holds, for as long as anything goes on, and then a while. Returns
    /// whether it holds.
    fn wait_while_it_goes_on(&mut self, holds: impl Fn(&Self) -> bool) -> Result<bool, PerfError> {
        let (mut before, mut since) = (0, Instant::now());
        while !holds(self) {
            let progress = Sample::take(self.control).progress();
            if progress != before {
                (before, since) = (progress, Instant::now());
            } else if since.elapsed() > self.options.patience {
                return Ok(false);
            }
            self.look(LOOK)?;
        }
        Ok(true)
    }

    /// Waits a moment for a thread's end, and shows how far the run is.
    fn look(&mut self, moment: Duration) -> Result<(), PerfError> {
        self.progress.tick(self.control);
        match self.ends.recv_timeout(moment) {
            Ok(End::Publishers(result)) => {
                let (mut publishers, latency) = result?;
                self.publishing -= 1;
                self.publishers.append(&mut publishers);
                self.confirm.add(latency);
            }
            Ok(End::Consumers(result)) => {
                let (mut consumers, latency) = result?;
                self.consuming -= 1;
                self.consumers.append(&mut consumers);
                self.deliver.add(latency);
            }
            // The sender lives as long as the run: this is the time-out.
            Err(_) => {}
        }
        Ok(())
    }
}

/// Deals peers out to threads: one each, or to so many in turn.
fn deal<P: Peer>(peers: Vec<P>, threads: Option<u32>) -> Vec<Vec<P>> {
    let count = threads.map_or(peers.len(), |threads| peers.len().min(threads as usize));
    let mut crews: Vec<Vec<P>> = (0..count).map(|_| Vec::new()).collect();
    for (number, peer) in peers.into_iter().enumerate() {
        crews[number % count].push(peer);
    }
    crews
}

/// Tells how a thread ended. Nobody listens when the run has failed, and then nobody needs to.
fn tell(ends: &Sender<End>, end: End) {
    drop(ends.send(end));
}

fn spawn<'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() + Send + 'scope,
) -> Result<(), PerfError> {
    Builder::new()
        .name("perf".to_owned())
        .stack_size(STACK_OCTETS)
        .spawn_scoped(scope, work)
        .map_err(|error| PerfError::Io("cannot start a thread", error))?;
    Ok(())
}
