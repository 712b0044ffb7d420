//! Snapshots and journals, each file by itself.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::super::directory::{BAD, Directory, JOURNALS, SNAPSHOTS, number_in};
use super::super::error::StoreError;
use super::super::header::{FileHeader, FileKind, HEADER_BYTES};
use super::super::inventory::map;
use super::super::survey::{Survey, survey};
use super::super::{Mapping, snapshot};
use super::findings::{Damage, Inspection, JournalFile, PlainFile, Problem, SnapshotFile};

impl Inspection {
    pub(super) fn look_at_snapshots(&mut self, directory: &Directory) -> Result<(), StoreError> {
        for name in directory.list(SNAPSHOTS)? {
            let path = Path::new(SNAPSHOTS).join(&name);
            if name.ends_with(".bad") {
                self.bad.extend(plain(directory, &path)?);
            }
            let Some(generation) = number_in(&name, "snapshot") else { continue };
            let Some(mapping) = self.read(directory, &path) else { continue };
            let bytes = mapping.bytes();
            let verified = snapshot::verify(bytes, generation);
            if let Err(at) = verified {
                self.problem(&path, Some(at), "the snapshot is damaged", true);
            } else if !FileHeader::is_whole(bytes) {
                self.problem(&path, Some(0), "one copy of the header is damaged", false);
            }
            self.snapshots.push(SnapshotFile {
                file: PlainFile { path: path.display().to_string(), octets: bytes.len() as u64 },
                generation,
                entries: verified.ok().map(|whole| whole.entries),
                used: false,
            });
        }
        self.snapshots.sort_by_key(|snapshot| snapshot.generation);
        Ok(())
    }

    /// With `cut` the power went since they were written.
    pub(super) fn look_at_journals(
        &mut self,
        directory: &Directory,
        cut: bool,
    ) -> Result<(), StoreError> {
        for name in directory.list(JOURNALS)? {
            let path = Path::new(JOURNALS).join(&name);
            let Some(slot) = number_in(&name, "journal") else { continue };
            let Some(mapping) = self.read(directory, &path) else { continue };
            let bytes = mapping.bytes();
            let file = PlainFile { path: path.display().to_string(), octets: bytes.len() as u64 };
            match FileHeader::decode(FileKind::Journal, bytes) {
                Some((header, seed)) => {
                    if !FileHeader::is_whole(bytes) {
                        self.problem(&path, Some(0), "one copy of the header is damaged", false);
                    }
                    let found = survey(bytes, seed, cut);
                    self.journals.push(journal(file, slot, &header, &found));
                }
                None if bytes.iter().take(HEADER_BYTES).all(|octet| *octet == 0) => {
                    self.spares.push(file);
                }
                None => self.problem(&path, Some(0), "both copies of the header are damaged", true),
            }
        }
        self.journals.sort_by_key(|journal| journal.generation);
        for journal in &self.journals {
            for damage in &journal.damaged {
                self.problems.push(Problem {
                    path: journal.file.path.clone(),
                    octet: Some(damage.octet),
                    text: format!("{} octets are no entry", damage.octets),
                    needed: true,
                });
            }
        }
        Ok(())
    }

    pub(super) fn look_at_bad(&mut self, directory: &Directory) -> Result<(), StoreError> {
        for name in directory.list(BAD)? {
            self.bad.extend(plain(directory, &Path::new(BAD).join(name))?);
        }
        Ok(())
    }

    /// The octets of a file. None if they cannot be read, which is a problem, or if it is gone: then
    /// a broker has removed it in the meantime.
    pub(super) fn read(&mut self, directory: &Directory, path: &Path) -> Option<Arc<dyn Mapping>> {
        match map(directory, path) {
            Ok(mapping) => return Some(mapping),
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.problem(path, None, &error.to_string(), true),
        }
        None
    }

    pub(super) fn problem(&mut self, path: &Path, octet: Option<usize>, text: &str, needed: bool) {
        self.problems.push(Problem {
            path: path.display().to_string(),
            octet: octet.map(|octet| octet as u64),
            text: text.to_owned(),
            needed,
        });
    }
}

fn journal(file: PlainFile, slot: u64, header: &FileHeader, found: &Survey) -> JournalFile {
    let damaged = found
        .damaged
        .iter()
        .map(|(octets, _)| Damage { octet: octets.start as u64, octets: octets.len() as u64 });
    JournalFile {
        file,
        slot,
        generation: header.generation,
        previous: header.base,
        entries: found.whole,
        end: found.end as u64,
        torn: found.torn.is_some(),
        damaged: damaged.collect(),
        used: false,
    }
}

fn plain(directory: &Directory, path: &Path) -> Result<Option<PlainFile>, StoreError> {
    let measured = directory.disk.open(path).and_then(|file| file.len());
    match measured {
        Ok(octets) => Ok(Some(PlainFile { path: path.display().to_string(), octets })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::io("measure", path, source)),
    }
}
