//! Which units can export at all, kept from commit to commit and from run to run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::SnapshotError;
use crate::history::PathChange;
use crate::kbuild::{Essence, ExportIndex, FileScan, Macros};

/// What is known of all headers and sources of the tree, and what was made of it.
#[derive(Default)]
pub(super) struct Scans {
    files: Files,
    index: ExportIndex,
    /// Whether the index is older than the scans.
    is_stale: bool,
    macros: Arc<Macros>,
    macros_are_stale: bool,
    /// The files that mention `__GENKSYMS__`.
    mentioning: BTreeSet<String>,
}

/// Scans by path.
enum Files {
    Whole(BTreeMap<String, FileScan>),
    /// Of files that an earlier run scanned. A file whose essences change has all files scanned again.
    Essences(BTreeMap<String, Essences>),
}

impl Default for Files {
    fn default() -> Files {
        Files::Whole(BTreeMap::new())
    }
}

/// What of a scan the index and the macros depend on.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Essences {
    index: Essence,
    macros: Essence,
}

/// The scans in the form in which they are kept between runs: without the scans themselves, which take ten times as much
/// as all the rest.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredScans {
    files: BTreeMap<String, Essences>,
    index: ExportIndex,
    macros: Macros,
    mentioning: BTreeSet<String>,
}

impl Scans {
    /// Scans what a checkout into `src` changed.
    pub(super) fn read(&mut self, src: &Path, changes: &[PathChange]) -> Result<(), SnapshotError> {
        let paths: Vec<&str> = changes
            .iter()
            .map(|change| change.path.as_str())
            .filter(|path| FileScan::is_source_name(path))
            .collect();
        let scanned = scan_all(src, &paths)?;
        for (path, scan) in &scanned {
            if scan.as_ref().is_some_and(|scan| scan.mentions_genksyms) {
                self.mentioning.insert((*path).to_owned());
            } else {
                self.mentioning.remove(*path);
            }
        }
        if let Files::Essences(known) = &self.files {
            let is_same = scanned.iter().all(|(path, scan)| {
                let now = scan.as_ref().map(|scan| self.essences(path, scan));
                known.get(*path).copied() == now
            });
            if is_same {
                return Ok(());
            }
            let mut paths: Vec<&str> = known.keys().map(String::as_str).collect();
            paths.extend(scanned.iter().map(|(path, _)| *path));
            paths.sort_unstable();
            paths.dedup();
            let whole = scan_all(src, &paths)?;
            let there = whole
                .into_iter()
                .filter_map(|(path, scan)| Some((path.to_owned(), scan?)));
            self.files = Files::Whole(there.collect());
            self.is_stale = true;
            self.macros_are_stale = true;
            return Ok(());
        }
        for (path, scan) in scanned {
            self.replace(path, scan);
        }
        Ok(())
    }

    fn replace(&mut self, path: &str, scan: Option<FileScan>) {
        let Files::Whole(files) = &mut self.files else {
            return;
        };
        let old = match &scan {
            Some(scan) => files.insert(path.to_owned(), scan.clone()),
            None => files.remove(path),
        };
        if old == scan {
            return;
        }
        self.is_stale |= match (&old, &scan) {
            (Some(old), Some(new)) => {
                self.index.essence(path, old) != self.index.essence(path, new)
            }
            _ => true,
        };
        let of = |scan: &Option<FileScan>| match scan {
            Some(scan) => self.macros.essence(scan),
            None => self.macros.essence(&FileScan::default()),
        };
        self.macros_are_stale |= of(&old) != of(&scan);
    }

    fn essences(&self, path: &str, scan: &FileScan) -> Essences {
        Essences {
            index: self.index.essence(path, scan),
            macros: self.macros.essence(scan),
        }
    }

    /// The files that mention `__GENKSYMS__`, of those that are scanned.
    pub(super) fn mentioning(&self) -> &BTreeSet<String> {
        &self.mentioning
    }

    /// What may come of the tree's macros.
    pub(super) fn macros(&mut self) -> &Arc<Macros> {
        if std::mem::take(&mut self.macros_are_stale)
            && let Files::Whole(files) = &self.files
        {
            // Only C units are known by outlines, and none includes assembly.
            let files = files.iter().filter(|(path, _)| !path.ends_with(".S"));
            self.macros = Arc::new(Macros::new(files.map(|(_, scan)| scan)));
        }
        &self.macros
    }

    /// Which units can export; `arch` is the folder of the architecture, which is the same at every call.
    pub(super) fn index(&mut self, arch: &str) -> &ExportIndex {
        if std::mem::take(&mut self.is_stale)
            && let Files::Whole(files) = &self.files
        {
            let files = files.iter().map(|(path, scan)| (path.as_str(), scan));
            self.index = ExportIndex::new(files, arch);
        }
        &self.index
    }

    /// What is kept between runs; nothing while something is stale.
    pub(super) fn stored(&self) -> Option<StoredScans> {
        if self.is_stale || self.macros_are_stale {
            return None;
        }
        let files = match &self.files {
            Files::Essences(files) => files.clone(),
            Files::Whole(files) => files
                .par_iter()
                .map(|(path, scan)| (path.clone(), self.essences(path, scan)))
                .collect(),
        };
        Some(StoredScans {
            files,
            index: self.index.clone(),
            macros: (*self.macros).clone(),
            mentioning: self.mentioning.clone(),
        })
    }
}

impl From<StoredScans> for Scans {
    fn from(stored: StoredScans) -> Scans {
        Scans {
            files: Files::Essences(stored.files),
            index: stored.index,
            macros: Arc::new(stored.macros),
            mentioning: stored.mentioning,
            ..Scans::default()
        }
    }
}

/// Scans files in parallel; nothing for one that is gone.
fn scan_all<'p>(
    src: &Path,
    paths: &[&'p str],
) -> Result<Vec<(&'p str, Option<FileScan>)>, SnapshotError> {
    paths
        .par_iter()
        .map(|path| Ok((*path, scan(src, path)?)))
        .collect()
}

/// The scan of a file; nothing for one that is gone. Symbolic links are left out: what they point at is scanned under its
/// own name.
fn scan(src: &Path, path: &str) -> Result<Option<FileScan>, SnapshotError> {
    let full = src.join(path);
    let io = |source| SnapshotError::Io {
        path: full.clone(),
        source,
    };
    match fs::symlink_metadata(&full) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    }
    let bytes = fs::read(&full).map_err(io)?;
    Ok(Some(FileScan::scan(&bytes)))
}
