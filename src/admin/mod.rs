//! Management: RabbitMQ's HTTP API, metrics, and `leveret ctl`.
//!
//! ```text
//!   browser, tools ──▶ http ──▶ routes ──▶ guard ──▶ api/…  ──┬─ questions ─ Query ──▶ router
//!   ctl ── control socket ──▲     one table   who may?         └─ session ── Command ─▶ router
//! ```
//!
//! What is read is asked for as a [`crate::broker::report::Query`]; what is changed is asked for in
//! AMQP's own methods, over a connection without a socket, so that it is allowed or refused as over
//! AMQP. JSON and HTTP end here.
//!
//! Left out: everything of clusters, and what belongs to plugins.

mod answer;
mod api;
pub mod ctl;
mod fields;
mod gate;
mod guard;
mod http;
mod listing;
mod metrics;
mod questions;
mod rates;
mod routes;
mod session;
mod shown;
mod site;
mod table;
#[cfg(test)]
mod tests;
mod ui;

#[cfg(fuzzing)]
pub use http::fuzz_http;

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use log::info;

use crate::config::{Config, OFF};
use crate::server::{Server, ServerError};

use http::{Answers, Listener, serve};
use site::{MetricsSite, Site};

/// Where the control socket is in the data directory.
pub const CONTROL_SOCKET: &str = "control.sock";

/// The management of a broker in this process.
#[derive(Debug)]
pub struct Admin {
    address: Option<SocketAddr>,
    tls_address: Option<SocketAddr>,
    metrics_address: Option<SocketAddr>,
    socket: PathBuf,
}

impl Admin {
    /// Starts the threads: for the port, for the control socket, for samples.
    ///
    /// # Errors
    ///
    /// When a port or the control socket cannot be had.
    pub fn start(config: &Config, server: &Server) -> Result<Self, ServerError> {
        let port = bind(&config.management)?;
        let metrics_port = bind(&config.metrics)?;
        let address = port.as_ref().and_then(|port| port.local_addr().ok());
        let metrics_address = metrics_port.as_ref().and_then(|port| port.local_addr().ok());
        #[cfg(feature = "tls")]
        let tls_port = bind(&config.management_tls)?;
        #[cfg(feature = "tls")]
        let tls_address = tls_port.as_ref().and_then(|port| port.local_addr().ok());
        #[cfg(not(feature = "tls"))]
        let tls_address = None;
        let socket = config.data_dir.join(CONTROL_SOCKET);
        let control = bind_control(&socket).map_err(|error| cannot(&socket.display(), &error))?;
        let site = Arc::new(Site::new(server, config, (address, tls_address)));
        let mut listeners: Vec<_> = port.map(Listener::Tcp).into_iter().collect();
        #[cfg(feature = "tls")]
        listeners
            .extend(tls_port.zip(server.encryption()).map(|(port, it)| Listener::Tls(port, it)));
        listeners.push(Listener::Unix(control));
        for listener in listeners {
            let answers: Arc<dyn Answers> = Arc::clone(&site) as _;
            spawn("management-port", move || serve(&listener, &answers))?;
        }
        if let Some(listener) = metrics_port.map(Listener::Tcp) {
            let answers: Arc<dyn Answers> = Arc::new(MetricsSite(Arc::clone(&site)));
            spawn("metrics-port", move || serve(&listener, &answers))?;
        }
        spawn("samples", move || site.sample())?;
        if let Some(address) = address {
            info!("management on http://{address}/");
        }
        if let Some(address) = tls_address {
            info!("management on https://{address}/");
        }
        Ok(Self { address, tls_address, metrics_address, socket })
    }

    /// Where the HTTP API is, with the real port; `None` if it is off.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Where the HTTP API is with TLS, with the real port; `None` if it is not.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// Where metrics are without a password; `None` if they are not.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        // The next broker removes it if this fails.
        let _ = fs::remove_file(&self.socket);
    }
}

fn bind(address: &str) -> Result<Option<TcpListener>, ServerError> {
    if address == OFF {
        return Ok(None);
    }
    TcpListener::bind(address).map(Some).map_err(|error| cannot(&address, &error))
}

/// Binds the control socket; one that a killed broker left is removed, as this one has the lock of
/// the data directory. Nobody but the owner may use it, from its first moment: the directory is
/// closed to others.
fn bind_control(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn cannot(what: &dyn std::fmt::Display, error: &io::Error) -> ServerError {
    ServerError::Management(format!("{what}: {error}"))
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), ServerError> {
    thread::Builder::new().name(name.to_owned()).spawn(run)?;
    Ok(())
}
