//! The body of a request, read when somebody wants it, and no more than they want.

use super::HttpError;
use super::head::Framing;
use super::serve::Pipe;

/// A chunk's length line, in octets: sixteen hexadecimal digits and a short extension.
const CHUNK_LINE_MAX: usize = 256;

/// A body that has not been read, or not to its end.
pub(in super::super) struct Body<'p, 's> {
    pipe: &'p mut Pipe<'s>,
    framing: Framing,
    expects_continue: bool,
    done: bool,
}

impl<'p, 's> Body<'p, 's> {
    pub(super) fn new(pipe: &'p mut Pipe<'s>, framing: Framing, expects_continue: bool) -> Self {
        let done = framing == Framing::Length(0);
        Self { pipe, framing, expects_continue, done }
    }

    /// Reads it all, if it is not longer than this.
    pub(in super::super) fn read(&mut self, octets_max: usize) -> Result<Vec<u8>, HttpError> {
        if let Framing::Length(length) = self.framing
            && length > octets_max as u64
        {
            return Err(TOO_LONG);
        }
        if self.done {
            return Ok(Vec::new());
        }
        if self.expects_continue {
            self.pipe.write(b"HTTP/1.1 100 Continue\r\n\r\n").map_err(|_| ENDED)?;
        }
        let mut body = Vec::new();
        match self.framing {
            Framing::Length(length) => {
                let length = usize::try_from(length).map_err(|_| TOO_LONG)?;
                self.pipe.take(length, &mut body)?;
            }
            Framing::Chunked => self.read_chunks(octets_max, &mut body)?,
        }
        self.done = true;
        Ok(body)
    }

    fn read_chunks(&mut self, octets_max: usize, body: &mut Vec<u8>) -> Result<(), HttpError> {
        loop {
            let line = self.pipe.line(CHUNK_LINE_MAX)?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let length = usize::from_str_radix(digits, 16).ok().filter(|_| valid);
            let length = length.ok_or(HttpError::new(400, "a chunk has no length"))?;
            if length > octets_max.saturating_sub(body.len()) {
                return Err(TOO_LONG);
            }
            self.pipe.take(length, body)?;
            // Behind the last chunk is an empty line too; trailers are not taken.
            if !self.pipe.line(CHUNK_LINE_MAX)?.is_empty() {
                return Err(HttpError::new(400, "a chunk has no end"));
            }
            if length == 0 {
                return Ok(());
            }
        }
    }

    /// Whether nothing of it is left in the connection.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }
}

const TOO_LONG: HttpError = HttpError::new(413, "the body is too long");
/// The client went, or was too slow: there is nobody to tell.
pub(super) const ENDED: HttpError = HttpError::new(408, "the request did not come in time");

impl Pipe<'_> {
    /// Takes so many octets; memory is taken as they come.
    fn take(&mut self, octets: usize, into: &mut Vec<u8>) -> Result<(), HttpError> {
        let mut missing = octets;
        while missing > 0 {
            if self.buffer.is_empty() && !self.fill()? {
                return Err(ENDED);
            }
            let some = missing.min(self.buffer.len());
            into.extend(self.buffer.drain(..some));
            missing -= some;
        }
        Ok(())
    }

    /// Takes a line without its end.
    fn line(&mut self, octets_max: usize) -> Result<String, HttpError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|octet| *octet == b'\n') {
                let line: Vec<_> = self.buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.buffer.len() > octets_max {
                return Err(HttpError::new(400, "a line of the body is too long"));
            }
            if !self.fill()? {
                return Err(ENDED);
            }
        }
    }

    /// Reads once more. Returns whether something came.
    pub(super) fn fill(&mut self) -> Result<bool, HttpError> {
        let mut octets = [0; 8 * 1024];
        self.stream.read_within(self.left()).map_err(|_| ENDED)?;
        let count = self.stream.read(&mut octets).map_err(|_| ENDED)?;
        self.buffer.extend_from_slice(&octets[..count]);
        Ok(count > 0)
    }
}
