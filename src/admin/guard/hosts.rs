//! The names that management is reached by, against pages of other sites.
//!
//! ```text
//!   a page of another site asks here      Origin: http://evil.example   is none of ours: no changes
//!   its name is made to lead here (DNS)   Host: evil.example            is none of ours: no answers
//! ```
//!
//! An address and `localhost` cannot be made to lead elsewhere, and this machine's own name is known;
//! other names are an operator's to say. Behind a proxy the page's origin is the proxy's name.

use std::net::IpAddr;

use crate::admin::answer::Refusal;
use crate::admin::http::Head;

/// What stands for every name.
const ANY: &str = "*";

/// See the module.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Hosts {
    /// In small letters, without a dot at the end; some with a port.
    names: Vec<String>,
    forwarded: bool,
}

impl Hosts {
    /// These names, and that of this machine. `forwarded`: a proxy says what was asked for, in
    /// `X-Forwarded-Host`, `X-Forwarded-Proto` and `Forwarded`.
    pub(in super::super) fn new(names: &[String], forwarded: bool) -> Self {
        let own = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let names = names.iter().chain([&own]).map(|name| normal(name)).collect();
        Self { names, forwarded }
    }

    /// Refuses a request that a page of another site has made a browser send.
    ///
    /// # Errors
    ///
    /// 421 for a host that is none of ours, 401 for a change from elsewhere.
    pub(in super::super) fn check(&self, head: &Head) -> Result<(), Refusal> {
        // The head has been checked: there is one, or it is an old request, which no browser sends.
        let host = head.host()?.unwrap_or_default();
        if !host.is_empty() && !self.knows(host) {
            return Err(Refusal::misdirected(format!(
                "the host '{host}' is not known here; see --management-host"
            )));
        }
        let reads = matches!(head.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        match head.header("origin") {
            Some(origin) if !reads && !self.is_own(origin, host, head) => {
                Err(Refusal::not_authorised("The request comes from another site"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a host can only be meant for us.
    fn knows(&self, host: &str) -> bool {
        let host = normal(host);
        let name = without_port(&host);
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        let is_local = name == "localhost" || name.ends_with(".localhost");
        is_address || is_local || self.names(&host) || self.names(name)
    }

    fn names(&self, host: &str) -> bool {
        self.names.iter().any(|name| name == host || name == ANY)
    }

    /// Whether a page's origin is this site: by the host that was asked for, by a name that an
    /// operator has said, or by what a proxy says was asked for.
    fn is_own(&self, origin: &str, host: &str, head: &Head) -> bool {
        let Some((scheme, site)) = origin.split_once("://") else { return false };
        let site = normal(site);
        let named = self.names.contains(&site);
        site == normal(host) || named || (self.forwarded && is_forwarded(scheme, &site, head))
    }

    /// Whether what was asked for was asked for by TLS, as far as a proxy says.
    pub(in super::super) fn is_encrypted(&self, head: &Head) -> bool {
        self.forwarded && forwarded(head, "x-forwarded-proto", "proto").any(|it| it == "https")
    }
}

/// Whether a proxy says that this site was asked for.
fn is_forwarded(scheme: &str, site: &str, head: &Head) -> bool {
    let mut schemes = forwarded(head, "x-forwarded-proto", "proto").peekable();
    let same_scheme = schemes.peek().is_none() || schemes.any(|said| said == scheme);
    same_scheme && forwarded(head, "x-forwarded-host", "host").any(|said| said == site)
}

/// What a proxy says in a header of its own, or in a parameter of Forwarded (RFC 7239).
fn forwarded<'h>(
    head: &'h Head,
    header: &'h str,
    parameter: &'h str,
) -> impl Iterator<Item = String> {
    let pairs = head.list("forwarded").flat_map(|element| element.split(';'));
    let standard = pairs.filter_map(move |pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case(parameter).then(|| value.trim().trim_matches('"'))
    });
    head.list(header).chain(standard).map(normal)
}

/// A host in small letters, without a dot at the end and without the port that goes without saying.
fn normal(host: &str) -> String {
    let host = host.trim().to_ascii_lowercase();
    let host = host.strip_suffix(":80").or_else(|| host.strip_suffix(":443")).unwrap_or(&host);
    host.trim_end_matches('.').to_owned()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an address in brackets are its own.
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
            name.trim_end_matches('.')
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &Hosts, method: &str, headers: &str) -> u16 {
        let head = Head::read(&format!("{method} / HTTP/1.1\r\n{headers}\r\n"));
        hosts.check(&head).map_or_else(|refusal| refusal.status, |()| 200)
    }

    #[test]
    fn a_name_that_could_lead_elsewhere_has_to_be_known() {
        let hosts = Hosts::new(&["MQ.example.com.".to_owned(), "b.example:8080".to_owned()], false);
        let get = |host: &str| check(&hosts, "GET", &format!("Host: {host}\r\n"));
        for host in [
            "localhost",
            "localhost:15672",
            "a.localhost:1",
            "127.0.0.1:15672",
            "10.1.2.3",
            "[::1]",
            "[::1]:15672",
            "mq.example.com",
            "MQ.Example.COM.:15672",
            "b.example:8080",
        ] {
            assert_eq!(get(host), 200, "{host}");
        }
        let own = rustix::system::uname().nodename().to_string_lossy().into_owned();
        assert_eq!(get(&format!("{own}:15672")), 200);
        for host in [
            "evil.example",
            "evil.example:15672",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "xlocalhost",
            "b.example",
            "b.example:1",
            "com",
        ] {
            assert_eq!(get(host), 421, "{host}");
        }
        assert_eq!(check(&Hosts::new(&["*".to_owned()], false), "GET", "Host: any.name\r\n"), 200);
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        let hosts = Hosts::new(&[], false);
        let from = |method: &str, origin: &str| {
            check(&hosts, method, &format!("Host: localhost:15672\r\nOrigin: {origin}\r\n"))
        };
        assert_eq!(from("PUT", "http://localhost:15672"), 200);
        assert_eq!(from("PUT", "http://localhost:1"), 401);
        assert_eq!(from("PUT", "http://evil.example"), 401);
        assert_eq!(from("DELETE", "null"), 401);
        assert_eq!(from("GET", "http://evil.example"), 200);
    }

    #[test]
    fn behind_a_proxy_the_origin_is_what_the_proxy_was_asked_for() {
        let put = |hosts: &Hosts, headers: &str| {
            let origin = "Origin: https://mq.example.com\r\n";
            check(hosts, "PUT", &format!("Host: 127.0.0.1:15672\r\n{origin}{headers}"))
        };
        let (believing, not) = (Hosts::new(&[], true), Hosts::new(&[], false));
        for headers in [
            "X-Forwarded-Host: mq.example.com\r\n",
            "X-Forwarded-Host: MQ.example.com:443\r\nX-Forwarded-Proto: https\r\n",
            "Forwarded: for=10.0.0.1;host=mq.example.com;proto=https\r\n",
            "Forwarded: for=10.0.0.1, for=x; Host=\"mq.example.com\"\r\n",
        ] {
            assert_eq!((put(&believing, headers), put(&not, headers)), (200, 401), "{headers}");
        }
        for headers in [
            "",
            "X-Forwarded-Host: other.example.com\r\n",
            "X-Forwarded-Host: mq.example.com\r\nX-Forwarded-Proto: http\r\n",
        ] {
            assert_eq!(put(&believing, headers), 401, "{headers}");
        }
        // A proxy that says nothing: an operator has said the name.
        assert_eq!(put(&Hosts::new(&["mq.example.com".to_owned()], false), ""), 200);
        // A page that makes its own name lead here can say what it likes in such a header.
        let rebound = "Host: evil.example\r\nX-Forwarded-Host: evil.example\r\n\
            Origin: http://evil.example\r\n";
        assert_eq!(check(&believing, "PUT", rebound), 421);
    }
}
