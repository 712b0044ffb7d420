//! Requests of HTTP: however they are cut into reads, they mean the same.
#![no_main]

use leveret::admin::fuzz_http;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [length, rest @ ..] = bytes else { return };
    let length = usize::from(*length).max(1);
    assert_eq!(fuzz_http(rest, usize::MAX), fuzz_http(rest, length));
});
