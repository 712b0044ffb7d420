//! The way in for `fuzz/targets/http.rs`.

use std::io::{self, Read, Write};
use std::time::Duration;

use super::serve::{Transport, talk_on};
use super::{Answers, Body, Head, Peer, Response};

/// What is answered to a client's bytes that come so many at a time, by a server that says what it
/// has read.
pub fn fuzz_http(input: &[u8], at_a_time: usize) -> Vec<u8> {
    let mut wire = Wire { input, at_a_time, output: Vec::new() };
    talk_on(&mut wire, &Echo);
    wire.output
}

struct Wire<'i> {
    input: &'i [u8],
    at_a_time: usize,
    output: Vec<u8>,
}

impl Read for Wire<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = into.len().min(self.at_a_time);
        self.input.read(&mut into[..length])
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.output.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Wire<'_> {
    fn read_within(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn write_within(&self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self) {}
}

struct Echo;

impl Answers for Echo {
    fn answer(&self, _: Peer, head: &Head, body: &mut Body<'_, '_>) -> Response {
        match body.read(4096) {
            Ok(body) => {
                let said = format!("{} {:?} {:?} ", head.method, head.path, head.query);
                Response::new(200, "text/plain", [said.as_bytes(), &body].concat())
            }
            Err(error) => Response::new(error.status, "text/plain", error.reason.into()),
        }
    }
}
