//! A broker that is killed under load, again and again: nothing that was confirmed is lost, nothing
//! unexpected appears, the order of each publisher holds, and the topology is the last that was
//! answered.
//!
//! ```text
//!   publishers ──▶ broker (killed, started again) ──▶ consumers
//!        └────────── what was sent, what was confirmed, what came ──────────▶ ledger
//!   topology ◀──▶ broker         what was answered ──────────▶ compared after each start
//! ```
//!
//! `loops` kills at random moments, also while the broker recovers; `faults` kills at a system
//! call, and lets a sync fail; `descriptors` allows it few open files. Short forms run by default; `LEVERET_FULL=1` runs the long ones.

#![allow(
    clippy::cast_possible_truncation,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod clients;
mod descriptors;
mod faults;
mod ledger;
mod loops;
mod process;
mod random;
mod stop;
mod streams;
mod topology;

/// Whether the long forms are asked for.
fn full() -> bool {
    std::env::var_os("LEVERET_FULL").is_some()
}

/// A number out of the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}
