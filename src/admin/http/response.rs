//! A response, and the headers that every response has.

use std::any::Any;
use std::sync::Arc;

use serde_json::Value;

/// What browsers are told about every page: nothing comes from or goes to elsewhere.
const SECURITY: &str = "Content-Security-Policy: default-src 'self'; frame-ancestors 'none'; \
    base-uri 'none'; form-action 'self'\r\nX-Content-Type-Options: nosniff\r\n\
    X-Frame-Options: DENY\r\nReferrer-Policy: no-referrer\r\n";

/// What browsers are told over TLS (RFC 6797): for a year, this host is asked over TLS only.
const STRICT_TRANSPORT: &str = "Strict-Transport-Security: max-age=31536000\r\n";

/// A response.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Response {
    /// The status code.
    pub(in super::super) status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    /// The body.
    pub(in super::super) body: Vec<u8>,
    /// Something that is kept until the response is sent.
    held: Option<Arc<dyn Any + Send + Sync>>,
}

impl Response {
    /// A response without a body.
    pub(in super::super) fn empty(status: u16) -> Self {
        Self { status, ..Default::default() }
    }

    /// A response with a body.
    pub(in super::super) fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, content_type, headers: Vec::new(), body, held: None }
    }

    /// A value as JSON.
    pub(in super::super) fn json(status: u16, value: &Value) -> Self {
        Self::new(status, "application/json", value.to_string().into_bytes())
    }

    /// The same, keeping something until it is sent.
    #[must_use]
    pub(in super::super) fn holding(mut self, held: impl Any + Send + Sync) -> Self {
        self.held = Some(Arc::new(held));
        self
    }

    /// The same with a header. What would end the line is left out of the value.
    #[must_use]
    pub(in super::super) fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = value.chars().filter(|letter| !letter.is_control()).collect();
        self.headers.push((name, value));
        self
    }

    /// The same without the headers of a name.
    #[must_use]
    pub(in super::super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| *key != name);
        self
    }

    /// The octets before the body. Over TLS browsers are told to come by TLS only.
    pub(super) fn head(&self, keep_alive: bool, encrypted: bool) -> Vec<u8> {
        let (status, reason) = (self.status, reason(self.status));
        let mut text = format!("HTTP/1.1 {status} {reason}\r\n{SECURITY}");
        if encrypted {
            text += STRICT_TRANSPORT;
        }
        if !self.content_type.is_empty() {
            text += &format!("Content-Type: {}\r\n", self.content_type);
        }
        if status != 204 {
            text += &format!("Content-Length: {}\r\n", self.body.len());
        }
        if !self.headers.iter().any(|(name, _)| *name == "Cache-Control") {
            text += "Cache-Control: no-store\r\n";
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += if keep_alive { "\r\n" } else { "Connection: close\r\n\r\n" };
        text.into_bytes()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_cannot_be_ended_from_within() {
        let response = Response::empty(201).with("Location", "a\r\nSet-Cookie: b");
        let text = String::from_utf8(response.head(true, false)).unwrap();
        assert!(text.contains("Location: aSet-Cookie: b\r\n"));
        assert!(!text.contains("\nSet-Cookie"));
        assert!(text.contains("X-Frame-Options: DENY\r\n"));
        assert!(!text.contains("Strict-Transport-Security"));
        let encrypted = String::from_utf8(response.head(true, true)).unwrap();
        assert!(encrypted.contains("\r\nStrict-Transport-Security: max-age=31536000\r\n"));
    }
}
