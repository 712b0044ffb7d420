//! The page of all settings, made from the same table as the flags.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::Arg;
use leveret::config::{ENDPOINTS, KEYS, Meaning, command, variable};

const PAGE: &str = "docs/reference/configuration.md";
const BEGIN: &str = "<!-- settings: made from the table of flags -->\n";
const END: &str = "<!-- settings end -->\n";

const BEGIN_RABBITMQ: &str = "<!-- RabbitMQ's keys: made from the table of their meanings -->\n";
const END_RABBITMQ: &str = "<!-- RabbitMQ's keys end -->\n";

/// The table of all settings, in the order of `leveret --help`.
fn table() -> String {
    let mut text = String::from("| key | flag | variable | default | |\n|---|---|---|---|---|\n");
    for arg in command().get_arguments().filter(|arg| !arg.is_hide_set()) {
        let Some(flag) = arg.get_long() else { continue };
        let key =
            if flag == "config" { String::new() } else { format!("`{}`", flag.replace('-', "_")) };
        let names = arg.get_value_names().filter(|_| arg.get_action().takes_values());
        let names: Vec<_> = names.into_iter().flatten().map(ToString::to_string).collect();
        let shown = [&[format!("--{flag}")][..], &names].concat().join(" ").replace('|', "\\|");
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let variable = variable(flag);
        writeln!(text, "| {key} | `{shown}` | `{variable}` | {} | {help} |", default(arg)).unwrap();
    }
    text
}

fn default(arg: &Arg) -> String {
    let values = arg.get_default_values().iter().map(|value| format!("`{}`", value.display()));
    if arg.get_action().takes_values() {
        values.collect::<Vec<_>>().join(", ")
    } else {
        String::new()
    }
}

/// RabbitMQ's keys that are settings here, with those: in the order in which they are looked for.
fn rabbitmq() -> String {
    let mut text = String::from("| RabbitMQ's key | here |\n|---|---|\n");
    let setting = |flag: &str| format!("`{}`", flag.replace('-', "_"));
    for (key, meaning) in KEYS {
        let key = key.replace('$', "\u{2026}");
        match meaning {
            Meaning::Flag("", _) => writeln!(text, "| `{key}` | checked |"),
            Meaning::Flag(flag, _) => writeln!(text, "| `{key}` | {} |", setting(flag)),
            Meaning::Restricting(advice) => {
                writeln!(text, "| `{key}` | refuses the start: {advice} |")
            }
            Meaning::Lacking(advice) => writeln!(text, "| `{key}` | a warning: {advice} |"),
            Meaning::Nothing => Ok(()),
        }
        .unwrap();
    }
    for (start, flag, port) in ENDPOINTS {
        let (flag, keys) = (setting(flag), format!("`{start}.port`, `{start}.ip`"));
        writeln!(text, "| {keys} | {flag}; port {port} if none is said |").unwrap();
    }
    let nothing = KEYS.iter().filter(|(_, meaning)| matches!(meaning, Meaning::Nothing));
    let nothing: Vec<_> =
        nothing.map(|(key, _)| format!("`{}`", key.replace('$', "\u{2026}"))).collect();
    writeln!(text, "\nWithout meaning here: {}.", nothing.join(", ")).unwrap();
    text
}

/// Compares what is between two marks of the page with what it has to be, or writes it.
fn check(begin: &str, end: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(begin).unwrap();
    let (written, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, [before, begin, wanted, end, after].concat()).unwrap();
    } else {
        assert_eq!(written, wanted, "UPDATE_GOLDEN=1 cargo test --test suite writes {PAGE} anew");
    }
}

#[test]
fn the_page_lists_every_setting_and_every_key_of_rabbitmq() {
    check(BEGIN, END, &table());
    check(BEGIN_RABBITMQ, END_RABBITMQ, &rabbitmq());
}
