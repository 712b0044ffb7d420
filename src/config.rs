//! What can be told from outside, and the limits that follow from the machine.

use std::path::PathBuf;

use log::LevelFilter;

use crate::broker::FsyncPolicy;

/// The flags of `leveret serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Where messages and definitions are kept
    #[arg(long, value_name = "DIR", env = "LEVERET_DATA_DIR", default_value = "leveret-data")]
    pub data_dir: PathBuf,

    /// Where AMQP clients connect; may be given more than once, port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5672")]
    pub listen: Vec<String>,

    /// When messages are synced to disk: always, interval=200ms or never
    #[arg(long, value_name = "POLICY", default_value_t)]
    pub fsync: FsyncPolicy,

    /// Publishers are blocked while the disk has less room than this, in bytes or as 50MB, 2GiB
    #[arg(long, value_name = "BYTES", default_value = "50MB", value_parser = octets)]
    pub disk_free_limit: u64,

    /// Publishers are blocked while the broker uses more than this part of the memory; 0 is never
    #[arg(long, value_name = "FRACTION", default_value_t = 0.6, value_parser = fraction)]
    pub memory_high_watermark: f64,

    /// What is logged: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: LevelFilter,
}

impl Config {
    /// The memory above which publishers are blocked, of `total` octets; 0 is never.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a part of a number of octets, to the megabyte"
    )]
    pub fn memory_limit(&self, total: u64) -> u64 {
        (total as f64 * self.memory_high_watermark) as u64
    }
}

/// A number of octets: `1000`, `50MB`, `2GiB`.
fn octets(text: &str) -> Result<u64, String> {
    let units = [
        ("kB", 1000),
        ("MB", 1000 * 1000),
        ("GB", 1000 * 1000 * 1000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ];
    let split = units.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (number, unit) = split.unwrap_or((text, 1));
    let octets = number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    octets.ok_or_else(|| format!("'{text}' is no number of bytes such as 50000000, 50MB or 2GiB"))
}

/// A part of a whole, from 0 to 1.
fn fraction(text: &str) -> Result<f64, String> {
    let parsed = text.parse::<f64>().ok().filter(|part| (0.0..=1.0).contains(part));
    parsed.ok_or_else(|| format!("'{text}' is no fraction from 0 to 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_have_units() {
        assert_eq!(octets("123"), Ok(123));
        assert_eq!(octets("50MB"), Ok(50_000_000));
        assert_eq!(octets("2GiB"), Ok(2 << 30));
        for text in ["", "MB", "-1", "1.5GB", "99999999999GiB", "5 parsecs"] {
            assert!(octets(text).is_err(), "{text}");
        }
        assert!(fraction("0.6").is_ok() && fraction("1.1").is_err() && fraction("NaN").is_err());
    }
}
