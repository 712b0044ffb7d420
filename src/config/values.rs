//! The forms of values that flags, variables and files share: RabbitMQ's where it has one.

use std::net::{IpAddr, SocketAddr};
use std::num::ParseIntError;
use std::time::Duration;

use ipnet::IpNet;
use log::LevelFilter;

use super::OFF;

/// The longest name for others, in bytes: all of them have to fit into one frame.
const NAME_BYTES_MAX: usize = 100;

/// A number of bytes: `1000`, `50MB`, `2GiB`, `512M`, `64mb`, `1000k`, as RabbitMQ has them: with a
/// `B` alone a unit is a power of 1000, without it, or with an `i`, of 1024.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let compact: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    let digits = compact.len() - compact.trim_start_matches(|it: char| it.is_ascii_digit()).len();
    let (number, unit) = compact.split_at(digits);
    let number = number.parse::<u64>().ok();
    let size = unit_bytes(&unit.to_ascii_lowercase());
    let bytes = number.zip(size).and_then(|(number, size)| number.checked_mul(size));
    bytes.ok_or_else(|| {
        format!("'{text}' is no number of bytes such as 50000000, 50MB, 512M or 2GiB")
    })
}

/// The bytes of a unit in lower case.
fn unit_bytes(unit: &str) -> Option<u64> {
    let mut letters = unit.chars();
    let Some(letter) = letters.next() else { return Some(1) };
    let power = 1 + "kmgtp".find(letter)?;
    let base: u64 = match letters.as_str() {
        "" | "i" | "ib" => 1024,
        "b" => 1000,
        _ => return None,
    };
    base.checked_pow(u32::try_from(power).ok()?)
}

/// A part of a whole, from 0 to 1.
pub(super) fn fraction(text: &str) -> Result<f64, String> {
    let parsed = text.parse::<f64>().ok().filter(|part| (0.0..=1.0).contains(part));
    parsed.ok_or_else(|| format!("'{text}' is no fraction from 0 to 1"))
}

/// A multiple of a whole, from 0 on.
pub(super) fn multiple(text: &str) -> Result<f64, String> {
    let parsed = text.parse::<f64>().ok().filter(|part| (0.0..=1000.0).contains(part));
    parsed.ok_or_else(|| format!("'{text}' is no number from 0 to 1000"))
}

/// A name for others: not nothing, and short.
pub(super) fn name(text: &str) -> Result<String, String> {
    let fits = (1..=NAME_BYTES_MAX).contains(&text.len());
    fits.then(|| text.to_owned()).ok_or_else(|| format!("1 to {NAME_BYTES_MAX} bytes are expected"))
}

/// A network, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
    text.parse().ok().or_else(address).ok_or_else(|| "no address or network".to_owned())
}

/// What is logged, in our words or in RabbitMQ's.
pub(super) fn level(text: &str) -> Result<LevelFilter, String> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "off" | "none" => LevelFilter::Off,
        // Nothing here is graver than an error, and nothing between a warning and an information.
        "error" | "critical" | "alert" | "emergency" => LevelFilter::Error,
        "warn" | "warning" | "notice" => LevelFilter::Warn,
        "info" => LevelFilter::Info,
        "debug" => LevelFilter::Debug,
        "trace" => LevelFilter::Trace,
        _ => return Err(format!("'{text}' is none of off, error, warn, info, debug, trace")),
    })
}

/// A time: `30s`, `500ms`, `15m`, `1h`; 0 has no unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|it: char| it.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: Result<u64, ParseIntError> = number.parse();
    let milliseconds = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60 * 1000),
        "h" => Some(60 * 60 * 1000),
        "" if number == Ok(0) => Some(1),
        _ => None,
    };
    let whole = number.ok().zip(milliseconds).and_then(|(number, unit)| number.checked_mul(unit));
    whole
        .map(Duration::from_millis)
        .ok_or_else(|| format!("'{text}' is no time such as 500ms, 30s, 15m or 1h"))
}

/// An address to listen at: `address:port`, or a port alone for all IPv4 addresses.
pub(super) fn address(text: &str) -> Result<String, String> {
    let text = text.trim();
    let port = text.strip_prefix(':').unwrap_or(text);
    if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) {
        let port: u16 = port.parse().map_err(|_| format!("'{port}' is no port"))?;
        return Ok(format!("0.0.0.0:{port}"));
    }
    if text.parse::<SocketAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    // RabbitMQ writes IPv6 addresses without brackets: `::1:5672`.
    if let Some((host, port)) = text.rsplit_once(':')
        && host.matches(':').count() > 1
        && host.parse::<IpAddr>().is_ok()
    {
        return address(&format!("[{host}]:{port}"));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !host.contains(':') && !port.is_empty() => {
            port.parse::<u16>().map_err(|_| format!("'{port}' is no port"))?;
            Ok(text.to_owned())
        }
        _ => Err(format!("'{text}' has no port: ADDRESS:PORT or PORT is expected")),
    }
}

/// The same, or none.
pub(super) fn address_or_off(text: &str) -> Result<String, String> {
    if text == OFF { Ok(text.to_owned()) } else { address(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_rabbitmqs_units() {
        for (text, expected) in [
            ("123", 123),
            ("50MB", 50_000_000),
            ("64mb", 64_000_000),
            ("2GiB", 2 << 30),
            ("2Gi", 2 << 30),
            ("512M", 512 << 20),
            ("512m", 512 << 20),
            ("1000k", 1000 << 10),
            ("1kB", 1000),
            ("1 KiB", 1024),
            ("1T", 1 << 40),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "MB", "-1", "1.5GB", "99999999999GiB", "5 parsecs", "1bk", "5B"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn levels_have_rabbitmqs_names() {
        for (text, expected) in [
            ("warning", LevelFilter::Warn),
            ("notice", LevelFilter::Warn),
            ("critical", LevelFilter::Error),
            ("alert", LevelFilter::Error),
            ("emergency", LevelFilter::Error),
            ("none", LevelFilter::Off),
            ("Debug", LevelFilter::Debug),
        ] {
            assert_eq!(level(text), Ok(expected), "{text}");
        }
        assert!(level("loud").is_err() && level("").is_err());
    }

    #[test]
    fn addresses_may_be_ports() {
        for (text, expected) in [
            ("5672", "0.0.0.0:5672"),
            (":5672", "0.0.0.0:5672"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:5672", "[::1]:5672"),
            ("::1:5672", "[::1]:5672"),
            (":::5672", "[::]:5672"),
            ("localhost:5672", "localhost:5672"),
        ] {
            assert_eq!(address(text).as_deref(), Ok(expected), "{text}");
        }
        for text in
            ["", ":", "0.0.0.0", "localhost", "::1", "70000", "localhost:", "a:b", "a:70000"]
        {
            assert!(address(text).is_err(), "{text}");
        }
        assert_eq!(address_or_off("off").as_deref(), Ok("off"));
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for text in ["", "5", "s", "-1s", "1.5s", "99999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(fraction("0.6").is_ok() && fraction("1.1").is_err() && fraction("NaN").is_err());
    }
}
