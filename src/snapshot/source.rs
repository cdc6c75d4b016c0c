//! Where the files of a snapshot come from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::SnapshotError;
use crate::history::{BlobId, Commit, Repo};

/// Where the files of a snapshot come from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A commit of a git repository, written to the work area.
    Commit {
        /// The repository.
        repo: &'a Repo,
        /// The commit.
        commit: &'a Commit,
    },
    /// A plain source folder, read where it lies and never written to.
    Folder(&'a Path),
}

/// Every file of a plain folder with a digest of its content in place of a blob id; `.git` and links to elsewhere are
/// left out.
pub(super) fn folder_blobs(folder: &Path) -> Result<BTreeMap<String, BlobId>, SnapshotError> {
    use rayon::prelude::*;
    let mut paths: Vec<String> = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(inside) = open.pop() {
        let path = folder.join(&inside);
        let io = |source| SnapshotError::Io {
            path: path.clone(),
            source,
        };
        for entry in fs::read_dir(&path).map_err(io)? {
            let entry = entry.map_err(io)?;
            let kind = entry.file_type().map_err(io)?;
            let inside = inside.join(entry.file_name());
            if kind.is_dir() && entry.file_name() != ".git" {
                open.push(inside);
            } else if kind.is_file() {
                paths.push(inside.to_string_lossy().into_owned());
            }
        }
    }
    paths
        .into_par_iter()
        .map(|path| {
            let full = folder.join(&path);
            let bytes =
                fs::read(&full).map_err(|source| SnapshotError::Io { path: full, source })?;
            let mut id = [0; 20];
            id.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..20]);
            Ok((path, BlobId::from_bytes(id)))
        })
        .collect()
}
