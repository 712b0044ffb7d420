//! A file of definitions: read it, or say what is wrong with it.
#![no_main]

use leveret::broker::access::{Hashing, PasswordHash, SALT_OCTETS};
use leveret::definitions;
use leveret::wire::ShortString;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let hash = |password: &[u8]| Ok(PasswordHash::new(Hashing::Sha256, [1; SALT_OCTETS], password));
    for vhost in [None, Some(ShortString::clipped("v"))] {
        if let Err(error) = definitions::read(bytes, vhost.as_ref(), &hash) {
            assert!(!error.to_string().is_empty());
        }
    }
});
