//! Planted bugs, to see whether the tests would notice them: not part of a release.
//!
//! Only with the cargo feature `mutants`, and then only the one that the environment variable
//! `LEVERET_MUTANT` names. `tests/mutants` runs them all; each must make a test fail.

/// Whether the planted bug of this name is at work.
#[cfg(feature = "mutants")]
pub(crate) fn mutant(name: &str) -> bool {
    use std::sync::OnceLock;
    static CHOSEN: OnceLock<String> = OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("LEVERET_MUTANT").unwrap_or_default()) == name
}

/// There are no planted bugs: this costs nothing.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn mutant(_name: &str) -> bool {
    false
}
