//! A client's socket, with TLS or without: the only thing of it that the conversation does not see.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(feature = "tls")]
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;

#[cfg(feature = "tls")]
use super::tls::{Secured, Tls, TlsError, TlsFiles};
#[cfg(feature = "tls")]
use crate::config::Config;

/// What makes a socket a transport.
#[derive(Clone, Debug)]
pub(super) enum Secure {
    /// Nothing: octets travel as they are.
    Plain,
    /// TLS, with these certificates.
    #[cfg(feature = "tls")]
    Tls(Arc<Tls>),
}

impl Secure {
    /// TLS as the configuration has it, if it has.
    #[cfg(feature = "tls")]
    pub(super) fn tls(config: &Config) -> Result<Option<Self>, TlsError> {
        let Some(files) = TlsFiles::of(config)? else { return Ok(None) };
        Ok(Some(Self::Tls(Arc::new(Tls::load(&files)?))))
    }

    /// Reads certificates again, if there are any. Those that cannot be used are not taken.
    #[cfg(feature = "tls")]
    pub(super) fn reload(&self, config: &Config) -> Result<(), TlsError> {
        match (self, TlsFiles::of(config)?) {
            (Self::Tls(tls), Some(files)) => tls.reload(&files),
            _ => Ok(()),
        }
    }

    /// The transport for a socket.
    pub(super) fn transport(&self, stream: TcpStream) -> io::Result<Transport> {
        match self {
            Self::Plain => Ok(Transport::Plain(stream)),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Ok(Transport::Tls(Box::new(tls.accept(stream)?))),
        }
    }
}

/// A socket that does not block.
pub(super) enum Transport {
    /// As it is.
    Plain(TcpStream),
    /// Encrypted.
    #[cfg(feature = "tls")]
    Tls(Box<Secured>),
}

impl Transport {
    /// The socket itself.
    pub(super) fn stream(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            #[cfg(feature = "tls")]
            Self::Tls(secured) => secured.stream(),
        }
    }

    /// Reads once and appends what came, as far as there is spare room in `into` (TLS makes room).
    /// Returns how much, which may be nothing; `None` when the client will say no more.
    pub(super) fn read(&mut self, into: &mut Vec<u8>) -> io::Result<Option<usize>> {
        match self {
            Self::Plain(stream) => match rustix::io::read(stream, spare_capacity(into)) {
                Ok(0) => Ok(None),
                Ok(octets) => Ok(Some(octets)),
                Err(Errno::INTR | Errno::AGAIN) => Ok(Some(0)),
                Err(error) => Err(error.into()),
            },
            #[cfg(feature = "tls")]
            Self::Tls(secured) => secured.read(into),
        }
    }

    /// Reads at most so many octets, without TLS only: `None` with it. Else as [`Self::read`].
    pub(super) fn read_at_most(
        &self,
        octets: usize,
        into: &mut Vec<u8>,
    ) -> Option<io::Result<Option<usize>>> {
        let stream = match self {
            Self::Plain(stream) => stream,
            #[cfg(feature = "tls")]
            Self::Tls(_) => return None,
        };
        let before = into.len();
        let result = stream.take(octets as u64).read_to_end(into);
        let came = into.len() - before;
        Some(match result {
            Ok(_) if came == 0 => Ok(None),
            Ok(_) => Ok(Some(came)),
            Err(error) if came > 0 || error.kind() == ErrorKind::WouldBlock => {
                // What is wrong, if anything is, the next read tells.
                Ok(Some(came))
            }
            Err(error) => Err(error),
        })
    }

    /// Who the client's certificate says it is: once, when that is known.
    pub(super) fn client_name(&mut self) -> Option<String> {
        match self {
            Self::Plain(_) => None,
            #[cfg(feature = "tls")]
            Self::Tls(secured) => secured.client_name(),
        }
    }

    /// Writes as much as the socket takes.
    pub(super) fn write(&mut self, runs: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write_vectored(runs),
            #[cfg(feature = "tls")]
            Self::Tls(secured) => secured.write(runs),
        }
    }

    /// Writes what is left of earlier writes. Returns whether that is all.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        match self {
            Self::Plain(_) => Ok(true),
            #[cfg(feature = "tls")]
            Self::Tls(secured) => secured.flush(),
        }
    }

    /// Says that nothing more comes from here.
    pub(super) fn close(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Self::Tls(secured) = self {
            secured.close()?;
        }
        match self.stream().shutdown(Shutdown::Write) {
            // The client was faster.
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream().as_fd()
    }
}
