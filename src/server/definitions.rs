//! Definitions without management: imported before clients come, or printed while no broker runs.

use std::path::Path;

use crate::broker::Broker;
use crate::connection::Logins;

/// The definitions in a data directory that no broker is using, as a file's text; with a file, what
/// importing that would do, one line for each thing.
///
/// # Errors
/// When the directory or the file cannot be read.
#[cfg(feature = "management")]
pub fn print(
    config: &crate::config::Config,
    compared: Option<&Path>,
) -> Result<String, super::ServerError> {
    use super::ServerError;
    use crate::definitions::{self, Product};

    // Opening makes what is missing; here that would be a mistake in the name.
    std::fs::read_dir(&config.data_dir)
        .map_err(|error| ServerError::Directory { path: config.data_dir.clone(), error })?;
    let (broker, _) = super::open_broker(config, &super::limits::raise(), super::memory::total())?;
    let current = broker.definitions();
    let logins = super::settings::logins(config, &broker)?;
    let text = match compared {
        Some(path) => read(path, &logins)
            .map(|read| {
                let differences = definitions::difference(&current, &read.changes);
                differences.iter().map(|one| format!("{one}\n")).collect()
            })
            .map_err(|reason| ServerError::Definitions { path: path.to_owned(), reason }),
        None => {
            let product = Product {
                name: "Leveret",
                version: env!("CARGO_PKG_VERSION"),
                compatible_version: crate::connection::COMPATIBLE_VERSION,
            };
            Ok(format!("{:#}\n", definitions::write(&current, product)))
        }
    };
    broker.close_store()?;
    text
}

/// Imports a file: all of it, or nothing and the reason why not.
#[cfg(feature = "management")]
pub(super) fn import(path: &Path, broker: &mut Broker, logins: &Logins) -> Result<(), String> {
    use crate::broker::Effects;
    use crate::broker::access::Change;

    let mut changes = read(path, logins)?.changes;
    if !broker.access().begun {
        changes.insert(0, Change::Begin);
    }
    let count = changes.len();
    broker.change(changes, &mut Effects::default()).map_err(|refused| refused.to_string())?;
    log::info!("imported {count} definitions from {}", path.display());
    Ok(())
}

/// Reads a file; of a directory all files in the order of their names, as one.
#[cfg(feature = "management")]
fn read(path: &Path, logins: &Logins) -> Result<crate::definitions::Definitions, String> {
    if !path.is_dir() {
        return read_file(path, logins);
    }
    let mut all = crate::definitions::Definitions::default();
    for file in files(path).map_err(|error| error.to_string())? {
        let name = file.file_name().unwrap_or_default().display();
        let read = read_file(&file, logins).map_err(|reason| format!("{name}: {reason}"))?;
        all.changes.extend(read.changes);
    }
    Ok(all)
}

/// The files of a directory in the order of their names. Hidden ones are not meant: editors and
/// mounted volumes leave them.
#[cfg(feature = "management")]
fn files(directory: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let entries = std::fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    let shown = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap_or_default();
        path.is_file() && !name.as_encoded_bytes().starts_with(b".")
    };
    let mut files: Vec<_> = entries.iter().map(std::fs::DirEntry::path).filter(shown).collect();
    files.sort();
    Ok(files)
}

#[cfg(feature = "management")]
fn read_file(path: &Path, logins: &Logins) -> Result<crate::definitions::Definitions, String> {
    let file = std::fs::read(path).map_err(|error| error.to_string())?;
    let hash = |password: &[u8]| logins.hash(password).map_err(|error| error.to_string());
    let read = crate::definitions::read(&file, None, &hash).map_err(|error| error.to_string())?;
    for warning in &read.warnings {
        log::warn!("{}: {warning}", path.display());
    }
    Ok(read)
}

/// Says that this build cannot.
#[cfg(not(feature = "management"))]
pub(super) fn import(_: &Path, _: &mut Broker, _: &Logins) -> Result<(), String> {
    Err("this build is without management".to_owned())
}
