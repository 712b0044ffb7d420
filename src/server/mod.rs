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

mod address;
mod bell;
#[cfg(feature = "tls")]
mod certificate_name;
mod clock;
mod data_directory;
mod definitions;
mod door;
#[cfg(feature = "tls")]
mod encrypted;
mod first_start;
mod follower;
mod histogram;
mod inbox;
mod limits;
mod linger;
mod listener;
mod memory;
mod notify;
mod outbox;
#[cfg(feature = "tls")]
mod private_key;
mod proxy;
mod reload;
mod reserved;
mod rim;
mod router;
mod settings;
mod signals;
mod socket;
mod syncer;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod vitals;
mod watchdog;

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use log::info;
use parking_lot::Mutex;

use crate::broker::access::{Change, ChangeRefused};
use crate::broker::{Broker, BrokerError};
use crate::config::{Config, Source};
use crate::connection::{Identity, Logins};
use crate::logging;
use crate::store::StoreError;

#[cfg(feature = "management")]
pub use definitions::print as print_definitions;
pub use door::{Closed, Door, Line};
#[cfg(feature = "tls")]
pub use encrypted::{EncryptedStream, Encryption};
pub use histogram::{Counted, Histogram};
#[cfg(feature = "tls")]
pub use tls::TlsError;
pub use vitals::Vitals;

use bell::{Bell, Bells};
use clock::{BrokerClock, Clock};
use inbox::{Inbox, Inlet, Input, inbox};
use reserved::Reserved;
use rim::{Rim, Seats};
use router::Router;
use settings::{connection_options, identity, login_rules, logins, open_broker, populate};
use transport::Secure;
use watchdog::Watch;

/// How long clients have to answer connection.close when the broker stops.
const STOPPING_MAX: Duration = Duration::from_secs(3);

/// Threads that hash passwords at most.
const HASHERS_MAX: usize = 8;

/// What makes them give way (nice(2)): a third of the share of another thread.
const HASHERS_NICE: i32 = 5;

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
    /// The definitions file cannot be imported.
    #[error("cannot import {path}: {reason}")]
    Definitions {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The user or the vhost of a first start cannot be made.
    #[error("cannot make the default user: {0}")]
    FirstStart(String),
    /// What is in the store cannot be restored.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The certificates cannot be used.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The management port, or the control socket.
    #[error("cannot start management: {0}")]
    Management(String),
    /// No more threads, descriptors or signals.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

/// `leveret serve`: runs until SIGTERM or SIGINT, and reads its settings again on SIGHUP. What
/// `beside` starts lives as long as the broker.
///
/// # Errors
///
/// When it cannot start. What fails later ends the process.
pub fn run<T>(
    source: &mut Source,
    beside: impl FnOnce(&Config, &Server) -> Result<T, ServerError>,
) -> Result<(), ServerError> {
    let mut signals = signals::take()?;
    let config = &source.reading().config;
    let server = Server::start(config)?;
    let beside = beside(config, &server)?;
    server.announce(config);
    notify::tell("READY=1");
    signals::wait(&mut signals, || reload::run(source, &server));
    notify::tell("STOPPING=1");
    drop(beside);
    server.stop();
    info!("stopped");
    Ok(())
}

/// A broker that runs in this process.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    /// What is read again on SIGHUP.
    #[cfg(feature = "tls")]
    secure: Secure,
    rim: Arc<Rim>,
    watch: Arc<Watch>,
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
        let limits = limits::raise();
        #[cfg(feature = "tls")]
        let secure = Secure::tls(config)?.unwrap_or(Secure::Plain);
        #[cfg(not(feature = "tls"))]
        let secure = Secure::Plain;
        let reserved = Reserved::all(config, &secure)?;
        data_directory::check(&config.data_dir)?;
        // Restored before anybody can connect: clients that can connect can work.
        let memory = memory::total();
        let (mut broker, time) = open_broker(config, &limits, memory)?;
        let doors: Vec<_> = reserved.into_iter().map(Reserved::open).collect::<Result<_, _>>()?;
        let addresses: Vec<_> =
            doors.iter().map(|door| door.listener.local_addr()).collect::<Result<_, _>>()?;
        let (sender, receiver) = inbox();
        let logins = logins(config, &broker)?;
        populate(config, &mut broker, &logins)?;
        broker.settle_start()?;
        first_start::warn_of_default_password(config, &addresses, &broker);
        let identity = identity(config, &broker);
        let vitals = Arc::<Vitals>::default();
        let router = (Arc::clone(&logins), Arc::clone(&vitals));
        if config.log_exchange {
            let (lines, inbox) = (logging::follow(), sender.clone());
            spawn("follower", move || follower::run(&lines, &inbox))?;
        }
        start_hashing(&logins)?;
        let journal = broker.journal_in_use();
        let core = start_core(broker, time, &sender, receiver, router)?;
        let options = connection_options(config, logins, memory, identity);
        let most = config.limits.connection_max.unwrap_or(usize::MAX);
        let seats = Seats::new(limits.connections_max.min(most), limits.lingering_max);
        let bells = Bells::new(limits.bells_max);
        let inside = (Bell::new()?, seats, bells);
        let proxies = config.proxy_from.clone();
        let rim = Arc::new(Rim::new(clock, sender, options, vitals, inside, proxies));
        let watch = Arc::new(Watch::new(config.data_dir.clone(), journal));
        watch.limit(config.disk_limit(memory), config.memory_limit(memory));
        let (watched, watching) = (Arc::clone(&rim), Arc::clone(&watch));
        spawn("watchdog", move || watchdog::run(&watching, &watched))?;
        let listeners = doors
            .into_iter()
            .map(|door| {
                let rim = Arc::clone(&rim);
                spawn("listener", move || listener::run(&door, &rim))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            addresses,
            #[cfg(feature = "tls")]
            secure,
            rim,
            watch,
            listeners,
            core,
        })
    }

    /// Where it listens, with the real port where 0 was asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Changes users, permissions, vhosts, policies and so on: all that is asked for, or nothing.
    /// Returns when the change is durable.
    ///
    /// # Errors
    /// Why not, or that the broker stops.
    pub fn change(&self, changes: Vec<Change>) -> Result<(), ChangeRefused> {
        let stopped = || ChangeRefused::Invalid("the broker is stopping".to_owned());
        self.door().change(changes).map_err(|Closed| stopped())?
    }

    /// What clients and tools are told that this is.
    pub fn identity(&self) -> Identity {
        self.rim.options.identity.clone()
    }

    /// The way in for other parts of this process.
    pub fn door(&self) -> Door {
        Door::new(Arc::clone(&self.rim))
    }

    /// Makes encrypted streams for clients of management; `None` without a certificate.
    #[cfg(feature = "tls")]
    pub fn encryption(&self) -> Option<Encryption> {
        match &self.secure {
            Secure::Plain => None,
            Secure::Tls(tls) => Some(Encryption(Arc::clone(tls))),
        }
    }

    /// From now on holds what a configuration says of certificates, which are read again, of limits
    /// and of logins; what else it says does not. Nothing changes if the certificates cannot be
    /// used.
    ///
    /// # Errors
    ///
    /// When they cannot be used.
    pub fn reload(&self, config: &Config) -> Result<(), ServerError> {
        #[cfg(feature = "tls")]
        self.secure.reload(config)?;
        let memory = memory::total();
        self.watch.limit(config.disk_limit(memory), config.memory_limit(memory));
        self.rim.options.logins.set_rules(login_rules(config));
        Ok(())
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
        self.rim.options.logins.close();
    }

    /// Says where clients find it, one line per address.
    fn announce(&self, config: &Config) {
        let mut out = io::stdout().lock();
        let (directory, fsync) = (config.data_dir.display(), config.fsync);
        for (place, address) in self.addresses.iter().enumerate() {
            let tls = if place < config.plain_addresses().count() { "" } else { " with TLS" };
            // Nobody need be reading.
            let _ =
                writeln!(out, "listening on {address}{tls}, data in {directory}, fsync {fsync}");
        }
        let _ = out.flush();
    }
}

/// Starts the threads that hash passwords, one for each core. They give way to the others: a
/// thousand clients that log in at once are not to slow those down that have.
fn start_hashing(logins: &Arc<Logins>) -> io::Result<()> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    for _ in 0..cores.min(HASHERS_MAX) {
        let worker = Arc::clone(logins);
        spawn("hasher", move || {
            // Where that is not allowed they work as the others do.
            let _ = rustix::process::setpriority_process(None, HASHERS_NICE);
            worker.work();
        })?;
        logins.hire();
    }
    Ok(())
}

fn start_core(
    broker: Broker,
    clock: BrokerClock,
    sender: &Inlet,
    receiver: Inbox,
    (logins, vitals): (Arc<Logins>, Arc<Vitals>),
) -> io::Result<Vec<JoinHandle<()>>> {
    let (sync, requests) = crossbeam_channel::unbounded();
    let inbox = sender.clone();
    let counting = Arc::clone(&vitals);
    let syncer = spawn("syncer", move || syncer::run(&requests, &inbox, &counting))?;
    let (checkpoint, jobs) = crossbeam_channel::unbounded();
    let inbox = sender.clone();
    let checkpointer = spawn("checkpointer", move || syncer::run_checkpoints(&jobs, &inbox))?;
    let router = Router::new(broker, clock, (sync, checkpoint), logins, vitals);
    let router = spawn("router", move || {
        if let Err(error) = router.run(receiver) {
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
    static ENDING: Mutex<()> = Mutex::new(());
    let _ending = ENDING.lock();
    logging::finish_with(&format!("leveret: {error}"));
    process::exit(1)
}
