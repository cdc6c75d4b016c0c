//! Which units can export at all, kept from commit to commit.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::SnapshotError;
use crate::history::PathChange;
use crate::kbuild::{ExportIndex, FileScan, Macros};

/// Scans of all headers and sources of the tree, and the index made of them.
#[derive(Default)]
pub(super) struct Scans {
    files: BTreeMap<String, FileScan>,
    index: ExportIndex,
    /// Whether the index is older than the scans.
    is_stale: bool,
    macros: Arc<Macros>,
    macros_are_stale: bool,
}

impl Scans {
    /// Scans what a checkout into `src` changed.
    pub(super) fn read(&mut self, src: &Path, changes: &[PathChange]) -> Result<(), SnapshotError> {
        let paths: Vec<&str> = changes
            .iter()
            .map(|change| change.path.as_str())
            .filter(|path| FileScan::is_source_name(path))
            .collect();
        let scanned: Vec<(&str, Option<FileScan>)> = paths
            .par_iter()
            .map(|path| Ok((*path, scan(src, path)?)))
            .collect::<Result<_, SnapshotError>>()?;
        for (path, scan) in scanned {
            let old = match &scan {
                Some(scan) => self.files.insert(path.to_owned(), scan.clone()),
                None => self.files.remove(path),
            };
            self.is_stale |= match (&old, &scan) {
                (Some(old), Some(new)) => old != new && !self.index.tolerates(path, old, new),
                (None, None) => false,
                _ => true,
            };
            self.macros_are_stale |= match (&old, &scan) {
                (Some(old), Some(new)) => old != new && !self.macros.tolerates(old, new),
                (None, None) => false,
                (Some(one), None) | (None, Some(one)) => {
                    !self.macros.tolerates(one, &FileScan::default())
                }
            };
        }
        Ok(())
    }

    /// What may come of the tree's macros.
    pub(super) fn macros(&mut self) -> &Arc<Macros> {
        if std::mem::take(&mut self.macros_are_stale) {
            self.macros = Arc::new(Macros::new(self.files.values()));
        }
        &self.macros
    }

    /// Which units can export; `arch` is the folder of the architecture, which is the same at every call.
    pub(super) fn index(&mut self, arch: &str) -> &ExportIndex {
        if std::mem::take(&mut self.is_stale) {
            self.index = ExportIndex::new(
                self.files.iter().map(|(path, scan)| (path.as_str(), scan)),
                arch,
            );
        }
        &self.index
    }
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
