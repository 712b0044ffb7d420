//! Passwords, which are kept as hashes.
//!
//! ```text
//!   RabbitMQ's       | salt: 4 octets | H(salt, password) |           H = SHA-256, SHA-512 or MD5
//!   our own          | rounds: u32 | salt: 16 octets | PBKDF2-HMAC-SHA512(password): 32 octets |
//! ```
//!
//! In definitions both are base64, beside the algorithm's name. RabbitMQ's are kept as they come
//! and can be exported again; its own hashes are quick to compute, and so quick to guess. New
//! passwords get our own form unless the operator prefers what RabbitMQ can read.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use pbkdf2::pbkdf2_hmac;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// Random octets that a new hash needs.
pub const SALT_OCTETS: usize = 16;

/// The longest password that is looked at, in octets: the frame of a login is not longer.
pub const PASSWORD_OCTETS_MAX: usize = 8192;

/// The longest new password, in bytes: connection.start-ok has to have room for it in a frame of
/// 8,192 bytes, beside the longest name and what clients tell of themselves.
pub const NEW_PASSWORD_BYTES_MAX: usize = 4096;

/// Rounds of PBKDF2-HMAC-SHA512 for a new password: some 20 ms of a core. A fleet of 2,000 devices
/// with a user each is then in within half a minute after a restart on two cores, where OWASP's
/// 210,000 rounds would take five minutes; RabbitMQ's hash is one round. Unit tests and fuzzers
/// have no time for that.
const ROUNDS: u32 = if cfg!(any(test, fuzzing)) { 100 } else { 25_000 };

/// More rounds than that are not computed for anybody: a definitions file could ask for hours.
const ROUNDS_MAX: u32 = 10_000_000;

const RABBIT_SALT_OCTETS: usize = 4;
const DERIVED_OCTETS: usize = 32;

/// How a password is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashing {
    /// RabbitMQ's default.
    Sha256,
    /// RabbitMQ's better one.
    Sha512,
    /// RabbitMQ's before 3.6: only ever checked.
    Md5,
    /// PBKDF2-HMAC-SHA512: RabbitMQ cannot read it.
    Pbkdf2,
}

impl Hashing {
    /// All of them.
    const ALL: [Self; 4] = [Self::Sha256, Self::Sha512, Self::Md5, Self::Pbkdf2];

    /// What definitions call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "rabbit_password_hashing_sha256",
            Self::Sha512 => "rabbit_password_hashing_sha512",
            Self::Md5 => "rabbit_password_hashing_md5",
            Self::Pbkdf2 => "leveret_password_hashing_pbkdf2_sha512",
        }
    }

    /// The one that definitions call so, RabbitMQ's or LavinMQ's.
    pub fn named(name: &str) -> Option<Self> {
        let known = Self::ALL.into_iter().find(|hashing| hashing.name() == name);
        known.or(match name {
            "SHA256" => Some(Self::Sha256),
            "SHA512" => Some(Self::Sha512),
            "MD5" => Some(Self::Md5),
            _ => None,
        })
    }

    /// Octets of a hash with its salt.
    const fn octets(self) -> usize {
        match self {
            Self::Sha256 => RABBIT_SALT_OCTETS + 32,
            Self::Sha512 => RABBIT_SALT_OCTETS + 64,
            Self::Md5 => RABBIT_SALT_OCTETS + 16,
            Self::Pbkdf2 => 4 + SALT_OCTETS + DERIVED_OCTETS,
        }
    }
}

/// Why something is no password's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// It is not base64 at all.
    #[error("is not base64")]
    NotBase64,
    /// It would take hours to compute.
    #[error("has an unreasonable number of rounds")]
    Rounds,
    /// It is one that no password can have: whoever it is for cannot log in by password.
    #[error("{0}")]
    Unusable(&'static str),
}

/// A password's hash with its salt. It is never shown but in definitions.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    hashing: Hashing,
    octets: Vec<u8>,
}

impl PasswordHash {
    /// Hashes a password; `salt` is random. Takes as long as a login does.
    pub fn new(hashing: Hashing, salt: [u8; SALT_OCTETS], password: &[u8]) -> Self {
        let short = &salt[..RABBIT_SALT_OCTETS];
        let octets = match hashing {
            Hashing::Sha256 => salted::<Sha256>(short, password),
            Hashing::Sha512 => salted::<Sha512>(short, password),
            Hashing::Md5 => salted::<Md5>(short, password),
            Hashing::Pbkdf2 => derived(ROUNDS, &salt, password),
        };
        Self { hashing, octets }
    }

    /// A hash that nobody's password has, and that takes as long as a new one to compare with.
    pub fn stand_in() -> Self {
        let octets = [&ROUNDS.to_be_bytes()[..], &[0; SALT_OCTETS + DERIVED_OCTETS]].concat();
        Self { hashing: Hashing::Pbkdf2, octets }
    }

    /// The hash that definitions have as `base64`.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(hashing: Hashing, base64: &str) -> Result<Self, HashError> {
        let octets = STANDARD.decode(base64).map_err(|_| HashError::NotBase64)?;
        if octets.len() != hashing.octets() {
            return Err(HashError::Unusable("the hash is not of its algorithm's length"));
        }
        if hashing == Hashing::Pbkdf2 && !(1..=ROUNDS_MAX).contains(&rounds(&octets)) {
            return Err(HashError::Rounds);
        }
        Ok(Self { hashing, octets })
    }

    /// The hash that definitions have without saying by which of RabbitMQ's algorithms it was made:
    /// its length tells.
    ///
    /// # Errors
    /// When it is none.
    pub fn guess(base64: &str) -> Result<Self, HashError> {
        let octets = STANDARD.decode(base64).map_err(|_| HashError::NotBase64)?;
        let rabbit = [Hashing::Md5, Hashing::Sha256, Hashing::Sha512];
        let hashing = rabbit.into_iter().find(|hashing| hashing.octets() == octets.len());
        let unknown = HashError::Unusable("the hash is of no known algorithm's length");
        hashing.map(|hashing| Self { hashing, octets }).ok_or(unknown)
    }

    /// As definitions have it.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.octets)
    }

    /// How it was made.
    pub fn hashing(&self) -> Hashing {
        self.hashing
    }

    /// Whether it is this password's. Takes the same time for every password of a length.
    pub fn verifies(&self, password: &[u8]) -> bool {
        let salt = self.octets.get(..RABBIT_SALT_OCTETS).unwrap_or_default();
        let made = match self.hashing {
            Hashing::Sha256 => salted::<Sha256>(salt, password),
            Hashing::Sha512 => salted::<Sha512>(salt, password),
            Hashing::Md5 => salted::<Md5>(salt, password),
            Hashing::Pbkdf2 => {
                let salt = self.octets.get(4..4 + SALT_OCTETS).unwrap_or_default();
                derived(rounds(&self.octets), salt, password)
            }
        };
        // A blank password is nobody's, whatever hash was imported.
        !password.is_empty() & bool::from(made.ct_eq(&self.octets))
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash({})", self.hashing.name())
    }
}

fn salted<H: Digest>(salt: &[u8], password: &[u8]) -> Vec<u8> {
    let digest = H::new().chain_update(salt).chain_update(password).finalize();
    [salt, digest.as_slice()].concat()
}

fn derived(rounds: u32, salt: &[u8], password: &[u8]) -> Vec<u8> {
    let mut key = [0; DERIVED_OCTETS];
    pbkdf2_hmac::<Sha512>(password, salt, rounds, &mut key);
    [&rounds.to_be_bytes()[..], salt, &key].concat()
}

fn rounds(octets: &[u8]) -> u32 {
    octets.first_chunk().map_or(0, |rounds| u32::from_be_bytes(*rounds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; SALT_OCTETS] = *b"0123456789abcdef";

    #[test]
    fn every_form_knows_its_password_again() {
        for hashing in Hashing::ALL {
            let hash = PasswordHash::new(hashing, SALT, b"geheim");
            let parsed = PasswordHash::parse(hashing, &hash.base64()).unwrap();
            assert!(parsed.verifies(b"geheim"), "{hashing:?}");
            assert!(!parsed.verifies(b"geheim "), "{hashing:?}");
            assert!(!parsed.verifies(b""), "{hashing:?}");
            assert_eq!(Hashing::named(hashing.name()), Some(hashing));
        }
    }

    #[test]
    fn a_hash_that_rabbitmq_made_is_known() {
        // From RabbitMQ's documentation of its password hashes: the password is test12.
        let hash = PasswordHash::parse(
            Hashing::Sha256,
            "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
        );
        assert!(hash.unwrap().verifies(b"test12"));
    }

    #[test]
    fn a_hash_of_a_blank_password_lets_nobody_in() {
        assert!(!PasswordHash::new(Hashing::Sha256, SALT, b"").verifies(b""));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for (hashing, text) in [
            (Hashing::Sha256, "not base64!"),
            (Hashing::Sha256, ""),
            (Hashing::Sha512, "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"),
        ] {
            assert!(PasswordHash::parse(hashing, text).is_err(), "{text}");
        }
        let endless = derived(1, &SALT, b"x");
        let endless = STANDARD.encode([&u32::MAX.to_be_bytes()[..], &endless[4..]].concat());
        assert!(PasswordHash::parse(Hashing::Pbkdf2, &endless).is_err());
    }
}
