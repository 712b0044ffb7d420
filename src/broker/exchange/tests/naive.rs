//! Every kind of exchange against a plain list of bindings.

use proptest::prelude::*;

use super::super::*;
use crate::broker::arguments::value;

use super::{binding, matching, queue, route, short, text};

/// What a client may ask of one exchange.
#[derive(Clone, Debug)]
enum Step {
    Bind(Binding),
    Unbind(Binding),
    Remove(Destination),
}

/// A plain list of bindings, and matching as the specification tells it.
#[derive(Default)]
struct Naive(Vec<Binding>);

impl Naive {
    fn apply(&mut self, step: &Step) {
        match step {
            Step::Bind(new) if self.0.contains(new) => {}
            Step::Bind(new) => self.0.push(new.clone()),
            Step::Unbind(old) => self.0.retain(|binding| binding != old),
            Step::Remove(gone) => self.0.retain(|binding| binding.destination != *gone),
        }
    }

    fn route(&self, kind: ExchangeKind, key: &str, headers: &Table) -> Vec<Destination> {
        let matches = |binding: &&Binding| match kind {
            ExchangeKind::Direct => *binding.key == *key,
            ExchangeKind::Fanout => true,
            ExchangeKind::Topic => naive_topic(&naive_words(&binding.key), &naive_words(key)),
            ExchangeKind::Headers => naive_headers(&binding.arguments.unpack(), headers),
            other => unreachable!("{other:?} is tested elsewhere"),
        };
        let mut found: Vec<_> =
            self.0.iter().filter(matches).map(|binding| binding.destination).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn naive_words(key: &str) -> Vec<&str> {
    if key.is_empty() { Vec::new() } else { key.split('.').collect() }
}

fn naive_topic(pattern: &[&str], key: &[&str]) -> bool {
    match pattern.split_first() {
        None => key.is_empty(),
        Some((&"#", rest)) => (0..=key.len()).any(|taken| naive_topic(rest, &key[taken..])),
        Some((&word, rest)) => {
            !key.is_empty() && (word == "*" || word == key[0]) && naive_topic(rest, &key[1..])
        }
    }
}

fn naive_headers(arguments: &Table, headers: &Table) -> bool {
    let rule = match arguments.get("x-match") {
        Some(Field::LongString(rule)) => rule.as_slice(),
        _ => b"all",
    };
    let mut results = Vec::new();
    for (name, wanted) in arguments.iter() {
        if &**name == "x-match" || (name.starts_with("x-") && !rule.ends_with(b"-with-x")) {
            continue;
        }
        let header = headers.get(name);
        let same = |header| *wanted == Field::Void || value::same(wanted, header);
        results.push(header.is_some_and(same));
    }
    if rule.starts_with(b"all") { !results.contains(&false) } else { results.contains(&true) }
}

fn some_key() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["a", "b", "", r"\*", "#"], 0..6)
        .prop_map(|words| words.join("."))
}

fn some_field() -> impl Strategy<Value = Field> {
    prop_oneof![
        Just(Field::Void),
        Just(text("1")),
        Just(Field::Bytes(b"1".to_vec())),
        Just(Field::Boolean(true)),
        Just(Field::I8(1)),
        Just(Field::I64(1)),
        Just(Field::F32(0.0)),
        Just(Field::F64(-0.0)),
        Just(Field::Timestamp(1)),
        Just(Field::Array(vec![Field::F64(0.0)])),
        Just(Field::Array(vec![Field::F64(1.0)])),
    ]
}

fn some_headers() -> impl Strategy<Value = Table> {
    let names = prop_oneof![Just("a"), Just("b"), Just("x-c")];
    proptest::collection::btree_map(names, some_field(), 0..3)
        .prop_map(|fields| fields.into_iter().map(|(name, field)| (short(name), field)).collect())
}

fn some_arguments() -> impl Strategy<Value = Table> {
    let rules = prop_oneof!["all", "any", "all-with-x", "any-with-x"];
    (some_headers(), proptest::option::of(rules)).prop_map(|(mut arguments, rule)| {
        if let Some(rule) = rule {
            arguments.insert(short("x-match"), text(&rule));
        }
        arguments
    })
}

fn some_destination() -> impl Strategy<Value = Destination> {
    prop_oneof![
        (0..4_u64).prop_map(queue),
        (0..2_u64).prop_map(|number| Destination::Exchange(ExchangeId(number)))
    ]
}

fn some_binding() -> impl Strategy<Value = Binding> {
    (some_destination(), some_key(), some_arguments())
        .prop_map(|(destination, key, arguments)| binding(destination, &key, &arguments))
}

fn some_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => some_binding().prop_map(Step::Bind),
        3 => some_binding().prop_map(Step::Unbind),
        1 => some_destination().prop_map(Step::Remove),
    ]
}

proptest! {
    #[test]
    fn every_kind_agrees_with_a_plain_list_of_bindings(
        kind in prop_oneof!["direct", "fanout", "topic", "headers"],
        steps in proptest::collection::vec(some_step(), 0..40),
        messages in proptest::collection::vec((some_key(), some_headers()), 8),
    ) {
        let kind = ExchangeKind::named(&kind).expect("a kind");
        let mut bindings = Bindings::new(kind);
        let mut naive = Naive::default();
        for step in &steps {
            let before = naive.0.len();
            naive.apply(step);
            match step.clone() {
                Step::Bind(new) => {
                    prop_assert_eq!(bindings.bind(new), Ok(naive.0.len() > before));
                }
                Step::Unbind(old) => {
                    let known = bindings.unbind(old.destination, &old.key, &old.arguments.unpack());
                    prop_assert_eq!(known, naive.0.len() < before);
                }
                Step::Remove(gone) => {
                    let removed = bindings.remove_destination(gone, usize::MAX);
                    prop_assert!(removed.iter().all(|binding| binding.destination == gone));
                    prop_assert_eq!(removed.len(), before - naive.0.len());
                }
            }
            prop_assert_eq!(bindings.len(), naive.0.len());
        }
        prop_assert!(bindings.iter().all(|binding| naive.0.contains(binding)));
        prop_assert!(bindings.iter().is_sorted_by_key(|binding| binding.destination));
        for (key, headers) in &messages {
            let expected = naive.route(kind, key, headers);
            prop_assert_eq!(route(&bindings, key, headers), expected, "key {:?}", key);
        }
    }

    #[test]
    fn a_topic_pattern_matches_what_the_naive_matcher_says(
        patterns in proptest::collection::vec(some_key(), 1..30),
        key in some_key(),
    ) {
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let words = naive_words(&key);
        let matches = |place: &usize| naive_topic(&naive_words(patterns[*place]), &words);
        let expected: Vec<usize> = (0..patterns.len()).filter(matches).collect();
        prop_assert_eq!(matching(&patterns, &key), expected);
    }
}
