//! Routing as clients see it.

mod chosen;
mod naive;

use super::*;

fn queue(number: u64) -> Destination {
    Destination::Queue(QueueId(number))
}

fn text(value: &str) -> Field {
    Field::LongString(value.as_bytes().to_vec())
}

fn table<const N: usize>(fields: [(&str, Field); N]) -> Table {
    fields.into_iter().map(|(name, field)| (short(name), field)).collect()
}

fn short(value: &str) -> ShortString {
    ShortString::new(value).expect("at most 255 octets")
}

fn binding(destination: Destination, key: &str, arguments: &Table) -> Binding {
    Binding { destination, key: short(key), arguments: arguments.into() }
}

/// Binds what can be bound; `false` if it was.
fn bind(bindings: &mut Bindings, to: Destination, key: &str, arguments: &Table) -> bool {
    bindings.bind(binding(to, key, arguments)).expect("valid arguments")
}

/// An exchange with one binding for each pattern, to the queue of the pattern's place from 0.
fn topic(patterns: &[&str]) -> Bindings {
    let mut bindings = Bindings::new(ExchangeKind::Topic);
    for (number, pattern) in (0..).zip(patterns) {
        bind(&mut bindings, queue(number), pattern, &Table::default());
    }
    bindings
}

fn route(bindings: &Bindings, key: &str, headers: &Table) -> Vec<Destination> {
    let mut found = Vec::new();
    bindings.route(key.as_bytes(), &|| Some(headers.clone()), &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

/// The places of the patterns that match a key.
fn matching(patterns: &[&str], key: &str) -> Vec<usize> {
    let found = route(&topic(patterns), key, &Table::default());
    let is_found = |place: &usize| found.binary_search(&queue(*place as u64)).is_ok();
    (0..patterns.len()).filter(is_found).collect()
}

fn meets(arguments: &Table, headers: &Table) -> bool {
    let mut bindings = Bindings::new(ExchangeKind::Headers);
    bind(&mut bindings, queue(1), "", arguments);
    !route(&bindings, "any.key", headers).is_empty()
}

#[test]
fn exchange_kinds_have_the_names_of_the_specification() {
    for kind in ["direct", "fanout", "topic", "headers", "x-random", "x-delayed-message"] {
        assert_eq!(ExchangeKind::named(kind).map(ExchangeKind::name), Some(kind));
    }
    assert_eq!(ExchangeKind::named("Direct"), None);
    assert_eq!(ExchangeKind::named("x-jms-topic"), None);
}

#[test]
fn direct_compares_the_whole_key() {
    let mut bindings = Bindings::new(ExchangeKind::Direct);
    for (number, key) in [(1, "key"), (2, "key"), (3, "KEY"), (4, "")] {
        bind(&mut bindings, queue(number), key, &Table::default());
    }
    let none = Table::default();
    assert_eq!(route(&bindings, "key", &none), [queue(1), queue(2)]);
    assert_eq!(route(&bindings, "", &none), [queue(4)]);
    assert_eq!(route(&bindings, "ke", &none), []);
    let mut found = Vec::new();
    bindings.route(&[0xFF, 0xFE], &|| None, &mut found);
    assert_eq!(found, [], "a key that is no text is only a key without bindings");
}

#[test]
fn fanout_ignores_the_key_and_gives_each_destination_once() {
    let mut bindings = Bindings::new(ExchangeKind::Fanout);
    let exchange = Destination::Exchange(ExchangeId(1));
    for (destination, key) in [(exchange, ""), (queue(2), "a"), (queue(2), "b"), (queue(1), "")] {
        assert!(bind(&mut bindings, destination, key, &Table::default()));
    }
    let mut found = Vec::new();
    bindings.route(b"key", &|| None, &mut found);
    assert_eq!(found, [queue(1), queue(2), exchange]);
    assert!(bindings.unbind(queue(2), "a", &Table::default()));
    assert_eq!(route(&bindings, "", &Table::default()), [queue(1), queue(2), exchange]);
    assert!(bindings.unbind(queue(2), "b", &Table::default()));
    assert_eq!(route(&bindings, "", &Table::default()), [queue(1), exchange]);
}

#[test]
fn the_empty_key_has_no_words() {
    assert_eq!(matching(&["", "#", "*", "*.#", "#.#"], ""), [0, 1, 4]);
}

#[test]
fn dots_at_the_ends_of_a_key_make_empty_words() {
    assert_eq!(matching(&["a", "a.", "a.*", "a.#", "a.*.*", "*.*"], "a."), [1, 2, 3, 5]);
    assert_eq!(matching(&[".", "*.*", "*", "#", "#.*.*.#", "*.*.*"], "."), [0, 1, 3, 4]);
}

#[test]
fn words_and_wildcards_match_as_the_specification_says() {
    let patterns = ["*.stock.#", "usd.stock", "#.db", "*.*", "usd.*.db.#", "#"];
    assert_eq!(matching(&patterns, "usd.stock"), [0, 1, 3, 5]);
    assert_eq!(matching(&patterns, "eur.stock.db"), [0, 2, 5]);
    assert_eq!(matching(&patterns, "usd.stock.db"), [0, 2, 4, 5]);
    assert_eq!(matching(&patterns, "stock.nasdaq"), [3, 5]);
}

#[test]
fn wildcards_in_a_key_are_plain_words() {
    assert_eq!(matching(&["a.b", "*.*", "#", "a.*"], "*.#"), [1, 2]);
    assert_eq!(matching(&["a*", "a#.b", "**"], "a*"), [0]);
}

#[test]
fn many_hashes_in_a_pattern_cost_no_more_than_their_words() {
    let hostile = "#.a.".repeat(62) + "#.b";
    let runs = "#.".repeat(126) + "#";
    let stars = "#.*.".repeat(62) + "#";
    let patterns = [hostile.as_str(), &runs, &stars, "#.a.#.a.#.a.#.a.#.c"];
    let key = "a.".repeat(126) + "a";
    assert_eq!(matching(&patterns, &key), [1, 2]);
    assert_eq!(matching(&patterns, &(key[..200].to_owned() + "b")), [0, 1, 2]);
}

#[test]
fn headers_are_asked_for_by_a_headers_exchange_with_bindings_only() {
    for kind in [ExchangeKind::Direct, ExchangeKind::Fanout, ExchangeKind::Topic] {
        let mut bindings = Bindings::new(kind);
        bind(&mut bindings, queue(1), "key", &Table::default());
        let mut found = Vec::new();
        bindings.route(b"key", &|| unreachable!("headers of a {kind:?} exchange"), &mut found);
        assert_eq!(found, [queue(1)]);
    }
    let empty = Bindings::new(ExchangeKind::Headers);
    empty.route(b"key", &|| unreachable!("headers without bindings"), &mut Vec::new());
}

#[test]
fn all_is_the_default_and_wants_every_header() {
    let both = table([("a", text("1")), ("b", text("2"))]);
    let first = table([("a", text("1")), ("c", text("3"))]);
    let without = both.clone();
    let mut all = both.clone();
    all.insert(short("x-match"), text("all"));
    let mut any = both.clone();
    any.insert(short("x-match"), text("any"));
    for arguments in [&without, &all] {
        assert!(meets(arguments, &both));
        assert!(!meets(arguments, &first));
    }
    assert!(meets(&any, &first));
    assert!(!meets(&any, &table([("a", text("2"))])));
}

#[test]
fn without_conditions_all_matches_everything_and_any_nothing() {
    let headers = table([("a", text("1"))]);
    for (rule, expected) in
        [("all", true), ("any", false), ("all-with-x", true), ("any-with-x", false)]
    {
        let arguments = table([("x-match", text(rule))]);
        assert_eq!(meets(&arguments, &headers), expected, "{rule}");
        assert_eq!(meets(&arguments, &Table::default()), expected, "{rule}");
    }
    let mut bindings = Bindings::new(ExchangeKind::Headers);
    bind(&mut bindings, queue(1), "", &Table::default());
    let mut found = Vec::new();
    bindings.route(b"", &|| None, &mut found);
    assert_eq!(found, [queue(1)], "a message without headers has none");
}

#[test]
fn arguments_named_x_count_only_where_asked_for() {
    let with = |rule| table([("x-match", text(rule)), ("x-key", text("1")), ("a", text("1"))]);
    let plain = table([("a", text("1"))]);
    let extended = table([("x-key", text("1"))]);
    assert!(meets(&with("all"), &plain));
    assert!(!meets(&with("all-with-x"), &plain));
    assert!(!meets(&with("any"), &extended));
    assert!(meets(&with("any-with-x"), &extended));
}

#[test]
fn an_argument_without_value_asks_for_presence() {
    let present = table([("a", Field::Void)]);
    assert!(meets(&present, &table([("a", Field::I32(7))])));
    assert!(meets(&present, &table([("a", Field::Void)])));
    assert!(!meets(&present, &table([("b", Field::I32(7))])));
    assert!(!meets(&table([("a", text("1"))]), &table([("a", Field::Void)])));
}

#[test]
fn header_values_compare_across_widths_but_not_across_kinds() {
    let ten = table([("a", Field::I8(10))]);
    for same in [Field::U8(10), Field::I16(10), Field::U32(10), Field::I64(10)] {
        assert!(meets(&ten, &table([("a", same)])));
    }
    for other in [Field::I64(11), Field::F64(10.0), text("10"), Field::Boolean(true)] {
        assert!(!meets(&ten, &table([("a", other)])));
    }
    assert!(meets(&table([("a", text("x"))]), &table([("a", Field::Bytes(b"x".to_vec()))])));
    assert!(meets(&table([("a", Field::F32(0.5))]), &table([("a", Field::F64(0.5))])));
    let nested = Field::Array(vec![Field::Table(table([("k", text("v"))]))]);
    assert!(meets(&table([("a", nested.clone())]), &table([("a", nested)])));
}

#[test]
fn an_unknown_x_match_is_refused_with_the_text_of_a_406() {
    let refused = |field| {
        let mut bindings = Bindings::new(ExchangeKind::Headers);
        let refused = bindings.bind(binding(queue(1), "", &table([("x-match", field)])));
        assert!(bindings.is_empty());
        refused.expect_err("an unknown x-match").to_string()
    };
    assert_eq!(
        refused(text("some")),
        "Invalid x-match field value <<\"some\">>; \
         expected all, any, all-with-x, or any-with-x"
    );
    assert_eq!(
        refused(Field::I32(5)),
        "Invalid x-match field type signedint (value 5); expected longstr"
    );
    let mut direct = Bindings::new(ExchangeKind::Direct);
    assert_eq!(direct.bind(binding(queue(1), "", &table([("x-match", text("some"))]))), Ok(true));
}

#[test]
fn a_binding_is_known_again_by_destination_key_and_arguments_in_any_order() {
    let arguments = table([("a", Field::I32(1)), ("b", Field::F64(f64::NAN))]);
    let swapped = table([("b", Field::F64(f64::NAN)), ("a", Field::I32(1))]);
    let wider = table([("a", Field::I64(1)), ("b", Field::F64(f64::NAN))]);
    let mut bindings = Bindings::new(ExchangeKind::Direct);
    assert_eq!(bindings.bind(binding(queue(1), "key", &arguments)), Ok(true));
    assert_eq!(bindings.bind(binding(queue(1), "key", &swapped)), Ok(false));
    assert_eq!(bindings.bind(binding(queue(1), "key", &wider)), Ok(true));
    assert_eq!(bindings.bind(binding(queue(1), "key", &Table::default())), Ok(true));
    assert_eq!(bindings.len(), 3);
    assert!(!bindings.unbind(queue(1), "other", &arguments));
    assert!(bindings.unbind(queue(1), "key", &swapped));
    assert!(!bindings.unbind(queue(1), "key", &arguments));
    assert_eq!(route(&bindings, "key", &Table::default()), [queue(1)]);
}
