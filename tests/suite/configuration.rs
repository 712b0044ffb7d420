//! The page of all settings, made from the same table as the flags.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::Arg;
use leveret::config::{command, variable};

const PAGE: &str = "docs/reference/configuration.md";
const BEGIN: &str = "<!-- settings: made from the table of flags -->\n";
const END: &str = "<!-- settings end -->\n";

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

#[test]
fn the_page_lists_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let table = table();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, [before, BEGIN, &table, END, after].concat()).unwrap();
    } else {
        assert_eq!(written, table, "UPDATE_GOLDEN=1 cargo test --test suite writes {PAGE} anew");
    }
}
