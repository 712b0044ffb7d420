//! The scripts as a whole: every method of the protocol is in one.

use leveret::wire::METHODS;

use crate::scripts::scripts;

/// Answers that clients give.
const ANSWERS_OF_CLIENTS: &[&str] = &[
    "basic.cancel-ok",
    "channel.close-ok",
    "channel.flow-ok",
    "connection.close-ok",
    "connection.secure-ok",
    "connection.start-ok",
    "connection.tune-ok",
];

/// What only the broker sends, beside the other answers.
const OF_THE_BROKER: &[&str] = &[
    "basic.deliver",
    "basic.get-empty",
    "basic.return",
    "connection.blocked",
    "connection.secure",
    "connection.start",
    "connection.tune",
    "connection.unblocked",
];

/// What both send.
const OF_BOTH: &[&str] = &[
    "basic.ack",
    "basic.cancel",
    "basic.nack",
    "channel.close",
    "channel.close-ok",
    "channel.flow-ok",
    "connection.close",
    "connection.close-ok",
];

/// What no script can have, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("connection.start", "the handshake, which is over before the broker hears of a connection"),
    ("connection.start-ok", "the handshake"),
    ("connection.tune", "the handshake"),
    ("connection.tune-ok", "the handshake"),
    ("connection.open", "a script says `c1 vhost name`"),
    ("connection.open-ok", "the runner leaves it out"),
    ("connection.secure", "never sent: no login has several steps"),
    ("connection.secure-ok", "never asked for"),
    ("connection.blocked", "never sent: a publisher that is too fast is not read from"),
    ("connection.unblocked", "never sent"),
];

#[test]
fn scripts_send_every_method_of_a_client() {
    check(" > ", |name| !of_the_broker_alone(name));
}

#[test]
fn scripts_show_every_method_of_the_broker() {
    check(" < ", |name| of_the_broker_alone(name) || OF_BOTH.contains(&name));
}

fn of_the_broker_alone(name: &str) -> bool {
    let answer = name.ends_with("-ok") && !ANSWERS_OF_CLIENTS.contains(&name);
    answer || OF_THE_BROKER.contains(&name)
}

/// Each method that is `wanted` follows `arrow` in some script, or is an exception.
fn check(arrow: &str, wanted: impl Fn(&str) -> bool) {
    let scripts = scripts();
    let missing: Vec<_> = METHODS
        .iter()
        .map(|method| method.name)
        .filter(|name| wanted(name) && !EXCEPTIONS.iter().any(|(known, _)| known == name))
        .filter(|name| {
            let lines = scripts.iter().flat_map(|(_, text)| text.lines());
            let mut methods = lines.filter_map(|line| line.split_once(arrow));
            !methods.any(|(_, method)| method.split(' ').next() == Some(*name))
        })
        .collect();
    assert!(missing.is_empty(), "in no script: {}", missing.join(", "));
}
