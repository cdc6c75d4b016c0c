//! Writing a commit into a source folder: what to remove and write, and doing it in parallel.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::commit::Commit;
use super::complete::{self, Check};
use super::error::HistoryError;
use super::id::{BlobId, CommitId, TreeId};
use super::path::{self, Refused};
use super::repo::{Repo, read_blob};
use super::tree::{self, Difference, FileEntry, FileMode, PathChange};

/// Files that one task writes before it gives its repository handle back.
const CHUNK: usize = 128;

/// What a checkout did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckoutSummary {
    /// Files written or rewritten.
    pub written: usize,
    /// Files removed.
    pub removed: usize,
    /// The paths that were written or removed, with what they held before, in bytewise order.
    pub changes: Vec<PathChange>,
    /// Whether it started from an empty folder, so that the changes are all files.
    pub from_empty: bool,
}

/// What a source folder holds: nothing, or exactly one commit's files.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Held {
    commit: Option<(CommitId, TreeId)>,
    pub(super) blobs: BTreeMap<String, BlobId>,
    /// The executable files.
    executable: BTreeSet<String>,
    /// Targets of the symbolic links.
    links: BTreeMap<String, Vec<u8>>,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.commit.is_none()
    }

    /// The blob of each file, by path.
    #[must_use]
    pub fn blobs(&self) -> &BTreeMap<String, BlobId> {
        &self.blobs
    }

    fn holds(&self, file: &FileEntry) -> bool {
        let mode = if self.links.contains_key(&file.path) {
            FileMode::Symlink
        } else if self.executable.contains(&file.path) {
            FileMode::Executable
        } else {
            FileMode::Regular
        };
        self.blobs.get(&file.path) == Some(&file.blob) && mode == file.mode
    }

    /// What is held after the plan has been carried out.
    pub(super) fn after(mut self, plan: Plan, commit: &Commit) -> Held {
        for path in &plan.remove {
            self.blobs.remove(path);
            self.executable.remove(path);
        }
        for file in plan.write {
            if file.mode == FileMode::Executable {
                self.executable.insert(file.path.clone());
            } else {
                self.executable.remove(&file.path);
            }
            self.blobs.insert(file.path, file.blob);
        }
        Held {
            commit: Some((commit.id.clone(), commit.tree)),
            blobs: self.blobs,
            executable: self.executable,
            links: plan.links,
        }
    }
}

/// What has to be done to a source folder, found safe to do.
pub(super) struct Plan {
    write: Vec<FileEntry>,
    remove: Vec<String>,
    /// The targets of all symbolic links of the commit: a new link can turn an old one.
    links: BTreeMap<String, Vec<u8>>,
}

impl Plan {
    /// Compares a commit with what is held and checks every path, link and blob that will be written.
    pub(super) fn make(repo: &Repo, held: &Held, commit: &Commit) -> Result<Plan, HistoryError> {
        let mut plan = Plan {
            write: Vec::new(),
            remove: Vec::new(),
            links: held.links.clone(),
        };
        match &held.commit {
            None => plan.write = repo.files(commit)?,
            Some((base, tree)) if repo.with(|handle| Ok(tree::is_there(handle, *tree)))? => {
                for change in repo.with(|handle| tree::diff(handle, (base, *tree), commit))? {
                    plan.add(change);
                }
            }
            // Held for another repository.
            Some(_) => plan.relist(repo.files(commit)?, held),
        }
        repo.with(|handle| plan.check(handle, commit))?;
        Ok(plan)
    }

    fn add(&mut self, change: Difference) {
        self.links.remove(&change.path);
        let path = change.path;
        match change.new {
            Some((blob, mode)) => self.write.push(FileEntry { path, blob, mode }),
            None => self.remove.push(path),
        }
    }

    /// Compares all files of a commit with what is held.
    fn relist(&mut self, files: Vec<FileEntry>, held: &Held) {
        let there: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let gone = held.blobs.keys();
        self.remove
            .extend(gone.filter(|path| !there.contains(path.as_str())).cloned());
        self.write
            .extend(files.into_iter().filter(|file| !held.holds(file)));
        for path in self
            .remove
            .iter()
            .chain(self.write.iter().map(|file| &file.path))
        {
            self.links.remove(path);
        }
    }

    fn check(&mut self, repo: &Repository, commit: &Commit) -> Result<(), HistoryError> {
        let refuse = |refused: Refused| HistoryError::UnsafePath {
            commit: commit.id.clone(),
            path: refused.path,
            reason: refused.reason,
        };
        let mut check = Check::new(repo, &commit.id)?;
        for file in &self.write {
            path::check_path(&file.path).map_err(refuse)?;
            check.file(&file.path, file.blob, file.mode)?;
        }
        check.finish()?;
        for file in &self.write {
            if file.mode == FileMode::Symlink {
                let target = read_of(repo, commit, file)?;
                self.links.insert(file.path.clone(), target);
            }
        }
        path::check_links(&self.links).map_err(refuse)
    }

    /// The paths that the plan writes or removes, against what is held.
    pub(super) fn changes(&self, held: &Held) -> Vec<PathChange> {
        let old = |path: &str| held.blobs.get(path).copied();
        let removed = self.remove.iter().map(|path| PathChange {
            path: path.clone(),
            old: old(path),
            new: None,
        });
        let written = self.write.iter().map(|file| PathChange {
            path: file.path.clone(),
            old: old(&file.path),
            new: Some(file.blob),
        });
        let mut changes: Vec<PathChange> = removed.chain(written).collect();
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        changes
    }

    /// Two paths of the commit that a file system without case would take for one.
    pub(super) fn case_collision(&self, held: &Held) -> Option<(String, String)> {
        let mut paths: BTreeSet<&str> = held.blobs.keys().map(String::as_str).collect();
        for path in &self.remove {
            paths.remove(path.as_str());
        }
        paths.extend(self.write.iter().map(|file| file.path.as_str()));
        path::case_collision(paths)
    }
}

/// Removes, makes folders, writes.
pub(super) fn perform(
    repo: &Repo,
    commit: &Commit,
    src: &Path,
    plan: &Plan,
) -> Result<CheckoutSummary, HistoryError> {
    let mut folders = Folders::new(src)?;
    for path in &plan.remove {
        folders.remove_file(path)?;
    }
    folders.prune(&plan.remove)?;
    for file in &plan.write {
        if let Some((folder, _)) = file.path.rsplit_once('/') {
            folders.make(folder)?;
        }
    }
    // The first failure in path order is reported, whichever thread met one first.
    let results: Vec<Result<(), HistoryError>> = plan
        .write
        .par_chunks(CHUNK)
        .map(|files| repo.with(|handle| write_all(handle, commit, src, files)))
        .collect();
    results.into_iter().collect::<Result<(), HistoryError>>()?;
    Ok(CheckoutSummary {
        written: plan.write.len(),
        removed: plan.remove.len(),
        changes: Vec::new(),
        from_empty: false,
    })
}

fn write_all(
    repo: &Repository,
    commit: &Commit,
    src: &Path,
    files: &[FileEntry],
) -> Result<(), HistoryError> {
    for file in files {
        let content = read_of(repo, commit, file)?;
        let path = src.join(&file.path);
        write(&path, file.mode, &content).map_err(|e| HistoryError::io("write", &path, e))?;
    }
    Ok(())
}

fn read_of(repo: &Repository, commit: &Commit, file: &FileEntry) -> Result<Vec<u8>, HistoryError> {
    read_blob(repo, file.blob).map_err(|error| match error {
        HistoryError::Git { source, .. } if source.code() == ErrorCode::NotFound => {
            complete::missing(repo, &commit.id, &file.path, 1)
        }
        HistoryError::Git { source, .. } => {
            HistoryError::git(format!("commit {}: {}", commit.id, file.path), source)
        }
        other => other,
    })
}

/// Writes a new file. What stands in its place is removed first: writing through it could reach another file by a link.
fn write(path: &Path, mode: FileMode, content: &[u8]) -> std::io::Result<()> {
    match write_new(path, mode, content) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if fs::symlink_metadata(path)?.is_dir() {
                fs::remove_dir_all(path)?;
            } else {
                fs::remove_file(path)?;
            }
            write_new(path, mode, content)
        }
        other => other,
    }
}

fn write_new(path: &Path, mode: FileMode, content: &[u8]) -> std::io::Result<()> {
    if mode == FileMode::Symlink {
        use std::os::unix::ffi::OsStrExt;
        return symlink(std::ffi::OsStr::from_bytes(content), path);
    }
    let bits = if mode == FileMode::Executable {
        0o755
    } else {
        0o644
    };
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(bits)
        .open(path)?
        .write_all(content)
}

/// The folders below a source folder. What runs between two checkouts may have put a link in place of a folder, so each
/// is looked at once before anything is done inside it.
struct Folders<'a> {
    src: &'a Path,
    real: BTreeSet<String>,
}

impl<'a> Folders<'a> {
    fn new(src: &'a Path) -> Result<Folders<'a>, HistoryError> {
        let found = fs::symlink_metadata(src).map_err(|e| HistoryError::io("open", src, e))?;
        if !found.is_dir() {
            let error = std::io::Error::from(ErrorKind::NotADirectory);
            return Err(HistoryError::io("open", src, error));
        }
        Ok(Folders {
            src,
            real: BTreeSet::new(),
        })
    }

    fn on_disk(&self, folder: &str) -> PathBuf {
        self.src.join(folder)
    }

    /// Whether `folder` and all above it are real folders.
    fn is_real(&mut self, folder: &str) -> bool {
        if self.real.contains(folder) {
            return true;
        }
        let mut chain: Vec<&str> = path::ancestors(folder).collect();
        chain.reverse();
        for folder in chain {
            let found = fs::symlink_metadata(self.on_disk(folder));
            if !found.is_ok_and(|found| found.is_dir()) {
                return false;
            }
            self.real.insert(folder.to_owned());
        }
        true
    }

    fn remove_file(&mut self, file: &str) -> Result<(), HistoryError> {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        if !self.is_real(folder) {
            return Ok(());
        }
        let path = self.on_disk(file);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(_) if path.is_dir() => {
                fs::remove_dir_all(&path).map_err(|error| HistoryError::io("remove", &path, error))
            }
            other => other.map_err(|error| HistoryError::io("remove", &path, error)),
        }
    }

    /// Removes the folders that the removal of `files` left empty, deepest first.
    fn prune(&mut self, files: &[String]) -> Result<(), HistoryError> {
        let mut folders = BTreeSet::new();
        for file in files {
            folders.extend(path::ancestors(file).skip(1));
        }
        // A folder sorts before what it holds.
        for folder in folders.into_iter().rev() {
            if !self.is_real(folder) {
                continue;
            }
            let path = self.on_disk(folder);
            match fs::remove_dir(&path) {
                Ok(()) => {
                    self.real.remove(folder);
                }
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
                Err(error) => return Err(HistoryError::io("remove", &path, error)),
            }
        }
        Ok(())
    }

    /// Makes a folder and those above it; what stands in its way is removed.
    fn make(&mut self, folder: &str) -> Result<(), HistoryError> {
        if self.real.contains(folder) {
            return Ok(());
        }
        let mut chain: Vec<&str> = path::ancestors(folder).collect();
        chain.reverse();
        for folder in chain {
            if self.real.contains(folder) {
                continue;
            }
            let path = self.on_disk(folder);
            make_dir(&path).map_err(|error| HistoryError::io("create", &path, error))?;
            self.real.insert(folder.to_owned());
        }
        Ok(())
    }
}

fn make_dir(path: &Path) -> std::io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if fs::symlink_metadata(path)?.is_dir() {
                return Ok(());
            }
            fs::remove_file(path)?;
            fs::create_dir(path)
        }
        other => other,
    }
}
