//! The data directory as it is found: whether it may be used, before anything is made in it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use log::warn;

use super::ServerError;

/// What tells a data directory: a directory that has it is ours, whatever else is there.
const MARK: &str = "version";

/// What a data directory has, of which some may be there when a first start was cut off.
const OWN: [&str; 11] = [
    "bad",
    "bodies",
    "boot",
    "clean",
    "control.sock",
    "journal",
    "lock",
    "queues",
    "snapshots",
    "transient",
    "transient.old",
];

/// The names that are shown of foreign files, at most.
const SHOWN_MAX: usize = 5;

/// Refuses a directory that holds somebody else's files, and warns of one that others may change.
/// One that is not there is made later.
pub(super) fn check(path: &Path) -> Result<(), ServerError> {
    let wrong = |error| ServerError::Directory { path: path.to_owned(), error };
    let Ok(found) = fs::metadata(path) else { return Ok(()) };
    if !found.is_dir() {
        return Err(wrong(io::Error::other("it is no directory")));
    }
    if found.permissions().mode() & 0o002 != 0 {
        warn!("everybody on this machine may change the data directory {}", path.display());
    }
    let entries = fs::read_dir(path).map_err(wrong)?.collect::<Result<Vec<_>, _>>();
    let names: Vec<String> = entries
        .map_err(wrong)?
        .iter()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    if names.iter().any(|name| name == MARK) {
        return Ok(());
    }
    let mut foreign: Vec<_> = names.iter().filter(|name| is_foreign(name)).collect();
    foreign.sort();
    if foreign.is_empty() {
        return Ok(());
    }
    let (count, shown) = (foreign.len(), foreign.iter().take(SHOWN_MAX));
    let shown: Vec<_> = shown.map(|name| format!("'{}'", name.escape_debug())).collect();
    let more = if count > SHOWN_MAX { ", …" } else { "" };
    Err(wrong(io::Error::other(format!(
        "it holds files that are not Leveret's ({}{more}): give --data-dir an empty directory",
        shown.join(", ")
    ))))
}

/// Whether a file is nobody's who makes data directories: not ours, none that a file system has, and
/// none that is hidden.
fn is_foreign(name: &str) -> bool {
    let own = OWN.contains(&name) || name.ends_with(".tmp");
    !own && name != "lost+found" && !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_other_files_is_refused_and_left_as_it_is() {
        let directory = tempfile::TempDir::new().unwrap();
        for (name, refused) in [
            ("lost+found", false),
            ("journal", false),
            (".gitkeep", false),
            ("version.tmp", false),
            ("thesis.tex", true),
            ("version", false),
        ] {
            fs::write(directory.path().join(name), "x").unwrap();
            let checked = check(directory.path()).map_err(|error| error.to_string());
            assert_eq!(checked.is_err(), refused, "{name}: {checked:?}");
            if let Err(text) = checked {
                assert!(text.contains("'thesis.tex'") && !text.contains("lost"), "{text}");
            }
        }
        assert!(check(&directory.path().join("nowhere")).is_ok());
        assert!(check(&directory.path().join("thesis.tex")).is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 6);
    }
}
