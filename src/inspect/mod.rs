//! `leveret inspect DIR`: what a data directory holds and what is wrong with it, without changing
//! it.
//!
//! ```text
//!   directory ──▶ store::inspect ──▶ files, problems ──┐
//!        └──────▶ recovered (overlay) ──▶ definitions, queues, messages ──▶ text or json ──▶ stdout
//! ```
//!
//! Left out: mending. What is damaged is told, so that somebody can decide.

mod entries;
mod json;
mod lines;
mod raw;
mod recovered;
mod text;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::WallClock;
use crate::store::{self, Disk, ReadOnlyDisk, StoreError};

use recovered::Recovered;

/// The flags of `leveret inspect`.
#[derive(Clone, Debug, clap::Args)]
pub struct InspectOptions {
    /// The data directory, or a copy of one
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,

    /// Prints JSON: an object, then one more on a line of its own for each message or record
    #[arg(long)]
    pub json: bool,

    /// Prints every record of every file too, settled ones as well
    #[arg(long, conflicts_with = "queue")]
    pub records: bool,

    /// Prints the messages of the queues of this name too, in order
    #[arg(long, value_name = "NAME")]
    pub queue: Option<String>,

    /// Prints the bodies of messages too, up to 4,096 octets of each
    #[arg(long)]
    pub bodies: bool,

    /// Prints nothing: the exit code tells
    #[arg(long, conflicts_with_all = ["json", "records", "queue", "bodies"])]
    pub quiet: bool,
}

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as it was written.
    Whole,
    /// Something is damaged, or a broker would refuse to start.
    Damaged,
}

/// Why nothing came out.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// There is no store in it.
    #[error("{} is not a data directory", .0.display())]
    NoStore(PathBuf),
    /// The directory cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// A directory in it cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody takes what is printed.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Looks at a data directory and prints what it holds to `out`.
///
/// # Errors
///
/// When it is none or cannot be read, or `out` cannot be written to.
pub fn run(options: &InspectOptions, out: &mut dyn Write) -> Result<Verdict, InspectError> {
    let path = &options.directory;
    let readable = std::fs::read_dir(path).map(drop);
    readable.map_err(|error| InspectError::Directory { path: path.clone(), error })?;
    look(Arc::new(ReadOnlyDisk::new(path)), path, options, out)
}

fn look(
    disk: Arc<dyn Disk>,
    path: &Path,
    options: &InspectOptions,
    out: &mut dyn Write,
) -> Result<Verdict, InspectError> {
    let found = store::inspect(Arc::clone(&disk))?;
    let mut found = found.ok_or_else(|| InspectError::NoStore(path.to_owned()))?;
    let mut recovered = match found.refusal {
        Some(_) => None,
        None => match Recovered::try_out(Arc::clone(&disk)) {
            Ok(recovered) => Some(recovered),
            Err(error) => {
                found.refusal = Some(error.to_string());
                None
            }
        },
    };
    let verdict = if found.is_damaged() { Verdict::Damaged } else { Verdict::Whole };
    if options.quiet {
        return Ok(verdict);
    }
    if options.json {
        json::print(&found, recovered.as_ref(), path, out)?;
    } else {
        text::print(&found, recovered.as_ref(), path, out)?;
    }
    let (json, bodies, wall) = (options.json, options.bodies, WallClock::default());
    let mut lines = lines::Lines { json, bodies, wall, out };
    if let (Some(name), Some(recovered)) = (&options.queue, &mut recovered) {
        recovered.messages(name, &mut lines)?;
    }
    if options.records {
        raw::print(disk, &mut lines)?;
    }
    out.flush()?;
    Ok(verdict)
}
