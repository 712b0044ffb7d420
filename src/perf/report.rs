//! What is told at the end of a run, to people and to programs.
//!
//! The fields' names are the keys of the JSON, which docs/reference/perf.md explains.

use std::fmt;

use serde::Serialize;

use super::check::Verdict;
use super::latency::Summary;

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Report {
    /// Messages went through.
    Load(Box<Load>),
    /// Something was done over and over, or held.
    Churn(Box<Churn>),
}

impl Report {
    /// Whether everything was as it should be.
    pub fn is_ok(&self) -> bool {
        match self {
            Self::Load(load) => load.check.ok,
            Self::Churn(_) => true,
        }
    }
}

/// The result of a load.
#[derive(Clone, Debug, Serialize)]
pub struct Load {
    pub(super) scenario: String,
    pub(super) seconds: f64,
    pub(super) published: Flow,
    pub(super) confirmed: Flow,
    pub(super) consumed: Flow,
    pub(super) total: Totals,
    pub(super) check: Verdict,
    pub(super) latency_us: Latencies,
    pub(super) fairness: Fairness,
    pub(super) all_consumed_seconds: f64,
    pub(super) cpu: Cpu,
}

/// Messages of the measured time.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Flow {
    pub(super) messages: u64,
    pub(super) per_second: f64,
    pub(super) octets_per_second: f64,
}

/// Messages of the whole run.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Totals {
    pub(super) published: u64,
    pub(super) confirmed: u64,
    pub(super) refused: u64,
    pub(super) expected: u64,
    pub(super) consumed: u64,
}

/// Times from publish on, in microseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Latencies {
    pub(super) deliver: Option<Summary>,
    pub(super) confirm: Option<Summary>,
}

/// Shares of the connections.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Fairness {
    pub(super) publishers: Option<Shares>,
    pub(super) consumers: Option<Shares>,
}

/// The smallest and the largest share; 1 is the mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Shares {
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Shares {
    /// The shares of some connections that did so much; `None` if nobody did anything.
    pub(super) fn of(counts: &[u64]) -> Option<Self> {
        let mean = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
        let (min, max) = (*counts.iter().min()? as f64, *counts.iter().max()? as f64);
        (mean > 0.0).then(|| Self { min: min / mean, max: max / mean })
    }
}

/// The generator's own processor time.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Cpu {
    pub(super) seconds: f64,
    pub(super) seconds_per_million: f64,
}

/// The result of a churn or of something held.
#[derive(Clone, Debug, Serialize)]
pub struct Churn {
    pub(super) scenario: String,
    pub(super) seconds: f64,
    pub(super) count: u64,
    pub(super) per_second: f64,
    pub(super) latency_us: Option<Summary>,
    pub(super) cpu: Cpu,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(load) => load.fmt(f),
            Self::Churn(churn) => churn.fmt(f),
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, flow) in [
            ("published", self.published),
            ("confirmed", self.confirmed),
            ("consumed", self.consumed),
        ] {
            if flow.messages > 0 {
                let megabytes = flow.octets_per_second / 1e6;
                writeln!(f, "{name:11}{:12.0}/s {megabytes:9.1} MB/s", flow.per_second)?;
            }
        }
        show(f, "deliver", self.latency_us.deliver.as_ref())?;
        show(f, "confirm", self.latency_us.confirm.as_ref())?;
        for (name, shares) in
            [("publishers", self.fairness.publishers), ("consumers", self.fairness.consumers)]
        {
            if let Some(Shares { min, max }) = shares {
                writeln!(f, "{name:11}each has {min:.2} to {max:.2} of its share")?;
            }
        }
        let Totals { published, confirmed, refused, consumed, .. } = self.total;
        writeln!(
            f,
            "in all     {published} published, {confirmed} confirmed, {refused} refused, \
             {consumed} consumed"
        )?;
        let Verdict { ok, lost, duplicated, reordered, foreign, redelivered, .. } = self.check;
        let word = if ok { "ok" } else { "FAILED" };
        writeln!(
            f,
            "check      {word}: {lost} lost, {duplicated} duplicated, {reordered} reordered, \
             {redelivered} redelivered, {foreign} foreign"
        )?;
        self.cpu.show(f, self.seconds)
    }
}

impl fmt::Display for Churn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:18}{:10} done, {:10.0}/s", self.scenario, self.count, self.per_second)?;
        show(f, "each", self.latency_us.as_ref())?;
        self.cpu.show(f, self.seconds)
    }
}

impl Cpu {
    fn show(&self, f: &mut fmt::Formatter<'_>, seconds: f64) -> fmt::Result {
        let (own, each) = (self.seconds, self.seconds_per_million);
        writeln!(f, "own CPU    {own:.2} s of {seconds:.2} s, {each:.3} s per million")
    }
}

/// Prints quantiles.
fn show(f: &mut fmt::Formatter<'_>, name: &str, summary: Option<&Summary>) -> fmt::Result {
    let Some(Summary { p50, p90, p99, p999, max, .. }) = summary else { return Ok(()) };
    writeln!(
        f,
        "{name:11}p50 {p50:.0} µs, p90 {p90:.0}, p99 {p99:.0}, p99.9 {p999:.0}, max {max:.0}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_relative_to_the_mean() {
        assert_eq!(Shares::of(&[10, 20, 30]), Some(Shares { min: 0.5, max: 1.5 }));
        assert_eq!(Shares::of(&[]), None);
        assert_eq!(Shares::of(&[0, 0]), None);
    }
}
