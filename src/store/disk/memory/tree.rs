//! The names on a disk in memory: as they are seen, as they are synced, and what was done since.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::chance::Chance;
use super::content::Content;

/// The names as every process sees them, and as a power cut would leave them.
#[derive(Default)]
pub(super) struct Tree {
    pub live: Directories,
    durable: Directories,
    unsynced: Vec<Names>,
}

#[derive(Clone, Default)]
pub(super) struct Directories {
    pub directories: BTreeSet<PathBuf>,
    pub files: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
}

/// A change of names.
#[derive(Clone)]
pub(super) enum Names {
    Directory(PathBuf),
    File(PathBuf, Arc<Mutex<Content>>),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Tree {
    pub(super) fn change(&mut self, change: Names) {
        change.apply(&mut self.live);
        self.unsynced.push(change);
    }

    /// Makes the names in a directory durable.
    pub(super) fn sync(&mut self, path: &Path) {
        let (live, durable) = (&self.live, &mut self.durable);
        let before = durable.clone();
        self.unsynced.retain(|change| {
            let here = change.is_in(path);
            if here {
                change.apply(durable);
            }
            !here
        });
        // What was removed and made anew since is another directory, whose names may be synced.
        for (path, content) in before.files {
            if live.files.get(&path).is_some_and(|other| Arc::ptr_eq(other, &content)) {
                durable.files.insert(path, content);
            }
        }
    }

    /// The tree as a killed process leaves it.
    pub(super) fn copy(&self) -> Self {
        let mut copies = Copies::default();
        let unsynced = self.unsynced.iter().map(|change| match change {
            Names::File(path, content) => Names::File(path.clone(), copies.of(content)),
            other => other.clone(),
        });
        let unsynced = unsynced.collect();
        let (live, durable) = (copies.all(&self.live), copies.all(&self.durable));
        Self { live, durable, unsynced }
    }

    /// The tree as a power cut leaves it.
    pub(super) fn cut(&self, chance: &mut Chance) -> Self {
        let mut left = self.durable.clone();
        for change in &self.unsynced {
            if chance.kept() {
                change.apply(&mut left);
            }
        }
        // What is in a directory that is not there cannot be found.
        let known = left.clone();
        left.directories.retain(|path| known.has_parent(path));
        let known = left.clone();
        left.files.retain(|path, _| known.has_parent(path));
        for content in left.files.values_mut() {
            let cut = content.lock().cut(chance);
            *content = Arc::new(Mutex::new(cut));
        }
        Self { live: left.clone(), durable: left, unsynced: Vec::new() }
    }
}

impl Directories {
    pub(super) fn exists(&self, path: &Path) -> bool {
        self.files.contains_key(path) || self.directories.contains(path)
    }

    pub(super) fn has_parent(&self, path: &Path) -> bool {
        path.parent()
            .is_none_or(|parent| parent.as_os_str().is_empty() || self.directories.contains(parent))
    }

    /// The file `path`, or the files below the directory `path`.
    fn inside(&self, path: &Path) -> Vec<PathBuf> {
        let from = (Bound::Included(path), Bound::Unbounded);
        let files = self.files.range::<Path, _>(from).map(|(file, _)| file);
        files.take_while(|file| file.starts_with(path)).cloned().collect()
    }
}

impl Names {
    fn apply(&self, names: &mut Directories) {
        match self {
            Self::Directory(path) => {
                names.directories.insert(path.clone());
            }
            Self::File(path, content) => {
                names.files.insert(path.clone(), Arc::clone(content));
            }
            Self::Rename(from, to) => rename(names, from, to),
            Self::Remove(path) => {
                for file in names.inside(path) {
                    names.files.remove(&file);
                }
                names.directories.retain(|directory| !directory.starts_with(path));
            }
        }
    }

    fn is_in(&self, directory: &Path) -> bool {
        let (path, other) = match self {
            Self::Directory(path) | Self::File(path, _) | Self::Remove(path) => (path, path),
            Self::Rename(from, to) => (from, to),
        };
        path.parent() == Some(directory) || other.parent() == Some(directory)
    }
}

fn rename(names: &mut Directories, from: &Path, to: &Path) {
    let moved = |path: &Path| {
        let rest = path.strip_prefix(from).unwrap_or_else(|_| Path::new(""));
        if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) }
    };
    for path in names.inside(from) {
        if let Some(content) = names.files.remove(&path) {
            names.files.insert(moved(&path), content);
        }
    }
    let directories = std::mem::take(&mut names.directories);
    names.directories = directories
        .into_iter()
        .map(|path| if path.starts_with(from) { moved(&path) } else { path })
        .collect();
}

/// Copies of contents: one for each, however many names it has.
#[derive(Default)]
struct Copies(BTreeMap<usize, Arc<Mutex<Content>>>);

impl Copies {
    fn of(&mut self, content: &Arc<Mutex<Content>>) -> Arc<Mutex<Content>> {
        let place = Arc::as_ptr(content) as usize;
        let copy = || Arc::new(Mutex::new(content.lock().clone()));
        Arc::clone(self.0.entry(place).or_insert_with(copy))
    }

    fn all(&mut self, names: &Directories) -> Directories {
        let files = names.files.iter().map(|(path, content)| (path.clone(), self.of(content)));
        Directories { files: files.collect(), directories: names.directories.clone() }
    }
}
