//! Tests of Leveret from outside its modules: golden scripts of the broker, and the style of the
//! source. Those that need real processes are in `tests/crash/` and `tests/interop/`.

#![allow(
    clippy::cast_possible_truncation,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod clocks;
mod configuration;
mod coverage;
#[cfg(feature = "management")]
mod definitions;
mod delayed;
mod full_disk;
mod graphs;
mod hostile_files;
mod lost_files;
mod naive_queue;
mod operators;
mod permissions;
mod print;
mod queues;
mod scripts;
mod shared_bodies;
mod streams;
mod tidy;
mod turns;
