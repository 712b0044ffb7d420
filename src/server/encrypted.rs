//! An encrypted stream for who has a thread of its own and may wait: the clients of management.
//!
//! ```text
//!   read   ── within a deadline, the handshake included ──▶ plaintext
//!   write  ──▶ encrypted and written at once
//! ```

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ServerConnection;

use super::tls::{Tls, is_passing};

/// Makes encrypted streams of sockets, with the certificates that are in use by then.
#[derive(Clone, Debug)]
pub struct Encryption(pub(super) Arc<Tls>);

impl Encryption {
    /// Makes a stream of a socket. Nothing is read or written yet.
    ///
    /// # Errors
    ///
    /// When there is no memory for a session.
    pub fn accept(&self, socket: TcpStream) -> io::Result<EncryptedStream> {
        let session = self.0.management()?;
        Ok(EncryptedStream { socket, session, deadline: Instant::now() })
    }
}

/// See the module.
#[derive(Debug)]
pub struct EncryptedStream {
    socket: TcpStream,
    session: ServerConnection,
    /// When a read is given up.
    deadline: Instant,
}

impl EncryptedStream {
    /// Bounds the next read, however little comes at a time.
    pub fn read_within(&mut self, at_most: Duration) {
        self.deadline = Instant::now() + at_most;
    }

    /// Bounds every write.
    ///
    /// # Errors
    ///
    /// When the socket cannot have it.
    pub fn write_within(&self, at_most: Duration) -> io::Result<()> {
        self.socket.set_write_timeout(Some(at_most))
    }

    /// Says that nothing more will be written.
    ///
    /// # Errors
    ///
    /// When the client is gone already.
    pub fn end(&mut self) -> io::Result<()> {
        self.session.send_close_notify();
        self.flush()?;
        self.socket.shutdown(Shutdown::Write)
    }

    /// Reads from the socket once. Returns whether there may be more.
    fn fill(&mut self) -> io::Result<bool> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(Some(left))?;
        match self.session.read_tls(&mut self.socket) {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(error) if is_passing(&error) => return Ok(true),
            Err(error) => return Err(error),
        }
        let processed = self.session.process_new_packets();
        // Also an alert, which says what was wrong.
        self.flush()?;
        processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        Ok(true)
    }
}

impl Read for EncryptedStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                result => return result,
            }
            if !self.fill()? {
                return Ok(0);
            }
        }
    }
}

impl Write for EncryptedStream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let taken = self.session.writer().write(octets)?;
        self.flush()?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            if self.session.write_tls(&mut self.socket)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}
