//! The PROXY protocol, versions 1 and 2: who is behind a load balancer.
//!
//! A trusted proxy begins each connection with a header that names the client it speaks for. It is
//! read before anything else, TLS too, and only from addresses that were named as proxies: anybody
//! else could claim to be anyone with it.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use ppp::{HeaderResult, PartialResult, v1, v2};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, recv};

/// How long a proxy has for its header.
const HEADER_MAX: Duration = Duration::from_secs(5);

/// The longest header that is taken, in octets: version 1 needs 107, version 2 has room for
/// extensions.
const HEADER_OCTETS_MAX: usize = 2048;

/// Whether an address is one of the proxies.
pub(super) fn is_trusted(proxies: &[IpNet], peer: SocketAddr) -> bool {
    let address = match peer.ip() {
        IpAddr::V6(address) => address.to_canonical(),
        address @ IpAddr::V4(_) => address,
    };
    proxies.iter().any(|net| net.contains(&address))
}

/// Reads a proxy's header off a socket and nothing behind it. Returns the address of the client;
/// `peer`, the proxy itself, when it speaks for nobody (a health check).
pub(super) fn read_header(stream: &TcpStream, peer: SocketAddr) -> io::Result<SocketAddr> {
    let deadline = Instant::now() + HEADER_MAX;
    let mut seen = [0; HEADER_OCTETS_MAX];
    let mut known = 0;
    loop {
        wait(stream, deadline)?;
        let (length, _) = recv(stream, &mut seen, RecvFlags::PEEK)?;
        if length <= known {
            if length == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            // A part of a header is there and stays readable: leave it time to grow.
            std::thread::sleep(Duration::from_millis(5));
        }
        known = length;
        let header = HeaderResult::parse(&seen[..length]);
        if header.is_incomplete() && length < HEADER_OCTETS_MAX {
            continue;
        }
        let (client, length) = client(&header)
            .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "no PROXY header"))?;
        recv(stream, &mut seen[..length], RecvFlags::empty())?;
        return Ok(client.unwrap_or(peer));
    }
}

/// The client that a header names, if any, and the length of the header.
fn client(header: &HeaderResult<'_>) -> Option<(Option<SocketAddr>, usize)> {
    match header {
        HeaderResult::V1(Ok(header)) => {
            let client = match header.addresses {
                v1::Addresses::Unknown => None,
                v1::Addresses::Tcp4(tcp) => {
                    Some(SocketAddr::from((tcp.source_address, tcp.source_port)))
                }
                v1::Addresses::Tcp6(tcp) => {
                    Some(SocketAddr::from((tcp.source_address, tcp.source_port)))
                }
            };
            Some((client, header.header.len()))
        }
        HeaderResult::V2(Ok(header)) => {
            let client = match header.addresses {
                v2::Addresses::IPv4(ip) if header.command == v2::Command::Proxy => {
                    Some(SocketAddr::from((ip.source_address, ip.source_port)))
                }
                v2::Addresses::IPv6(ip) if header.command == v2::Command::Proxy => {
                    Some(SocketAddr::from((ip.source_address, ip.source_port)))
                }
                _ => None,
            };
            Some((client, header.len()))
        }
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => None,
    }
}

fn wait(stream: &TcpStream, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::Error::new(ErrorKind::TimedOut, "no PROXY header within 5 s"));
    }
    let timeout = Timespec::try_from(left).ok();
    poll(&mut [PollFd::new(stream, PollFlags::IN)], timeout.as_ref())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    const PROXY: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

    /// Sends octets over a socket; what the header says, and what is left behind it.
    fn read(parts: &[&[u8]]) -> (io::Result<SocketAddr>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let parts: Vec<_> = parts.iter().map(|part| part.to_vec()).collect();
        let sending = std::thread::spawn(move || {
            for part in parts {
                sender.write_all(&part).unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let client = read_header(&stream, PROXY);
        sending.join().unwrap();
        let mut rest = Vec::new();
        if client.is_ok() {
            stream.read_to_end(&mut rest).unwrap();
        }
        (client, rest)
    }

    #[test]
    fn version_1_names_the_client_and_leaves_the_rest() {
        let (client, rest) =
            read(&[b"PROXY TCP4 192.0.2.7 192.0.2.1 51", b"000 5672\r\nAMQP\x00\x00\x09\x01"]);
        assert_eq!(client.unwrap(), "192.0.2.7:51000".parse().unwrap());
        assert_eq!(rest, b"AMQP\x00\x00\x09\x01");
    }

    #[test]
    fn version_2_names_the_client_and_leaves_the_rest() {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
        header.extend([192, 0, 2, 7, 192, 0, 2, 1, 0xc7, 0x38, 0x16, 0x28]);
        let (client, rest) = read(&[&header[..9], &header[9..], b"AMQP"]);
        assert_eq!(client.unwrap(), "192.0.2.7:51000".parse().unwrap());
        assert_eq!(rest, b"AMQP");
    }

    #[test]
    fn a_proxy_may_speak_for_itself() {
        let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
        assert_eq!(read(&[local]).0.unwrap(), PROXY);
        assert_eq!(read(&[b"PROXY UNKNOWN\r\n"]).0.unwrap(), PROXY);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for octets in [&b"AMQP\x00\x00\x09\x01"[..], b"PROXY TCP4 a b 1 2\r\n", &[b'P'; 4096]] {
            assert!(read(&[octets]).0.is_err());
        }
    }

    #[test]
    fn proxies_are_trusted_by_network() {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "192.0.2.1/32".parse().unwrap()];
        assert!(is_trusted(&proxies, "10.1.2.3:9".parse().unwrap()));
        assert!(is_trusted(&proxies, "[::ffff:192.0.2.1]:9".parse().unwrap()));
        assert!(!is_trusted(&proxies, "192.0.2.2:9".parse().unwrap()));
    }
}
