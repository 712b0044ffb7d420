//! The rim: threads, sockets and the clock. Everything within is pure.
//!
//! ```text
//!   listener ──▶ socket (one per client) ──▶ inbox ──▶ router ──▶ outbox ──▶ socket
//!                                              ▲         │
//!                                              └ syncer ◀┘  fdatasync, snapshots
//! ```
//!
//! A thread of the rim that cannot go on ends the process with one line on standard error: there
//! is never a listener without a router.

mod bell;
mod clock;
mod inbox;
mod limits;
mod listener;
mod outbox;
mod rim;
mod router;
mod socket;
mod syncer;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use log::info;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::broker::{Broker, BrokerError, BrokerOptions};
use crate::config::Config;
use crate::connection::ConnectionOptions;
use crate::store::{RealDisk, Store, StoreError, StoreOptions};

use bell::Bell;
use clock::Clock;
use inbox::{Input, inbox};
use rim::{Rim, Seats};
use router::Router;

/// How long clients have to answer connection.close when the broker stops.
const STOPPING_MAX: Duration = Duration::from_secs(3);

/// Why the broker could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken, or is none.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address as it was given.
        address: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// The data directory cannot be used.
    #[error("cannot use the data directory {path}: {error}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// The store cannot be opened: locked by another process, too new, or the disk fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is in the store cannot be restored.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// No more threads, descriptors or signals.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

/// `leveret serve`: runs until SIGTERM or SIGINT.
///
/// # Errors
///
/// When it cannot start. What fails later ends the process.
pub fn run(config: &Config) -> Result<(), ServerError> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let server = Server::start(config)?;
    server.announce(config);
    let signal = signals.forever().next();
    info!("stopping on {}", if signal == Some(SIGINT) { "SIGINT" } else { "SIGTERM" });
    server.stop();
    info!("stopped");
    Ok(())
}

/// A broker that runs in this process.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    rim: Arc<Rim>,
    listeners: Vec<JoinHandle<()>>,
    /// The router and those that wait for the disk in its place, in the order in which they end.
    core: Vec<JoinHandle<()>>,
}

impl Server {
    /// Opens the store, restores what is in it, and then accepts clients.
    ///
    /// # Errors
    ///
    /// When the directory, the store or an address cannot be had.
    pub fn start(config: &Config) -> Result<Self, ServerError> {
        let clock = Clock::new();
        // Restored first: clients that can connect can work.
        let broker = open_broker(config, clock)?;
        let listeners: Vec<_> =
            config.listen.iter().map(|address| bind(address)).collect::<Result<_, _>>()?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        let (sender, receiver) = inbox();
        let core = start_core(broker, clock, &sender, receiver)?;
        let options = ConnectionOptions::default();
        let seats = Seats::new(limits::connections_max());
        let rim = Arc::new(Rim::new(clock, sender, options, Bell::new()?, seats));
        let listeners = listeners
            .into_iter()
            .map(|listener| {
                let rim = Arc::clone(&rim);
                spawn("listener", move || listener::run(&listener, &rim))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { addresses, rim, listeners, core })
    }

    /// Where it listens, with the real port where 0 was asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops in order: accepts nobody any more, closes all connections (320), and the store.
    pub fn stop(self) {
        self.rim.closed.ring();
        for listener in self.listeners {
            let _ = listener.join();
        }
        // The router ends the process rather than itself, so it takes these.
        let _ = self.rim.inbox.send(Input::Stop);
        self.rim.seats.wait_until_empty(STOPPING_MAX);
        let _ = self.rim.inbox.send(Input::Finish);
        // The syncer and the checkpointer end when the router, who asks them, has ended.
        for thread in self.core {
            let _ = thread.join();
        }
    }

    /// Says where clients find it, one line per address.
    fn announce(&self, config: &Config) {
        let mut out = io::stdout().lock();
        let (directory, fsync) = (config.data_dir.display(), config.fsync);
        for address in &self.addresses {
            // Nobody need be reading.
            let _ = writeln!(out, "listening on {address}, data in {directory}, fsync {fsync}");
        }
        let _ = out.flush();
    }
}

fn open_broker(config: &Config, clock: Clock) -> Result<Broker, ServerError> {
    let disk = RealDisk::new(&config.data_dir)
        .map_err(|error| ServerError::Directory { path: config.data_dir.clone(), error })?;
    let sizes = if config.tiny_files { StoreOptions::TINY } else { StoreOptions::default() };
    let (store, recovery) = Store::open(Arc::new(disk), sizes)?;
    let now = clock.now();
    let options = BrokerOptions { fsync: config.fsync, seed: now.0, ..BrokerOptions::default() };
    Ok(Broker::open(store, recovery, options)?)
}

fn bind(address: &str) -> Result<TcpListener, ServerError> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|error| ServerError::Listen { address: address.to_owned(), error })
}

fn start_core(
    broker: Broker,
    clock: Clock,
    sender: &Sender<Input>,
    receiver: Receiver<Input>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let (sync, requests) = crossbeam_channel::unbounded();
    let inbox = sender.clone();
    let statistics = Arc::<syncer::Statistics>::default();
    let syncer = spawn("syncer", move || syncer::run(&requests, &inbox, &statistics))?;
    let (checkpoint, jobs) = crossbeam_channel::unbounded();
    let inbox = sender.clone();
    let checkpointer = spawn("checkpointer", move || syncer::run_checkpoints(&jobs, &inbox))?;
    let router = Router::new(broker, clock, sync, checkpoint);
    let router = spawn("router", move || {
        if let Err(error) = router.run(&receiver) {
            fatal(&error);
        }
    })?;
    Ok(vec![router, syncer, checkpointer])
}

/// Starts a thread that the broker cannot do without: its panic is the end of the process.
fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let owned = name.to_owned();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            fatal(&io::Error::other(format!("the {owned} thread has failed")));
        }
    })
}

/// Ends the process: going on would mean to promise what is not kept.
fn fatal(error: &dyn Error) -> ! {
    // Held until the end: other threads that fail because of the same have nothing to add.
    let mut errors = io::stderr().lock();
    // Nobody need be reading.
    let _ = writeln!(errors, "leveret: {error}");
    process::exit(1)
}
