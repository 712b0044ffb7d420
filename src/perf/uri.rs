//! Where a broker is: `amqp://user:password@host:port/vhost`.

use std::str::FromStr;

use crate::client::{Client, Login};

use super::error::PerfError;

/// The port of AMQP without TLS.
const PORT: u16 = 5672;

/// A broker's address with a login. What is left out is RabbitMQ's default: `guest`, `guest`,
/// 127.0.0.1, 5672, `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    user: String,
    password: String,
    host: String,
    port: u16,
    virtual_host: String,
}

impl Uri {
    /// Connects and logs in.
    ///
    /// # Errors
    ///
    /// When nobody listens there, or the broker refuses.
    pub(super) fn connect(&self) -> Result<Client, PerfError> {
        let login =
            Login { user: &self.user, password: &self.password, virtual_host: &self.virtual_host };
        Client::log_in((self.host.as_str(), self.port), &login).map_err(|error| {
            PerfError::Connect(format!("{}:{}", self.host, self.port), Box::new(error.into()))
        })
    }
}

impl FromStr for Uri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("amqp://").ok_or("an address begins with amqp://")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (decode(user)?, decode(password)?),
            None if login.is_empty() => ("guest".to_owned(), "guest".to_owned()),
            None => (decode(login)?, String::new()),
        };
        let (host, port) = host_and_port(place)?;
        let virtual_host = if path.is_empty() { "/".to_owned() } else { decode(path)? };
        Ok(Self { user, password, host, port, virtual_host })
    }
}

/// Splits `host:port`; the host may be `[::1]`.
fn host_and_port(place: &str) -> Result<(String, u16), String> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("a ] is missing")?,
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().map_err(|_| format!("'{port}' is no port"))?,
        None if port.is_empty() => PORT,
        None => return Err(format!("'{port}' is no port")),
    };
    Ok((if host.is_empty() { "127.0.0.1".to_owned() } else { host.to_owned() }, port))
}

/// Undoes `%2f` and the like.
fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let octet = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(octet.ok_or("a % stands before two hexadecimal digits")?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| "an address is UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> [String; 5] {
        let uri: Uri = text.parse().unwrap();
        [uri.user, uri.password, uri.host, uri.port.to_string(), uri.virtual_host]
    }

    #[test]
    fn every_part_can_be_said_or_left_out() {
        assert_eq!(parts("amqp://"), ["guest", "guest", "127.0.0.1", "5672", "/"]);
        assert_eq!(parts("amqp://box:5673"), ["guest", "guest", "box", "5673", "/"]);
        assert_eq!(
            parts("amqp://me:p%40ss@[::1]:1234/%2ftest?heartbeat=5"),
            ["me", "p@ss", "::1", "1234", "/test"]
        );
        assert_eq!(parts("amqp://me@box/v"), ["me", "", "box", "5672", "v"]);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["http://box", "amqp://box:port", "amqp://box/%2", "amqp://[::1", "amqp://[::1]5"]
        {
            assert!(text.parse::<Uri>().is_err(), "{text}");
        }
    }
}
