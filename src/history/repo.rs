//! The user's repository, opened for reading by as many threads as ask.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use git2::{ErrorCode, ObjectType, Repository, RepositoryOpenFlags};

use super::commit::{Commit, Walk};
use super::complete;
use super::error::HistoryError;
use super::id::{BlobId, CommitId};
use super::range;
use super::revision;
use super::series;
use super::status::Status;
use super::tree::{self, FileEntry, PathChange};

/// No file of a kernel comes near this size; a larger one is refused before it is read into memory.
pub(super) const MAX_BLOB: usize = 512 << 20;

/// A git repository, read only. Shared freely between threads: each call borrows a handle of its own from a pool.
pub struct Repo {
    path: PathBuf,
    objects: PathBuf,
    search_path: Option<OsString>,
    pool: Mutex<Pool>,
}

/// Open handles, and the object stores of applied series that each of them must see.
#[derive(Default)]
struct Pool {
    handles: Vec<Repository>,
    stores: Vec<tempfile::TempDir>,
    // INVARIANT: counts the stores added, so that a handle opened before the last one is not put back.
    generation: usize,
}

/// How many symbolic links a path may go through, as in Linux.
const MAX_LINKS: usize = 40;

/// What stands at a path.
enum Step {
    File,
    /// A link on the way, and the path that it makes of the whole.
    Link(String),
    Nothing,
}

impl Repo {
    /// Opens the repository whose work tree, `.git` folder or bare folder stands at `path`, or a linked work tree.
    ///
    /// # Errors
    /// If there is none, it belongs to another user, or it has a format that is not supported.
    pub fn open(path: &Path) -> Result<Repo, HistoryError> {
        let path =
            fs::canonicalize(path).map_err(|source| HistoryError::io("open", path, source))?;
        let handle = open_handle(&path)?;
        let objects = handle.commondir().join("objects");
        Ok(Repo {
            objects,
            path,
            search_path: None,
            pool: Mutex::new(Pool {
                handles: vec![handle],
                ..Pool::default()
            }),
        })
    }

    /// Sets the folders (as in `PATH`) where the `git` program is looked for; without them, the system's default ones.
    #[must_use]
    pub fn with_search_path(mut self, search_path: impl Into<OsString>) -> Repo {
        self.search_path = Some(search_path.into());
        self
    }

    /// The folder that was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The commit that a revision names, in the notation of gitrevisions(7).
    ///
    /// # Errors
    /// If it names none, or one beyond the boundary of a shallow clone.
    pub fn resolve(&self, rev: &str) -> Result<Commit, HistoryError> {
        self.with(|repo| revision::find(repo, rev).map(|commit| Commit::read(&commit)))
    }

    /// The first-parent line of a range `A..B`: `B` and its first parents, down to the first one that `A` contains,
    /// which becomes the base. A merge is one step. All objects that the steps bring are checked to exist; those of the base
    /// are where they are needed, as a work area that is kept may hold them already.
    ///
    /// # Errors
    /// If the range is malformed, empty, unrelated or cut by a shallow clone, or if objects are missing.
    pub fn range(&self, range: &str) -> Result<Walk, HistoryError> {
        let walk = self.with(|repo| range::walk(repo, range))?;
        self.with(|repo| complete::require_steps(repo, &walk.base, &walk.commits))?;
        Ok(walk)
    }

    /// The commits that a patch series makes on top of a revision. `patches` is a folder with `*.patch` files or a quilt
    /// `series` file, an mbox, or one patch; `work` is an existing folder for the private object store, which lives
    /// as long as this value. The same series on the same commit gives the same commit ids.
    ///
    /// # Errors
    /// If the revision or its objects are missing, the series is malformed or empty, or a patch does not apply.
    pub fn series(&self, onto: &str, patches: &Path, work: &Path) -> Result<Walk, HistoryError> {
        let (base, committed) = self.with(|repo| {
            let commit = revision::find(repo, onto)?;
            let base = Commit::read(&commit);
            complete::require(repo, &base)?;
            Ok((base, commit.time().seconds()))
        })?;
        let applied = series::apply(
            &self.objects,
            self.search_path.as_deref(),
            &base,
            committed,
            patches,
            work,
        )?;
        self.add_store(applied.store);
        let mut commits = Vec::with_capacity(applied.commits.len());
        for (oid, source) in applied.commits {
            let mut commit = self.with(|repo| read_commit(repo, oid))?;
            commit.source = Some(source);
            commits.push(commit);
        }
        Ok(Walk {
            base,
            commits,
            cover_letters: applied.cover_letters,
        })
    }

    /// What is modified in the work tree; nothing for a bare repository. Untracked files are not looked at.
    ///
    /// # Errors
    /// If the work tree or its index cannot be read.
    pub fn status(&self) -> Result<Status, HistoryError> {
        self.with(|repo| {
            if repo.is_bare() {
                return Ok(Status::default());
            }
            Status::read(repo).map_err(|error| status_error(&self.path, error))
        })
    }

    /// All files of a commit, in bytewise order of their paths.
    ///
    /// # Errors
    /// If a tree object is missing, a path is not UTF-8, or the tree is larger than any kernel.
    pub fn files(&self, commit: &Commit) -> Result<Vec<FileEntry>, HistoryError> {
        self.with(|repo| tree::list(repo, commit))
    }

    /// The files in a folder of a commit, in bytewise order of their paths; none if there is no such folder.
    ///
    /// # Errors
    /// As [`Repo::files`].
    pub fn files_of(&self, commit: &Commit, folder: &str) -> Result<Vec<FileEntry>, HistoryError> {
        self.with(|repo| tree::list_folder(repo, commit, folder))
    }

    /// The paths whose content or mode differs between two commits, in bytewise order. A rename is two changes; a path
    /// whose mode alone differs has equal ids.
    ///
    /// # Errors
    /// As [`Repo::files`]; also if a submodule is among the changes.
    pub fn changes(&self, base: &Commit, head: &Commit) -> Result<Vec<PathChange>, HistoryError> {
        let changes = self.with(|repo| tree::diff(repo, (&base.id, base.tree), head))?;
        changes
            .into_iter()
            .map(|change| change.into_path_change(&head.id))
            .collect()
    }

    /// The content of a blob.
    ///
    /// # Errors
    /// If it is missing, damaged, or larger than 512 MiB.
    pub fn blob(&self, blob: BlobId) -> Result<Vec<u8>, HistoryError> {
        self.with(|repo| read_blob(repo, blob))
    }

    /// The content of a file of a commit (of a symbolic link: its target); `None` if there is no such file.
    ///
    /// # Errors
    /// If an object on the way is missing or damaged.
    pub fn read_file(&self, commit: &Commit, path: &str) -> Result<Option<Vec<u8>>, HistoryError> {
        self.with(|repo| {
            tree::find(repo, commit, path)?
                .map(|(blob, _)| {
                    read_blob(repo, blob).map_err(|error| match error {
                        HistoryError::Git { source, .. }
                            if source.code() == ErrorCode::NotFound =>
                        {
                            complete::missing(repo, &commit.id, path, 1)
                        }
                        other => other,
                    })
                })
                .transpose()
        })
    }

    /// Whether a commit has a folder at the path; symbolic links are not followed.
    ///
    /// # Errors
    /// If an object on the way is missing or damaged.
    pub fn has_folder(&self, commit: &Commit, path: &str) -> Result<bool, HistoryError> {
        self.with(|repo| tree::has_folder(repo, commit, path))
    }

    /// Whether commits beyond some boundary are missing.
    ///
    /// # Errors
    /// If the repository cannot be opened again.
    pub fn is_shallow(&self) -> Result<bool, HistoryError> {
        self.with(|repo| Ok(repo.is_shallow()))
    }

    /// Requires all files of a commit to be here.
    ///
    /// # Errors
    /// If an object is missing, or the commit holds submodules.
    pub fn require(&self, commit: &Commit) -> Result<(), HistoryError> {
        self.with(|repo| complete::require(repo, commit))
    }

    /// The top folder of the work tree; none for a bare repository.
    ///
    /// # Errors
    /// If the repository cannot be opened again.
    pub fn work_tree(&self) -> Result<Option<PathBuf>, HistoryError> {
        self.with(|repo| Ok(repo.workdir().map(Path::to_path_buf)))
    }

    /// The content of a file of a commit as a reader of the work tree would get it: symbolic links on the way are
    /// followed within the tree. `None` if there is no such file.
    ///
    /// # Errors
    /// If an object on the way is missing or damaged, or a link leads out of the tree or in a circle.
    pub fn read_through_links(
        &self,
        commit: &Commit,
        path: &str,
    ) -> Result<Option<Vec<u8>>, HistoryError> {
        let mut at = path.to_owned();
        for _ in 0..MAX_LINKS {
            match self.with(|repo| next_link(repo, commit, &at))? {
                Step::File => return self.read_file(commit, &at),
                Step::Nothing => return Ok(None),
                Step::Link(to) => at = to,
            }
        }
        Err(HistoryError::Limit {
            what: format!("commit {}: symbolic links behind {path}", commit.id),
            limit: MAX_LINKS.to_string(),
        })
    }

    /// Runs `f` with a handle that no other thread uses.
    pub(super) fn with<T>(
        &self,
        f: impl FnOnce(&Repository) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        let (generation, pooled, stores) = {
            let mut pool = self.lock();
            let stores: Vec<PathBuf> = pool.stores.iter().map(|s| s.path().to_path_buf()).collect();
            (pool.generation, pool.handles.pop(), stores)
        };
        let handle = match pooled {
            Some(handle) => handle,
            None => self.open_with(&stores)?,
        };
        let result = f(&handle);
        let mut pool = self.lock();
        if pool.generation == generation {
            pool.handles.push(handle);
        }
        result
    }

    fn open_with(&self, stores: &[PathBuf]) -> Result<Repository, HistoryError> {
        let handle = open_handle(&self.path)?;
        for store in stores {
            let objects = series::objects_of(store);
            let text = objects.to_str().ok_or_else(|| HistoryError::Unsupported {
                place: objects.display().to_string(),
                what: "a work folder whose path is not UTF-8 is".to_owned(),
                advice: "use another work folder",
            })?;
            handle
                .odb()
                .and_then(|odb| odb.add_disk_alternate(text))
                .map_err(|source| HistoryError::git(text, source))?;
        }
        Ok(handle)
    }

    fn add_store(&self, store: tempfile::TempDir) {
        let mut pool = self.lock();
        pool.stores.push(store);
        pool.generation += 1;
        pool.handles.clear();
    }

    /// A panic of another thread leaves the pool whole: it is changed by single pushes and pops.
    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at each folder of a path in turn for a symbolic link.
fn next_link(repo: &Repository, commit: &Commit, path: &str) -> Result<Step, HistoryError> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    for end in ends.chain([path.len()]) {
        let (part, rest) = path.split_at(end);
        match tree::find(repo, commit, part)? {
            Some((blob, tree::FileMode::Symlink)) => {
                let target = read_blob(repo, blob)?;
                let folder = part.rsplit_once('/').map_or("", |(folder, _)| folder);
                let target = String::from_utf8_lossy(&target);
                return joined(folder, &target, rest)
                    .map(Step::Link)
                    .ok_or_else(|| HistoryError::UnsafePath {
                        commit: commit.id.clone(),
                        path: part.to_owned(),
                        reason: "is a symbolic link that leads out of the tree".to_owned(),
                    });
            }
            Some(_) if rest.is_empty() => return Ok(Step::File),
            Some(_) => return Ok(Step::Nothing),
            None => {}
        }
    }
    Ok(Step::Nothing)
}

/// The path that a link makes, without `.` and `..`; `None` if it leaves the tree.
fn joined(folder: &str, target: &str, rest: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut names: Vec<&str> = Vec::new();
    for name in folder
        .split('/')
        .chain(target.split('/'))
        .chain(rest.split('/'))
    {
        match name {
            "" | "." => {}
            ".." => {
                names.pop()?;
            }
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}

impl std::fmt::Debug for Repo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repo")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn open_handle(path: &Path) -> Result<Repository, HistoryError> {
    let no_ceiling: [&str; 0] = [];
    Repository::open_ext(path, RepositoryOpenFlags::NO_SEARCH, no_ceiling)
        .map_err(|error| open_error(path, error))
}

/// What a failure to open means. The library has codes for the first two; a format is only named in the message.
pub(super) fn open_error(path: &Path, error: git2::Error) -> HistoryError {
    let message = error.message();
    match error.code() {
        ErrorCode::Owner => HistoryError::Owner {
            path: path.to_path_buf(),
        },
        ErrorCode::NotFound => HistoryError::NotRepository {
            path: path.to_path_buf(),
            enclosing: enclosing(path),
        },
        _ if ["extension", "object format", "repository version"]
            .iter()
            .any(|words| message.contains(words)) =>
        {
            HistoryError::Unsupported {
                place: path.display().to_string(),
                what: format!("the repository format is ({message})"),
                advice: "use a clone with SHA-1 objects and the `files` ref format: `git clone --ref-format=files`",
            }
        }
        _ => HistoryError::git(path.display().to_string(), error),
    }
}

fn enclosing(path: &Path) -> Option<PathBuf> {
    let outer = Repository::discover(path).ok()?;
    outer.workdir().map(Path::to_path_buf)
}

pub(super) fn read_commit(repo: &Repository, oid: git2::Oid) -> Result<Commit, HistoryError> {
    repo.find_commit(oid)
        .map(|commit| Commit::read(&commit))
        .map_err(|source| HistoryError::git(format!("commit {}", CommitId::from_oid(oid)), source))
}

/// Reads a blob after a look at its size.
pub(super) fn read_blob(repo: &Repository, blob: BlobId) -> Result<Vec<u8>, HistoryError> {
    let wrap = |source| HistoryError::git(format!("blob {blob}"), source);
    let odb = repo.odb().map_err(wrap)?;
    let oid = blob.oid().map_err(wrap)?;
    let (size, kind) = odb.read_header(oid).map_err(wrap)?;
    if size > MAX_BLOB {
        return Err(HistoryError::Limit {
            what: format!("size of blob {blob}"),
            limit: format!("{} MiB", MAX_BLOB >> 20),
        });
    }
    if kind != ObjectType::Blob {
        return Err(wrap(git2::Error::from_str("the object is not a blob")));
    }
    odb.read(oid)
        .map(|object| object.data().to_vec())
        .map_err(wrap)
}

/// A sparse index (gitformat-index(5), extension `sdir`) is the one index that the library cannot read.
fn status_error(path: &Path, error: git2::Error) -> HistoryError {
    if !error.message().contains("mandatory extension") {
        return HistoryError::git("status of the work tree", error);
    }
    HistoryError::Unsupported {
        place: path.display().to_string(),
        what: format!("the format of the index is ({})", error.message()),
        advice: "run `git sparse-checkout reapply --no-sparse-index`",
    }
}
