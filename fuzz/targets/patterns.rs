//! Patterns of policies and permissions: compiled or refused, and matched in linear time.
#![no_main]

use leveret::broker::access::Pattern;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (pattern, name) = bytes.split_at(bytes.len() / 2);
    let Ok(text) = std::str::from_utf8(pattern) else { return };
    for pattern in [
        Pattern::policy(text),
        Pattern::permission(text),
        Pattern::topic(text, "user.{vhost}", "[v"),
    ]
    .into_iter()
    .flatten()
    {
        let _ = pattern.matches(name);
        let long = name.repeat(1 + 2000 / name.len().max(1));
        let _ = pattern.matches(&long);
    }
});
