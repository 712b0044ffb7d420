//! Topic bindings against the specification's words.
#![no_main]

use leveret::broker::exchange::{Binding, Bindings, Destination, ExchangeKind};
use leveret::ids::QueueId;
use leveret::wire::ShortString;
use libfuzzer_sys::fuzz_target;

/// Whether a pattern matches a key, as the specification tells it.
fn matches(pattern: &[&str], key: &[&str]) -> bool {
    match pattern.split_first() {
        None => key.is_empty(),
        Some((&"#", rest)) => (0..=key.len()).any(|taken| matches(rest, &key[taken..])),
        Some((&word, rest)) => {
            !key.is_empty() && (word == "*" || word == key[0]) && matches(rest, &key[1..])
        }
    }
}

/// The words of a pattern or key; the empty one has none.
fn words(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split('.').collect() }
}

/// One of five words for each byte, so that patterns and keys meet.
fn spell(bytes: &[u8], wild: bool) -> String {
    let words = if wild { ["a", "b", "*", "#", ""] } else { ["a", "b", "c", "*", ""] };
    let spelt: Vec<_> = bytes.iter().map(|byte| words[usize::from(*byte) % 5]).collect();
    spelt.join(".")
}

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(9, |byte| *byte == 255);
    let key = spell(parts.next().unwrap_or_default().get(..8).unwrap_or_default(), false);
    let patterns: Vec<_> = parts.map(|part| spell(&part[..part.len().min(8)], true)).collect();
    let mut bindings = Bindings::new(ExchangeKind::Topic);
    for (number, pattern) in (0..).zip(&patterns) {
        let destination = Destination::Queue(QueueId(number));
        let key = ShortString::clipped(pattern);
        let binding = Binding { destination, key, arguments: Default::default() };
        bindings.bind(binding).expect("a topic exchange takes every pattern");
    }
    let mut found = Vec::new();
    bindings.route(key.as_bytes(), &|| None, &mut found);
    for (number, pattern) in (0..).zip(&patterns) {
        let expected = matches(&words(pattern), &words(&key));
        let reached = found.contains(&Destination::Queue(QueueId(number)));
        assert_eq!(reached, expected, "pattern '{pattern}', key '{key}'");
    }
});
