//! What is cut out of a text before others than administrators read it: the credentials in URIs.
//!
//! ```text
//!   amqps://user:password@host/vhost?heartbeat=5&password=x  ──▶  amqps://host/vhost?heartbeat=5&password=...
//! ```
//!
//! Operators and clients put URIs into parameters, policies and arguments, and those are shown in
//! the log, in events, by `leveret inspect` and over the HTTP API.

use std::borrow::Cow;

/// What separates a scheme from what follows it.
const SCHEME_END: &str = "://";

/// Names of a query's values that are credentials; also where they are a part of the name.
const SECRET_NAMES: [&str; 4] = ["password", "passwd", "secret", "token"];

/// What stands for a value that was cut out.
const CUT: &str = "...";

/// A text without the credentials of the URIs in it. A URI ends at white space, a quote or an angle
/// bracket; what stands in it before its last `@` is taken for credentials, because passwords hold
/// every other character unescaped.
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    if !text.contains(SCHEME_END) {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(SCHEME_END) {
        let (scheme, uri) = rest.split_at(at + SCHEME_END.len());
        shown.push_str(scheme);
        let end = uri.find(ends_uri).unwrap_or(uri.len());
        let (uri, behind) = uri.split_at(end);
        let host = uri.rfind('@').map_or(0, |at| at + 1);
        push_without_secrets(&mut shown, &uri[host..]);
        rest = behind;
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

fn ends_uri(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || matches!(letter, '"' | '\'' | '<' | '>')
}

/// Adds a URI behind its credentials, without the values of secret names in its query.
fn push_without_secrets(shown: &mut String, uri: &str) {
    let Some((path, query)) = uri.split_once('?') else { return shown.push_str(uri) };
    shown.push_str(path);
    for (place, pair) in query.split('&').enumerate() {
        shown.push(if place == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                shown.push_str(name);
                shown.push('=');
                shown.push_str(CUT);
            }
            _ => shown.push_str(pair),
        }
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_cut_out_and_nothing_else() {
        for (text, shown) in [
            ("amqp://u:p@host:5672/v", "amqp://host:5672/v"),
            ("amqps://token@host", "amqps://host"),
            ("amqp://u:p@ss/wo:rd@host/v", "amqp://host/v"),
            ("a amqp://u:p@h1/v, then http://x:y@h2.", "a amqp://h1/v, then http://h2."),
            ("[\"amqp://u:p@h1\", \"amqp://u:p@h2\"]", "[\"amqp://h1\", \"amqp://h2\"]"),
            ("<<\"amqp://u:p@h\">>", "<<\"amqp://h\">>"),
            (
                "amqp://h?a=1&password=x&Client_Secret=y",
                "amqp://h?a=1&password=...&Client_Secret=...",
            ),
            ("amqp://", "amqp://"),
            ("http://h/path?q=1 me@home", "http://h/path?q=1 me@home"),
            ("user:password@host", "user:password@host"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }

    #[test]
    fn a_text_without_uris_is_not_copied() {
        assert!(matches!(without_credentials("plain"), Cow::Borrowed("plain")));
    }
}
