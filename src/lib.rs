//! Leveret: an AMQP 0-9-1 message broker that any RabbitMQ client can use unchanged.
//!
//! *Connection threads turn bytes into commands; one router thread applies commands to a
//! deterministic broker and gets effects; connection threads turn effects into bytes; one syncer
//! thread makes promises durable.*
//!
//! The modules stand in reading order: each uses only those above it, and a test holds that true.

// Newtypes for everything that is counted or named by a number.
pub mod ids;

// The broker's own time, and how it goes on after a restart; arithmetic only.
pub mod clock;

// Planted bugs that the tests must find; only with the feature `mutants`.
mod mutants;

// What is cut out of texts that others than administrators read.
pub mod secrets;

// Bytes to frames to methods and back; no state.
pub mod wire;

// A message: a handle on bytes that somebody else keeps.
pub mod message;

// Where messages rest: queue logs, the journal, snapshots, recovery; no threads.
pub mod store;

// The brain: exchanges, queues, channels; commands in, effects out; no clock, no socket.
pub mod broker;

// Users, policies, queues and the rest as a file that RabbitMQ reads and writes.
#[cfg(feature = "management")]
pub mod definitions;

// One client's conversation: handshake, frames, contents, heartbeats; no socket.
pub mod connection;

// A small blocking client on the same codec, for tests and benches.
pub mod client;

// What a data directory holds and what is wrong with it, without changing it.
pub mod inspect;

// What can be told from outside: flags, environment, limits.
pub mod config;

// The log: lines for people or machines, and copies of them for who follows.
pub mod logging;

// The rim: threads, sockets, the clock.
pub mod server;

// A load generator for any AMQP 0-9-1 broker, with a check of order and loss.
pub mod perf;
// Management: the HTTP API, metrics, and the command line that speaks to it.
#[cfg(feature = "management")]
pub mod admin;
