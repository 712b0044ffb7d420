//! Addresses that are ours before anybody can connect: one that is taken is found out before
//! anything is restored.

use std::io;
#[cfg(not(feature = "tls"))]
use std::iter;

use crate::config::Config;

use super::ServerError;
use super::address::{self, Bound};
use super::listener::Entrance;
use super::transport::Secure;

/// An address that is ours, where nobody can connect yet.
pub(super) struct Reserved {
    address: String,
    bound: Bound,
    secure: Secure,
}

impl Reserved {
    /// Binds all addresses. Those with TLS come last and share their certificates.
    pub(super) fn all(config: &Config, secure: &Secure) -> Result<Vec<Self>, ServerError> {
        let plain = config.plain_addresses().map(|address| (address, Secure::Plain));
        #[cfg(feature = "tls")]
        let encrypted = config.tls_listen.iter();
        #[cfg(not(feature = "tls"))]
        let encrypted = iter::empty();
        let addresses = plain.chain(encrypted.map(|address| (address, secure.clone())));
        let reserve = |(address, secure): (&String, Secure)| {
            let bound = address::bind(address).map_err(not_listening(address))?;
            Ok(Self { address: address.clone(), bound, secure })
        };
        addresses.map(reserve).collect()
    }

    /// Lets clients connect.
    pub(super) fn open(self) -> Result<Entrance, ServerError> {
        let listener = self.bound.listen().map_err(not_listening(&self.address))?;
        Ok(Entrance { listener, secure: self.secure })
    }
}

fn not_listening(address: &str) -> impl FnOnce(io::Error) -> ServerError {
    move |error| ServerError::Listen { address: address.to_owned(), error }
}
