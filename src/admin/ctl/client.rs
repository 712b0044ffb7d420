//! A client of the HTTP API: one request on one connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{Ctl, DATA, Failure, PERMISSION, SOFTWARE, UNAVAILABLE};
use crate::admin::CONTROL_SOCKET;

/// The longest answer, in octets: larger than any listing that a person reads.
const ANSWER_MAX: u64 = 1024 * 1024 * 1024;

/// Puts a path together; what a name has in it cannot end its segment.
pub(super) fn path(segments: &[&str]) -> String {
    let encoded = segments.iter().map(|it| utf8_percent_encode(it, NON_ALPHANUMERIC).to_string());
    format!("/api/{}", encoded.collect::<Vec<_>>().join("/"))
}

impl Ctl {
    /// Asks for a value.
    pub(super) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.request("GET", path, &[], None)
    }

    /// Asks for a change; the answer may be empty (null).
    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        head += &format!("Content-Length: {}\r\n", body.len());
        for (name, value) in headers {
            let value: String = value.chars().filter(|letter| !letter.is_control()).collect();
            head += &format!("{name}: {value}\r\n");
        }
        let answer = match &self.url {
            None => self.local(&format!("{head}\r\n{body}"))?,
            Some(url) => {
                let login = BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password));
                let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
                self.remote(address, &format!("{head}Authorization: Basic {login}\r\n\r\n{body}"))?
            }
        };
        understand(&answer)
    }

    fn local(&self, request: &str) -> Result<Vec<u8>, Failure> {
        let path = self.data_dir.join(CONTROL_SOCKET);
        let unavailable = |error| {
            Failure::new(UNAVAILABLE, format!("no broker answers at {}: {error}", path.display()))
        };
        let mut stream = UnixStream::connect(&path).map_err(unavailable)?;
        stream.set_read_timeout(Some(self.patience())).map_err(unavailable)?;
        stream.write_all(request.as_bytes()).map_err(unavailable)?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).map_err(unavailable)?;
        Ok(answer)
    }

    fn remote(&self, address: &str, request: &str) -> Result<Vec<u8>, Failure> {
        let unavailable =
            |error| Failure::new(UNAVAILABLE, format!("no broker answers at {address}: {error}"));
        let mut stream = TcpStream::connect(address).map_err(unavailable)?;
        stream.set_read_timeout(Some(self.patience())).map_err(unavailable)?;
        stream.write_all(request.as_bytes()).map_err(unavailable)?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).map_err(unavailable)?;
        Ok(answer)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout.max(1))
    }
}

/// Makes a value, or a failure, of an answer.
fn understand(answer: &[u8]) -> Result<Value, Failure> {
    let nonsense = || Failure::new(SOFTWARE, "the broker's answer cannot be understood");
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(octets)) = response.parse(answer) else {
        return Err(nonsense());
    };
    let body = &answer[octets..];
    let value = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(body).map_err(|_| nonsense())?
    };
    let status = response.code.unwrap_or_default();
    if (200..300).contains(&status) {
        return Ok(value);
    }
    let reason = match value.get("reason") {
        None => "no reason was given".to_owned(),
        Some(Value::String(reason)) => reason.clone(),
        Some(other) => other.to_string(),
    };
    let code = match status {
        400 | 404 | 413 => DATA,
        401 | 403 => PERMISSION,
        503 => UNAVAILABLE,
        _ => SOFTWARE,
    };
    Err(Failure::new(code, &reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_segment() {
        assert_eq!(path(&["queues", "/", "a/../b?c"]), "/api/queues/%2F/a%2F%2E%2E%2Fb%3Fc");
    }

    #[test]
    fn answers_become_values_or_exit_codes() {
        let ok = b"HTTP/1.1 200 OK\r\n\r\n[1]";
        assert_eq!(understand(ok), Ok(serde_json::json!([1])));
        assert_eq!(understand(b"HTTP/1.1 204 No Content\r\n\r\n"), Ok(Value::Null));
        let code = |answer: &[u8]| understand(answer).map_err(|failure| failure.code);
        let missing = b"HTTP/1.1 404 Not Found\r\n\r\n{\"reason\":\"Not Found\"}";
        assert_eq!(code(missing), Err(DATA));
        assert_eq!(code(b"HTTP/1.1 401 Unauthorized\r\n\r\n{}"), Err(PERMISSION));
        assert_eq!(code(b"AMQP\0\0\x09\x01"), Err(SOFTWARE));
    }
}
