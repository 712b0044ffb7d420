//! What arguments are accepted, and the texts for those that are not.

use super::*;

const QUEUE: &str = "queue 'q' in vhost '/'";

fn long_string(value: &str) -> Field {
    Field::LongString(value.as_bytes().to_vec())
}

fn table<const N: usize>(fields: [(&str, Field); N]) -> Table {
    let name = |name| ShortString::new(name).expect("at most 255 octets");
    fields.into_iter().map(|(text, field)| (name(text), field)).collect()
}

fn accepted<const N: usize>(fields: [(&str, Field); N]) -> QueueArguments {
    QueueArguments::parse(&table(fields)).expect("valid arguments")
}

/// What a refused argument's text says behind the part that is always the same.
fn refused<const N: usize>(argument: &str, fields: [(&str, Field); N]) -> String {
    let text = QueueArguments::parse(&table(fields)).expect_err("a bad argument").text(QUEUE);
    let start = format!("invalid arg '{argument}' for {QUEUE}");
    text.strip_prefix(&start).map(str::to_owned).unwrap_or(text)
}

fn difference(
    argument: &'static str,
    current: Option<Field>,
    received: Option<Field>,
) -> Option<String> {
    let [current, received] = [current, received]
        .map(|field| field.map_or_else(Table::default, |field| table([(argument, field)])));
    Differences::default().arguments(&current, &received, [argument]).text(QUEUE)
}

#[test]
fn known_arguments_become_options() {
    let arguments = accepted([
        ("x-message-ttl", Field::I32(0)),
        ("x-expires", Field::I64(315_360_000_000)),
        ("x-max-length", Field::U8(3)),
        ("x-max-length-bytes", Field::I64(i64::MAX)),
        ("x-overflow", long_string("reject-publish")),
        ("x-dead-letter-exchange", long_string("")),
        ("x-dead-letter-routing-key", long_string("dead")),
        ("x-max-priority", Field::I16(255)),
        ("x-single-active-consumer", Field::Boolean(true)),
    ]);
    assert_eq!(arguments.queue_type, QueueType::Classic);
    assert_eq!(arguments.message_ttl, Some(Duration::ZERO));
    assert_eq!(arguments.expires, Some(Duration::from_millis(315_360_000_000)));
    assert_eq!(arguments.max_length, Some(3));
    assert_eq!(arguments.max_length_bytes, Some(i64::MAX as u64));
    assert_eq!(arguments.overflow, Overflow::RejectPublish);
    assert_eq!(arguments.dead_letter_exchange.as_deref(), Some(""));
    assert_eq!(arguments.dead_letter_routing_key.as_deref(), Some(b"dead".as_slice()));
    assert_eq!(arguments.max_priority, Some(255));
    assert!(arguments.single_active_consumer);
    assert_eq!(arguments.table.unpack().len(), 9);
}

#[test]
fn unknown_arguments_are_kept_and_ignored() {
    let arguments = accepted([("x-unheard-of", Field::Void), ("plain", Field::F32(1.5))]);
    assert_eq!(arguments.table.unpack().len(), 2);
    assert_eq!(arguments.max_length, None);
    let other = table([("x-unheard-of", Field::I8(1))]);
    assert_eq!(arguments.compare(&other, Differences::default()).text(QUEUE), None);
}

#[test]
fn all_three_queue_types_are_accepted_and_no_others() {
    for name in ["classic", "quorum", "stream"] {
        assert_eq!(accepted([("x-queue-type", long_string(name))]).queue_type.name(), name);
    }
    let bad = |field| refused("x-queue-type", [("x-queue-type", field)]);
    assert_eq!(bad(long_string("mirrored")), ": \"unsupported queue type 'mirrored'\"");
    assert_eq!(bad(Field::I64(1)), ": {unacceptable_type,long}");
}

#[test]
fn values_out_of_range_are_refused_in_the_words_of_rabbitmq() {
    let bad = |argument, field| refused(argument, [(argument, field)]);
    assert_eq!(bad("x-message-ttl", Field::I32(-1)), ": {value_negative,-1}");
    assert_eq!(bad("x-message-ttl", long_string("5")), ": \"expected integer, got longstr\"");
    let too_large = Field::I64(315_360_000_001);
    assert_eq!(bad("x-message-ttl", too_large), ": {value_too_large,315360000001}");
    assert_eq!(bad("x-expires", Field::I32(0)), ": {value_zero,0}");
    assert_eq!(bad("x-expires", Field::F64(10.0)), ": \"expected integer, got double\"");
    assert_eq!(bad("x-max-length", Field::I8(-128)), ": {value_negative,-128}");
    assert_eq!(bad("x-max-priority", Field::I16(256)), ": {max_value_exceeded,256}");
    assert_eq!(bad("x-overflow", long_string("drop-tail")), ": invalid_overflow");
    assert_eq!(bad("x-overflow", Field::Boolean(true)), ": {unacceptable_type,bool}");
    let boolean = "x-single-active-consumer";
    assert_eq!(bad(boolean, long_string("true")), ": {unacceptable_type,longstr}");
    assert_eq!(bad("x-queue-version", Field::I32(1)), ": \"unsupported queue version '1'\"");
    assert_eq!(bad("x-max-age", long_string("7")), ": invalid_max_age");
}

#[test]
fn dead_lettering_needs_an_exchange_with_a_name() {
    let (exchange, key) = ("x-dead-letter-exchange", "x-dead-letter-routing-key");
    assert_eq!(refused(key, [(key, long_string("k"))]), ": routing_key_but_no_dlx_defined");
    assert_eq!(
        refused(exchange, [(exchange, Field::I32(1))]),
        "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'"
    );
    let long = long_string(&"k".repeat(256));
    assert_eq!(refused(exchange, [(exchange, long.clone())]), ": invalid_exchange_name");
    let fields = [(exchange, long_string("dlx")), (key, long)];
    assert_eq!(refused(key, fields), ": invalid_routing_key");
    let invalid = Field::LongString(vec![0xFF]);
    assert_eq!(refused(exchange, [(exchange, invalid)]), ": invalid_exchange_name");
}

#[test]
fn arguments_of_other_queue_types_are_refused() {
    assert_eq!(
        refused("x-max-age", [("x-max-age", long_string("7D"))]),
        " of queue type rabbit_classic_queue"
    );
    let quorum = ("x-queue-type", long_string("quorum"));
    assert_eq!(
        refused("x-max-priority", [quorum.clone(), ("x-max-priority", Field::U8(3))]),
        " of queue type rabbit_quorum_queue"
    );
    accepted([quorum, ("x-delivery-limit", Field::I32(-1))]);
    accepted([("x-queue-type", long_string("stream")), ("x-max-age", long_string("7D"))]);
}

#[test]
fn no_priorities_is_the_same_as_a_highest_priority_of_zero() {
    assert_eq!(accepted([("x-max-priority", Field::I32(0))]).max_priority, None);
}

#[test]
fn an_exchange_may_name_an_alternate() {
    let arguments = ExchangeArguments::parse(&table([("alternate-exchange", long_string("ae"))]));
    let arguments = arguments.expect("a valid name");
    assert_eq!(arguments.alternate_exchange.as_deref(), Some("ae"));
}

#[test]
fn a_consumers_priority_is_any_integer() {
    let parse = |field| ConsumerArguments::parse(&table([("x-priority", field)]));
    assert_eq!(parse(Field::I8(-5)).expect("an integer").priority, -5);
    assert_eq!(
        parse(long_string("high")).expect_err("no integer").text(QUEUE),
        "invalid arg 'x-priority' for queue 'q' in vhost '/': \"expected integer, got longstr\""
    );
    assert_eq!(ConsumerArguments::parse(&Table::default()).expect("none").priority, 0);
}

#[test]
fn equivalence_is_by_value() {
    let same = |left, right| difference("x-max-length", Some(left), Some(right)).is_none();
    assert!(same(Field::I32(10), Field::I64(10)));
    assert!(same(Field::U8(10), Field::I16(10)));
    assert!(same(long_string("a"), long_string("a")));
    assert!(!same(Field::I32(10), Field::F64(10.0)));
    assert!(!same(Field::I32(10), long_string("10")));
    let classic = Some(long_string("classic"));
    assert_eq!(difference("x-queue-type", None, classic.clone()), None);
    assert_eq!(difference("x-queue-type", classic, None), None);
    assert_eq!(difference("x-max-length", None, None), None);
}

#[test]
fn a_difference_is_told_in_the_words_of_rabbitmq() {
    let told = |argument, current, received| {
        let text = difference(argument, current, received).expect("a difference");
        let start = format!("inequivalent arg '{argument}' for queue 'q' in vhost '/': ");
        text.strip_prefix(&start).map(str::to_owned).unwrap_or(text)
    };
    let ttl = |current, received| told("x-message-ttl", current, received);
    assert_eq!(
        ttl(None, Some(Field::I32(20_000))),
        "received the value '20000' of type 'signedint' but current is none"
    );
    assert_eq!(
        ttl(Some(Field::I64(5_000)), None),
        "received none but current is the value '5000' of type 'long'"
    );
    assert_eq!(
        ttl(Some(Field::I64(30_000)), Some(Field::I32(60_000))),
        "received '60000' but current is '30000'"
    );
    assert_eq!(
        ttl(Some(Field::I64(10)), Some(long_string("10"))),
        "received the value '10' of type 'longstr' but current is the value '10' of type 'long'"
    );
    assert_eq!(
        told("x-queue-type", Some(long_string("quorum")), Some(long_string("classic"))),
        "received 'classic' but current is 'quorum'"
    );
}

#[test]
fn properties_are_compared_too() {
    let told = |differences: Differences| differences.text("exchange 'x' in vhost '/'");
    let same = Differences::default().property("durable", &true, &true);
    assert_eq!(told(same.clone()), None);
    let found = same.property("type", &"direct", &"fanout");
    let text = "inequivalent arg 'type' for exchange 'x' in vhost '/': \
                received 'fanout' but current is 'direct'";
    assert_eq!(told(found.clone()).as_deref(), Some(text));
    let found = found.property("internal", &true, &false).property("durable", &false, &true);
    let text = format!(
        "{text}; 'internal': received 'false' but current is 'true'; \
         'durable': received 'true' but current is 'false'"
    );
    assert_eq!(told(found), Some(text));
}
