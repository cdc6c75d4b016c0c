//! What can go wrong with a repository, and what the user can do about it.

use std::path::PathBuf;

use super::id::CommitId;

/// Why a repository, a range, a series or a commit cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// There is no repository at the path.
    #[error("{}: not a git repository", path.display())]
    NotRepository {
        /// The path that was given.
        path: PathBuf,
        /// The repository that the path lies in, if any.
        enclosing: Option<PathBuf>,
    },
    /// A revision does not name a commit.
    #[error("revision {rev:?} does not name a commit: {reason}")]
    RevisionUnknown {
        /// The revision as written.
        rev: String,
        /// What git said.
        reason: String,
    },
    /// A range is not written as `A..B`.
    #[error("range {range:?}: {reason}")]
    RangeSyntax {
        /// The range as written.
        range: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A range holds no commit.
    #[error("range {range:?} holds no commit: {head} is contained in {base}")]
    RangeEmpty {
        /// The range as written.
        range: String,
        /// The commit that its left side names.
        base: CommitId,
        /// The commit that its right side names.
        head: CommitId,
    },
    /// The first parents of the head lead to a root commit that the base does not contain.
    #[error("range {range:?}: no first parent of {head} is contained in {base}")]
    Unrelated {
        /// The range as written.
        range: String,
        /// The commit that its left side names.
        base: CommitId,
        /// The commit that its right side names.
        head: CommitId,
    },
    /// The history that is needed lies beyond the boundary of a shallow clone.
    #[error("{what} lies beyond the boundary of this shallow clone")]
    Shallow {
        /// The revision or range.
        what: String,
        /// How many more commits are needed, where that is known.
        deepen: Option<usize>,
    },
    /// Objects of a commit are not in the repository.
    #[error("commit {commit}: {missing} of its objects missing, first: {path}")]
    ObjectsMissing {
        /// The commit whose objects are needed.
        commit: CommitId,
        /// The first file or folder without its object.
        path: String,
        /// How many objects are known to be missing.
        missing: usize,
        /// The remote that the clone left objects at, if it is a partial clone.
        promisor: Option<String>,
    },
    /// The repository belongs to another user and git refuses it.
    #[error("{}: owned by another user", path.display())]
    Owner {
        /// The repository.
        path: PathBuf,
    },
    /// The repository or a commit uses a git feature that is not supported.
    #[error("{place}: {what} not supported")]
    Unsupported {
        /// The repository, or the commit and the path in it.
        place: String,
        /// The feature with its verb, such as `submodules are`.
        what: String,
        /// What the user can do.
        advice: &'static str,
    },
    /// A series holds no patch.
    #[error("{}: no patch found ({looked_for})", path.display())]
    SeriesEmpty {
        /// The folder or file.
        path: PathBuf,
        /// What was looked for.
        looked_for: &'static str,
    },
    /// A `series` file, an mbox or a patch cannot be understood.
    #[error("{place}: {reason}")]
    PatchInvalid {
        /// The file, and the line where it is known.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A patch does not apply.
    #[error("{patch}: does not apply{}: {message}", at(file.as_ref(), *line))]
    PatchFailed {
        /// The patch file and its position in the series.
        patch: String,
        /// The file that it was to change, if git named one.
        file: Option<String>,
        /// Line of that file at which the refused hunk starts, or of the diff if no file is named.
        line: Option<u32>,
        /// Git's own message.
        message: String,
    },
    /// A commit holds a path or symbolic link that is not safe to write.
    #[error("commit {commit}: {path:?} {reason}")]
    UnsafePath {
        /// The commit.
        commit: CommitId,
        /// The path in it.
        path: String,
        /// Why it is refused.
        reason: String,
    },
    /// Two paths of a commit differ only in case, on a file system that does not tell them apart.
    #[error("commit {commit}: {first:?} and {second:?} are one name on the file system of {}", area.display())]
    CaseCollision {
        /// The commit.
        commit: CommitId,
        /// One path.
        first: String,
        /// The other path.
        second: String,
        /// The work area.
        area: PathBuf,
    },
    /// A bound was passed.
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// What was measured, and where.
        what: String,
        /// The limit with its unit.
        limit: String,
    },
    /// The `git` program could not be run or failed.
    #[error("git {action} failed: {message}")]
    Program {
        /// The git command.
        action: String,
        /// The end of what it printed, or why it did not start.
        message: String,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The repository could not be read.
    #[error("{what}: {source}")]
    Git {
        /// What was read.
        what: String,
        /// What the git library said.
        source: git2::Error,
    },
}

fn at(file: Option<&String>, line: Option<u32>) -> String {
    match (file, line) {
        (Some(file), Some(line)) => format!(" at {file}:{line}"),
        (Some(file), None) => format!(" at {file}"),
        (None, Some(line)) => format!(" at line {line} of its diff"),
        (None, None) => String::new(),
    }
}

impl HistoryError {
    /// The reason code under which reports carry this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.class().0
    }

    /// Whether the input is valid and only could not be checked here; otherwise the input itself is wrong.
    #[must_use]
    pub fn is_not_checked(&self) -> bool {
        self.class().1
    }

    /// Reason code, and whether it means "could not check".
    fn class(&self) -> (&'static str, bool) {
        match self {
            Self::RevisionUnknown { .. } => ("revision-unknown", false),
            Self::RangeSyntax { .. } => ("usage", false),
            Self::NotRepository { .. }
            | Self::Unrelated { .. }
            | Self::PatchInvalid { .. }
            | Self::PatchFailed { .. }
            | Self::UnsafePath { .. }
            | Self::Io { .. }
            | Self::Git { .. } => ("input-invalid", false),
            Self::RangeEmpty { .. } | Self::SeriesEmpty { .. } => ("range-empty", true),
            Self::Shallow { .. } => ("git-shallow", true),
            Self::ObjectsMissing { .. } => ("git-objects-missing", true),
            Self::Owner { .. } => ("git-owner", true),
            Self::Unsupported { .. } | Self::CaseCollision { .. } | Self::Program { .. } => {
                ("git-unsupported", true)
            }
            Self::Limit { .. } => ("limit-exceeded", true),
        }
    }

    /// What the user can do next.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            Self::NotRepository { enclosing, .. } => enclosing.as_ref().map_or_else(
                || "pass the top folder of a git work tree, or a bare repository".to_owned(),
                |top| format!("pass the top folder of the repository: {}", top.display()),
            ),
            Self::RevisionUnknown { rev, .. } => format!(
                "check the spelling with `git rev-parse --verify --end-of-options '{rev}^{{commit}}'`, or fetch it first: `git fetch origin`"
            ),
            Self::RangeSyntax { .. } => {
                "write BASE..HEAD; a missing side stands for HEAD".to_owned()
            }
            Self::RangeEmpty { .. } => {
                "name the older side first (BASE..HEAD), or check that HEAD holds the commits to be checked".to_owned()
            }
            Self::Unrelated { .. } => {
                "name a base that the head was built on; `git merge-base BASE HEAD` shows one".to_owned()
            }
            Self::Shallow { deepen: Some(n), .. } => {
                format!("run `git fetch --deepen={n} origin` or `git fetch --unshallow origin`")
            }
            Self::Shallow { deepen: None, .. } => "run `git fetch --unshallow origin`, or `git fetch --deepen=N origin` with N not below the number of commits in the range".to_owned(),
            Self::ObjectsMissing { promisor, .. } => promisor.as_ref().map_or_else(
                || "look for the damage with `git fsck --connectivity-only`, then run `git fetch --refetch origin`".to_owned(),
                |remote| format!("this is a partial clone: run `git fetch --refetch --no-filter {remote}`"),
            ),
            Self::Owner { path } => {
                format!("run `git config --global --add safe.directory {}`", path.display())
            }
            Self::Unsupported { advice, .. } => (*advice).to_owned(),
            Self::SeriesEmpty { .. } => {
                "pass a folder with *.patch files or a quilt `series` file, or an mbox".to_owned()
            }
            Self::PatchInvalid { .. } => "correct the series at the place named".to_owned(),
            Self::PatchFailed { .. } => {
                "check that the series is made for this revision, and refresh the patch (`git rebase`, `quilt refresh`)".to_owned()
            }
            Self::UnsafePath { .. } => "remove the path from the commit; kernel trees have no such paths".to_owned(),
            Self::CaseCollision { .. } => {
                "put the work area on a file system that tells upper from lower case".to_owned()
            }
            Self::Limit { .. } => "split the input; kernel trees and series stay far below this limit".to_owned(),
            Self::Program { .. } => "install git 2.25 or later, and check that its program is on the search path".to_owned(),
            Self::Io { path, .. } => {
                format!("check that {} exists, is accessible and has room", path.display())
            }
            Self::Git { .. } => "check the repository with `git fsck`".to_owned(),
        }
    }

    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
        source: std::io::Error,
    ) -> HistoryError {
        HistoryError::Io {
            action,
            path: path.into(),
            source,
        }
    }

    pub(super) fn git(what: impl Into<String>, source: git2::Error) -> HistoryError {
        HistoryError::Git {
            what: what.into(),
            source,
        }
    }
}
