//! The head of a request: method, path, query, headers.

use percent_encoding::percent_decode_str;

use super::HttpError;

/// The longest head, in octets.
pub(super) const HEAD_OCTETS_MAX: usize = 16 * 1024;
/// The longest target (path and query), in octets.
const TARGET_OCTETS_MAX: usize = 8 * 1024;
/// The most headers.
const HEADERS_MAX: usize = 64;

/// The head of a request.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Head {
    /// GET, PUT, ..
    pub(in super::super) method: String,
    /// The path's segments, each percent-decoded: a `%2F` does not separate.
    pub(in super::super) path: Vec<String>,
    /// The query's names and values, decoded.
    pub(in super::super) query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    /// HTTP/1.0: no keep-alive unless asked for, no chunks.
    old: bool,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many octets; 0 is no body.
    Length(u64),
    /// Chunks, each with its length.
    Chunked,
}

impl Head {
    /// Parses what has come so far. `None` if it is not all there; else the head, and how many
    /// octets it takes.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, HttpError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let octets = match request.parse(bytes) {
            Ok(httparse::Status::Complete(octets)) => octets,
            Ok(httparse::Status::Partial) if bytes.len() >= HEAD_OCTETS_MAX => {
                return Err(HttpError::new(431, "the head is too long"));
            }
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(HttpError::new(431, "too many headers"));
            }
            Err(_) => return Err(HttpError::new(400, "not an HTTP request")),
        };
        let target = request.path.unwrap_or_default();
        if target.len() > TARGET_OCTETS_MAX {
            return Err(HttpError::new(414, "the path is too long"));
        }
        let headers = request.headers.iter().map(|header| {
            // Latin letters in a header are nobody's name here.
            let value = String::from_utf8_lossy(header.value).trim().to_owned();
            (header.name.to_ascii_lowercase(), value)
        });
        let (path, query) = split_target(target)?;
        let head = Self {
            method: request.method.unwrap_or_default().to_owned(),
            path,
            query,
            headers: headers.collect(),
            old: request.version == Some(0),
        };
        Ok(Some((head, octets)))
    }

    /// The head of a request that is all there.
    #[cfg(test)]
    pub(in super::super) fn read(text: &str) -> Self {
        Self::parse(text.as_bytes()).unwrap().unwrap().0
    }

    /// The first header of this name, which is in small letters.
    pub(in super::super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The host that a request is for; `None` where HTTP/1.0 does not say.
    ///
    /// # Errors
    ///
    /// 400 for none, for two, and for what is no host.
    pub(in super::super) fn host(&self) -> Result<Option<&str>, HttpError> {
        let mut hosts = self.headers.iter().filter(|(key, _)| key == "host").map(|(_, host)| host);
        let (host, second) = (hosts.next(), hosts.next());
        let is_host = |host: &String| !host.is_empty() && host.bytes().all(is_of_host);
        match (host, second) {
            (None, _) if self.old => Ok(None),
            (None, _) => Err(HttpError::new(400, "a Host is missing")),
            (Some(_), Some(_)) => Err(HttpError::new(400, "there are two Hosts")),
            (Some(host), None) if is_host(host) => Ok(Some(host)),
            (Some(_), None) => Err(HttpError::new(400, "that is no Host")),
        }
    }

    /// The values of a list in all headers of this name, which is in small letters.
    pub(in super::super) fn list<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h str> {
        let all = self.headers.iter().filter(move |(key, _)| key == name);
        all.flat_map(|(_, value)| value.split(',')).map(str::trim)
    }

    /// Whether the connection may be used for another request.
    pub(super) fn keeps_alive(&self) -> bool {
        let says = |word: &str| {
            let options = self.header("connection").unwrap_or_default().to_ascii_lowercase();
            options.split(',').any(|option| option.trim() == word)
        };
        if self.old { says("keep-alive") } else { !says("close") }
    }

    /// How the body is written. What could be read in two ways is refused: that is how requests are
    /// smuggled past a proxy.
    pub(super) fn framing(&self) -> Result<Framing, HttpError> {
        let all = |name: &str| {
            let found = self.headers.iter().filter(|(key, _)| key == name);
            found.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
        match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => Ok(Framing::Length(0)),
            ([length], []) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
                let length = length.parse();
                length.map(Framing::Length).map_err(|_| HttpError::new(413, "too long a body"))
            }
            ([], [coding]) if coding.eq_ignore_ascii_case("chunked") && !self.old => {
                Ok(Framing::Chunked)
            }
            ([], [_]) => Err(HttpError::new(501, "unknown transfer-encoding")),
            _ => Err(HttpError::new(400, "the body's length is ambiguous")),
        }
    }

    /// Whether the client waits to be told that its body is wanted.
    pub(super) fn expects_continue(&self) -> bool {
        self.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    }
}

/// Whether an octet may stand in a name, an address or a port (RFC 3986, 3.2.2).
fn is_of_host(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_' | b':' | b'%' | b'[' | b']')
}

type Target = (Vec<String>, Vec<(String, String)>);

fn split_target(target: &str) -> Result<Target, HttpError> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.strip_prefix('/').ok_or(HttpError::new(400, "the path is not absolute"))?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments: Result<Vec<_>, _> = path.split('/').map(decode).collect();
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(&name.replace('+', " "))?, decode(&value.replace('+', " "))?))
    });
    Ok((segments?, pairs.collect::<Result<_, _>>()?))
}

fn decode(text: &str) -> Result<String, HttpError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(String::from).map_err(|_| HttpError::new(400, "the path is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head::parse(text.as_bytes()).unwrap().unwrap().0
    }

    fn refused(text: &str) -> u16 {
        Head::parse(text.as_bytes()).unwrap_err().status
    }

    #[test]
    fn a_slash_in_a_vhost_does_not_separate() {
        let head = head("GET /api/queues/%2F/a%20b?sort=name&name=x+y%26 HTTP/1.1\r\n\r\n");
        assert_eq!(head.path, ["api", "queues", "/", "a b"]);
        let (sort, name) = (("sort", "name"), ("name", "x y&"));
        let owned = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
        assert_eq!(head.query, [owned(sort), owned(name)]);
    }

    #[test]
    fn a_head_that_is_not_all_there_is_waited_for() {
        let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for end in 0..text.len() {
            assert!(Head::parse(&text.as_bytes()[..end]).unwrap().is_none(), "{end}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert_eq!(refused(&format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(9000))), 414);
        let header = "x: y\r\n".repeat(HEADERS_MAX + 1);
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\n{header}\r\n")), 431);
        let endless = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(HEAD_OCTETS_MAX));
        assert_eq!(refused(&endless), 431);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in ["\0\0\0\0", "AMQP\0\0\x09\x01", "GET / HTTP/9\r\n\r\n", "GET  x\r\n\r\n"] {
            assert_eq!(refused(text), 400, "{text:?}");
        }
        assert_eq!(refused("GET /%ff%fe HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(refused("GET http://evil/ HTTP/1.1\r\n\r\n"), 400);
    }

    #[test]
    fn a_body_that_could_be_read_in_two_ways_is_refused() {
        let framing = |headers: &str| {
            head(&format!("PUT / HTTP/1.1\r\n{headers}\r\n")).framing().map_err(|e| e.status)
        };
        assert_eq!(framing("Content-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(framing("Transfer-Encoding: chunked\r\n"), Ok(Framing::Chunked));
        assert_eq!(framing("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), Err(400));
        assert_eq!(framing("Content-Length: 5\r\nContent-Length: 6\r\n"), Err(400));
        assert_eq!(framing("Content-Length: -5\r\n"), Err(400));
        assert_eq!(framing("Content-Length: 99999999999999999999999\r\n"), Err(413));
        assert_eq!(framing("Transfer-Encoding: gzip\r\n"), Err(501));
    }
}
