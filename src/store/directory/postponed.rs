//! What opening finds to be changed, and does not change before the directory is accepted.
//!
//! ```text
//!   look at everything ─▶ refuse: nothing was changed, the next start refuses again
//!                     └─▶ accept: the changes are made, then the journal is begun
//! ```

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{BAD, Directory};
use crate::store::error::StoreError;
use crate::store::mapping::Mapping;

/// Changes that are made once it is certain that the directory can be begun with.
#[derive(Default)]
pub(in crate::store) struct Postponed {
    copies: Vec<(String, Arc<dyn Mapping>, Range<usize>)>,
    renames: Vec<(PathBuf, PathBuf)>,
    removals: Vec<PathBuf>,
}

impl Postponed {
    /// Octets of a file will be copied to `bad/`.
    pub(in crate::store) fn copy(
        &mut self,
        name: String,
        mapping: &Arc<dyn Mapping>,
        octets: Range<usize>,
    ) {
        self.copies.push((name, Arc::clone(mapping), octets));
    }

    /// A file will get another name.
    pub(in crate::store) fn rename(&mut self, from: PathBuf, to: PathBuf) {
        self.renames.push((from, to));
    }

    /// A file will be moved to `bad/`.
    pub(in crate::store) fn set_aside(&mut self, path: PathBuf, name: &str) {
        self.rename(path, Path::new(BAD).join(name));
    }

    /// A file will be removed, after what is to be kept of it is copied.
    pub(in crate::store) fn remove(&mut self, path: PathBuf) {
        self.removals.push(path);
    }

    /// Makes the changes.
    pub(in crate::store) fn make(self, directory: &Directory) -> Result<(), StoreError> {
        let Directory { health, disk, .. } = directory;
        for (name, mapping, octets) in self.copies {
            directory.set_aside(&name, mapping.bytes().get(octets).unwrap_or_default());
        }
        for (from, to) in self.renames {
            log::warn!("{} is set aside as {}", from.display(), to.display());
            health.attempt("rename", &from, || disk.rename(&from, &to))?;
        }
        for path in self.removals {
            health.attempt("remove", &path, || disk.remove(&path))?;
        }
        Ok(())
    }
}
