//! Definitions to a file and from one.

use std::fs;
use std::io::{self, Read};

use serde_json::Value;

use super::client::path;
use super::output::plain;
use super::{Ctl, DATA, Failure};

fn cannot(file: &str, error: &io::Error) -> Failure {
    Failure::new(DATA, format!("{file}: {error}"))
}

/// Writes a file; `-` is the output.
pub(super) fn export(ctl: &Ctl, words: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    let file = &words[0];
    let definitions = format!("{:#}\n", ctl.get(&path(&["definitions"]))?);
    if file == "-" {
        out.extend_from_slice(definitions.as_bytes());
        return Ok(());
    }
    if ctl.talks() {
        let text = format!("Exporting definitions in JSON to a file at \"{file}\" ...\n");
        out.extend_from_slice(text.as_bytes());
    }
    fs::write(file, definitions).map_err(|error| cannot(file, &error))
}

/// Reads a file; `-` is the input. With --dry-run it says what would be done, a line each.
pub(super) fn import(ctl: &Ctl, words: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    let file = words.first().map_or("-", String::as_str);
    let text = if file == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text = text.map_err(|error| cannot(file, &error))?;
    let definitions: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::new(DATA, format!("{file} is not JSON: {error}")))?;
    if ctl.talks() && !ctl.dry_run {
        let text = format!("Importing definitions in JSON from a file at \"{file}\" ...\n");
        out.extend_from_slice(text.as_bytes());
    }
    let mut path = path(&["definitions"]);
    if ctl.dry_run {
        path += "?dry_run=true";
    }
    let answer = ctl.request("POST", &path, &[], Some(&definitions))?;
    for row in answer["differences"].as_array().into_iter().flatten() {
        let (what, section) = (plain(&row["difference"]), plain(&row["section"]));
        out.extend_from_slice(format!("{what}\t{section}\t{}\n", row["item"]).as_bytes());
    }
    Ok(())
}
