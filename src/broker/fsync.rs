//! The fsync policy: what a confirm means.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// When the journal is synced, and so what a confirm promises. Under every policy it is written
/// before a confirm leaves: a killed process loses nothing that was confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FsyncPolicy {
    /// A confirm leaves after the fdatasync that covers it: a power cut loses nothing confirmed.
    #[default]
    Always,
    /// A confirm leaves when it is written; the journal is synced at least this often.
    Interval(Duration),
    /// A confirm leaves when it is written; when it gets to the disk, the kernel decides.
    Never,
}

impl FsyncPolicy {
    /// How long something may be written and not synced: for `Always` that concerns what nobody
    /// was promised, such as acknowledgements.
    pub fn lag_max(self) -> Option<Duration> {
        match self {
            Self::Always => Some(Duration::from_millis(200)),
            Self::Interval(interval) => Some(interval),
            Self::Never => None,
        }
    }
}

/// What has to have happened before a reply or a confirm may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Promise {
    /// Nothing: it says nothing about the disk.
    #[default]
    Nothing,
    /// The journal is written: a killed process loses nothing.
    Written,
    /// The journal is synced: a power cut loses nothing.
    Synced,
}

impl FsyncPolicy {
    /// What a reply promises under this policy.
    pub(super) fn promise(self) -> Promise {
        match self {
            Self::Always => Promise::Synced,
            Self::Interval(_) | Self::Never => Promise::Written,
        }
    }
}

impl fmt::Display for FsyncPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Interval(interval) => write!(f, "interval={}ms", interval.as_millis()),
            Self::Never => f.write_str("never"),
        }
    }
}

impl FromStr for FsyncPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error =
            || format!("'{text}' is not an fsync policy: say always, interval=200ms or never");
        match text {
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => {
                let number = text.strip_prefix("interval=").ok_or_else(error)?;
                let number = number.strip_suffix("ms").ok_or_else(error)?;
                match number.parse::<u64>() {
                    Ok(milliseconds @ 1..=3_600_000) => {
                        Ok(Self::Interval(Duration::from_millis(milliseconds)))
                    }
                    _ => Err(format!("'{text}': an interval is from 1ms to 3600000ms")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_reads_as_it_prints() {
        for text in ["always", "interval=200ms", "never"] {
            assert_eq!(text.parse::<FsyncPolicy>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_bad_policy_is_refused_with_a_reason() {
        for text in ["", "sometimes", "interval", "interval=0ms", "interval=5", "interval=-1ms"] {
            assert!(text.parse::<FsyncPolicy>().unwrap_err().contains(text));
        }
    }
}
