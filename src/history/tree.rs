//! The files of a commit, and what differs between two commits.

use git2::{ErrorCode, Oid, Repository};
use serde::{Deserialize, Serialize};

use super::commit::Commit;
use super::complete;
use super::error::HistoryError;
use super::id::{BlobId, CommitId, TreeId};

/// Ten times the files of a kernel: a tree object can name itself-like subtrees many times over, so that a few objects
/// stand for billions of files.
const MAX_FILES: usize = 1_000_000;

/// Bound on the sum of all path lengths, in bytes.
const MAX_PATH_BYTES: usize = 256 << 20;

/// `PATH_MAX` of Linux.
const MAX_PATH: usize = 4096;

/// What kind of file a tree entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FileMode {
    /// A regular file.
    Regular,
    /// A regular file with the executable bit.
    Executable,
    /// A symbolic link; its blob holds the target.
    Symlink,
    /// A submodule; its id names a commit of another repository.
    Submodule,
}

/// One file of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Path relative to the top of the tree, with `/`.
    pub path: String,
    /// Its content.
    pub blob: BlobId,
    /// What kind of file it is.
    pub mode: FileMode,
}

/// One path that differs between two commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathChange {
    /// Path relative to the top of the tree, with `/`.
    pub path: String,
    /// Content on the base side; `None` if the path is new.
    pub old: Option<BlobId>,
    /// Content on the head side; `None` if the path is removed.
    pub new: Option<BlobId>,
}

/// A difference between two trees at one path, with modes.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    pub(super) path: String,
    pub(super) old: Option<(BlobId, FileMode)>,
    pub(super) new: Option<(BlobId, FileMode)>,
}

impl Difference {
    /// Drops the modes; refuses submodules, whose content is in another repository.
    pub(super) fn into_path_change(self, commit: &CommitId) -> Result<PathChange, HistoryError> {
        let sides = [self.old, self.new];
        if sides
            .iter()
            .flatten()
            .any(|(_, m)| *m == FileMode::Submodule)
        {
            return Err(submodule(commit, &self.path));
        }
        Ok(PathChange {
            path: self.path,
            old: self.old.map(|(blob, _)| blob),
            new: self.new.map(|(blob, _)| blob),
        })
    }
}

pub(super) fn submodule(commit: &CommitId, path: &str) -> HistoryError {
    HistoryError::Unsupported {
        place: format!("commit {commit}: {path}"),
        what: "submodules are".to_owned(),
        advice: "check a tree without submodules; kernel trees have none",
    }
}

/// An entry of one tree object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Folder(Oid),
    File(BlobId, FileMode),
}

/// Reads the tree objects of one commit and keeps the bounds.
struct Reader<'a> {
    repo: &'a Repository,
    commit: &'a CommitId,
    files: usize,
    path_bytes: usize,
}

impl<'a> Reader<'a> {
    fn new(repo: &'a Repository, commit: &'a CommitId) -> Reader<'a> {
        Reader {
            repo,
            commit,
            files: 0,
            path_bytes: 0,
        }
    }

    /// The entries of the folder at `prefix` (empty, or ending in `/`), sorted by name.
    fn read(&self, prefix: &str, oid: Oid) -> Result<Vec<(String, Entry)>, HistoryError> {
        let tree = self.repo.find_tree(oid).map_err(|source| {
            if source.code() == ErrorCode::NotFound {
                let folder = if prefix.is_empty() { "/" } else { prefix };
                complete::missing(self.repo, self.commit, folder, 1)
            } else {
                HistoryError::git(format!("tree {oid} of commit {}", self.commit), source)
            }
        })?;
        let mut entries = Vec::with_capacity(tree.len());
        for item in &tree {
            let name = std::str::from_utf8(item.name_bytes())
                .map_err(|_| self.refused(prefix, item.name_bytes(), "is not UTF-8"))?;
            // A slash would let one path stand in two places.
            if name.is_empty() || name.contains('/') {
                return Err(self.refused(prefix, item.name_bytes(), "is not a file name"));
            }
            let entry = entry(item.id(), item.filemode_raw())
                .ok_or_else(|| self.refused(prefix, item.name_bytes(), "has an unknown mode"))?;
            entries.push((name.to_owned(), entry));
        }
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let twice = entries.iter().zip(entries.iter().skip(1));
        if let Some(((name, _), _)) = twice.into_iter().find(|(a, b)| a.0 == b.0) {
            return Err(self.refused(prefix, name.as_bytes(), "stands twice in its folder"));
        }
        Ok(entries)
    }

    fn refused(&self, prefix: &str, name: &[u8], reason: &str) -> HistoryError {
        HistoryError::UnsafePath {
            commit: self.commit.clone(),
            path: format!("{prefix}{}", String::from_utf8_lossy(name)),
            reason: reason.to_owned(),
        }
    }

    /// Joins and counts one path.
    fn path(&mut self, prefix: &str, name: &str) -> Result<String, HistoryError> {
        let path = format!("{prefix}{name}");
        self.files += 1;
        self.path_bytes += path.len();
        let passed = if path.len() > MAX_PATH {
            Some(("length of a path", format!("{MAX_PATH} bytes")))
        } else if self.files > MAX_FILES {
            Some(("number of files", format!("{MAX_FILES}")))
        } else if self.path_bytes > MAX_PATH_BYTES {
            Some(("sum of the path lengths", format!("{MAX_PATH_BYTES} bytes")))
        } else {
            None
        };
        match passed {
            None => Ok(path),
            Some((what, limit)) => Err(HistoryError::Limit {
                what: format!("commit {}: {what}", self.commit),
                limit,
            }),
        }
    }
}

/// What a tree entry's mode says; `None` for a mode that git does not write.
fn entry(oid: Oid, mode: i32) -> Option<Entry> {
    let file = |mode| Some(Entry::File(BlobId::from_oid(oid), mode));
    match mode & 0o170_000 {
        0o040_000 => Some(Entry::Folder(oid)),
        0o100_000 if mode & 0o111 == 0 => file(FileMode::Regular),
        0o100_000 => file(FileMode::Executable),
        0o120_000 => file(FileMode::Symlink),
        0o160_000 => file(FileMode::Submodule),
        _ => None,
    }
}

fn top(commit: &CommitId, tree: TreeId) -> Result<Oid, HistoryError> {
    tree.oid()
        .map_err(|source| HistoryError::git(format!("tree of commit {commit}"), source))
}

/// Whether the repository has a tree.
pub(super) fn is_there(repo: &Repository, tree: TreeId) -> bool {
    tree.oid().is_ok_and(|oid| repo.find_tree(oid).is_ok())
}

/// All files of a commit, sorted by path.
pub(super) fn list(repo: &Repository, commit: &Commit) -> Result<Vec<FileEntry>, HistoryError> {
    let top = top(&commit.id, commit.tree)?;
    list_below(&mut Reader::new(repo, &commit.id), String::new(), top)
}

/// The files in a folder of a commit, sorted by path; none if there is no such folder.
pub(super) fn list_folder(
    repo: &Repository,
    commit: &Commit,
    folder: &str,
) -> Result<Vec<FileEntry>, HistoryError> {
    match look_up(repo, commit, folder)? {
        Some(Entry::Folder(oid)) => list_below(
            &mut Reader::new(repo, &commit.id),
            format!("{folder}/"),
            oid,
        ),
        _ => Ok(Vec::new()),
    }
}

fn list_below(
    reader: &mut Reader<'_>,
    prefix: String,
    tree: Oid,
) -> Result<Vec<FileEntry>, HistoryError> {
    let mut files = Vec::new();
    let mut folders = vec![(prefix, tree)];
    while let Some((prefix, oid)) = folders.pop() {
        for (name, entry) in reader.read(&prefix, oid)? {
            let path = reader.path(&prefix, &name)?;
            match entry {
                Entry::Folder(oid) => folders.push((path + "/", oid)),
                Entry::File(blob, mode) => files.push(FileEntry { path, blob, mode }),
            }
        }
    }
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The paths at which two commits differ, sorted. Equal subtrees are not read.
pub(super) fn diff(
    repo: &Repository,
    (base, base_tree): (&CommitId, TreeId),
    head: &Commit,
) -> Result<Vec<Difference>, HistoryError> {
    let old_reader = Reader::new(repo, base);
    let mut reader = Reader::new(repo, &head.id);
    let mut differences = Vec::new();
    let mut folders = vec![(
        String::new(),
        Some(top(base, base_tree)?),
        Some(top(&head.id, head.tree)?),
    )];
    while let Some((prefix, old, new)) = folders.pop() {
        if old == new {
            continue;
        }
        let read = |reader: &Reader<'_>, oid: Option<Oid>| {
            oid.map_or_else(|| Ok(Vec::new()), |oid| reader.read(&prefix, oid))
        };
        let pairs = pair(read(&old_reader, old)?, read(&reader, new)?);
        for (name, old, new) in pairs {
            if old == new {
                continue;
            }
            let path = reader.path(&prefix, &name)?;
            let (old_folder, old_file) = split(old);
            let (new_folder, new_file) = split(new);
            if old_folder.is_some() || new_folder.is_some() {
                folders.push((format!("{path}/"), old_folder, new_folder));
            }
            if old_file.is_some() || new_file.is_some() {
                differences.push(Difference {
                    path,
                    old: old_file,
                    new: new_file,
                });
            }
        }
    }
    differences.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(differences)
}

type File = (BlobId, FileMode);

fn split(entry: Option<Entry>) -> (Option<Oid>, Option<File>) {
    match entry {
        None => (None, None),
        Some(Entry::Folder(oid)) => (Some(oid), None),
        Some(Entry::File(blob, mode)) => (None, Some((blob, mode))),
    }
}

/// Joins two sorted lists by name.
fn pair(
    old: Vec<(String, Entry)>,
    new: Vec<(String, Entry)>,
) -> Vec<(String, Option<Entry>, Option<Entry>)> {
    let mut pairs = Vec::with_capacity(old.len().max(new.len()));
    let mut old = old.into_iter().peekable();
    let mut new = new.into_iter().peekable();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return pairs,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let left = if order.is_le() { old.next() } else { None };
        let right = if order.is_ge() { new.next() } else { None };
        let old_entry = left.as_ref().map(|(_, entry)| *entry);
        let new_entry = right.as_ref().map(|(_, entry)| *entry);
        if let Some((name, _)) = left.or(right) {
            pairs.push((name, old_entry, new_entry));
        }
    }
}

/// The blob at `path` and what kind of file it is; `None` if there is no file of that path.
pub(super) fn find(
    repo: &Repository,
    commit: &Commit,
    path: &str,
) -> Result<Option<(BlobId, FileMode)>, HistoryError> {
    Ok(match look_up(repo, commit, path)? {
        Some(Entry::File(blob, mode)) => Some((blob, mode)),
        _ => None,
    })
}

/// Whether a commit has a folder at the path.
pub(super) fn has_folder(
    repo: &Repository,
    commit: &Commit,
    path: &str,
) -> Result<bool, HistoryError> {
    let entry = look_up(repo, commit, path)?;
    Ok(matches!(entry, Some(Entry::Folder(_))))
}

fn look_up(repo: &Repository, commit: &Commit, path: &str) -> Result<Option<Entry>, HistoryError> {
    let reader = Reader::new(repo, &commit.id);
    let mut prefix = String::new();
    let mut folder = top(&commit.id, commit.tree)?;
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let entries = reader.read(&prefix, folder)?;
        let found = entries.into_iter().find(|(n, _)| n == name).map(|(_, e)| e);
        match (found, names.peek()) {
            (Some(Entry::Folder(oid)), Some(_)) => folder = oid,
            (Some(Entry::File(_, FileMode::Submodule)), _) => {
                return Err(submodule(&commit.id, &format!("{prefix}{name}")));
            }
            (found, None) => return Ok(found),
            _ => return Ok(None),
        }
        prefix.push_str(name);
        prefix.push('/');
    }
    Ok(None)
}
